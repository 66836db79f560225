"""Where `encchat.client.core` stands; its module says how one follows from another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, IntEnum
from typing import Any

from attrs import field, frozen

from encchat import wire
from encchat.client.floor import Failed, Then


class State(Enum):
    """Where the core stands; see `encchat.client.core`."""

    STARTING = "starting"
    READY = "ready"
    AWAY_FROM_SERVER = "away from server"
    LEAVING = "leaving"


class Ending(IntEnum):
    """How much the client wants to leave; see `encchat.client.core`."""

    STAYING = 0
    AFTER_ALL = 1
    QUITTING = 2
    FINISHED = 3


@frozen
class Question:
    """Something only the person can say, a password; ``then`` takes it.

    Where nobody can be asked, ``otherwise`` says what to do instead, as the error of ``label``.
    """

    prompt: str
    then: Callable[[str], None]
    otherwise: str = ""
    label: str = ""


@frozen
class Asked:
    """A request under way; ``kind`` None: one that only the server knows. ``then`` and ``failed`` as in `Floor.ask`."""

    label: str
    kind: type[wire.Request] | None = None
    fields: Mapping[str, Any] = field(factory=dict)
    then: Then | None = None
    failed: Failed | None = None
