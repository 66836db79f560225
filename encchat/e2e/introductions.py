"""What a member tells a device of somebody it has invited: who else is in the room, where no invitation shows it.

A new member finds the others by invitations, from its inviter and the room's opening downwards. Whoever was invited by
somebody who has left since cannot be found so: the inviter, who was there, names them. What it names counts as an
invitation by the inviter would: from nobody else, and not after the inviter has gone (`encchat.e2e.rosters`).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from encchat.e2e import letters, statements
from encchat.e2e.identity import verify
from encchat.e2e.interfaces import Device, Host, Introduced
from encchat.e2e.rosters import Rosters


def room_of(conversation: str) -> str:
    """The room's id, from the conversation's."""
    return conversation.removeprefix("room:").partition(":")[0]


def is_ready(host: Host, conversation: str) -> bool:
    """Whether it is known here which room this is, so that an introduction to it can be judged."""
    return bool(_rosters(host).root(room_of(conversation)))


def letter(host: Host, conversation: str, names: Sequence[str], to: Device) -> bytes:
    """The letter; empty on a device without the identity key, and for a room that is not known."""
    identity, root = host.identity, _rosters(host).root(room_of(conversation))
    if identity is None or not root:
        return b""
    said = _statement(conversation, root, host.user, to.user, to.device, names)
    return letters.written(letters.Known(list(names), identity.sign(said)))


def take(host: Host, conversation: str, payload: bytes, sender: Device) -> None:
    """Take a letter from who has invited this account; what is wrong with it is passed over."""
    said, rosters = letters.read(letters.Known, payload), _rosters(host)
    root = rosters.root(room_of(conversation))
    if said is None or not root:
        return
    own = _statement(conversation, root, sender.user, host.user, host.device, said.names)
    if not any(verify(key, own, said.signature) for key in host.identities_of(sender.user)):
        return
    if rosters.handed_over(room_of(conversation), sender.user, said.names):
        host.tell(Introduced(conversation))


def _statement(conversation: str, root: str, by: str, user: str, device: str, names: Sequence[str]) -> bytes:
    digest = sha256(statements.joined(names)).digest()
    return statements.introduction(room_of(conversation), root, by, user, device, digest)


def _rosters(host: Host) -> Rosters:
    return Rosters(host.user, host.keep, lambda: host.identity, host.identities_of)
