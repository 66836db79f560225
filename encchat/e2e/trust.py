"""Whose identity key is believed: pinned on first use, verified by people, changed by its owner or by somebody else.

Theory of operation. What the server says of an account's identity keys goes through `TrustStore.seen`. The first chain
that holds is pinned. A later chain that goes on from the pinned key, each key signed by the one before, is followed:
who can sign with the pinned key could vouch for any device anyhow. Any other key is a change nobody vouched for: it is
kept beside the pin, blocks sending under two of the three policies, and becomes the pin only by `accept`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Literal

import msgspec
from attrs import frozen
from msgspec import Struct

from encchat import wire
from encchat.e2e.identity import same_key, verify_chain
from encchat.e2e.interfaces import Keep, Policy, Trust
from encchat.errors import KeyChangedError, StoreError, UntrustedError, UsageError
from encchat.limits import MAX_DIGESTS
from encchat.names import folded

Seen = Literal["none", "first", "same", "vouched", "changed", "invalid"]
"""What became of a chain: nothing published; pinned; as pinned; followed by signature; not vouched for; no chain."""

POLICIES: Final[tuple[Policy, ...]] = ("first-use", "verified-only", "always")
_KIND: Final = "trust"
_POLICY: Final = "trust-policy"


class _Pinned(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``chain`` ends with the pinned key; ``shown``: what the server shows instead, empty while that is the same."""

    user: str
    chain: tuple[wire.Identity, ...]
    verified: bool = False
    shown: tuple[wire.Identity, ...] = ()


_pinned: Final = msgspec.msgpack.Decoder(_Pinned)


@lru_cache(maxsize=MAX_DIGESTS)
def _decoded(data: bytes) -> _Pinned:
    """Remembered by what is kept, so that nothing has to be forgotten when that changes: every message asks thrice."""
    return _pinned.decode(data)


@frozen
class TrustStore:
    """Pins in the client's store; names in any case."""

    _keep: Keep

    @property
    def policy(self) -> Policy:
        """The policy in force, `first-use` until another is set."""
        kept = (self._keep.get(_POLICY, "") or b"").decode("ascii", "replace")
        return next((policy for policy in POLICIES if policy == kept), "first-use")

    def set_policy(self, policy: str) -> None:
        """Put a policy in force; `UsageError` for a word that is none."""
        if policy not in POLICIES:
            raise UsageError(f"there is no trust policy {policy}: {', '.join(POLICIES)}")
        self._keep.put(_POLICY, "", policy.encode("ascii"))

    def seen(self, user: str, identities: Sequence[wire.Identity]) -> Seen:
        """Take what the server says are all identity keys of ``user``, first to last."""
        kept = self._kept(user)
        if not identities:
            return "none"
        if not verify_chain(user, identities):
            return "invalid"
        if kept is None:
            self._put(_Pinned(user=user, chain=tuple(identities)))
            return "first"
        return self._compare(kept, tuple(identities))

    def _compare(self, kept: _Pinned, identities: tuple[wire.Identity, ...]) -> Seen:
        pin = kept.chain[-1]
        if not _goes_on(kept.chain, identities):
            if kept.shown != identities:
                self._put(msgspec.structs.replace(kept, shown=identities))
            return "changed"
        if kept.chain != identities or kept.shown:
            self._put(msgspec.structs.replace(kept, chain=identities, shown=()))
        return "same" if same_key(pin, identities[-1]) else "vouched"

    def state(self, user: str) -> Trust | None:
        """How far ``user``'s key is believed; None while none was seen."""
        kept = self._kept(user)
        if kept is None:
            return None
        if kept.shown:
            return "changed"
        return "verified" if kept.verified else "pinned"

    def identity(self, user: str) -> wire.Identity | None:
        """The key whose vouches make devices that are encrypted for; None if there is none under the policy."""
        kept = self._kept(user)
        if kept is None or (kept.shown and self.policy != "always"):
            return None
        return (kept.shown or kept.chain)[-1]

    def chain(self, user: str) -> Sequence[wire.Identity]:
        """The keys by which what ``user`` says now is read, changed ones included: `state` says what that is worth."""
        kept = self._kept(user)
        return () if kept is None else kept.shown or kept.chain

    def believed(self, user: str) -> Sequence[wire.Identity]:
        """The keys by which statements about others are believed: changed ones only where the policy says so.

        A server that shows other keys for a while must not leave anything behind that only those have signed.
        """
        kept = self._kept(user)
        if kept is None:
            return ()
        return kept.shown if kept.shown and self.policy == "always" else kept.chain

    def accept(self, user: str) -> bool:
        """Pin the changed key of ``user``; False if there is no change to accept."""
        kept = self._kept(user)
        if kept is None or not kept.shown:
            return False
        self._put(_Pinned(user=kept.user, chain=kept.shown))
        return True

    def verified(self, user: str, compared: wire.Identity) -> None:
        """People have compared this very key; `KeyChangedError` if it is not what is shown for ``user`` now."""
        kept = self._kept(user)
        if kept is None or not same_key((kept.shown or kept.chain)[-1], compared):
            raise KeyChangedError(f"the key that was compared is not the key of {user} now: compare again")
        self._put(_Pinned(user=kept.user, chain=kept.shown or kept.chain, verified=True))

    def own(self, user: str, identity: wire.Identity, chain: Sequence[wire.Identity]) -> None:
        """Pin the key this device holds itself; ``chain`` is what the server says, used if it ends with that key."""
        good = verify_chain(user, chain) and same_key(chain[-1], identity)
        self._put(_Pinned(user=user, chain=tuple(chain) if good else (identity,), verified=True))

    def check(self, users: Iterable[str]) -> None:
        """Raise unless all ``users`` may be encrypted for: `KeyChangedError`, or `UntrustedError` (`verified-only`)."""
        policy = self.policy
        if policy == "always":
            return
        states = {user: self.state(user) for user in users}
        if changed := [user for user, state in states.items() if state == "changed"]:
            raise KeyChangedError(
                f"the identity key of {_listed(changed)} is another than before: /verify {changed[0]}, or accept"
                f" it with /trust {changed[0]}; nothing was sent"
            )
        unverified = [user for user, state in states.items() if state != "verified"]
        if policy == "verified-only" and unverified:
            raise UntrustedError(
                f"the policy is verified-only, and nobody has verified the key of {_listed(unverified)}: /verify"
                f" {unverified[0]}; nothing was sent"
            )

    def _kept(self, user: str) -> _Pinned | None:
        data = self._keep.get(_KIND, folded(user))
        if data is None:
            return None
        try:
            return _decoded(data)
        except msgspec.MsgspecError:
            # Nobody may make us forget a pin by damaging it: that would be first use again.
            raise StoreError(f"what is kept of the identity key of {user} cannot be read") from None

    def _put(self, pinned: _Pinned) -> None:
        self._keep.put(_KIND, folded(pinned.user), msgspec.msgpack.encode(pinned))


def _goes_on(chain: Sequence[wire.Identity], identities: Sequence[wire.Identity]) -> bool:
    """Whether every key believed so far stands in the chain shown now, under its number.

    Not the pinned one alone: a key put before it would sign what its owner is shown to have said earlier.
    """
    shown = {one.number: one for one in identities}
    return all(one.number in shown and same_key(one, shown[one.number]) for one in chain)


def _listed(users: Sequence[str]) -> str:
    return " and ".join(users)
