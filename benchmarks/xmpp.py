"""A connection to a server that speaks XMPP (RFC 6120, 6121; rooms: XEP-0045), logged in as nobody in particular."""

from __future__ import annotations

from typing import Final

from attrs import define, field

from benchmarks.members import TEXT_LENGTH
from benchmarks.tls import TlsMember

HOST: Final = "localhost"
ROOMS: Final = "rooms.localhost"
_STREAM: Final = (
    f"<?xml version='1.0'?><stream:stream to='{HOST}' version='1.0' xmlns='jabber:client'"
    " xmlns:stream='http://etherx.jabber.org/streams'>"
)
_ANONYMOUS: Final = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>"
_BIND: Final = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
_JOIN: Final = "<x xmlns='http://jabber.org/protocol/muc'><history maxchars='0'/></x>"


@define(eq=False)
class XmppMember(TlsMember):
    """`benchmarks.members.Member`."""

    echoes: bool = field(init=False, default=True)
    jid: str = field(init=False, default="")

    end = b">"
    mark = b"<body>"

    def log_in(self) -> None:
        """RFC 6120, section 9.1, without the part about TLS: it is there from the start."""
        self.secure()
        self._ask(_STREAM, b"</stream:features>")
        self._ask(_ANONYMOUS, b"<success")
        self._ask(_STREAM, b"</stream:features>")
        bound = self._ask(_BIND, b"</jid>")
        self.jid = bound.split(b"<jid>")[1].split(b"</jid>")[0].decode()
        self._ask("<presence/>", b"<presence")

    def enter(self, room: str, *, first: bool) -> None:
        """XEP-0045, section 7.2; status 110: the server speaks of oneself."""
        to = f"{room}@{ROOMS}/{self.name}"
        self._ask(f"<presence to='{to}'>{_JOIN}</presence>", b"110")

    def to_room(self, room: str) -> str:
        """With the kind of message."""
        return f"{room}@{ROOMS}' type='groupchat"

    def to_member(self, other: XmppMember) -> str:
        """The same."""
        return f"{other.jid}' type='chat"

    def said(self, to: str, stamp: str = "") -> bytes:
        """No answer comes."""
        return self.sealed(f"<message to='{to}'><body>{stamp.ljust(TEXT_LENGTH, 'x')}</body></message>")

    def _ask(self, stanza: str, until: bytes) -> bytes:
        """All that comes until that is in it."""
        self.socket.sendall(self.sealed(stanza))
        text = b""
        while until not in text:
            text += self.pieces()
            if b"<failure" in text or b"<stream:error" in text:
                raise RuntimeError(f"{self.name} was refused: {text.decode(errors='replace')}")
        return text
