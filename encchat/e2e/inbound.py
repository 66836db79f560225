"""Megolm sessions of others, and copies of one's own: what opens messages, once each.

Theory of operation. A session belongs to the device that sent its key over Olm, and to one conversation: both are
part of what is kept, and a message of anybody else, or elsewhere, is never opened with it. Megolm has no replay
protection of its own, so every index that was opened is remembered for good, by (session, index); never by
ciphertext, whose bytes can be changed without harm to what is in it. Messages of a session come in the order of their
indexes, so once one is opened, the state that opens earlier ones is thrown away: the library has no call to advance
a session, hence it is exported at the next index and only that is kept. Earlier indexes that are known to wait (they
came before the key) hold this back until they are opened. What is kept is the exported form, which needs no pickle;
the store seals it.

What opens the past is kept apart (`Past`) and goes as soon as the account's sealed backup has it, unless the room's
setting promises its history to new members. An ephemeral room has no past: of its sessions nothing is kept apart.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import vodozemac
from attrs import define, field
from msgspec import Struct

from encchat import limits
from encchat.e2e.interfaces import Conversation, Keep
from encchat.e2e.letters import Held
from encchat.errors import UndecryptableError
from encchat.names import folded

_KIND: Final = "megolm-in"
_OWNERS: Final = "megolm-owners"
_PAST: Final = "megolm-past"
_UNSTORED: Final = "megolm-unstored"
_UNUSED: Final = "megolm-unused"

Origin = Literal["owner", "answer", "history", "backup", "file"]
Keeping = Literal["nothing", "until-stored", "always"]
"""What is kept of what opens a session's past: the backup takes what is kept."""


class Session(Struct, frozen=True):
    """The name of a session: who sends with it (``user`` folded), from which device, and Megolm's id."""

    user: str
    device: str
    id: str

    @classmethod
    def of(cls, user: str, device: str, id: str) -> Session:
        """The same session whatever the case of the user's name."""
        return cls(folded(user), device, id)

    @property
    def row(self) -> str:
        """Its name in the store."""
        return f"{self.id} {self.device} {self.user}"

    @classmethod
    def at(cls, row: str) -> Session:
        """The session of that `row`."""
        id, device, user = row.split(" ", 2)
        return cls(user, device, id)


class Inbound(Struct, frozen=True):
    """What is known of a session: ``key`` opens messages from index ``first`` on, ``seen`` is a bit for each opened.

    ``waiting`` are indexes of messages that came before the key and are still to be opened. ``by`` handed the key over
    if its owner did not.
    """

    conversation: str
    key: str
    first: int
    seen: bytes = b""
    waiting: list[int] = []
    origin: Origin = "owner"
    by: str = ""

    def has_seen(self, index: int) -> bool:
        """Whether the message at ``index`` was opened."""
        return index // 8 < len(self.seen) and bool(self.seen[index // 8] >> index % 8 & 1)

    @property
    def count(self) -> int:
        """One more than the greatest index that was opened."""
        return len(self.seen) * 8 - 8 + self.seen[-1].bit_length() if self.seen else 0

    def seeing(self, index: int) -> bytes:
        """``seen`` with ``index``."""
        bits = bytearray(self.seen.ljust(index // 8 + 1, b"\0"))
        bits[index // 8] |= 1 << index % 8
        return bytes(bits)


class Past(Struct, frozen=True):
    """The earliest key this client has had of a session, of a ``conversation``.

    ``stored``: the backup has it; ``kept``: it stays here even so, as the room promises its history.
    """

    conversation: str
    key: str
    stored: bool = False
    kept: bool = False


def imported(key: str) -> vodozemac.InboundGroupSession | None:
    """The session of an exported key; None if it is none."""
    try:
        return vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(key))
    except ValueError:
        return None


def received(key: str) -> vodozemac.InboundGroupSession | None:
    """The session of a key as its owner sends it, which the session's own signature vouches for."""
    try:
        return vodozemac.InboundGroupSession(vodozemac.SessionKey(key))
    except ValueError:
        return None


def exported(session: vodozemac.InboundGroupSession, index: int) -> str:
    """The key that opens what comes at or after ``index``, which must not be before the first known one."""
    key = session.export_at(index)
    if key is None:
        raise ValueError(f"index {index} is before {session.first_known_index}")
    return str(key.to_base64())


@define
class InboundSessions:
    """All of them, in the client's store."""

    keep: Keep
    _unstored: dict[str, None] = field(init=False)
    """What the store has of that kind: it is asked for after every message."""

    def __attrs_post_init__(self) -> None:
        self._unstored = dict.fromkeys(self.keep.all(_UNSTORED))

    def get(self, session: Session) -> Inbound | None:
        """What is known of it."""
        found = self.keep.get(_KIND, session.row)
        return None if found is None else msgspec.msgpack.decode(found, type=Inbound)

    def put(self, session: Session, known: Inbound) -> None:
        """Remember it."""
        self.keep.put(_KIND, session.row, msgspec.msgpack.encode(known))

    def all(self) -> dict[Session, Inbound]:
        """Every session; for rare occasions, it reads them all."""
        rows = self.keep.all(_KIND)
        return {Session.at(row): msgspec.msgpack.decode(value, type=Inbound) for row, value in rows.items()}

    def owners(self, id: str) -> list[Session]:
        """The sessions of that Megolm id: more than one if somebody passes a key off as its own."""
        found = self.keep.get(_OWNERS, id)
        return [] if found is None else [Session.at(row) for row in msgspec.msgpack.decode(found, type=list[str])]

    def add(self, session: Session, new: Inbound, keeping: Keeping = "until-stored") -> bool:
        """Take a key; whether messages can be opened that could not be before.

        A session that is known already stays as it is, so that a key share played again winds nothing back, unless
        the new key opens a waiting message and is provably the same session at an earlier index.
        """
        known = self.get(session)
        if known is None:
            rows = [each.row for each in self.owners(session.id)]
            self.keep.put(_OWNERS, session.id, msgspec.msgpack.encode([*rows, session.row]))
            self.put(session, new)
        elif self._reaches_back(new, known) and _continues(new, known):
            self.put(session, msgspec.structs.replace(known, key=new.key, first=new.first))
        elif known.by and not new.by and new.conversation == known.conversation:
            return self._confirm(session, new, known)
        else:
            return False
        if keeping == "always" or (keeping == "until-stored" and new.origin != "backup"):
            stored = new.origin == "backup"
            past = Past(conversation=new.conversation, key=new.key, stored=stored, kept=keeping == "always")
            self.keep.put(_PAST, session.row, msgspec.msgpack.encode(past))
            self._mark(session, lacking=not past.stored)
        return True

    def _reaches_back(self, new: Inbound, known: Inbound) -> bool:
        """Whether ``new`` opens something earlier that is wanted: waiting here, or handed over on purpose."""
        if new.origin in ("history", "backup", "file"):
            return any(not known.has_seen(index) for index in range(new.first, known.first))
        return any(new.first <= index < known.first for index in self.missing(known))

    def _confirm(self, session: Session, new: Inbound, known: Inbound) -> bool:
        """The owner sends what somebody else has handed over: what that one gave stays only if it proves the same."""
        if known.first <= new.first and _continues(known, new):
            self.put(session, msgspec.structs.replace(known, origin=new.origin, by=""))
            return False
        waiting = sorted({*known.waiting, *new.waiting})
        self.put(session, msgspec.structs.replace(new, seen=known.seen, waiting=waiting))
        return True

    def missing(self, known: Inbound) -> list[int]:
        """The indexes that wait for an earlier key."""
        return [index for index in known.waiting if not known.has_seen(index)]

    def wait(self, session: Session, index: int) -> None:
        """A message at ``index``, before the first that can be opened, is to be opened later."""
        known = self.get(session)
        if known is not None and index not in known.waiting and len(known.waiting) < limits.MAX_WAITING_INDEXES:
            self.put(session, msgspec.structs.replace(known, waiting=sorted([*known.waiting, index])))

    def open(self, session: Session, known: Inbound, message: vodozemac.MegolmMessage) -> bytes:
        """The plaintext; the index counts as opened from now on, and what opens earlier ones is gone."""
        index = message.message_index()
        live = imported(known.key)
        if index >= limits.MAX_SESSION_INDEX or live is None:
            raise UndecryptableError("broken", session.id)
        if known.has_seen(index):
            raise UndecryptableError("replayed", session.id)
        if index < known.first:
            raise UndecryptableError("no-key", session.id)
        try:
            plaintext = bytes(live.decrypt(message).plaintext)
        except ValueError:
            raise UndecryptableError("broken", session.id) from None
        self.put(session, _after(known, live, index))
        if not known.seen:
            self._put_unused(session.user, [row for row in self._unused(session.user) if row != session.row])
        return plaintext

    # What others send without end --------------------------------------------------------------
    def bound(self, session: Session) -> None:
        """A key came from its owner: too many of that account's that were never used, and its oldest of them go."""
        known = self.get(session)
        if known is None or known.seen:
            return
        rows = [*(row for row in self._unused(session.user) if row != session.row), session.row]
        for row in rows[: -limits.MAX_UNUSED_KEYS]:
            self._forget(Session.at(row))
        self._put_unused(session.user, rows[-limits.MAX_UNUSED_KEYS :])

    def _unused(self, user: str) -> list[str]:
        found = self.keep.get(_UNUSED, user)
        return [] if found is None else msgspec.msgpack.decode(found, type=list[str])

    def _put_unused(self, user: str, rows: list[str]) -> None:
        self.keep.put(_UNUSED, user, msgspec.msgpack.encode(rows) if rows else None)

    def _forget(self, session: Session) -> None:
        others = [each.row for each in self.owners(session.id) if each != session]
        self.keep.put(_OWNERS, session.id, msgspec.msgpack.encode(others) if others else None)
        for kind in (_KIND, _PAST):
            self.keep.put(kind, session.row, None)
        self._mark(session, lacking=False)

    # What opens the past -----------------------------------------------------------------------
    def past(self) -> dict[Session, Past]:
        """What is kept of it, by session."""
        rows = self.keep.all(_PAST)
        return {Session.at(row): msgspec.msgpack.decode(value, type=Past) for row, value in rows.items()}

    def past_of(self, session: Session) -> Past | None:
        """What is kept of it of one session."""
        found = self.keep.get(_PAST, session.row)
        return None if found is None else msgspec.msgpack.decode(found, type=Past)

    def unstored(self) -> list[Session]:
        """The sessions that the account's backup does not have yet."""
        return [Session.at(row) for row in self._unstored]

    def backed_up(self, session: Session, key: str) -> None:
        """The account's backup has that key now: it stays here only where new members are promised the history."""
        found = self.past_of(session)
        if found is None or found.key == key:
            self._mark(session, lacking=False)
        if found is not None and found.key == key:
            stays = msgspec.structs.replace(found, stored=True)
            self.keep.put(_PAST, session.row, msgspec.msgpack.encode(stays) if found.kept else None)

    def _mark(self, session: Session, *, lacking: bool) -> None:
        """Whether the backup lacks it."""
        if lacking:
            self._unstored[session.row] = None
        elif session.row in self._unstored:
            del self._unstored[session.row]
        else:
            return
        self.keep.put(_UNSTORED, session.row, b"" if lacking else None)

    def held(self, session: Session) -> Held | None:
        """The earliest key there is here, for another of one's own devices."""
        past, known = self.past_of(session), self.get(session)
        key = past.key if past else known.key if known else None
        return None if key is None else Held(user=session.user, device=session.device, session=session.id, key=key)


def keeping(conversation: Conversation) -> Keeping:
    """What its sessions leave: an ephemeral room has no past that anybody could read again."""
    if conversation.ephemeral:
        return "nothing"
    return "until-stored" if conversation.history == "none" else "always"


def _continues(new: Inbound, known: Inbound) -> bool:
    """Whether ``known`` is what ``new`` becomes by ``known.first``."""
    live = imported(new.key)
    same = live is not None and exported(live, known.first) == known.key
    return same and new.conversation == known.conversation


def _after(known: Inbound, live: vodozemac.InboundGroupSession, index: int) -> Inbound:
    """What is kept once the message at ``index`` is opened."""
    seen = known.seeing(index)
    waiting = [each for each in known.waiting if each != index]
    able = [each for each in waiting if each >= known.first]
    # facts.md, vodozemac 7: there is no `advance_to`, so the next state is exported and the old one let go.
    first = max(known.first, min([index + 1, *able]))
    return msgspec.structs.replace(known, key=exported(live, first), first=first, seen=seen, waiting=waiting)
