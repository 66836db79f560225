"""Whom one trusts, and the account's own identity key, as commands ask for it; what comes later is an effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, get_args

from attrs import define, field

from encchat import wire
from encchat.e2e import identity as identities
from encchat.e2e import safety, statements
from encchat.e2e.devices import DeviceLists
from encchat.e2e.identity import IdentityKey
from encchat.e2e.interfaces import Aside, Ask, Conversation, Device, Policy, Tell, Verification, Warned
from encchat.e2e.login import Login
from encchat.e2e.own import Own, approval, secret_of
from encchat.e2e.recovery import Backup
from encchat.e2e.refusals import error_of
from encchat.e2e.sas import Party
from encchat.e2e.trust import TrustStore
from encchat.e2e.verifications import Verifications
from encchat.errors import EncchatError, NoKeysError, RecoveryError, UnknownDeviceError, UsageError
from encchat.names import folded

IDENTITY: Final = "identity"
"""The parcel with which a device hands the identity key to another of the same account."""
SAS: Final = "sas"
"""A parcel of a verification."""

Letters = Callable[[Conversation, Sequence[Device], str, bytes], None]


@define(eq=False)
class People:
    """``send`` reaches devices for a parcel of a kind; ``restore`` brings keys of the past from a backup.

    ``aside`` makes keys, which takes long for some kinds.
    """

    _ask: Ask
    _tell: Tell
    _clock: Callable[[], float]
    _random: Callable[[int], bytes]
    _ulid: Callable[[], str]
    _own: Own
    _lists: DeviceLists
    _trust: TrustStore
    _login: Login
    _send: Letters
    _restore: Callable[[Backup], None]
    _aside: Aside
    _verifications: Verifications = field(init=False)
    _numbered: dict[str, wire.Identity] = field(init=False, factory=dict)
    """By folded name the key whose safety number was shown last."""

    def __attrs_post_init__(self) -> None:
        self._verifications = Verifications(
            self._me, self._send_sas, self._tell, self._believe, self._clock, self._ulid
        )

    # Others --------------------------------------------------------------------------------------
    def fingerprint(self, user: str | None) -> str:
        """Of the identity key; `NoKeysError` if none is known."""
        return identities.fingerprint(self._identity(user or self._own.user))

    def safety_number(self, user: str) -> str:
        """60 digits over both identity keys."""
        mine, theirs = self._own.required.public, self._identity(user)
        self._numbered[folded(user)] = theirs
        return safety.safety_number(self._own.user, mine, user, theirs)

    def verify(self, user: str) -> None:
        """Begin to compare keys, or agree to what the other has begun."""
        self._lists.ensure(f"@{user}", [user], partial(self._begin, user))

    def stop_verifying(self, user: str) -> None:
        """End what is under way."""
        if not self._verifications.cancel(user):
            raise UsageError(f"no verification of {user} is under way")

    def verified(self, user: str) -> None:
        """The emoji or numbers, or else the safety numbers, were the same."""
        if self._verifications.confirm(user):
            return
        # Whatever the server shows now: people have compared what they were shown.
        self._believe(user, self._numbered.get(folded(user)) or self._identity(user))
        self._tell(Verification(user, "done"))

    def accept(self, user: str) -> None:
        """Pin the changed key of ``user``."""
        if not self._trust.accept(user):
            raise UsageError(f"the key of {user} is the one this client knows: there is no change to accept")
        self._lists.forget(user)

    def set_policy(self, policy: Policy) -> None:
        """Whose keys are written to."""
        self._trust.set_policy(policy)
        self._lists.touched()

    def sas(self, payload: bytes, sender: Device) -> None:
        """A parcel of a verification."""
        party = self._party(sender)
        if party is not None:
            self._verifications.receive(party, payload)

    def expire(self) -> None:
        """End verifications that have waited too long."""
        self._verifications.expire()

    def _begin(self, user: str, error: EncchatError | None) -> None:
        parties = [party for device in self._lists.of(user) if (party := self._party(device)) is not None]
        try:
            if error is not None:
                raise error
            if self._own.identity is None:
                raise NoKeysError("this device does not have the account's identity key: there is nothing to compare")
            self._verifications.begin(parties)
        except EncchatError as refused:
            self._tell(Verification(user, "cancelled", reason=refused.text))

    def _me(self) -> Party:
        mine = self._login.mine
        return Party(mine.user, mine.device, mine.ed25519, self._own.required.public)

    def _party(self, device: Device) -> Party | None:
        identity = self._lists.vouched_by(device.user)
        if identity is None or self._own.identity is None:
            return None
        return Party(device.user, device.device, device.ed25519, identity)

    def _send_sas(self, party: Party, payload: bytes) -> None:
        device = self._lists.find(party.user, party.device)
        if device is not None:
            self._send(self._direct(party.user), [device], SAS, payload)

    def _believe(self, user: str, identity: wire.Identity) -> None:
        self._trust.verified(user, identity)
        self._lists.forget(user)

    def _identity(self, user: str) -> wire.Identity:
        chain = self._trust.chain(user)
        if not chain:
            raise NoKeysError(
                f"no identity key of {user} is known here: {user} has to log in once with a client that makes one"
            )
        return chain[-1]

    def _direct(self, user: str) -> Conversation:
        pair = ":".join(sorted((folded(self._own.user), folded(user))))
        return Conversation(f"@{user}", f"direct:{pair}", "direct", "megolm", (self._own.user, user))

    # The account's own key -----------------------------------------------------------------------
    def sign_with(self, algorithm: str) -> None:
        """Make a new identity key, which vouches for all devices of the account."""
        chosen = next((each for each in get_args(wire.Algorithm) if each == algorithm), None)
        if chosen is None:
            raise UsageError(f"there is no kind of identity key {algorithm}: ed25519, rsa, dsa")
        self._aside(self._own.next_key(chosen), self._propose)

    def _propose(self, key: IdentityKey) -> None:
        try:
            public = self._own.propose(key)
        except EncchatError as error:  # much may have come while it was made
            self._tell(Warned("identity-refused", _NO_NEW.format(error.text)))
            return
        self._lists.ensure(f"@{self._own.user}", [self._own.user], partial(self._sign_with, key, public))

    def _sign_with(self, key: IdentityKey, public: wire.Identity, error: EncchatError | None) -> None:
        if error is not None:
            self._refused(error)
            return
        backup = self._own.backup
        if backup is not None:
            # Before the key is in force, so that other devices find it when they hear that it is.
            self._ask(wire.PutBackup, lambda answer: None, entries=[self._own.sealed(key, backup)])
        vouches = [
            wire.Vouch(device=each.device, vouch=key.sign(statements.vouch(each)))
            for each in self._lists.keys(self._own.user)
        ]
        self._ask(wire.PublishIdentity, partial(self._changed, public), identity=public, vouches=vouches)

    def _changed(self, public: wire.Identity, answer: wire.Ok | wire.Error) -> None:
        if isinstance(answer, wire.Error):
            self._refused(error_of(answer))
            return
        if not self._own.promote([*self._trust.chain(self._own.user), public]):
            return
        self._lists.forget(self._own.user)
        self._login.upload()
        others = [each for each in self._lists.of(self._own.user) if each.device != self._login.device]
        self._send(self._direct(self._own.user), others, IDENTITY, self._own.bundle())
        self._tell(Warned("identity", f"your identity key is {identities.fingerprint(public)} now"))

    def _refused(self, error: EncchatError) -> None:
        self._own.drop_proposed()
        self._login.put_backup()
        self._tell(Warned("identity-refused", _NO_NEW.format(error.text)))

    # The key on other devices --------------------------------------------------------------------
    def approve(self, code: str) -> None:
        """Hand the identity key to another device of this account; ``code`` is what that device shows."""
        self._own.required.export()
        if "-" not in code:
            raise UsageError(
                "give all that the other device shows after /approve: its id and what follows it, which tells its keys"
                " from those of somebody who pretends to be it"
            )
        self._lists.ensure(f"@{self._own.user}", [self._own.user], partial(self._approve, code))

    def _approve(self, code: str, error: EncchatError | None) -> None:
        if error is None:
            error = self._handed_to(code)
        if error is not None:
            self._tell(Warned("approve", f"the device was not approved: {error.text}"))

    def _handed_to(self, code: str) -> EncchatError | None:
        id = code.partition("-")[0]
        found = next(
            (each for each in self._lists.unvouched(self._own.user) if folded(each.device) == folded(id)), None
        )
        if found is None:
            return UnknownDeviceError(f"no device {id} of yours waits for it: look at /devices")
        secret = secret_of(code)
        if approval(found, secret).upper() != code.upper():
            return UsageError("the code is not that of the device's keys as the server shows them: compare it again")
        device = Device(found.user, found.device, found.curve25519, found.ed25519, found.rsa)
        self._send(self._direct(self._own.user), [device], IDENTITY, self._own.bundle(secret))
        self._tell(Warned("approved", f"the identity key goes to device {device.device}"))
        return None

    def take_identity(self, payload: bytes, sender: Device) -> None:
        """Another device of this account hands over the identity key."""
        if folded(sender.user) != folded(self._own.user):
            return
        try:
            self._own.take_bundle(payload, self._trust.chain(self._own.user))
        except RecoveryError as error:
            self._tell(Warned("recovery", error.text))
            return
        self._came(f"device {sender.device} has handed over the identity key")
        if self._own.backup is not None:
            self._restore(self._own.backup)

    def recover(self, phrase: str) -> None:
        """Bring the identity key and the keys of the past here; `RecoveryError` if these are no such words."""
        backup = Backup.from_phrase(self._own.user, phrase)
        self._lists.ensure(f"@{self._own.user}", [self._own.user], partial(self._recover, backup))

    def _recover(self, backup: Backup, error: EncchatError | None) -> None:
        if error is not None:
            self._tell(Warned("recovery", error.text))
        else:
            self._login.fetch(backup, partial(self._recovered, backup))

    def _recovered(self, backup: Backup, exported: bytes | EncchatError) -> None:
        try:
            if isinstance(exported, EncchatError):
                raise exported
            self._own.adopt(exported, backup, self._trust.chain(self._own.user))
        except EncchatError as error:
            self._tell(Warned("recovery", f"nothing was recovered: {error.text}"))
            return
        self._came("the recovery phrase has brought the identity key here")
        self._restore(backup)

    def _came(self, how: str) -> None:
        """This device is vouched for from its next upload on."""
        self._lists.forget(self._own.user)
        self._login.upload()
        shown = identities.fingerprint(self._own.required.public)
        self._tell(Warned("vouched", f"{how}: {shown}; it is the same on your other devices (/fingerprint)"))


_NO_NEW: Final = "there is no new identity key: {}"
