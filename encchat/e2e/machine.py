"""End-to-end encryption of one account on one device: everything behind one face, for the client's core.

Theory of operation. The core gives the machine a store (`Keep`) whose changes are committed with the core's own, before
any line asked for in the same turn leaves; requests (`Ask`); and takes effects. Underneath stand, each in its module:
the device's Olm keys (`account`), Olm sessions (`olm`, `claims`), parcels out (`post`) and in (`arrivals`), lists of
devices (`devices`) and trust in who vouches for them (`trust`), the account's identity key (`own`), what a login does
(`login`), what comes before a message (`preparing`) and how one is opened (`opening`), the schemes and what they get
(`host`), the keys of what was said before (`past`), and verification (`people`).

Nothing here waits. Long work is done in slices by `work`, which is called again while it says that more is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from encchat import wire
from encchat.e2e import payload
from encchat.e2e.account import OwnKeys
from encchat.e2e.arrivals import Arrivals
from encchat.e2e.calls import Calls
from encchat.e2e.claims import Claims
from encchat.e2e.devices import DeviceLists
from encchat.e2e.host import LookUp, MachineHost, nothing
from encchat.e2e.identity import IdentityKey
from encchat.e2e.interfaces import (
    Aside,
    Ask,
    Content,
    Conversation,
    Device,
    Done,
    Keep,
    Opened,
    Policy,
    Scheme,
    Step,
    Tell,
    Trust,
    at_once,
)
from encchat.e2e.login import Login
from encchat.e2e.megolm import Megolm
from encchat.e2e.olm import OlmSessions
from encchat.e2e.opening import KEYS, Opening
from encchat.e2e.own import Own
from encchat.e2e.past import Past
from encchat.e2e.payload import Parcel
from encchat.e2e.people import IDENTITY, SAS, People
from encchat.e2e.post import Post
from encchat.e2e.preparing import Preparations
from encchat.e2e.renewing import KIND as RENEWED
from encchat.e2e.renewing import Renewals
from encchat.e2e.schemes import default_schemes
from encchat.e2e.trust import TrustStore
from encchat.envelopes import MEGOLM, OLM
from encchat.errors import (
    EncchatError,
    NotPreparedError,
    RecoveryError,
    UsageError,
)
from encchat.names import folded


def _unknown(id: str) -> None:
    return None


class Machine:
    """See the module's theory of operation. ``schemes``: those besides ``olm``, new ones for this machine."""

    def __init__(
        self,
        keep: Keep,
        ask: Ask,
        tell: Tell,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
        ulid: Callable[[], str],
        schemes: Iterable[Scheme] | None = None,
        look_up: LookUp = _unknown,
        aside: Aside = at_once,
    ) -> None:
        self.keep, self.clock = keep, clock
        self._schemes = {each.name: each for each in (default_schemes() if schemes is None else schemes)}
        self._trust = TrustStore(keep)
        self._own = own = Own(keep, random, self._trust)
        self._keys = OwnKeys(keep, random, clock)
        self._sessions = OlmSessions(keep, random, self._keys)
        self._post = Post(keep, ask, tell, ulid)
        self._lists = lists = DeviceLists(keep, self._trust, ask, tell)
        self._claims = Claims(ask, tell, clock, self._sessions)
        self._calls = Calls(self._sessions, self._claims)
        self._renewals = Renewals(keep, clock, self._claims, self._tell_renewed)
        self._login = Login(ask, tell, own, self._keys, lists, self._restored, self._settled)
        self._preparations = Preparations(self, self._login, own, lists, self._trust, self._claims, self._begin)
        self._host = host = MachineHost(
            keep,
            ask,
            tell,
            clock,
            random,
            ulid,
            look_up,
            own,
            self._keys,
            self._sessions,
            self._post,
            lists,
            self._trust,
            self._claims,
            self._renewals,
            self._login,
            self._preparations,
        )
        self._arrivals = Arrivals(keep, ask, lists, self._sessions, host.me, self._deliver, self._failed)
        self._opening = Opening(host, self._trust, lists, self._schemes, self._calls, self._renewals)
        megolm = self._schemes.get(MEGOLM)
        self._past = past = Past(host, megolm if isinstance(megolm, Megolm) else None)
        self._people = People(
            ask, tell, clock, random, ulid, own, lists, self._trust, self._login, host.send_to, past.bring_back, aside
        )

    @property
    def user(self) -> str:
        """The account, as the server calls it; empty before the first login."""
        return self._host.user

    @property
    def device(self) -> str:
        """This device, as the server calls it."""
        return self._host.device

    # The connection's life -----------------------------------------------------------------------
    def start(self, user: str, device: str) -> None:
        """Logged in as that device: load or make everything, upload, read the inbox."""
        self._host.user, self._host.device = user, device
        self._lists.me = user
        self._lists.lost()
        self._own.load(user)
        for scheme in self._schemes.values():
            scheme.start(self._host)
        self._begin()

    def lost(self) -> None:
        """The connection is gone; what was asked has been answered by that."""
        self._login.lost()
        self._lists.lost()
        self._claims.lost()
        self._post.lost()
        self._arrivals.lost()
        self._preparations.lost()

    def work(self) -> bool:
        """Do one slice, at most some 50 ms, of what is left; whether more is left."""
        if self._lists.work() or self._arrivals.work() or self._preparations.work():
            return True
        if self._login.state != "ready":
            return False
        self._people.expire()
        self._login.keep_up()
        left = [scheme.work() for scheme in self._schemes.values()]
        return any(left)

    def keys_changed(self, user: str) -> None:
        """The server says that somebody's identity or devices are others: look, if it is anybody who is known here."""
        self._lists.changed(user)
        if self._login.state != "ready":
            return
        if folded(user) == folded(self.user):
            self._login.look()
        elif self._trust.state(user) is not None:
            self._lists.ensure(f"@{user}", [user], nothing)

    def rolled_back(self) -> None:
        """The store is an old copy, whose ratchets have moved since: nothing of them may be used again."""
        self._login.roll_back()

    def look(self) -> None:
        """Some seconds have passed: what was refused for a while is tried again."""
        self._login.try_again()
        if self._login.state == "ready":
            self._arrivals.look()
            self._post.resend()
            self._login.look_at_backup()

    def fell_behind(self) -> None:
        """The server has not pushed everything: the inbox is read again."""
        self._arrivals.read_again()

    def receive(self, item: wire.InboxItem) -> None:
        """A parcel for this device, pushed by the server; `work` opens it."""
        self._arrivals.receive(item)

    # Messages ------------------------------------------------------------------------------------
    def prepare(self, conversation: Conversation, done: Done) -> None:
        """Make ready to encrypt; ``done`` is called exactly once, maybe at once.

        `NotConnectedError`: try again after the next `start`. `KeyChangedError`, `UntrustedError`, `NoKeysError`,
        `IdentityMissingError`: a person has to do something. Others: what the server refused.
        """
        self._host.meet(conversation)
        self._post.resend()
        self._preparations.prepare(conversation, done)

    def encrypt(self, conversation: Conversation, content: Content) -> tuple[str, str]:
        """Scheme and body; `NotPreparedError` if `prepare` is due, `UsageError` if the text is too long."""
        if not self._preparations.is_prepared(conversation):
            raise NotPreparedError(f"the keys for {conversation.name} have to be prepared")
        if conversation.scheme == OLM:
            devices, build = self.devices_of(conversation), partial(self._built, conversation, content)
            return OLM, self._calls.encrypt(conversation, self.device, devices, build)
        plaintext = self._built(conversation, content)
        return conversation.scheme, self._scheme(conversation).encrypt(conversation, content.ulid, plaintext)

    def open(self, conversation: Conversation, said: wire.Message) -> Opened:
        """What was said; `UndecryptableError` with a reason, and the session `KeyArrived` may tell of."""
        self._host.meet(conversation)
        try:
            return self._opening.open(conversation, said)
        finally:
            if folded(said.sender) == folded(self.user) and self._opening.is_from_later(conversation, said):
                self.rolled_back()

    def end_session(self, session: str) -> None:
        """The session of that id is over: its keys go."""
        id = f"session:{session}"
        self._sessions.end(id)
        self._host.part(id)
        if not self.user:
            return  # said between the login and `start`: no scheme has anything of a session of an earlier process
        for scheme in self._schemes.values():
            scheme.end(id)

    def why(self, session: str) -> str:
        """What is missing to open messages under that key, and what is done about it; empty if nothing is known."""
        if session.startswith(KEYS):
            return f"The keys that {session.removeprefix(KEYS)} has published are being asked for."
        return " ".join(text for scheme in self._schemes.values() if (text := scheme.why(session)))

    # A room's history, keys in files -------------------------------------------------------------
    def invited(self, conversation: Conversation, user: str) -> None:
        """This client invites ``user`` now: what the room's setting promises counts from here."""
        self._past.invited(conversation, user)

    def hand_over_history(self, conversation: Conversation, user: str) -> int:
        """``user``, whom this client has invited, has joined: how many keys of the past are on their way."""
        self._host.meet(conversation)
        return self._past.hand_over(conversation, user)

    def introduce(self, conversation: Conversation, user: str, names: Sequence[str]) -> None:
        """``user``, whom this client has invited, has joined, and is told that those of ``names`` are members."""
        self._past.introduce(conversation, user, names)

    def collect_keys(self, passphrase: str, done: Callable[[bytes | EncchatError], None]) -> None:
        """The keys of past messages, sealed: those on this device, and those in the account's backup only."""
        self._past.collect(passphrase, done)

    def import_keys(self, exported: bytes, passphrase: str) -> int:
        """Take keys from a file; how many open something that could not be opened before; `RecoveryError`."""
        return self._past.imported(exported, passphrase)

    # Trust, verification, the account's identity key ---------------------------------------------
    @property
    def policy(self) -> Policy:
        """Whose keys are written to."""
        return self._trust.policy

    @property
    def vouched(self) -> bool:
        """Whether this device has the account's identity key, so that others write to it."""
        return self._own.identity is not None

    @property
    def undecided(self) -> bool:
        """Whether it is being found out if this device has, or makes, the account's identity key."""
        return self._own.identity is None and self._login.state == "beginning"

    def trust_of(self, user: str) -> Trust:
        """How far somebody's key is believed."""
        return self._opening.trust_of(user)

    def fingerprint(self, user: str | None = None) -> str:
        """Somebody's identity key in short; `NoKeysError` if none is known."""
        return self._people.fingerprint(user)

    def devices(self, user: str) -> Sequence[Device]:
        """Somebody's vouched devices, as far as they are known here."""
        return self._lists.of(user)

    def look_at(self, user: str, done: Done) -> None:
        """Ask for what somebody has published, if it is not known; ``done`` gets what prevented it, maybe at once."""
        self._lists.ensure(f"@{user}", [user], done)

    def safety_number(self, user: str) -> str:
        """60 digits in groups of five, the same on both sides; `NoKeysError`, `IdentityMissingError`."""
        return self._people.safety_number(user)

    def verify(self, user: str) -> None:
        """Begin to compare keys with ``user``, or take up what the other side has begun."""
        self._people.verify(user)

    def stop_verifying(self, user: str) -> None:
        """End that; `UsageError` if nothing is under way."""
        self._people.stop_verifying(user)

    def verified(self, user: str) -> None:
        """What was compared was the same."""
        self._people.verified(user)

    def trust(self, user: str) -> None:
        """Accept a changed key; `UsageError` if it has not changed."""
        self._people.accept(user)

    def set_policy(self, policy: Policy) -> None:
        """Whose keys are written to from now on."""
        self._people.set_policy(policy)

    def sign_with(self, algorithm: str) -> None:
        """Make a new identity key: ``ed25519``, ``rsa`` or ``dsa``."""
        self._people.sign_with(algorithm)

    def recover(self, phrase: str) -> None:
        """Bring the account's keys here; `RecoveryError` if these are no such words, else told as `Warned`."""
        self._people.recover(phrase)

    def recovery_phrase(self) -> str:
        """The words that do so elsewhere; `RecoveryError` if this device does not have them."""
        if self._own.backup is None:
            raise RecoveryError("this device does not have the recovery phrase: it lacks the account's keys")
        return self._own.backup.phrase

    def approve(self, code: str) -> None:
        """Hand the identity key to another device of this account; ``code`` is what that device shows."""
        self._people.approve(code)

    # What preparations get, and who judges a room's members --------------------------------------
    @property
    def identity(self) -> IdentityKey | None:
        """The account's identity key; on vouched devices only."""
        return self._own.identity

    def identities_of(self, user: str) -> Sequence[wire.Identity]:
        """The identity keys by which what ``user`` says is verified, as far as they are known."""
        return self._trust.believed(user)

    def has_asked(self, user: str) -> bool:
        """Whether all that the server tells of somebody's keys is known here, or it would not tell."""
        return self._lists.is_fresh(user) or self._preparations.has_tried(user)

    @property
    def knowledge(self) -> tuple[int, int, int]:
        """Is another as soon as anything is known of anybody's keys that was not, or not so."""
        return self._lists.epoch, self._lists.fresh, self._preparations.tried

    def devices_of(self, conversation: Conversation) -> tuple[Device, ...]:
        """All that are to read it."""
        return self._host.devices_of(conversation)

    def by_olm(self, conversation: Conversation) -> bool:
        """Whether something goes over Olm before, or as, a message there."""
        return conversation.scheme == OLM or self._scheme(conversation).by_olm

    def prepare_step(self, conversation: Conversation) -> Step:
        """The scheme's next slice; sessions have none: their keys were claimed."""
        return "ready" if conversation.scheme == OLM else self._scheme(conversation).prepare_step(conversation)

    # Inside --------------------------------------------------------------------------------------
    def _scheme(self, conversation: Conversation) -> Scheme:
        found = self._schemes.get(conversation.scheme)
        if found is None:
            raise UsageError(
                f"{conversation.name} has the scheme {conversation.scheme}, which this client does not know"
            )
        return found

    def _begin(self) -> None:
        self._login.begin(self.user, self.device)

    def _settled(self) -> None:
        """The login is through, or failed; what is in the inbox can be read anyhow."""
        self._arrivals.begin()
        if self._login.state == "ready":
            self._post.resend()
            self._login.look()
        self._preparations.settled()

    def _restored(self) -> None:
        self._sessions.drop()
        self._post.drop()
        for scheme in self._schemes.values():
            scheme.restored()
        self._lists.touched()
        if self._own.backup is not None:
            self._past.bring_back(self._own.backup)

    def _built(self, conversation: Conversation, content: Content, device: Device | None = None) -> bytes:
        identity = self._own.required
        recipient = "" if device is None else payload.address(device.user, device.device)
        signer = identity if conversation.signed else None
        return payload.build(conversation, content, self.user, self.device, signer, recipient)

    def _deliver(self, parcel: Parcel, sender: Device) -> None:
        if parcel.kind == IDENTITY:
            self._people.take_identity(parcel.payload, sender)
        elif parcel.kind == SAS:
            self._people.sas(parcel.payload, sender)
        else:
            any(
                each.receive(parcel.kind, parcel.payload, sender, parcel.conversation)
                for each in self._schemes.values()
            )

    def _failed(self, sender: Device) -> None:
        self._renewals.renew(f"@{sender.user}", sender)

    def _tell_renewed(self, device: Device) -> None:
        where = self._host.direct(device.user)
        if where is not None:
            self._host.send_parcels(where, [(device, RENEWED, b"")])
