"""What schemes get from the machine: who is in a conversation and is written to, parcels, keys, the client's own.

It is `encchat.e2e.interfaces.Host`; each method says what that says. Beside those stands what the machine sends itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

from encchat import wire
from encchat.e2e import payload
from encchat.e2e.account import OwnKeys
from encchat.e2e.base64s import to_base64
from encchat.e2e.claims import Claims
from encchat.e2e.devices import DeviceLists, same_identity
from encchat.e2e.identity import IdentityKey
from encchat.e2e.interfaces import Ask, Conversation, Device, Keep, Tell, Warned
from encchat.e2e.login import Login
from encchat.e2e.olm import OlmSessions
from encchat.e2e.own import Own
from encchat.e2e.post import Post
from encchat.e2e.preparing import Preparations
from encchat.e2e.recovery import Backup
from encchat.e2e.renewing import Renewals
from encchat.e2e.trust import TrustStore
from encchat.envelopes import MEGOLM
from encchat.errors import EncchatError, KeyChangedError, UntrustedError
from encchat.names import folded

LookUp = Callable[[str], Conversation | None]
"""The conversation of an id as it is now, for schemes that have to know who is in it; None: not in it, or not known."""


@define(eq=False)
class MachineHost:
    """See the module; one for a machine's life."""

    keep: Keep
    ask: Ask
    tell: Tell
    clock: Callable[[], float]
    random: Callable[[int], bytes]
    ulid: Callable[[], str]
    _look_up: LookUp
    _own: Own
    _keys: OwnKeys
    _sessions: OlmSessions
    _post: Post
    _lists: DeviceLists
    _trust: TrustStore
    _claims: Claims
    _renewals: Renewals
    _login: Login
    _preparations: Preparations
    user: str = field(init=False, default="")
    device: str = field(init=False, default="")
    _met: dict[str, Conversation] = field(init=False, factory=dict)
    _readers: dict[str, tuple[Conversation, int, tuple[Device, ...]]] = field(init=False, factory=dict)

    # Conversations and who is in them ------------------------------------------------------------
    def meet(self, conversation: Conversation) -> None:
        """Something is said there: that is how it is now, as long as nobody knows better."""
        self._met[conversation.id] = conversation

    def part(self, id: str) -> None:
        """The conversation of that id is over."""
        self._met.pop(id, None)

    def conversation(self, id: str) -> Conversation | None:
        return self._look_up(id) or self._met.get(id) or self._direct(id)

    def direct(self, user: str) -> Conversation | None:
        """What this account and ``user`` say to each other."""
        return self._direct(direct_id(self.user, user))

    def _direct(self, id: str) -> Conversation | None:
        """The direct conversation of that id, if it is this account's."""
        kind, _, names = id.partition(":")
        pair = names.split(":")
        me = folded(self.user)
        if kind != "direct" or len(pair) != 2 or me not in pair:
            return None
        other = pair[0] if pair[1] == me else pair[1]
        return Conversation(f"@{other}", id, "direct", MEGOLM, (self.user, other))

    def devices_of(self, conversation: Conversation) -> tuple[Device, ...]:
        """As the interface says; nobody whose key has changed, as long as that is not accepted."""
        kept = self._readers.get(conversation.id)
        if kept is None or kept[:2] != (conversation, self._lists.epoch):
            found = tuple(device for user in self._members_now(conversation) for device in self._believed(user))
            found = tuple(dict.fromkeys(found))  # who talks to oneself is there twice
            kept = self._readers[conversation.id] = (conversation, self._lists.epoch, found)
        return kept[2]

    def _members_now(self, conversation: Conversation) -> list[str]:
        """Its members, without those who are found, now that their keys are known, to have been put there."""
        now = self._look_up(conversation.id) if conversation.kind == "room" else None
        there = {folded(user) for user in (conversation if now is None else now).members}
        return [user for user in conversation.members if folded(user) in there]

    def _believed(self, user: str) -> tuple[Device, ...]:
        if folded(user) == folded(self.user):
            return tuple(each for each in self._lists.of(user) if each.device != self.device)
        if not same_identity(self._trust.identity(user), self._lists.vouched_by(user)):
            return ()
        return self._lists.of(user)

    def device_of(self, user: str, device: str) -> Device | None:
        return self._lists.find(user, device)

    def may_give(self, user: str) -> bool:
        try:
            self._trust.check([user] if folded(user) != folded(self.user) else [])
        except (KeyChangedError, UntrustedError):
            return False
        return True

    def learn(self, conversation: Conversation, user: str) -> None:
        self._lists.ensure(conversation.name, [user], nothing)

    # Parcels and the sessions they go over -------------------------------------------------------
    def me(self) -> Device:
        """This device."""
        return Device(self.user, self.device, self._keys.curve25519, self._keys.ed25519, self._keys.rsa)

    def send_parcels(
        self, conversation: Conversation, parcels: Sequence[tuple[Device, str, bytes]]
    ) -> Sequence[Device]:
        missed: list[Device] = []
        sealed: list[wire.Parcel] = []
        for device, kind, content in parcels:
            if self._claims.reachable(device):
                sealed.append(self._parcel(conversation.id, device, kind, content))
            else:
                missed.append(device)
        self._post.send(conversation.name, sealed)
        self._claims.ensure(conversation.name, missed, nothing)  # for the next try
        return missed

    def send_to(self, conversation: Conversation, devices: Sequence[Device], kind: str, content: bytes) -> None:
        """Reach the devices, then send; what cannot be sent for want of keys is not sent."""

        def reached(error: EncchatError | None) -> None:
            missed = self.send_parcels(conversation, [(device, kind, content) for device in devices])
            for device in missed:
                self.tell(Warned("no-keys", f"device {device.device} of {device.user} has no keys to send to it with"))

        self._claims.ensure(conversation.name, devices, reached)

    def _parcel(self, about: str, device: Device, kind: str, content: bytes) -> wire.Parcel:
        plaintext = payload.build_parcel(kind, content, about, self.me(), device)
        number, data = self._sessions.encrypt(device.peer, plaintext)
        return wire.Parcel(user=device.user, device=device.device, body=f"{number}{to_base64(data)}")

    def renew_session(self, conversation: Conversation, device: Device) -> None:
        self._renewals.renew(conversation.name, device)

    # Keys ----------------------------------------------------------------------------------------
    @property
    def identity(self) -> IdentityKey | None:
        return self._own.identity

    @property
    def backup(self) -> Backup | None:
        return self._own.backup

    def identities_of(self, user: str) -> Sequence[wire.Identity]:
        return self._trust.believed(user)

    def publish_rsa(self, key: str) -> None:
        if self._keys.set_rsa(key) and self._login.state == "ready":
            self._login.upload()

    def resume(self, conversation: Conversation, error: EncchatError | None = None) -> None:
        self._preparations.resume(conversation, error)


def direct_id(user: str, other: str) -> str:
    """The id of what two accounts say to each other."""
    return "direct:" + ":".join(sorted((folded(user), folded(other))))


def nothing(error: EncchatError | None) -> None:
    """Whoever needs it next asks again."""
