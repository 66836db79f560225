"""A server that puts hostile text wherever a server can put text, for real clients to show."""

from __future__ import annotations

import json
from typing import Any, Final

from attrs import define, field
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet.protocol import Factory, Protocol

from encchat import wire
from encchat.secure import Channel, Plaintext, ServerKeys, default_suites

PARTS: Final = (
    "\x1b]0;owned\x07",
    "\x1b[2J",
    "\x1b[5i",
    "\x1bPq#0~\x1b\\",
    "\x1b_Ga=T;AAAA\x1b\\",
    "\x9b31m",
    "\x9d0;owned\x9c",
    "\x90q\x9c",
    "q\x08q",
    "\x0b",
    "\x0c",
    "\x0e",
    "\x7f",
    "\u061c",
    "\u00ad",
    "\u115f",
    "\u180e",
    "\u200b",
    "\u200d",
    "\u200f",
    "\u2028",
    "\u202e",
    "\u2066",
    "\u2800",
    "\u3164",
    "\ufe0f",
    "\ufeff",
    "\ue000",
    "\ufff9",
    "\U000e0041",
    "\U000e0101",
)
"""What a terminal would obey, or an eye would not see; none of it may ever be written to a terminal."""
HOSTILE: Final = "evil" + "x".join(PARTS) + "\r\n* forged\n"
DEVICE: Final = "d" * 16
_TIME: Final = 1_795_000_000_000
_ULID: Final = "01HZZZZZZZZZZZZZZZZZZZZZ{:02}"


def traces(raw: bytes) -> list[str]:
    """Those of `PARTS` that are in what was written to a terminal."""
    return [part for part in PARTS if part.encode() in raw]


def results(text: str) -> dict[str, wire.Result]:
    """What requests are answered, by their types, with ``text`` wherever that can be."""
    commands = [
        wire.CommandEntry(verb="hostile", help=text, parameters=[wire.ParameterEntry(name=text)]),
        wire.CommandEntry(verb=text, help=text),
    ]
    entry: dict[str, Any] = {"id": _ULID.format(0), "scheme": text, "policy": "signed", "members": 1, "by": text}
    rooms = [wire.RoomEntry(room=f"#{text}", state=state, **entry) for state in ("invited", "open")]
    return {
        "commands": wire.CommandList(commands=commands),
        "users": wire.UserList(users=[wire.UserEntry(user=text, presence="FREE")]),
        "status": wire.UserStatus(user=text, presence="OFFLINE", last_seen=_TIME),
        "rooms": wire.RoomList(rooms=rooms),
        "conversations": wire.ConversationList(conversations=[]),
        "devices": wire.Listing(title=text, columns=[text, text], rows=[[text, text], [text, text]]),
        "bans": wire.Notice(text=text),
        "hostile": wire.Listing(title=text, columns=[text], rows=[[text]]),
        "upload_keys": wire.KeyCount(one_time=50),
        "query_keys": wire.KeyList(users=[]),
        "inbox": wire.InboxPage(items=[]),
        "get_backup": wire.BackupPage(entries=[]),
    }


def unasked(text: str) -> list[wire.ServerLine]:
    """Everything a server can say of its own, with ``text`` in it."""
    said: list[wire.ServerLine] = [
        wire.Notice(text=text),
        wire.Error(code=text, text=text),
        wire.PresenceChanged(user=text, presence="BUSY"),
        wire.Ringing(sender=text),
        wire.Ringing(sender=text, over=True),
        wire.SessionStarted(partner=text, by=text, session=text),
        wire.SessionEnded(partner=text, reason="lost"),
        wire.KeysChanged(user=text),
        wire.Invited(room=f"#{text}", id=_ULID.format(1), by=text),
        wire.InboxItem(seq=1, sender=text, device=text, body=text),
    ]
    places: tuple[tuple[str, Any], ...] = (("lobby", "lobby"), (f"@{text}", "direct"), (f"#{text}", "room"))
    for number, (conversation, kind) in enumerate(places, 10):
        for offset, scheme in enumerate(("none", "megolm", text)):
            fields = {"sender": text, "ulid": _ULID.format(number + 10 * offset), "time": _TIME, "body": text}
            said.append(wire.Message(conversation=conversation, kind=kind, seq=offset + 1, scheme=scheme, **fields))
    return said


@define(eq=False, slots=False)
class HostileServer(Protocol):
    """One connection; ``say`` speaks to the client."""

    channel: Channel
    text: str
    asked: list[str] = field(factory=list)
    """Types of the requests that have come."""
    _rest: bytes = b""

    def dataReceived(self, data: bytes) -> None:
        """Shake hands, then answer every request."""
        secured = self.channel.secured
        for event in self.channel.receive_data(data):
            if isinstance(event, Plaintext):
                self._lines(event.data)
        if self.channel.secured and not secured:
            self.say(wire.Welcome(server=self.text, version=self.text, registration="open", motd=self.text))
        self._flush()

    def say(self, line: wire.ServerLine) -> None:
        """Send a line."""
        self.channel.send(wire.encode(line) + b"\n")
        self._flush()

    def _lines(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            self.asked.append(request["type"])
            self.say(self._answer(request))

    def _answer(self, request: dict[str, Any]) -> wire.ServerLine:
        kind, number = request["type"], request["id"]
        if kind in ("register", "login", "login_device"):
            user = request["user"]
            return wire.Ok(id=number, result=wire.LoggedIn(user=user, device=DEVICE, role="user", presence="FREE"))
        if kind in ("publish_identity", "put_backup", "send_parcels", "ack", "ack_inbox", "quit"):
            return wire.Ok(id=number)
        if (result := results(self.text).get(kind)) is not None:
            return wire.Ok(id=number, result=result)
        return wire.Error(id=number, code="refused", text=self.text)

    def _flush(self) -> None:
        transport: Any = self.transport
        transport.write(self.channel.data_to_send())


class HostileFactory(Factory):
    """Its last connection is ``connection``."""

    noisy = False
    connection: HostileServer

    def __init__(self, text: str = HOSTILE) -> None:
        self._keys = ServerKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
        self._text = text

    def buildProtocol(self, addr: Any) -> HostileServer:
        """A channel and what speaks through it."""
        self.connection = HostileServer(Channel.responder(default_suites(), self._keys), self._text)
        return self.connection
