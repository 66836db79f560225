"""What a hostile server can say of keys, inboxes, rooms and sessions, and what it can put in an envelope's place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from encchat import wire
from encchat.envelopes import encoded
from tests.envelopes import sealed
from tests.fuzz.choices import Choices

NAMES: Final = ("me", "bob", "Bob", "eve", "", "x" * 40, "\x1b[2J", "a b")
ROOMS: Final = ("#room", "#Room", "#", "room", "#" + "x" * 40, "#\x1b[2J")
ULIDS: Final = ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW", "01ARZ3NDEKTSV4RRFFQ69G5FAX", "", "x")
SCHEMES: Final = ("none", "none", "megolm", "olm", "server-key", "event", "frob", "")
_SEQS: Final = (1, 2, 3, 0, 7, -1, 2**53)
_KEY: Final = encoded(bytes(range(32)))
_KEYS: Final = (_KEY, encoded(bytes(32)), "", "A", _KEY[:-1] + "!", "A" * 4_000)
_DEVICES: Final = ("d", "DEVICE", "", "x" * 40, "a.b")
_STATEMENTS: Final = ("", "{}", "x" * 3_000, '{"signature":"AA"}', "\x00")
_EVENTS: Final[tuple[wire.RoomChange, ...]] = (
    "opened", "invited", "joined", "declined", "left", "expelled", "role", "open",
)  # fmt: skip


def body(choices: Choices, scheme: str, text: str) -> str:
    """Of a message in that scheme: of its form, nearly, or not at all."""
    pick = choices.pick
    match scheme:
        case "megolm":
            return pick((sealed(text, "DEVICE")[1], f"DEVICE.{_KEY}.AwAA", f"DEVICE.{_KEY}.Aw!", text))
        case "olm":
            return pick(("DEVICE.d:0:AwAA", "DEVICE.d:1:AwAA,e:1:AwAA", "DEVICE.x:0:AwAA", "DEVICE.", text))
        case "server-key":
            sixteen, more = encoded(bytes(12)), encoded(bytes(40))
            return pick((f"DEVICE.1.{sixteen}.{more}", f"DEVICE.{2**60}.{sixteen}.{more}", "DEVICE.0..", text))
        case "event":
            return pick((_room_event(choices), "{}", '{"event":"frob","user":"bob","by":"me"}', "[" * 500, text))
        case _:
            return text


def _room_event(choices: Choices) -> str:
    pick = choices.pick
    event = wire.RoomEvent(
        event=pick(_EVENTS),
        user=pick(NAMES),
        by=pick(NAMES),
        role=pick(("owner", "moderator", "member")),
        open=bool(choices.number(1)),
        statement=pick(_STATEMENTS),
    )
    return wire.encode(event).decode()


def event(choices: Choices) -> Any:
    """Something a server says unasked."""
    pick = choices.pick
    name = pick(NAMES)
    makers: tuple[Callable[[], Any], ...] = (
        lambda: wire.SessionStarted(partner=name, by=pick(NAMES), session=pick(ULIDS), resumed=bool(choices.number(1))),
        lambda: wire.Ringing(sender=name, over=bool(choices.number(1))),
        lambda: wire.KeysChanged(user=name),
        lambda: wire.Invited(room=pick(ROOMS), id=pick(ULIDS), by=name),
        lambda: _inbox_item(choices),
    )
    return pick(makers)()


def result(choices: Choices) -> Any:
    """The answer to some request about keys or rooms."""
    pick, number = choices.pick, choices.number
    makers: tuple[Callable[[], Any], ...] = (
        lambda: wire.KeyCount(one_time=pick(_SEQS), fallback_used=bool(number(1)), generation=pick(_SEQS)),
        lambda: wire.KeyList(users=[_user_keys(choices) for _ in range(number(3))]),
        lambda: wire.ClaimedKeys(keys=[_claimed(choices) for _ in range(number(3))]),
        lambda: wire.InboxPage(items=[_inbox_item(choices) for _ in range(number(3))], more=bool(number(1))),
        lambda: wire.BackupPage(
            entries=[wire.BackupEntry(name=pick(("a", "")), sealed=pick(_KEYS)) for _ in range(number(2))],
            more=bool(number(1)),
        ),
        lambda: wire.RoomKey(room=pick(ROOMS), version=pick(_SEQS), wrapped=pick(_KEYS)),
        lambda: wire.RoomList(rooms=[_room_entry(choices) for _ in range(number(3))]),
        lambda: _room_state(choices),
    )
    return pick(makers)()


def _inbox_item(choices: Choices) -> wire.InboxItem:
    pick = choices.pick
    item = pick(("0AwAA", "1AwAA", "", "2AwAA", "0!", "0" + _KEY * 10))
    return wire.InboxItem(seq=pick(_SEQS), sender=pick(NAMES), device=pick(_DEVICES), body=item)


def _user_keys(choices: Choices) -> wire.UserKeys:
    pick, number = choices.pick, choices.number
    user = pick(NAMES)
    identities = [
        wire.Identity(
            algorithm=pick(("ed25519", "rsa", "dsa")), key=pick(_KEYS), number=pick(_SEQS), signature=pick(_KEYS)
        )
        for _ in range(number(2))
    ]
    devices = [
        wire.DeviceKeys(
            user=pick((user, user, "eve")),
            device=pick(_DEVICES),
            curve25519=pick(_KEYS),
            ed25519=pick(_KEYS),
            rsa=pick(_KEYS),
            signature=pick(_KEYS),
            vouch=pick(_KEYS),
        )
        for _ in range(number(2))
    ]
    return wire.UserKeys(user=user, identities=identities, devices=devices)


def _claimed(choices: Choices) -> wire.ClaimedKey:
    pick = choices.pick
    key = wire.SignedKey(id=pick(("AAAA", "")), key=pick(_KEYS), signature=pick(_KEYS))
    return wire.ClaimedKey(user=pick(NAMES), device=pick(_DEVICES), key=pick((key, None)))


def _room_entry(choices: Choices) -> wire.RoomEntry:
    pick = choices.pick
    return wire.RoomEntry(
        room=pick(ROOMS),
        id=pick(ULIDS),
        state=pick(("joined", "invited", "open")),
        scheme=pick(SCHEMES),
        policy=pick(("signed", "deniable")),
        ephemeral=pick((False, False, True)),
        members=pick(_SEQS),
        by=pick(NAMES),
    )


def _room_state(choices: Choices) -> wire.RoomState:
    pick, number = choices.pick, choices.number
    members = [
        wire.Member(
            user=pick(NAMES),
            role=pick(("owner", "moderator", "member")),
            state=pick(("joined", "invited")),
            by=pick(NAMES),
            since=pick(_SEQS),
            statement=pick(_STATEMENTS),
        )
        for _ in range(number(3))
    ]
    return wire.RoomState(
        room=pick(ROOMS),
        id=pick(ULIDS),
        scheme=pick(SCHEMES),
        policy=pick(("signed", "deniable")),
        ephemeral=pick((False, False, True)),
        history=pick(("none", "since-invite", "all")),
        open=bool(number(1)),
        owner=pick(NAMES),
        version=pick(_SEQS),
        members=members,
        more=bool(number(1)),
    )
