"""This device's own Olm keys: made once, published, one-time keys topped up, the fallback key changed weekly.

Theory of operation. Each start counts the generation up, commits it and uploads; the server answers the generation it
had before. One greater than this store has ever used means that the store is an old copy: its ratchets have moved
since, and going on would use message keys twice, so there is a new account. One smaller than the server has confirmed
means that the server was restored: it may hand out one-time keys a second time, so they are replaced. Keys count as
published only when the server has said so; an upload that was interrupted is repeated with the same keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
import vodozemac
from attrs import define, field
from msgspec import Struct

from encchat import wire
from encchat.e2e import pickles, statements
from encchat.e2e.identity import IdentityKey
from encchat.e2e.interfaces import Keep
from encchat.e2e.pickles import Pickle
from encchat.errors import UndecryptableError
from encchat.limits import FALLBACK_SECONDS, MAX_ONE_TIME_KEYS

_KIND: Final = "olm-account"

Verdict = Literal["good", "store-restored", "server-restored"]


class _Kept(Struct, frozen=True):
    """``used`` is the greatest generation this store has uploaded with, ``confirmed`` the greatest the server has."""

    account: Pickle
    used: int = 0
    confirmed: int = 0
    fallback_made: float = 0.0
    rsa: str = ""


@define
class OwnKeys:
    """The device's Olm account, in the client's store."""

    _keep: Keep
    _random: Callable[[int], bytes]
    _clock: Callable[[], float]
    _kept: _Kept = field(init=False)
    _live: vodozemac.Account = field(init=False)
    _expected: int = field(init=False, default=0)
    _replace: bool = field(init=False, default=False)
    left: int = field(init=False, default=0)
    """One-time keys the server has, as far as is known."""

    def __attrs_post_init__(self) -> None:
        found = self._keep.get(_KIND, "")
        if found is None:
            self._make(_Kept(Pickle(b"", "")))
        else:
            self._kept = msgspec.msgpack.decode(found, type=_Kept)
            self._live = pickles.account(self._kept.account)

    # What is published ---------------------------------------------------------------------------
    @property
    def curve25519(self) -> str:
        """In base64."""
        return self._live.curve25519_key.to_base64()

    @property
    def ed25519(self) -> str:
        """In base64."""
        return self._live.ed25519_key.to_base64()

    @property
    def rsa(self) -> str:
        """The RSA key that is published beside them, in base64; empty if there is none."""
        return self._kept.rsa

    def set_rsa(self, key: str) -> bool:
        """Publish that RSA key from the next upload on; whether it is another than before."""
        changed = key != self._kept.rsa
        if changed:
            self._put(rsa=key)
        return changed

    def device_keys(self, user: str, device: str, identity: IdentityKey | None) -> wire.DeviceKeys:
        """Signed by the device, vouched for by ``identity`` if that is here."""
        keys = wire.DeviceKeys(
            user=user, device=device, curve25519=self.curve25519, ed25519=self.ed25519, rsa=self.rsa, signature=""
        )
        keys = msgspec.structs.replace(keys, signature=self._sign(statements.device_keys(keys)))
        return keys if identity is None else msgspec.structs.replace(keys, vouch=identity.sign(statements.vouch(keys)))

    # Uploads -------------------------------------------------------------------------------------
    def begin(self) -> None:
        """A login: the next upload has a generation of its own, and a fallback key that is not too old."""
        self._expected = self._kept.used
        self._put(used=self._kept.used + 1)
        if not self._kept.confirmed:
            self._top_up(0)
        self._age()

    def upload(self, user: str, device: str, identity: IdentityKey | None) -> dict[str, Any]:
        """The fields of `wire.UploadKeys`; the same until `answered`, however often it is asked for."""
        return {
            "generation": self._kept.used,
            "keys": self.device_keys(user, device, identity),
            "one_time": [self._signed(user, device, *each) for each in sorted(self._live.one_time_keys.items())],
            "fallback": next((self._signed(user, device, *each) for each in self._fallback().items()), None),
            "replace": self._replace,
        }

    def answered(self, count: wire.KeyCount) -> Verdict:
        """The server has taken an upload; what its answer shows, ``good`` if nothing has to be done about it."""
        self.left = count.one_time
        if count.generation > self._expected:
            self.start_anew(count.generation)
            return "store-restored"
        if count.generation < min(self._kept.confirmed, self._expected):
            self._replace_keys()
            return "server-restored"
        self._live.mark_keys_as_published()
        self._replace, self._expected = False, self._kept.used
        self._put(confirmed=self._kept.used)
        return "good"

    def due(self) -> bool:
        """Whether another upload should follow; if so its keys are made."""
        short = self.left <= MAX_ONE_TIME_KEYS // 2
        if short:
            self._top_up(self.left)
        return self._age() or short

    def _top_up(self, left: int) -> None:
        missing = MAX_ONE_TIME_KEYS - left - len(self._live.one_time_keys)
        if missing > 0:
            self._live.generate_one_time_keys(missing)
            self._put()

    def _age(self) -> bool:
        """A fallback key may be handed out many times: it is changed weekly, and the one before works a week longer."""
        now = self._clock()
        if 0 <= now - self._kept.fallback_made < FALLBACK_SECONDS:
            return False
        self._live.generate_fallback_key()  # type: ignore[attr-defined]  # missing in vodozemac's stubs
        self._put(fallback_made=now)
        return True

    def start_anew(self, generation: int = 0) -> None:
        """This store is an old copy: nothing of its ratchets may be used again; ``generation`` the server has seen."""
        generation = max(generation, self._kept.used)
        self._make(msgspec.structs.replace(self._kept, used=generation + 1, confirmed=0))
        self._expected, self._replace = generation + 1, True
        self._top_up(0)
        self._age()

    def _replace_keys(self) -> None:
        """The server has been restored and may have given away before what it offers now."""
        self._live.mark_keys_as_published()
        self._expected, self._replace = self._kept.used, True
        self._put(confirmed=0, fallback_made=0.0)
        self._top_up(0)
        self._age()

    # Sessions ------------------------------------------------------------------------------------
    def outbound(self, curve25519: str, one_time_key: str) -> vodozemac.Session | None:
        """A session with the device of that key; None if one of both is no key."""
        to, key = pickles.curve25519(curve25519), pickles.curve25519(one_time_key)
        if to is None or key is None:
            return None
        try:
            return self._live.create_outbound_session(to, key)
        except ValueError:
            return None

    def inbound(self, curve25519: str, message: vodozemac.PreKeyMessage) -> tuple[vodozemac.Session, bytes]:
        """The session a pre-key message begins, and its plaintext; one that fails changes nothing (facts.md, 5)."""
        sender = pickles.curve25519(curve25519)
        if sender is None:
            raise UndecryptableError("broken")
        try:
            session, plaintext = self._live.create_inbound_session(sender, message)
        except ValueError:
            # Whatever it did to the account in memory has not been kept.
            self._live = pickles.account(self._kept.account)
            raise UndecryptableError("broken") from None
        self.left = max(0, self.left - 1)
        self._put()
        return session, bytes(plaintext)

    # Inside --------------------------------------------------------------------------------------
    def _make(self, kept: _Kept) -> None:
        self._live = vodozemac.Account()
        self._kept = msgspec.structs.replace(kept, fallback_made=0.0)
        self._put()

    def _put(self, **changes: Any) -> None:
        account = pickles.pickle(self._live, self._random)
        self._kept = msgspec.structs.replace(self._kept, account=account, **changes)
        self._keep.put(_KIND, "", msgspec.msgpack.encode(self._kept))

    def _sign(self, statement: bytes) -> str:
        return self._live.sign(statement).to_base64()

    def _fallback(self) -> dict[str, vodozemac.Curve25519PublicKey]:
        return dict(self._live.fallback_key)  # type: ignore[attr-defined]  # missing in vodozemac's stubs

    def _signed(self, user: str, device: str, id: str, key: vodozemac.Curve25519PublicKey) -> wire.SignedKey:
        text = key.to_base64()
        return wire.SignedKey(id=id, key=text, signature=self._sign(statements.one_time_key(user, device, id, text)))
