"""What each login does before anything is encrypted: identity, keys uploaded, inbox read.

Theory of operation. The steps follow each other, each from the answer to the one before: ask what is published of the
own account; make, publish or catch up with its identity key; upload this device's keys until the server's answer is as
it should be (`encchat.e2e.account`); read the inbox. Nothing is encrypted before the upload was answered, as only
then is it known that the store is no old copy. A refusal ends the attempt; the next `prepare` begins another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal

from attrs import define, field

from encchat import wire
from encchat.e2e.account import OwnKeys
from encchat.e2e.devices import DeviceLists
from encchat.e2e.interfaces import Ask, Recovery, Tell, Unvouched, Warned
from encchat.e2e.own import ENTRY, Own, approval
from encchat.e2e.recovery import Backup
from encchat.e2e.refusals import TRANSIENT, error_of
from encchat.errors import EncchatError, InternalError, NotConnectedError, RecoveryError
from encchat.limits import UPLOAD_ROUNDS
from encchat.names import folded

State = Literal["offline", "beginning", "ready", "failed"]


@define
class Login:
    """See the module's theory of operation.

    ``restored``: the store is an old copy. ``settled``: ready, or failed (``error`` says why).
    """

    _ask: Ask
    _tell: Tell
    _own: Own
    _keys: OwnKeys
    _lists: DeviceLists
    _restored: Callable[[], None]
    _settled: Callable[[], None]
    user: str = ""
    device: str = ""
    state: State = field(init=False, default="offline")
    error: EncchatError | None = field(init=False, default=None)
    _uploading: bool = field(init=False, default=False)
    _again: bool = field(init=False, default=False)
    _anew: bool = field(init=False, default=False)
    """Whether the store has turned out to be an old copy since the login."""
    _rolling: bool = field(init=False, default=False)
    """Whether that is to be acted on when an upload that is under way has been answered."""

    def begin(self, user: str, device: str) -> None:
        """Start from the first step."""
        self.user, self.device = user, device
        self.state, self.error, self._uploading, self._again = "beginning", None, False, False
        self._anew = self._rolling = False
        self._own.load(user)
        self._keys.begin()
        self._query(self._know)

    def try_again(self) -> None:
        """What the server refused for a while, some seconds later."""
        if self.state == "failed" and self.error is not None and self.error.code in TRANSIENT:
            self.begin(self.user, self.device)

    def roll_back(self) -> None:
        """The core has found that the store is an old copy: new keys, before anything else is encrypted."""
        if self._anew or self.state == "offline":
            return
        self._rolling = self._uploading  # the answer that is to come is about the keys of before
        if not self._rolling:
            self._keys.start_anew()
            self._renounce()
        if self.state != "failed":
            self.state = "beginning"
            self.upload()

    def lost(self) -> None:
        """The connection is gone."""
        self.state, self._uploading = "offline", False

    @property
    def mine(self) -> wire.DeviceKeys:
        """This device's keys, vouched for if it can."""
        return self._keys.device_keys(self.user, self.device, self._own.identity)

    # The account's identity key ------------------------------------------------------------------
    def _query(self, then: Callable[[Sequence[wire.Identity]], None]) -> None:
        done = partial(self._queried, then)
        self._ask(wire.QueryKeys, done, conversation=f"@{self.user}", users=[self.user])

    def _queried(self, then: Callable[[Sequence[wire.Identity]], None], answer: wire.Ok | wire.Error) -> None:
        if isinstance(answer, wire.Error):
            self._fail(error_of(answer))
        elif isinstance(answer.result, wire.KeyList):
            found = (each for each in answer.result.users if folded(each.user) == folded(self.user))
            then(next((each.identities for each in found), []))
        else:
            self._fail(InternalError("the server's answer about keys is of another kind"))

    def _know(self, published: Sequence[wire.Identity]) -> None:
        own = self._own
        if own.identity is None and own.backup is None and not published:
            own.make()
        own.promote(published)
        own.drop_proposed()
        if own.has_fallen_behind(published):
            self._catch_up(published, self.upload)
            return
        own.pin(published)
        self._publish(own.unpublished(published))

    def _publish(self, identities: Sequence[wire.Identity]) -> None:
        if not identities:
            self.upload()
            return
        done = partial(self._published, identities)
        self._ask(wire.PublishIdentity, done, identity=identities[0], vouches=[])

    def _published(self, identities: Sequence[wire.Identity], answer: wire.Ok | wire.Error) -> None:
        if isinstance(answer, wire.Error):
            error = error_of(answer)
            if identities[0].number == 1 and answer.code != NotConnectedError.code:
                # Two devices of a new account at once: the server has published the other's key.
                self._query(self._second)
            else:
                self._fail(error)
            return
        if identities[0].number == 1 and self._own.backup is not None:
            self._tell(Recovery(self._own.backup.phrase))
        self.put_backup()
        self._publish(identities[1:])

    def _second(self, published: Sequence[wire.Identity]) -> None:
        if published and not self._own.is_last_of(published):
            self._own.give_up()
        self.upload()

    def put_backup(self) -> None:
        """Keep the identity key, sealed under the recovery phrase, for devices of later."""
        entry = self._own.entry()
        if entry is not None:
            self._own.backup_due = True
            self._ask(wire.PutBackup, self._backed_up, entries=[entry])

    def _backed_up(self, answer: wire.Ok | wire.Error) -> None:
        if isinstance(answer, wire.Ok):
            self._own.backup_due = False

    def look_at_backup(self) -> None:
        """Try again to keep the identity key, if the server has not taken it yet: nothing else opens the phrase."""
        if self._own.backup_due:
            self.put_backup()

    # This device's keys --------------------------------------------------------------------------
    def upload(self, rounds: int = UPLOAD_ROUNDS) -> None:
        """Publish the keys as they are now; one upload at a time."""
        if self._uploading:
            self._again = True
            return
        self._uploading = True
        fields = self._keys.upload(self.user, self.device, self._own.identity)
        self._ask(wire.UploadKeys, partial(self._uploaded, rounds), **fields)

    def _uploaded(self, rounds: int, answer: wire.Ok | wire.Error) -> None:
        self._uploading = False
        if isinstance(answer, wire.Error):
            self._fail(error_of(answer))
        elif not isinstance(answer.result, wire.KeyCount):
            self._fail(InternalError("the server's answer to an upload of keys is of another kind"))
        else:
            self._counted(answer.result, rounds)

    def _counted(self, count: wire.KeyCount, rounds: int) -> None:
        verdict = self._keys.answered(count)
        if self._rolling and not self._anew and verdict == "good":
            self.roll_back()
            return
        if verdict == "store-restored":
            self._renounce()
        elif verdict == "server-restored":
            self.put_backup()
        due = self._keys.due() or verdict != "good" or self._again
        self._again = False
        if due and rounds:
            self.upload(rounds - 1)
        elif verdict == "store-restored":
            self._fail(InternalError("the server goes on saying that this store is an old copy"))
        if verdict == "good" and self.state == "beginning":
            self.state = "ready"
            self._settled()

    def _renounce(self) -> None:
        self._anew = True
        self._restored()
        self._tell(Warned("store-restored", _STORE_RESTORED))

    def _fail(self, error: EncchatError) -> None:
        if self.state == "beginning":
            self.state, self.error = "failed", error
            self._settled()

    def keep_up(self) -> None:
        """Publish more one-time keys, or another fallback key, if that is due."""
        if not self._uploading and self._keys.due():
            self.upload()

    # Afterwards ----------------------------------------------------------------------------------
    def look(self) -> None:
        """See that the server shows others what it should of this account; catch up with its identity key."""
        self._lists.ensure(f"@{self.user}", [self.user], self._looked)

    def _looked(self, error: EncchatError | None) -> None:
        if error is not None:
            return
        published = self._lists.chain(self.user)
        if self._own.has_fallen_behind(published):
            self._catch_up(published, self.upload)
        elif self._own.identity is None:
            self.tell_unvouched()
        else:
            self._missing(self.mine)

    def _missing(self, mine: wire.DeviceKeys) -> None:
        # DSA and PSS signatures differ each time, so keys are compared without them.
        shown = {(each.device, each.curve25519, each.ed25519) for each in self._lists.keys(self.user)}
        if (mine.device, mine.curve25519, mine.ed25519) not in shown:
            self._tell(Warned("own-device-withheld", _WITHHELD))

    def tell_unvouched(self) -> None:
        """Say what to do on a device that lacks the identity key."""
        self._tell(Unvouched(_UNVOUCHED.format(approval(self.mine, self._own.secret))))

    def _catch_up(self, published: Sequence[wire.Identity], then: Callable[[], None]) -> None:
        """Another device has made a new identity key: the backup has it, and that device sends it."""
        backup = self._own.backup
        if backup is None:
            self._own.lapse()
            then()
        else:
            self.fetch(backup, partial(self._caught_up, backup, published, then))

    def _caught_up(
        self,
        backup: Backup,
        published: Sequence[wire.Identity],
        then: Callable[[], None],
        exported: bytes | EncchatError,
    ) -> None:
        try:
            if isinstance(exported, EncchatError):
                raise exported
            self._own.adopt(exported, backup, published)
        except EncchatError:
            self._own.lapse()
            self.tell_unvouched()
        then()

    def fetch(self, backup: Backup, then: Callable[[bytes | EncchatError], None]) -> None:
        """Get the identity key out of the backup, as `IdentityKey.export` gave it."""
        name = backup.name(*ENTRY)
        self._ask(wire.GetBackup, partial(_fetched, backup, name, then), name=name)


def _fetched(
    backup: Backup, name: str, then: Callable[[bytes | EncchatError], None], answer: wire.Ok | wire.Error
) -> None:
    if isinstance(answer, wire.Error):
        then(error_of(answer))
        return
    entries = answer.result.entries if isinstance(answer.result, wire.BackupPage) else []
    entry = next((each for each in entries if each.name == name), None)
    try:
        if entry is None:
            raise RecoveryError("the backup has nothing under these words: they are another account's, or mistyped")
        exported = backup.open(entry)[2]
    except RecoveryError as error:
        then(error)
    else:
        then(exported)


_STORE_RESTORED: Final = (
    "the store of this client is an old copy: it has made new keys for this device; messages that came to the newer"
    " copy may not be readable here until their senders' devices have been asked"
)
_WITHHELD: Final = (
    "the server does not show others the keys of this device as they are: they cannot write to it; ask whoever runs the"
    " server"
)
_UNVOUCHED: Final = (
    "this device does not have the account's identity key: nobody writes to it, and it can speak in the lobby only."
    " /recover PHRASE brings the key here, or, on another device of yours, /approve {}"
)
