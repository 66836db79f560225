"""The scheme ``olm``: what is said in a session between two people, under Olm sessions made for it alone.

Every device of both accounts gets a ciphertext of its own. Some time after the session's end its ratchets are dropped:
what was said can then be opened by nobody who did not open it before.

Which session a ciphertext is of stands inside it only. A message may come after the end of its session, or when there
is another one already, or to a device that was away and has never heard of it: so it is tried under the keys of every
session with its sender that are here, and a fresh Olm session is of the one that its first message names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import frozen

from encchat import envelopes, wire
from encchat.e2e import payload
from encchat.e2e.base64s import from_base64, to_base64
from encchat.e2e.claims import Claims
from encchat.e2e.interfaces import Conversation, Decrypted, Device
from encchat.e2e.olm import OlmSessions
from encchat.envelopes import OlmEnvelope, OlmPart
from encchat.errors import MalformedRequestError, NotPreparedError, UndecryptableError, UsageError
from encchat.limits import MAX_ENVELOPE

_SESSION: Final = "session:"


@frozen
class Calls:
    """Over this device's Olm sessions."""

    _sessions: OlmSessions
    _claims: Claims

    def encrypt(
        self, conversation: Conversation, sender: str, devices: Sequence[Device], build: Callable[[Device], bytes]
    ) -> str:
        """The envelope with what ``build`` makes for each device; ``sender`` is this device's id."""
        parts = [
            self._part(conversation.id, device, build) for device in devices if self._reaches(conversation, device)
        ]
        if not parts:
            raise NotPreparedError(f"there is no key yet for any device in {conversation.name}")
        body = OlmEnvelope(sender, tuple(parts)).body
        if len(body) > MAX_ENVELOPE:
            raise UsageError(f"the text is too long for a session with {len(parts)} devices: split it")
        return body

    def open(self, conversation: Conversation, said: wire.Message, sender: Device, device: str) -> Decrypted:
        """What it holds for this ``device``."""
        try:
            part = envelopes.split_olm(said.body).part_for(device)
        except MalformedRequestError:
            raise UndecryptableError("broken") from None
        if part is None:
            raise UndecryptableError("not-for-this-device")
        data = from_base64(part.ciphertext) or b""
        scope_of = _session_of if conversation.kind != "room" else lambda plaintext: conversation.id
        scopes = self._scopes(conversation, sender)
        plaintext = self._sessions.decrypt(sender.peer, part.type, data, scopes, scope_of)
        return Decrypted(plaintext, sender.user, sender.device)

    def _scopes(self, conversation: Conversation, sender: Device) -> Iterator[str]:
        """The session of now first; the others, for which the whole store is looked through, only if that is needed."""
        yield conversation.id
        if conversation.kind != "room":
            yield from (scope for scope in self._sessions.scopes(sender.peer) if scope != conversation.id)

    def _reaches(self, conversation: Conversation, device: Device) -> bool:
        return self._claims.reachable(device, conversation.id)

    def _part(self, scope: str, device: Device, build: Callable[[Device], bytes]) -> OlmPart:
        kind, data = self._sessions.encrypt(device.peer, build(device), scope)
        return OlmPart(device.device, 1 if kind else 0, to_base64(data))


def is_session(id: str) -> bool:
    """Whether that is a session's conversation id."""
    return id.startswith(_SESSION)


def _session_of(plaintext: bytes) -> str:
    id = payload.parse(plaintext).conversation
    if not is_session(id):
        raise UndecryptableError("wrong-conversation")
    return id
