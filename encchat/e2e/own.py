"""The account's identity key and backup key on this device, and how they come here.

They are made with the account, or brought by the recovery phrase, or by another device of the account. A key that
is to follow is kept beside the one in force until the server has published it.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from hmac import compare_digest
from typing import Final

import msgspec
from attrs import define, field
from msgspec import Struct

from encchat import wire
from encchat.e2e import statements
from encchat.e2e.identity import IdentityKey, same_key
from encchat.e2e.interfaces import Keep
from encchat.e2e.recovery import ENTROPY_BYTES, Backup
from encchat.e2e.trust import TrustStore
from encchat.errors import IdentityMissingError, RecoveryError, UsageError

_KIND: Final = "identity"
_PRIVATE: Final = "private"
_NEXT: Final = "next"
_BACKUP: Final = "backup"
_DUE: Final = "backup-due"
_CODE_BYTES: Final = 10
_WORD: Final = "approval"
_SECRET_BYTES: Final = 5
_GROUP: Final = 4

ENTRY: Final = ("identity", "")
"""Kind and name of the backup's entry that holds the identity key."""


class Bundle(Struct, frozen=True, array_like=True):
    """What one device of the account hands another: the identity key (`IdentityKey.export`), the backup's secret.

    ``proof``: an HMAC of both, by what stands in the code that the other device shows, which the server never sees.
    """

    identity: bytes
    backup: bytes
    proof: bytes = b""


class _Next(Struct, frozen=True, array_like=True):
    exported: bytes
    public: wire.Identity


@define
class Own:
    """See the module; ``identity`` and ``backup`` are None on a device that is not vouched for."""

    _keep: Keep
    _random: Callable[[int], bytes]
    _trust: TrustStore
    user: str = ""
    identity: IdentityKey | None = field(init=False, default=None)
    backup: Backup | None = field(init=False, default=None)

    def load(self, user: str) -> None:
        """A login."""
        self.user = user
        private, secret = self._keep.get(_KIND, _PRIVATE), self._keep.get(_KIND, _BACKUP)
        self.identity = None if private is None else IdentityKey.load(private)
        self.backup = None if secret is None else Backup(user, secret)

    @property
    def backup_due(self) -> bool:
        """Whether the server may not have the identity key, sealed under the recovery phrase; outlives the process."""
        return self._keep.get(_KIND, _DUE) is not None

    @backup_due.setter
    def backup_due(self, due: bool) -> None:
        if due != self.backup_due:
            self._keep.put(_KIND, _DUE, b"1" if due else None)

    def make(self) -> None:
        """The account's first key."""
        self._put(IdentityKey.make("ed25519", self._random), Backup.make(self.user, self._random))
        self.backup_due = True
        self.pin([])

    def give_up(self) -> None:
        """The key that was made here is not the account's: another device was first."""
        self.identity = self.backup = None
        for name in (_PRIVATE, _BACKUP, _NEXT, _DUE):
            self._keep.put(_KIND, name, None)

    def lapse(self) -> None:
        """The key held here is not in force any more, and the one that is has not come yet."""
        self.identity = None
        self._keep.put(_KIND, _PRIVATE, None)

    def has_fallen_behind(self, published: Sequence[wire.Identity]) -> bool:
        """Whether another device has put a key in force that goes on from what is believed here, and is not here."""
        if not published or self.is_last_of(published) or (self.identity is None and self.backup is None):
            return False
        return self._trust.seen(self.user, published) in ("first", "same", "vouched")

    def pin(self, published: Sequence[wire.Identity]) -> None:
        """Believe in the key held here, whatever is published."""
        if self.identity is not None and not self.is_last_of(self._trust.chain(self.user)):
            self._trust.own(self.user, self.identity.public, published)

    def is_last_of(self, chain: Sequence[wire.Identity]) -> bool:
        """Whether the key held here ends ``chain``."""
        return self.identity is not None and bool(chain) and same_key(chain[-1], self.identity.public)

    def unpublished(self, published: Sequence[wire.Identity]) -> Sequence[wire.Identity]:
        """What the server has yet to publish of the account's own chain; nothing if it shows another."""
        chain = self._trust.chain(self.user)
        if not self.is_last_of(chain) or len(published) >= len(chain):
            return ()
        same = all(same_key(one, other) for one, other in zip(published, chain, strict=False))
        return chain[len(published) :] if same else ()

    # A key that follows --------------------------------------------------------------------------
    def next_key(self, algorithm: wire.Algorithm) -> Callable[[], IdentityKey]:
        """What makes the key that is to follow, wherever that is done; `propose` it then."""
        return partial(IdentityKey.make, algorithm, self._random, self.required.number + 1)

    def propose(self, key: IdentityKey) -> wire.Identity:
        """Keep the key that is to follow; returns what is published of it."""
        if key.number != self.required.number + 1:
            raise UsageError("another identity key has come into force meanwhile: try again")
        public = self.required.followed_by(self.user, key)
        self._keep.put(_KIND, _NEXT, msgspec.msgpack.encode(_Next(key.export(), public)))
        return public

    def promote(self, published: Sequence[wire.Identity]) -> bool:
        """Put the proposed key in force if it is what is published last; whether it was."""
        kept = self._keep.get(_KIND, _NEXT)
        if kept is None or not published:
            return False
        proposed = msgspec.msgpack.decode(kept, type=_Next)
        if not same_key(published[-1], proposed.public):
            return False
        self._keep.put(_KIND, _NEXT, None)
        self._put(IdentityKey.load(proposed.exported), self.backup)
        self._trust.own(self.user, proposed.public, published)
        return True

    def drop_proposed(self) -> None:
        """It was refused."""
        self._keep.put(_KIND, _NEXT, None)

    # Handing over --------------------------------------------------------------------------------
    @property
    def required(self) -> IdentityKey:
        """The identity key; `IdentityMissingError` without it."""
        if self.identity is None:
            raise IdentityMissingError("this device does not have the account's identity key")
        return self.identity

    @property
    def secret(self) -> str:
        """The part of this device's code that only who reads its screen knows; the same until the identity key comes.

        Whoever holds 40 bits of it by chance has guessed one of 10^12, each guess a parcel.
        """
        kept = self._keep.get(_KIND, _WORD)
        if kept is None:
            kept = b32encode(self._random(_SECRET_BYTES))
            self._keep.put(_KIND, _WORD, kept)
        return kept.decode("ascii")

    def bundle(self, secret: str = "") -> bytes:
        """For another device of the account; ``secret`` out of its code if it has never had the identity key."""
        backup = b"" if self.backup is None else self.backup.secret
        bundle = Bundle(self.required.export(), backup)
        return msgspec.msgpack.encode(msgspec.structs.replace(bundle, proof=_proof(secret, bundle)))

    def take_bundle(self, data: bytes, published: Sequence[wire.Identity]) -> None:
        """From another device; `RecoveryError` unless it holds the key that is published last.

        A device that has never had the account's key knows its other devices by the server's word alone: it takes one
        only from who was told its code.
        """
        try:
            bundle = msgspec.msgpack.decode(data, type=Bundle)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise RecoveryError("what the other device sent is no identity key") from None
        if len(bundle.backup) not in (0, ENTROPY_BYTES):
            raise RecoveryError("what the other device sent is no key of a backup")
        known = self._trust.state(self.user) == "verified"
        if not known and not compare_digest(bundle.proof, _proof(self.secret, bundle)):
            raise RecoveryError(_UNPROVEN)
        self.adopt(bundle.identity, Backup(self.user, bundle.backup) if bundle.backup else None, published)

    def adopt(self, exported: bytes, backup: Backup | None, published: Sequence[wire.Identity]) -> None:
        """Hold that identity key from now on; `RecoveryError` unless it is the one that is published last."""
        key = IdentityKey.load(exported)
        if not published or not same_key(published[-1], key.public):
            raise RecoveryError("that is not the identity key the server publishes for this account")
        self._put(key, backup or self.backup)
        self._keep.put(_KIND, _WORD, None)
        self._trust.own(self.user, published[-1], published)

    def entry(self) -> wire.BackupEntry | None:
        """The identity key for the backup."""
        if self.identity is None or self.backup is None:
            return None
        return self.sealed(self.identity, self.backup)

    def sealed(self, key: IdentityKey, backup: Backup) -> wire.BackupEntry:
        """That key as an entry of the backup."""
        return backup.seal(*ENTRY, key.export(), self._random)

    def _put(self, key: IdentityKey, backup: Backup | None) -> None:
        self.identity, self.backup = key, backup
        self._keep.put(_KIND, _PRIVATE, key.export())
        if backup is not None:
            self._keep.put(_KIND, _BACKUP, backup.secret)


def approval(keys: wire.DeviceKeys, secret: str) -> str:
    """What is typed to approve a device: its id, its secret, and 80 bits over its keys, which no other keys have."""
    fields = (keys.user.casefold(), keys.device, keys.curve25519, keys.ed25519, secret)
    digest = sha256(statements.statement("approve device", *fields)).digest()[:_CODE_BYTES]
    code = secret + b32encode(digest).decode("ascii")
    return "-".join((keys.device, *(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))))


def secret_of(code: str) -> str:
    """The secret in what `approval` gave, as it was typed; of anything else, anything."""
    return "".join(code.upper().split("-")[1 : 1 + _SECRET_BYTES * 8 // 5 // _GROUP])


def _proof(secret: str, bundle: Bundle) -> bytes:
    said = statements.statement("approved", bundle.identity, bundle.backup)
    return hmac.digest(secret.encode("ascii", "replace"), said, "sha256")


_UNPROVEN: Final = (
    "a device that does not know the code shown here has handed over an identity key: it was not taken; if you have not"
    " just typed another code at a device of yours, whoever runs the server pretends to be you"
)
