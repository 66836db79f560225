"""What can happen to a world, and when: a plan drawn from the seed before anything begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final, Protocol

from attrs import define, field

from tests.simulation.device import Device
from tests.simulation.network import Weather
from tests.simulation.server import ServerProcess
from tests.simulation.timing import WorldClock

_JUMPS: Final = (-86_400.0, -3_600.0, -1.0, 1.0, 3_600.0, 86_400.0)


@define(eq=False)
class Place:
    """The parts of a world that faults happen to, and how often each kind has happened."""

    clock: WorldClock
    random: Random
    weather: Weather
    server: ServerProcess
    devices: list[Device]
    make_device: Callable[[], None]
    remove_old: Callable[[], bool]
    counts: Counter[str] = field(factory=Counter)

    def any_device(self) -> Device:
        """One of them."""
        return self.random.choice(self.devices)

    def later(self, least: float, most: float, then: Callable[[], object]) -> None:
        """Some time after now."""
        self.clock.callLater(self.random.uniform(least, most), then)


class Fault(Protocol):
    """Makes one thing happen; whether it could."""

    def __call__(self, place: Place) -> bool: ...


def connection_cut(place: Place) -> bool:
    """In the middle of a line, as likely as not."""
    end = place.any_device().end
    if end is not None:
        end.cut()
    return end is not None


def client_crash(place: Place) -> bool:
    """It is back after a while."""
    device = place.any_device()
    if device.core is None:
        return False
    device.crash()
    place.later(0.1, 6.0, device.start)
    return True


def client_crash_in_a_commit(place: Place) -> bool:
    """It will die at one of its next commits, before or after it."""
    device = place.any_device()
    device.storage.die_at(place.random.randint(1, 6))
    for after in (2.0, 5.0, 9.0):
        place.later(after, after + 1.0, device.start)
    return True


def server_crash(place: Place) -> bool:
    """It is back after a while."""
    if place.server.factory is None:
        return False
    place.server.kill()
    place.later(0.1, 4.0, place.server.start)
    return True


def client_disk_full(place: Place) -> bool:
    """A commit fails, the client gives up, and is started again."""
    device = place.any_device()
    device.storage.fail_at(place.random.randint(1, 6))
    for after in (2.0, 5.0, 9.0):
        place.later(after, after + 1.0, device.start)
    return True


def server_stop(place: Place) -> bool:
    """It says goodbye to all, and is started again."""
    if place.server.factory is None:
        return False
    place.server.stop(lambda: place.later(0.1, 2.0, place.server.start))
    return True


def new_device(place: Place) -> bool:
    """Somebody gets another one, which is given a part of the lobby and all else."""
    place.make_device()
    return True


def retention(place: Place) -> bool:
    """Old messages are removed, some of which devices that are away have not seen."""
    return place.remove_old()


def slow_reader(place: Place) -> bool:
    """A few bytes now and then, for seconds."""
    end = place.any_device().end
    if end is None:
        return False
    end.slow = place.random.uniform(0.02, 0.5)

    def healed() -> None:
        end.slow = 0.0

    place.later(1.0, 8.0, healed)
    return True


def clock_jump(place: Place) -> bool:
    """Of the server or of a client."""
    chosen: Device | ServerProcess = place.random.choice([place.server, *place.devices])
    chosen.jump(place.random.choice(_JUMPS))
    return True


def duplicate_resend(place: Place) -> bool:
    """A client sends twice what it has sent before."""
    return place.any_device().resend()


def slow_disk(place: Place) -> bool:
    """Commits take up to a second for a while."""
    store = place.server.store
    if store is None:
        return False
    store.commit_seconds = 1.0

    def healed() -> None:
        store.commit_seconds = 0.02

    place.later(0.5, 4.0, healed)
    return True


def full_disk(place: Place) -> bool:
    """No write succeeds for a while."""
    store = place.server.store
    if store is None:
        return False
    store.full = True

    def healed() -> None:
        store.full = False

    place.later(0.1, 1.5, healed)
    return True


def slow_network(place: Place) -> bool:
    """Everything takes up to a second, and comes in pieces."""
    place.weather.delay, place.weather.splitting = 1.0, 0.9

    def healed() -> None:
        place.weather.delay, place.weather.splitting = 0.02, 0.2

    place.later(0.5, 4.0, healed)
    return True


FAULTS: Final[tuple[Fault, ...]] = (
    connection_cut,
    client_crash,
    client_crash_in_a_commit,
    client_disk_full,
    server_crash,
    server_stop,
    new_device,
    retention,
    slow_reader,
    clock_jump,
    duplicate_resend,
    slow_disk,
    full_disk,
    slow_network,
)
