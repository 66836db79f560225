"""Rooms in SQL: each change is messages of the room's log and what they mean for its members, in one piece.

Theory of operation. The chat decides in memory and hands its changes over in the order it made them, among the
messages of the same room; so a room's seqs tell who was in it when. What is read here about who may read what comes
from one statement and so from one moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import groupby
from typing import Any, Final

import msgspec
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from encchat import wire
from encchat.envelopes import EVENT
from encchat.errors import StoreError
from encchat.names import folded
from encchat.server.membership import GrantedKey, Orphan, Readable, RoomChange, RoomHead, Step, StoredMember, StoredRoom
from encchat.server.model import ConversationState, NewMessage, Stored
from encchat.server.store.messages import Appender

Answer = Callable[[], None]
_HEAD: Final = "room.id, room.name, room.scheme, room.policy, room.history, room.open, room.ephemeral"
_BEFORE: Final[dict[str, tuple[str | None, ...]]] = {
    "invited": (None, "gone"),
    "joined": (None, "gone", "invited"),
    "declined": ("invited",),
    "left": ("joined",),
    "expelled": ("joined", "invited"),
    "role": ("joined",),
}
"""What the account is in the room before each event; None: it never was anything there."""


@frozen
class RoomJob:
    """A `RoomChange` among the store's jobs; the answer is where its messages came to rest."""

    change: RoomChange
    answer: Deferred[tuple[Stored, ...]]

    def run(self, connection: sqlite3.Connection, appender: Appender) -> Answer:
        """`encchat.server.store.jobs.Job.run`; what does not fit to what is stored changes nothing."""
        problem = _problem(connection, self.change)
        if problem:
            return self.refusal(StoreError(problem))
        stored = _append(connection, appender, self.change)
        return lambda: self.answer.callback(stored)

    def refusal(self, error: StoreError) -> Answer:
        """`encchat.server.store.jobs.Job.refusal`."""
        return lambda: self.answer.errback(Failure(error))


# Changing --------------------------------------------------------------------------------------
def _problem(connection: sqlite3.Connection, change: RoomChange) -> str:
    """Why it cannot be, or nothing. The chat has checked it all: only a change that was refused leads here."""
    head = change.head
    known = connection.execute("SELECT folded FROM room WHERE id = ?", (head.id,)).fetchone()
    if change.steps[0].event.event == "opened":
        taken = connection.execute("SELECT 1 FROM room WHERE folded = ?", (head.folded,)).fetchone()
        return f"there is a room {head.name} or of the id {head.id}" if known or taken else ""
    if known is None or known[0] is None:
        return f"there is no room {head.name}"
    fits = all(_state(connection, head.id, step) in _BEFORE[step.event.event] for step in _of_members(change))
    return "" if fits else f"the room {head.name} has changed meanwhile"


def _of_members(change: RoomChange) -> list[Step]:
    return [step for step in change.steps if step.event.event in _BEFORE]


def _state(connection: sqlite3.Connection, room_id: str, step: Step) -> str | None:
    row = connection.execute(
        "SELECT state FROM member WHERE room_id = ? AND account_id = ?", (room_id, step.account_id)
    ).fetchone()
    return None if row is None else str(row[0])


def _append(connection: sqlite3.Connection, appender: Appender, change: RoomChange) -> tuple[Stored, ...]:
    stored = []
    for step in change.steps:
        place = appender.append(_message(change, step))
        stored.append(place)
        if place.duplicate:
            return tuple(stored)
        _take_effect(connection, change.head, step, place.seq)
    if change.key is not None:
        _add_key(connection, change.head.id, change.key, stored[-1].seq)
    if change.closes:
        _close(connection, change.head.id)
    return tuple(stored)


def _message(change: RoomChange, step: Step) -> NewMessage:
    return NewMessage(
        conversation=change.head.key,
        kind="room",
        sender_id=change.by_id,
        ulid=step.ulid,
        time=change.time,
        body=wire.encode(step.event).decode(),
        scheme=EVENT,
    )


def _take_effect(connection: sqlite3.Connection, head: RoomHead, step: Step, seq: int) -> None:
    event, member = step.event, (head.id, step.account_id)
    match event.event:
        case "opened":
            _open(connection, head, step, seq)
        case "invited":
            _invite(connection, member, event, seq)
        case "joined":
            _join(connection, head, member, event, seq)
        case "declined":
            connection.execute("UPDATE member SET state = 'gone' WHERE room_id = ? AND account_id = ?", member)
        case "left" | "expelled":
            # The last thing it may read is its own leaving; one who was only invited has nothing to read.
            connection.execute(
                "UPDATE member SET until_seq = CASE state WHEN 'joined' THEN ?3 ELSE until_seq END,"
                " state = 'gone', role = 'member' WHERE room_id = ?1 AND account_id = ?2",
                (*member, seq),
            )
        case "role":
            connection.execute(
                "UPDATE member SET role = ?3 WHERE room_id = ?1 AND account_id = ?2", (*member, event.role)
            )
        case "open":
            connection.execute("UPDATE room SET open = ? WHERE id = ?", (event.open, head.id))
    if event.event not in ("role", "open"):
        connection.execute("UPDATE room SET version = ? WHERE id = ?", (seq, head.id))


def _open(connection: sqlite3.Connection, head: RoomHead, step: Step, seq: int) -> None:
    connection.execute(
        "INSERT INTO room (id, conversation_id, name, folded, scheme, policy, history, open, ephemeral, version)"
        " SELECT ?2, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM conversation WHERE key = ?1",
        (
            head.key,
            head.id,
            head.name,
            head.folded,
            head.scheme,
            head.policy,
            head.history,
            head.open,
            head.ephemeral,
            seq,
        ),
    )
    connection.execute(
        "INSERT INTO member (room_id, account_id, folded, role, state, by, since, from_seq, statement)"
        " VALUES (?1, ?2, ?3, 'owner', 'joined', '', ?4, ?4, ?5)",
        (head.id, step.account_id, folded(step.event.user), seq, step.event.statement),
    )


def _invite(connection: sqlite3.Connection, member: tuple[str, int], event: wire.RoomEvent, seq: int) -> None:
    # Who was in the room before may still read what it could: those bounds stay as they are.
    connection.execute(
        "INSERT INTO member (room_id, account_id, folded, role, state, by, since, from_seq, until_seq, statement)"
        " VALUES (?1, ?2, ?6, 'member', 'invited', ?3, ?4, ?4, ?4 - 1, ?5) ON CONFLICT (room_id, account_id) DO UPDATE"
        " SET role = 'member', state = 'invited', by = ?3, since = ?4, statement = ?5",
        (*member, event.by, seq, event.statement, folded(event.user)),
    )


def _join(
    connection: sqlite3.Connection, head: RoomHead, member: tuple[str, int], event: wire.RoomEvent, seq: int
) -> None:
    invited = connection.execute(
        "SELECT by, since, statement FROM member WHERE room_id = ? AND account_id = ? AND state = 'invited'", member
    ).fetchone()
    by, since, statement = invited or ("", seq, event.statement)
    first = {"none": seq, "since-invite": since, "all": 1}[head.history]
    connection.execute(
        "INSERT INTO member (room_id, account_id, folded, role, state, by, since, from_seq, statement)"
        " VALUES (?1, ?2, ?7, 'member', 'joined', ?3, ?4, ?5, ?6) ON CONFLICT (room_id, account_id) DO UPDATE"
        " SET role = 'member', state = 'joined', by = ?3, since = ?4, from_seq = ?5, until_seq = NULL, statement = ?6",
        (*member, by, seq, first, statement, folded(event.user)),
    )


def _add_key(connection: sqlite3.Connection, room_id: str, key: bytes, seq: int) -> None:
    connection.execute(
        "INSERT INTO room_key (room_id, version, key, since)"
        " SELECT ?1, coalesce(max(version), 0) + 1, ?2, ?3 FROM room_key WHERE room_id = ?1",
        (room_id, key, seq),
    )


def _close(connection: sqlite3.Connection, room_id: str) -> None:
    """Its name is free, its invitations are void; its keys are of no use to anybody who is not in it."""
    connection.execute("UPDATE room SET folded = NULL WHERE id = ?", (room_id,))
    connection.execute("UPDATE member SET state = 'gone' WHERE room_id = ? AND state = 'invited'", (room_id,))


def rotate_key(connection: sqlite3.Connection, room_id: str, key: bytes) -> None:
    """`IStore.rotate_room_key`."""
    [seq] = connection.execute(
        "SELECT last_seq FROM conversation JOIN room ON room.conversation_id = conversation.id WHERE room.id = ?",
        (room_id,),
    ).fetchone()
    _add_key(connection, room_id, key, seq + 1)


# Reading ---------------------------------------------------------------------------------------
def rooms(connection: sqlite3.Connection, room_id: str | None) -> list[StoredRoom]:
    """`IStore.rooms`."""
    rows = connection.execute(
        f"SELECT {_HEAD}, (SELECT coalesce(max(version), 0) FROM room_key WHERE room_id = room.id),"  # noqa: S608
        " account.id, account.name, member.role, member.state, member.by"
        " FROM room JOIN member ON member.room_id = room.id JOIN account ON account.id = member.account_id"
        " WHERE room.folded IS NOT NULL AND member.state != 'gone' AND (?1 IS NULL OR room.id = ?1)"
        " ORDER BY room.id, member.since",
        (room_id,),
    )
    return [
        StoredRoom(_head(head[:7]), head[7], tuple(StoredMember(*row[8:]) for row in members))
        for head, members in groupby(rows, lambda row: row[:8])
    ]


def _head(row: tuple[Any, ...]) -> RoomHead:
    id, name, scheme, policy, history, open, ephemeral = row
    return RoomHead(id, name, scheme, policy, history, bool(open), bool(ephemeral))


def state(connection: sqlite3.Connection, room_id: str, after: str, limit: int) -> wire.RoomState | None:
    """`IStore.room_state`."""
    rows = connection.execute(
        f"SELECT {_HEAD}, room.version, owner.name, account.name, member.role, member.state, member.by, member.since,"  # noqa: S608
        " member.statement FROM room"
        " LEFT JOIN member AS owning ON owning.room_id = room.id AND owning.role = 'owner'"
        " LEFT JOIN account AS owner ON owner.id = owning.account_id"
        " LEFT JOIN member ON member.room_id = room.id AND member.folded > ?2 AND member.state != 'gone'"
        " LEFT JOIN account ON account.id = member.account_id"
        " WHERE room.id = ?1 ORDER BY member.folded LIMIT ?3",
        (room_id, after, limit + 1),
    ).fetchall()
    if not rows:
        return None
    head, (version, owner) = _head(rows[0][:7]), rows[0][7:9]
    members = [_member(row[9:]) for row in rows[:limit] if row[9] is not None]
    return wire.RoomState(
        room=head.name,
        id=head.id,
        scheme=head.scheme,
        policy=head.policy,
        history=head.history,
        ephemeral=head.ephemeral,
        open=head.open,
        owner=owner or "",
        version=version,
        members=members,
        more=len(rows) > limit,
    )


def _member(row: tuple[Any, ...]) -> wire.Member:
    user, role, state, by, since, statement = row
    return wire.Member(user=user, role=role, state=state, by=by, since=since, statement=statement)


_LAST: Final = "min(conversation.last_seq, coalesce(member.until_seq, conversation.last_seq))"
_READABLE: Final = (
    " FROM member JOIN room ON room.id = member.room_id JOIN conversation ON conversation.id = room.conversation_id"
    " WHERE member.account_id = ?1 AND coalesce(member.until_seq, conversation.last_seq) >= member.from_seq"
)


def readable(connection: sqlite3.Connection, account_id: int, name: str) -> Readable | None:
    """`IStore.readable_room`."""
    rows = connection.execute(
        f"SELECT conversation.key, room.name, member.from_seq, {_LAST} {_READABLE}"
        " ORDER BY room.folded IS NOT NULL, conversation.id",
        (account_id,),
    )
    found = [Readable(*row) for row in rows if row[1].casefold() == name]
    return found[-1] if found else None


def readables(connection: sqlite3.Connection, account_id: int, device_key: bytes) -> list[ConversationState]:
    """`IStore.readable_rooms`."""
    rows = connection.execute(
        f"SELECT conversation.key, 'room', room.name, {_LAST},"  # noqa: S608
        " coalesce((SELECT min(seq) FROM message WHERE conversation_id = conversation.id"
        f" AND seq BETWEEN member.from_seq AND {_LAST}), 0),"
        " max(member.from_seq - 1, coalesce((SELECT seq FROM cursor WHERE cursor.device_key = ?2"
        f" AND cursor.conversation_id = conversation.id), 0)) {_READABLE}"
        " ORDER BY room.folded IS NOT NULL, conversation.id",
        (account_id, device_key),
    )
    newest = {state.partner: state for state in (ConversationState(*row) for row in rows)}
    return sorted(newest.values(), key=lambda state: state.key)


def key(
    connection: sqlite3.Connection, room_id: str, account_id: int, version: int, device_key: bytes
) -> GrantedKey | None:
    """`IStore.room_key`."""
    row = connection.execute(
        "SELECT room_key.version, room_key.key, coalesce(device_keys.keys, '') FROM member"
        " JOIN room_key ON room_key.room_id = member.room_id"
        " LEFT JOIN room_key AS next ON next.room_id = room_key.room_id AND next.version = room_key.version + 1"
        " LEFT JOIN device_keys ON device_keys.device_key = ?4"
        " WHERE member.room_id = ?1 AND member.account_id = ?2 AND member.state = 'joined'"
        # Never one that was out of force before the first message this member may read.
        " AND (next.since IS NULL OR next.since > member.from_seq) AND ?3 IN (0, room_key.version)"
        " ORDER BY room_key.version DESC LIMIT 1",
        (room_id, account_id, version, device_key),
    ).fetchone()
    return None if row is None else GrantedKey(row[0], row[1], _rsa_of(row[2]))


class _Published(msgspec.Struct):
    rsa: str = ""


def _rsa_of(keys: str) -> str:
    return msgspec.json.decode(keys, type=_Published).rsa if keys else ""


def was_done(connection: sqlite3.Connection, account_id: int, ulid: str) -> bool:
    """`IStore.room_change_done`."""
    row = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM member JOIN room ON room.id = member.room_id"
        " JOIN message ON message.conversation_id = room.conversation_id"
        " WHERE member.account_id = ?1 AND message.sender_id = ?1 AND message.ulid = ?2 AND message.scheme = ?3)"
        " OR EXISTS (SELECT 1 FROM member JOIN room ON room.id = member.room_id"
        " JOIN removed ON removed.conversation_id = room.conversation_id"
        " WHERE member.account_id = ?1 AND removed.sender_id = ?1 AND removed.ulid = ?2)",
        (account_id, ulid, EVENT),
    ).fetchone()
    return bool(row[0])


def orphans(connection: sqlite3.Connection) -> list[Orphan]:
    """`IStore.orphans`."""
    rows = connection.execute(
        "SELECT room.name, account.id, account.name FROM account JOIN member ON member.account_id = account.id"
        " JOIN room ON room.id = member.room_id WHERE account.deleted IS NOT NULL AND member.state != 'gone'"
    )
    return [Orphan(*row) for row in rows]
