"""Olm sessions with other devices: several with each, in the client's store, the one heard last used for sending.

Theory of operation. Both sides may begin a session at the same time, and either may begin one anew; all of them open
what still comes under them, and each side sends under the one it heard last, so that both settle on one. A call
(``scope`` its conversation's id) has sessions of its own, which are dropped at its end. Sessions are
known by the other device and its Curve25519 key (`encchat.e2e.interfaces.Device.peer`): a device with other keys has
other sessions, and so has one that publishes another's key. Each step of a ratchet is kept before
what it made goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import vodozemac
from attrs import frozen
from msgspec import Struct

from encchat.e2e import pickles
from encchat.e2e.account import OwnKeys
from encchat.e2e.interfaces import Keep
from encchat.e2e.pickles import Pickle
from encchat.errors import UndecryptableError
from encchat.limits import MAX_OLM_SESSIONS

_KIND: Final = "olm-session"
PRE_KEY: Final = 0


class _Session(Struct, frozen=True, array_like=True):
    id: str
    kept: Pickle


_rows: Final = msgspec.msgpack.Decoder(list[_Session])


@frozen
class OlmSessions:
    """All sessions of this device; each row the sessions with one device in one scope, the one to send with first."""

    _keep: Keep
    _random: Callable[[int], bytes]
    _own: OwnKeys

    def has(self, peer: str, scope: str = "") -> bool:
        """Whether there is a session to send with."""
        return self._keep.get(_KIND, _name(peer, scope)) is not None

    def begin(self, peer: str, one_time_key: str, scope: str = "") -> bool:
        """Make a session to send with; False if one of both keys is none."""
        session = self._own.outbound(_key(peer), one_time_key)
        if session is not None:
            self._put(_name(peer, scope), session)
        return session is not None

    def encrypt(self, peer: str, plaintext: bytes, scope: str = "") -> tuple[int, bytes]:
        """Message type and bytes; only after `has` or `begin`."""
        name = _name(peer, scope)
        session = pickles.session(self._sessions(name)[0].kept)
        kind, data = session.encrypt(plaintext).to_parts()
        self._put(name, session)
        return kind, bytes(data)

    def decrypt(
        self,
        peer: str,
        kind: int,
        data: bytes,
        scopes: Iterable[str] = ("",),
        scope_of: Callable[[bytes], str] = lambda plaintext: "",
    ) -> bytes:
        """The plaintext of what that device sent; `UndecryptableError` ``no-key`` or ``broken``.

        Sessions of ``scopes`` are tried in that order; a new one is of the scope that its first plaintext names.
        """
        try:
            message = vodozemac.AnyOlmMessage.from_parts(kind, data)
        except (ValueError, OverflowError):
            raise UndecryptableError("broken") from None
        first, tried = message.to_pre_key(), False
        for name in (_name(peer, scope) for scope in scopes):
            for known in self._sessions(name):
                plaintext, tried = self._tried(name, known, message, first), True
                if plaintext is not None:
                    return plaintext
        if first is None:
            raise UndecryptableError("broken" if tried else "no-key")
        session, plaintext = self._own.inbound(_key(peer), first)
        self._put(_name(peer, scope_of(plaintext)), session)
        return plaintext

    def scopes(self, peer: str) -> list[str]:
        """The calls in which there are sessions with that device."""
        rows = (name.partition(" ") for name in self._keep.all(_KIND))
        return [scope for key, _, scope in rows if key == peer and scope]

    def end(self, scope: str) -> None:
        """Drop the sessions of a call."""
        for name in self._keep.all(_KIND):
            if name.partition(" ")[2] == scope:
                self._keep.put(_KIND, name, None)

    def drop(self) -> None:
        """Drop all sessions."""
        for name in self._keep.all(_KIND):
            self._keep.put(_KIND, name, None)

    def _tried(
        self,
        name: str,
        known: _Session,
        message: vodozemac.AnyOlmMessage,
        first: vodozemac.PreKeyMessage | None,
    ) -> bytes | None:
        session = pickles.session(known.kept)
        matches = first is None or session.session_matches(first)
        if not matches:
            return None
        try:
            plaintext = bytes(session.decrypt(message))
        except ValueError:
            if first is None:
                return None
            # It began this very session, so no other will open it, and it must not begin another.
            raise UndecryptableError("broken") from None
        self._put(name, session)
        return plaintext

    def _sessions(self, name: str) -> list[_Session]:
        kept = self._keep.get(_KIND, name)
        return [] if kept is None else _rows.decode(kept)

    def _put(self, name: str, session: vodozemac.Session) -> None:
        """First of its row; the one that was not used for longest goes when there are too many."""
        id = session.session_id
        others = [each for each in self._sessions(name) if each.id != id]
        rows = [_Session(id, pickles.pickle(session, self._random)), *others][:MAX_OLM_SESSIONS]
        self._keep.put(_KIND, name, msgspec.msgpack.encode(rows))


def _name(peer: str, scope: str) -> str:
    return f"{peer} {scope}"


def _key(peer: str) -> str:
    """The Curve25519 key in it; base64 may have strokes too."""
    return peer.split("/", 2)[-1]
