"""The faults: each is done to a server and its devices while everybody talks, and everybody has to be whole again.

A fault's ``run`` returns, for each round, the seconds from the end of the fault until all had heard from all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal
from unittest import SkipTest

from attrs import frozen

from tests.faults.bench import Bench, beside
from tests.faults.checker import EPOCH, LOBBY
from tests.faults.clock import JumpingClock, make_clock, why_no_clock
from tests.faults.device import Device, add_devices
from tests.faults.disk import FileSizeLimit, SmallDisk, small_disk
from tests.faults.model import Model, add_models
from tests.faults.proxy import FINE, Proxy, Weather
from tests.processes import run_admin

Crew = Literal["clients", "models"]
PEOPLE = (("ann", 2), ("bob", 2), ("cid", 1))
"""Accounts and their devices, where the devices are processes."""
MODEL_PEOPLE = ("ann", "bob", "cid", "dan")
"""Accounts of two model devices each."""
LINES = 60
"""What is said while a fault goes on."""


@frozen
class Fault:
    """One row of the table; ``rounds`` by hand, ``short`` in CI."""

    name: str
    title: str
    crew: Crew
    rounds: int
    short: int
    run: Callable[[Bench, Crew, int], Awaitable[list[float]]]


async def people(
    bench: Bench, crew: Crew, port: int = 0, clock: JumpingClock | None = None
) -> Sequence[Device | Model]:
    """The devices of a run, logged in; then everybody has heard everybody."""
    devices: Sequence[Device | Model]
    if crew == "models":
        devices = await add_models(bench, MODEL_PEOPLE, 2, port)
    else:
        devices = await add_devices(bench, PEOPLE, port, clock.environ if clock else None)
    await bench.settle()
    return devices


async def server_killed(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """kill -9 at a drawn moment of the load; it is started again on the same port and data."""
    await bench.start_server()
    await people(bench, crew)
    seconds = []
    for _ in range(rounds):
        talk = beside(bench.talk(LINES, a_second=100))
        await bench.pause(bench.random.uniform(0.0, 0.6))
        await bench.kill_server()
        await bench.start_server()
        seconds.append(await bench.settle())
        await talk
    return seconds


async def server_killed_after_admin(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """Another process opens, edits and closes the store under load; then kill -9 of the server."""
    await bench.start_server()
    await people(bench, crew)
    seconds = []
    for number in range(rounds):
        talk = beside(bench.talk(LINES, a_second=100))
        role = "moderator" if number % 2 == 0 else "user"
        await _admin(bench, "account", "role", "ann", role)
        await bench.pause(bench.random.uniform(0.0, 0.3))
        await bench.kill_server()
        await bench.start_server()
        seconds.append(await bench.settle())
        await talk
    return seconds


async def clients_killed(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """kill -9 of one to three clients just after they were given lines, while the others talk to them.

    The moments are drawn so that over the rounds they fall everywhere: before the outbox has a line, between
    outbox and wire, before the answer; between receiving and the cursor, and after it.
    """
    await bench.start_server()
    devices = [one for one in await people(bench, "clients") if isinstance(one, Device)]
    seconds = []
    for number in range(rounds):
        talk = beside(bench.talk(LINES, a_second=100))
        for device in bench.random.sample(devices, bench.random.randint(1, 3)):
            await bench.pause(bench.random.uniform(0.0, 0.1))
            for _ in range(bench.random.randint(1, 8)):
                bench.say(device, bench.random.choice(bench.conversations(device)))
            await bench.pause(
                bench.random.choice([0.0, bench.random.uniform(0.0, 0.01), bench.random.uniform(0, 0.08)])
            )
            await device.kill()
            device.start()
        seconds.append(await bench.settle())
        await talk
        await _ask_stores(bench, devices, number, rounds)
    return seconds


async def offline_clients_killed(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """The server is away, clients say that lines wait in their outboxes, and are killed with them."""
    await bench.start_server()
    devices = [one for one in await people(bench, "clients") if isinstance(one, Device)]
    seconds = []
    for number in range(rounds):
        victims = bench.random.sample(devices, bench.random.randint(1, 3))
        talk = beside(bench.talk(LINES, a_second=100))
        await bench.kill_server()
        await talk
        for device in victims:
            waiting = len(device.told.queued)
            bench.say(device, bench.random.choice(bench.conversations(device)))
            await bench.until(lambda at=waiting, one=device: "" if len(one.told.queued) > at else f"{one} waits", 20)
            await device.kill()
            device.start()
        await bench.start_server()
        seconds.append(await bench.settle())
        await _ask_stores(bench, devices, number, rounds)
    return seconds


async def both_killed(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """The server stops under load, clients go on with what they got, then both die: the acks were for nobody."""
    await bench.start_server()
    devices = [one for one in await people(bench, "clients") if isinstance(one, Device)]
    seconds = []
    for number in range(rounds):
        talk = beside(bench.talk(LINES, a_second=150))
        await bench.pause(bench.random.uniform(0.1, 0.3))
        bench.server.signal("STOP")
        await bench.pause(bench.random.choice([0.0, 0.1]) * bench.random.random())
        victims = bench.random.sample(devices, bench.random.randint(1, len(devices)))
        for device in victims:
            await device.kill()
        await bench.kill_server()
        await talk
        for device in victims:
            device.start()
        await bench.start_server()
        seconds.append(await bench.settle())
        await _ask_stores(bench, devices, number, rounds)
    return seconds


async def _ask_stores(bench: Bench, devices: Sequence[Device], number: int, rounds: int) -> None:
    """A store shows its newest messages only, so it is asked now and then."""
    if number % 5 == 4 or number == rounds - 1:
        for device in devices:
            await device.tells_what_it_keeps(bench.conversations(device))


async def line_is_bad(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """Every connection goes through a proxy that cuts at drawn bytes, splits, merges and delays."""
    await bench.start_server()
    proxy = Proxy(bench.port, bench.seed)
    await proxy.start(bench.test)
    await people(bench, crew, proxy.port)
    seconds = []
    for _ in range(rounds):
        chance = bench.random
        proxy.weather = Weather(
            cut=chance.choice([0.5, 0.9]),
            cut_within=chance.choice([3_000, 20_000]),
            split=chance.choice([0.0, 0.9]),
            merge=chance.choice([0.0, 0.5]),
            delay=chance.choice([0.0, 0.005, 0.03]),
        )
        proxy.cut_all()
        await bench.talk(LINES, a_second=60)
        proxy.weather = FINE
        proxy.cut_all()
        seconds.append(await bench.settle())
    return seconds


async def line_is_slow(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """The same without cuts: each byte comes, but never as it was sent."""
    await bench.start_server()
    proxy = Proxy(bench.port, bench.seed, Weather(split=0.9, merge=0.5, delay=0.01))
    await proxy.start(bench.test)
    await people(bench, crew, proxy.port)
    seconds = []
    for _ in range(rounds):
        await bench.talk(LINES, a_second=100)
        seconds.append(await bench.settle())
    return seconds


async def disk_is_full(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """The server's disk takes no byte more, until somebody was told; then there is room again."""
    disk = small_disk(bench.test)
    if disk is not None:
        bench.data_dir = disk.path / "data"
    return await _without_space(bench, crew, rounds, disk or FileSizeLimit())


async def files_may_not_grow(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """The same by a limit on the server's files, which needs no right to mount."""
    return await _without_space(bench, crew, rounds, FileSizeLimit())


async def _without_space(bench: Bench, crew: Crew, rounds: int, full: SmallDisk | FileSizeLimit) -> list[float]:
    await bench.start_server()
    devices = await people(bench, crew)
    seconds = []
    for _ in range(rounds):
        bench.padding = ""
        await bench.talk(LINES // 2, a_second=200)
        full.fill(bench.server)
        bench.padding = " " + "x" * 3_000
        before = sum(len(device.refusals) for device in devices)
        for _ in range(100):  # what the write-ahead log has room for already is still taken
            await bench.talk(20, a_second=200)
            if sum(len(device.refusals) for device in devices) > before:
                break
        else:
            raise AssertionError(f"seed {bench.seed}: nobody was told that the disk is full\n{bench.state()}")
        bench.padding = ""
        if dies := bench.random.random() < 0.3:
            await bench.kill_server()
        full.free(bench.server)
        if dies:
            await bench.start_server()
        seconds.append(await bench.settle())
    return seconds


async def server_stopped(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """SIGSTOP, a while of talk, SIGCONT."""
    bench.options = ("--keepalive=1",)
    await bench.start_server()
    await people(bench, crew)
    seconds = []
    for _ in range(rounds):
        talk = beside(bench.talk(LINES, a_second=100))
        await bench.pause(bench.random.uniform(0.0, 0.3))
        bench.server.signal("STOP")
        await bench.pause(bench.random.choice([0.2, 1.0, 2.5]))
        bench.server.signal("CONT")
        seconds.append(await bench.settle())
        await talk
    return seconds


async def clients_stopped(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """SIGSTOP of some clients for longer than the keepalive or not; the server hangs up on some of them."""
    bench.options = ("--keepalive=1",)
    await bench.start_server()
    devices = [one for one in await people(bench, "clients") if isinstance(one, Device)]
    seconds = []
    for _ in range(rounds):
        stopped = bench.random.sample(devices, bench.random.randint(1, 3))
        talk = beside(bench.talk(LINES, a_second=100))
        for device in stopped:
            device.life.signal("STOP")
        await bench.pause(bench.random.choice([0.3, 1.5, 3.0]))
        for device in stopped:
            device.life.signal("CONT")
        seconds.append(await bench.settle())
        await talk
    return seconds


async def clock_jumps(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """The time of day jumps under the server and under the clients, apart from each other, both ways."""
    if reason := why_no_clock():
        raise SkipTest(reason)
    directory = Path(bench.test.mktemp()).absolute()
    directory.mkdir(parents=True)
    clocks = [make_clock(directory), make_clock(directory)]
    bench.environ = dict(clocks[0].environ)
    await bench.start_server()
    await people(bench, crew, clock=clocks[1])
    seconds = []
    for _ in range(rounds):
        talk = beside(bench.talk(LINES, a_second=100))
        for clock in bench.random.sample(clocks, 2):
            clock.jump_to(bench.random.choice([-86_400 * 365, -7_200, -60, -1, 1, 60, 7_200, 86_400 * 365]))
            await bench.pause(bench.random.uniform(0.0, 0.3))
        if bench.random.random() < 0.5:
            await bench.kill_server()
            bench.random.choice(clocks).jump_to(bench.random.uniform(-7_200, 7_200))
            await bench.start_server()
        seconds.append(await bench.settle())
        await talk
    return seconds


async def backup_restored(bench: Bench, crew: Crew, rounds: int) -> list[float]:
    """A backup under load, more is said, then the server goes back to the backup while the clients stay."""
    await bench.start_server()
    await people(bench, crew)
    seconds = []
    for number in range(rounds):
        talk = beside(bench.talk(LINES, a_second=100))
        await bench.pause(bench.random.uniform(0.0, 0.4))
        safe = _safe(bench)
        backup = bench.data_dir.parent / f"backup-{number}"
        await _admin(bench, "backup", str(backup))
        await talk
        await bench.settle()
        bench.forgotten = _also(bench.forgotten, safe)
        await bench.kill_server()
        await _admin(bench, "restore", str(backup))
        await bench.start_server()
        seconds.append(await bench.settle())
    return seconds


def _safe(bench: Bench) -> dict[str, int]:
    """The highest seq anybody was told of, by conversation."""
    highest: dict[str, int] = {}
    for device in bench.devices:
        for name, seq in device.told.told_at:
            highest[name] = max(seq, highest.get(name, 0))
    return highest


def _also(before: Callable[[str, int], bool], safe: dict[str, int]) -> Callable[[str, int], bool]:
    """What came after ``safe`` in the restore epoch of that time; the next one begins with the restore."""
    epoch = safe[LOBBY] // EPOCH

    def forgotten(name: str, seq: int) -> bool:
        return before(name, seq) or (seq // EPOCH == epoch and seq > safe.get(name, 0))

    return forgotten


async def _admin(bench: Bench, *arguments: str) -> None:
    admin = run_admin(bench.test, *arguments, f"--data-dir={bench.data_dir}")
    code = await admin.exits()
    assert code == 0, f"encchat-admin {arguments}: {admin.errors} {admin.other}"


FAULTS: Sequence[Fault] = (
    Fault("server-kill", "kill -9 of the server under load", "clients", 50, 2, server_killed),
    Fault("server-kill-models", "kill -9 of the server, model clients", "models", 50, 2, server_killed),
    Fault(
        "admin-kill",
        "encchat-admin edits the store, then kill -9 of the server",
        "models",
        20,
        1,
        server_killed_after_admin,
    ),
    Fault("client-kill", "kill -9 of clients, sending and receiving", "clients", 50, 2, clients_killed),
    Fault("client-kill-offline", "kill -9 of clients whose messages wait", "clients", 20, 1, offline_clients_killed),
    Fault("both-kill", "kill -9 of server and clients together", "clients", 20, 1, both_killed),
    Fault("line-bad", "connections cut at random bytes, split, merged, delayed", "clients", 25, 1, line_is_bad),
    Fault("line-bad-models", "the same bad line, model clients", "models", 25, 2, line_is_bad),
    Fault("line-slow", "segments split, merged, delayed", "clients", 10, 1, line_is_slow),
    Fault("disk-full", "the server's disk is full, then has room again", "clients", 10, 1, disk_is_full),
    Fault("file-limit", "the server's files may not grow, then may", "models", 10, 1, files_may_not_grow),
    Fault("server-stop", "SIGSTOP and SIGCONT of the server", "clients", 10, 1, server_stopped),
    Fault("client-stop", "SIGSTOP and SIGCONT of clients", "clients", 10, 1, clients_stopped),
    Fault("clock", "the clocks of server and clients jump", "clients", 15, 1, clock_jumps),
    Fault("restore", "a backup is restored under live clients", "clients", 10, 1, backup_restored),
)
