"""Which devices an account has: those its identity key vouches for, as far as the server tells.

Theory of operation. What the server says of an account is believed as far as it is signed: the identity keys by
`encchat.e2e.trust`, each device by its own signature and the vouch of the identity key in force. A device without a
vouch is none, a device whose signatures do not hold was put there or changed by somebody, and is told. An account that
is said to have no identity key any more, or a chain that does not hold, changes nothing here. A list is up to date
until the server says that it changed or the connection goes; who wants to encrypt brings it up to date first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from typing import Final

import msgspec
from attrs import define, field, frozen
from msgspec import Struct

from encchat import wire
from encchat.e2e import statements
from encchat.e2e.identity import same_key, verify, verify_with_device
from encchat.e2e.interfaces import Ask, Device, Done, IdentityChanged, Keep, Tell, Warned
from encchat.e2e.refusals import error_of
from encchat.e2e.trust import Seen, TrustStore
from encchat.errors import InternalError, OverloadedError
from encchat.limits import DEVICES_SLICE, MAX_DEVICES, MAX_GONE_DEVICES, MAX_KEY_USERS, QUERY_ROUNDS
from encchat.names import folded

_KIND: Final = "devices"


class _Row(Struct, frozen=True):
    """``digest`` is of what the server said last; ``identity`` the key that vouches for ``vouched``.

    ``gone``: devices that were there and then not, and whether it was told that they are there again.
    """

    user: str
    digest: bytes
    identity: wire.Identity | None = None
    vouched: list[wire.DeviceKeys] = []
    unvouched: list[wire.DeviceKeys] = []
    gone: dict[str, bool] = {}


_NOTHING: Final = _Row("", b"")


@frozen
class _Answer:
    """What the server said; ``then`` is called when all of it has been taken."""

    users: deque[tuple[str, wire.UserKeys | None, int]]
    then: Callable[[], None]


@define
class DeviceLists:
    """See the module's theory of operation; ``me`` is the account itself, whose pinned key only its owner changes."""

    _keep: Keep
    _trust: TrustStore
    _ask: Ask
    _tell: Tell
    me: str = ""
    epoch: int = 0
    """Counts up with everything that may change whom is encrypted for."""
    _rows: dict[str, _Row] = field(init=False, factory=dict)
    _devices: dict[str, tuple[Device, ...]] = field(init=False, factory=dict)
    _fresh: set[str] = field(init=False, factory=set)
    _changes: dict[str, int] = field(init=False, factory=dict)
    _answers: deque[_Answer] = field(init=False, factory=deque)

    # What is known -------------------------------------------------------------------------------
    def of(self, user: str) -> tuple[Device, ...]:
        """The vouched devices of ``user``; the same tuple until they change."""
        key = folded(user)
        if key not in self._devices:
            self._devices[key] = tuple(map(_device, self._row(user).vouched))
        return self._devices[key]

    def find(self, user: str, device: str) -> Device | None:
        """That device, if it is vouched for."""
        return next((each for each in self.of(user) if each.device == device), None)

    def keys(self, user: str) -> list[wire.DeviceKeys]:
        """The vouched devices as they are published."""
        return self._row(user).vouched

    def unvouched(self, user: str) -> list[wire.DeviceKeys]:
        """Devices that are as their own signature says, and lack the vouch."""
        return self._row(user).unvouched

    def chain(self, user: str) -> Sequence[wire.Identity]:
        """The identity keys of ``user`` that are believed, or read by while they are not believed."""
        return self._trust.chain(user)

    def vouched_by(self, user: str) -> wire.Identity | None:
        """The identity key that vouches for `of`."""
        return self._row(user).identity

    def is_fresh(self, user: str) -> bool:
        """Whether the server has nothing newer, as far as it has said."""
        return folded(user) in self._fresh

    @property
    def fresh(self) -> int:
        """How many accounts' lists are up to date."""
        return len(self._fresh)

    # Bringing it up to date ----------------------------------------------------------------------
    def ensure(self, conversation: str, users: Sequence[str], done: Done) -> None:
        """Bring the lists of ``users`` up to date; ``done`` gets what prevented it, or None."""
        self._round(conversation, users, done, QUERY_ROUNDS)

    def changed(self, user: str) -> None:
        """The server says that there is something new."""
        key = folded(user)
        self._changes[key] = self._changes.get(key, 0) + 1
        self._fresh.discard(key)
        self.epoch += 1

    def touched(self) -> None:
        """Trust in somebody is another than before."""
        self.epoch += 1

    def forget(self, user: str) -> None:
        """Take what is said of ``user`` next as new: whom one believes has changed here."""
        self.changed(user)
        self._put(msgspec.structs.replace(self._row(user), user=user, digest=b""))

    def lost(self) -> None:
        """The connection is gone: nobody tells what changes."""
        self._fresh.clear()
        self._answers.clear()
        self.epoch += 1

    def work(self) -> bool:
        """Verify a slice of what the server has said; whether more is left."""
        for _ in range(DEVICES_SLICE):
            if not self._answers:
                return False
            self._take_next(self._answers[0])
        return bool(self._answers)

    def _round(self, conversation: str, users: Sequence[str], done: Done, rounds: int) -> None:
        stale = [user for user in users if not self.is_fresh(user)][:MAX_KEY_USERS]
        if not stale:
            done(None)
        elif not rounds:
            done(OverloadedError("the keys change faster than they can be asked for; try again"))
        else:
            seen = {user: self._changes.get(folded(user), 0) for user in stale}
            again = partial(self._round, conversation, users, done)
            self._ask(
                wire.QueryKeys,
                partial(self._answered, seen, again, done, rounds),
                conversation=conversation,
                users=stale,
            )

    def _answered(
        self,
        seen: dict[str, int],
        again: Callable[[int], None],
        done: Done,
        rounds: int,
        answer: wire.Ok | wire.Error,
    ) -> None:
        if isinstance(answer, wire.Error):
            done(error_of(answer))
            return
        if not isinstance(answer.result, wire.KeyList):
            done(InternalError("the server's answer about keys is of another kind"))
            return
        said = {folded(each.user): each for each in answer.result.users}
        left_out = answer.result.more  # who is missing was left out for length, and is asked for again
        users = deque(
            (user, said.get(folded(user)), count)
            for user, count in seen.items()
            if folded(user) in said or not left_out
        )
        calm = bool(users) and all(self._changes.get(folded(user), 0) == count for user, count in seen.items())
        self._answers.append(_Answer(users, partial(again, rounds if calm else rounds - 1)))
        if len(self._answers) == 1 and len(users) <= DEVICES_SLICE:
            self.work()

    def _take_next(self, answer: _Answer) -> None:
        if answer.users:
            user, keys, count = answer.users.popleft()
            self._take(user, keys)
            if self._changes.get(folded(user), 0) == count:
                self._fresh.add(folded(user))
        if not answer.users:
            self._answers.popleft()
            answer.then()

    # Believing it --------------------------------------------------------------------------------
    def _take(self, user: str, keys: wire.UserKeys | None) -> None:
        if keys is None:
            keys = wire.UserKeys(user=user)
        row, digest = self._row(user), sha256(msgspec.json.encode(keys)).digest()
        if row.digest == digest:
            return
        seen = self._trust.seen(user, keys.identities)
        self._report(user, seen)
        # A changed key is listed to read what it says; one's own account has no key but the pinned one.
        if seen in ("first", "same", "vouched") or (seen == "changed" and not self._is_mine(user)):
            self._believe(row, user, digest, keys, self._trust.chain(user))

    def _believe(
        self, row: _Row, user: str, digest: bytes, keys: wire.UserKeys, chain: Sequence[wire.Identity]
    ) -> None:
        identity = chain[-1]
        vouched: list[wire.DeviceKeys] = []
        unvouched: list[wire.DeviceKeys] = []
        places: set[str] = set()
        for each in keys.devices[:MAX_DEVICES]:
            if folded(each.user) != folded(user) or each.device in places or not _signed(each):
                self._tell(Warned("device-rejected", _REJECTED.format(each.device, user)))
                continue
            places.add(each.device)
            if verify(identity, statements.vouch(each), each.vouch):
                vouched.append(each)
            else:
                self._suspect(each, user, chain)
                unvouched.append(each)
        self.epoch += 1
        gone = self._gone(row, {each.device for each in keys.devices}, user, vouched)
        self._put(_Row(user, digest, identity, vouched, unvouched, gone))

    def _gone(self, row: _Row, shown: set[str], user: str, vouched: Sequence[wire.DeviceKeys]) -> dict[str, bool]:
        """Who is not there any more; who is there again is told, once: nobody but a server brings a device back."""
        before = [each.device for each in (*row.vouched, *row.unvouched)]
        gone = {**row.gone, **{device: False for device in before if device not in shown and device not in row.gone}}
        for each in vouched:
            if gone.get(each.device) is False:
                gone[each.device] = True
                self._tell(Warned("device-returned", _RETURNED.format(each.device, user)))
        return dict(list(gone.items())[-MAX_GONE_DEVICES:])

    def _suspect(self, keys: wire.DeviceKeys, user: str, chain: Sequence[wire.Identity]) -> None:
        """A vouch of an identity key before is just old; another that does not hold is somebody's lie."""
        statement = statements.vouch(keys)
        if keys.vouch and not any(verify(each, statement, keys.vouch) for each in chain[:-1]):
            self._tell(Warned("device-rejected", _UNVOUCHED.format(keys.device, user)))

    def _report(self, user: str, seen: Seen) -> None:
        if seen == "invalid":
            self._tell(Warned("identity-rejected", _INVALID.format(user)))
        elif seen == "none" and self._trust.state(user) is not None:
            self._tell(Warned("identity-withheld", _WITHHELD.format(user)))
        elif self._is_mine(user):
            if seen == "changed":
                self._tell(Warned("own-identity", _OWN))
        elif seen in ("vouched", "changed"):
            self._tell(IdentityChanged(user, seen == "vouched"))

    def _is_mine(self, user: str) -> bool:
        return folded(user) == folded(self.me)

    def _row(self, user: str) -> _Row:
        key = folded(user)
        if key not in self._rows:
            kept = self._keep.get(_KIND, key)
            self._rows[key] = _NOTHING if kept is None else msgspec.msgpack.decode(kept, type=_Row)
        return self._rows[key]

    def _put(self, row: _Row) -> None:
        key = folded(row.user)
        self._rows[key] = row
        self._devices.pop(key, None)
        self._keep.put(_KIND, key, msgspec.msgpack.encode(row))


def same_identity(one: wire.Identity | None, other: wire.Identity | None) -> bool:
    """Whether both are the same key."""
    return one is not None and other is not None and same_key(one, other)


def _device(keys: wire.DeviceKeys) -> Device:
    return Device(keys.user, keys.device, keys.curve25519, keys.ed25519, keys.rsa)


def _signed(keys: wire.DeviceKeys) -> bool:
    return verify_with_device(keys.ed25519, statements.device_keys(keys), keys.signature)


_REJECTED: Final = (
    "the keys of device {} of {} are not signed by that device: nothing is encrypted for it; whoever runs the server,"
    " or sits between, has changed them"
)
_UNVOUCHED: Final = (
    "device {} of {} claims to be vouched for, and is not: nothing is encrypted for it; somebody other than its owner"
    " has put it there"
)
_RETURNED: Final = (
    "device {} of {} had been removed, and is there again: what you say is encrypted for it too; ask its owner, for a"
    " revoked device comes back only if whoever runs the server brings it back"
)
_INVALID: Final = "what the server says are the identity keys of {} do not follow from each other: it is not believed"
_WITHHELD: Final = "the server says that {} has no identity key any more; it is not believed"
_OWN: Final = (
    "the server shows others an identity key of yours that this device does not know: if you did not make a new one on"
    " another device, whoever runs the server pretends to be you"
)
