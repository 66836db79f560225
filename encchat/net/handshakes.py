"""Handshakes take turns: a few steps are computed in each reactor turn, the rest wait in the order they came.

A step costs the server some 0.4 ms. Without this a crowd of newcomers has all of its steps computed between two reads
of the connections that are open; with it those wait for `HANDSHAKE_STEPS_PER_TURN` steps at most, newcomers for
each other, and as long as they are few nobody waits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from attrs import define, field

from encchat.limits import HANDSHAKE_STEPS_PER_TURN


class Newcomer(Protocol):
    """A connection whose handshake is not finished."""

    def take_step(self) -> None:
        """Do what had to wait; asks `HandshakeQueue.enter` again, which says yes."""


@define(eq=False)
class HandshakeQueue:
    """The steps of one server; ``start_soon`` calls a function in the next reactor turn.

    It holds no bytes: who waits keeps its own, and reads no more until its step is taken.
    """

    _start_soon: Callable[[Callable[[], None]], object]
    _left: int = field(init=False, default=HANDSHAKE_STEPS_PER_TURN)
    _waiting: OrderedDict[Newcomer, None] = field(init=False, factory=OrderedDict)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def enter(self, newcomer: Newcomer) -> bool:
        """Whether ``newcomer`` may compute a step now; if not, its `take_step` is called when it may."""
        if not self._left:
            self._waiting[newcomer] = None
            return False
        if self._left == HANDSHAKE_STEPS_PER_TURN:
            self._start_soon(self._turn)
        self._left -= 1
        return True

    def leave(self, newcomer: Newcomer) -> None:
        """It is gone and waits no more."""
        self._waiting.pop(newcomer, None)

    def _turn(self) -> None:
        self._left = HANDSHAKE_STEPS_PER_TURN
        while self._left and self._waiting:  # in this order, so that who comes meanwhile finds nothing left or nobody
            self._waiting.popitem(last=False)[0].take_step()
