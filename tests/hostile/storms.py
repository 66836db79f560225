"""Attackers that knock at the door: wrong passwords, unknown devices, handshakes, names that look like others'."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from encchat.secure import DEFAULT_SUITE, Channel, default_suites
from encchat.wire import Error, Login, LoginDevice, Ok, Register
from tests.hostile.connections import Visitor
from tests.hostile.ground import HONEST, Ground, new_keys
from tests.hostile.slow import GREETING

LOOK_ALIKES = {
    "anna": ("Anna", "ANNA", "\u0430nna", "\uff41nna", "anna\u200b", "anna\u0000", "anna ", " anna", "anna\u202e"),
    "boris": ("b0ris", "bor1s", "borls", "B0RLS", "b\u043eris"),
    "clara": ("c1ara", "CIARA", "ciara"),
    "dmitri": ("drnitri", "dm1tr1", "dmltrl", "DMITRI"),
    "emma-lou": ("emma_lou", "emma.lou", "ernma-lou", "Emma_Lou"),
    "the server": ("server", "SERVER", "5erver\u200d", "system", "lobby", "1obby", "LOBBY", "l0bby", "encchat", "all"),
}
"""By whom they are mistaken for: none of them may become an account."""


async def logins(ground: Ground) -> None:
    """Wrong passwords for people who exist and people who do not, as fast as they are answered."""
    await _knock(ground, Login, lambda number: {"password": f"a guess, number {number}"})


async def devices(ground: Ground) -> None:
    """Device logins with keys the server does not know."""
    await _knock(ground, LoginDevice, lambda number: {})


async def _knock(ground: Ground, kind, fields) -> None:  # type: ignore[no-untyped-def]
    """Each connection asks again when it has its answer, and comes back when it was hung up."""
    await ground.ready()

    async def one(number: int) -> None:
        asked = 0
        keys = new_keys()
        while ground.goes_on:
            guest = await ground.enter(number // 10, keys)
            while ground.goes_on and not guest.is_closed:
                asked += 1
                user = HONEST[asked % len(HONEST)] if asked % 2 else f"nobody{number}x{asked}"
                await ground.first(guest.ask(kind, user=user, **fields(asked)))
                ground.seen.add("tries")
            await ground.sleep(0.05)

    await ground.at_once(one, ground.count, ground.count)


async def handshakes(ground: Ground) -> None:
    """One address connects and sends message 1 as fast as it can."""
    await _handshakes(ground, addresses=1)


async def spread_handshakes(ground: Ground) -> None:
    """The same from 40 addresses, each of which stays within its rate for a while."""
    await _handshakes(ground, addresses=40)


async def _handshakes(ground: Ground, addresses: int) -> None:
    first_flight = Channel.initiator(default_suites()[DEFAULT_SUITE], new_keys()).data_to_send()
    if not first_flight.startswith(GREETING):
        raise RuntimeError("the preamble is not what slow.GREETING says")
    await ground.ready()

    async def one(number: int) -> None:
        place = number
        while ground.goes_on:
            place += ground.count
            visitor = await ground.dial(Heard(ground), place % addresses)
            if not visitor.is_closed:
                visitor.write(first_flight)
                await ground.first(visitor.answered)
            visitor.leave()
            ground.visitors.remove(visitor)

    await ground.at_once(one, ground.count, ground.count)


class Heard(Visitor):
    """Goes away as soon as the server has answered the first flight, or has hung up instead."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground.seen)
        self.answered: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Message 2: the server has done its work."""
        super().dataReceived(data)
        if not self.answered.called:
            self.seen.add("handshakes answered")
            self.answered.callback(None)

    def ended_by_server(self) -> None:
        """Without an answer it was not admitted."""
        if not self.answered.called:
            self.seen.add("turned away")
            self.answered.callback(None)


async def squatting(ground: Ground) -> None:
    """Register names that look like those of people who are there, or like the server's own."""
    await ground.ready()
    names = [name for names in LOOK_ALIKES.values() for name in names]

    async def one(number: int) -> None:
        guest = await ground.enter(number // 10)
        answer = await ground.first(guest.ask(Register, user=names[number % len(names)], password="a long password"))
        if isinstance(answer, Ok):
            ground.seen.add("names taken")
        elif isinstance(answer, Error):
            ground.seen.add("names refused")
        guest.leave()

    await ground.at_once(one, min(ground.count, len(names)), 5)
