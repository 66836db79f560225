"""What takes long is made where the shell says, so that the client goes on meanwhile; without a shell, at once."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from encchat.e2e import interfaces as e2e
from encchat.e2e.interfaces import T, at_once


@define(eq=False)
class Workshop:
    """`encchat.e2e.interfaces.Aside` for the machine; ``guarded`` does what follows from a thing that is made."""

    _guarded: Callable[[Callable[[], None]], None]
    aside: e2e.Aside = at_once
    """The shell's."""
    making: int = field(init=False, default=0)
    """How many things are not made yet: a client does not leave before."""

    def __call__(self, make: Callable[[], T], done: Callable[[T], None]) -> None:
        def made(thing: T) -> None:
            self.making -= 1
            self._guarded(lambda: done(thing))

        self.making += 1
        self.aside(make, made)
