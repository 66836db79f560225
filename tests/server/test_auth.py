"""Registration, login, confirmation, and what strangers learn from being refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.cred.checkers import (
    ANONYMOUS,
    AllowAnonymousAccess,
    FilePasswordDB,
    ICredentialsChecker,
    InMemoryUsernamePasswordDatabaseDontUse,
)
from twisted.cred.credentials import IUsernamePassword
from twisted.internet import defer, reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from encchat.errors import (
    ConfigurationError,
    EncchatError,
    LoginRefusedError,
    NameRefusedError,
    OverloadedError,
    RegistrationRefusedError,
    ThrottledError,
)
from encchat.limits import LOGIN_FREE_FAILURES, LOGIN_WAIT_SECONDS, MAX_PASSWORD, MIN_PASSWORD
from encchat.server.auth import Authenticator, Login
from encchat.server.checkers import NewAccount
from encchat.server.passwords import PasswordHasher
from encchat.server.store import SqliteStore
from encchat.wire import Registration
from tests.server.test_passwords import CHEAP

PASSWORD = "correct horse"
HOME = "192.0.2.1"


def key(number: int) -> bytes:
    """A device's key."""
    return bytes([number]) * 32


class CountingStore:
    """Hands everything on to a store and counts what was asked."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self.store, name)


class AuthTestCase(TestCase):
    """An authenticator on a store, with alice registered."""

    policy: Registration = "open"

    async def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_790_000_000)
        self.hasher = PasswordHasher(reactor, CHEAP)
        self.hasher.start()
        self.addCleanup(self.hasher.stop)
        self.store = SqliteStore(self.mktemp(), reactor)
        await self.store.open()
        self.addCleanup(self.store.close)
        self.auth = self.authenticator()
        self.alice = (await self.register("Alice", device=1)).account

    def authenticator(self, checkers: list[Any] | None = None) -> Authenticator:
        """One on this test's store."""
        return Authenticator(self.store, self.hasher, self.clock.seconds, lambda: self.policy, checkers)

    def register(
        self, user: str, password: str = PASSWORD, invite: str = "", address: str = HOME, device: int = 9
    ) -> defer.Deferred[Login]:
        """Register with defaults for what does not matter."""
        return defer.ensureDeferred(self.auth.register(user, password, invite, address, key(device), "laptop"))

    def login(self, user: str, password: str = PASSWORD, address: str = HOME, device: int = 1) -> defer.Deferred[Login]:
        """Log in likewise."""
        return defer.ensureDeferred(self.auth.login(user, password, address, key(device), "laptop"))

    async def refused(self, kind: type[EncchatError], answer: defer.Deferred[Any] | Coroutine[Any, Any, Any]) -> str:
        """The text with which ``answer`` fails, with exactly this class."""
        error = await self.assertFailure(defer.ensureDeferred(answer), kind)
        self.assertIs(type(error), kind)
        return error.text

    async def wrong_logins(self, count: int, user: str = "alice", address: str = HOME) -> None:
        """That many wrong passwords, one after the other."""
        for _ in range(count):
            await self.refused(LoginRefusedError, self.login(user, "wrong", address))


class Registering(AuthTestCase):
    """New accounts."""

    async def test_anybody_registers_where_registration_is_open(self) -> None:
        """As a user, on a device, now."""
        login = await self.register("bob")
        self.assertEqual((login.account.name, login.account.role), ("bob", "user"))
        self.assertEqual((login.device.key, login.device.name), (key(9), "laptop"))
        self.assertEqual(await self.store.account("bob"), login.account)

    async def test_an_invite_is_needed_where_the_policy_says_so(self) -> None:
        """And gives its role, once."""
        self.policy = "invite"
        await self.store.add_invite("token", "moderator", 1, None)
        self.assertIn("invite", await self.refused(RegistrationRefusedError, self.register("bob")))
        self.assertEqual((await self.register("bob", invite="token")).account.role, "moderator")
        text = await self.refused(RegistrationRefusedError, self.register("eve", invite="token", device=8))
        self.assertIn("used up", text)

    async def test_nobody_registers_where_registration_is_closed(self) -> None:
        """Not with a user's or moderator's invite either, which stays unused."""
        self.policy = "closed"
        for role in ("user", "moderator"):
            await self.store.add_invite(role, role, 1, None)
            self.assertIn("closed", await self.refused(RegistrationRefusedError, self.register("bob", invite=role)))
            self.assertEqual(await self.store.invite_role(role, 0), role)

    async def test_an_admin_invite_lets_in_where_registration_is_closed(self) -> None:
        """A server that is closed from its first start still gets its admin."""
        self.policy = "closed"
        await self.store.add_invite("token", "admin", 1, None)
        self.assertEqual((await self.register("root", invite="token")).account.role, "admin")

    async def test_the_policy_can_change_while_the_server_runs(self) -> None:
        """It is asked each time."""
        self.policy = "closed"
        await self.refused(RegistrationRefusedError, self.register("bob"))
        self.policy = "open"
        self.assertEqual((await self.register("bob")).account.name, "bob")

    async def test_an_invite_that_expired_by_the_clock_is_refused(self) -> None:
        """The clock's seconds are the invite's milliseconds."""
        await self.store.add_invite("token", "user", 9, int(self.clock.seconds() * 1000) + 1)
        await self.register("bob", invite="token")
        self.clock.advance(0.001)
        await self.refused(RegistrationRefusedError, self.register("eve", invite="token", device=8))

    async def test_an_invite_in_a_race_lets_one_in(self) -> None:
        """Through hashing and all."""
        await self.store.add_invite("token", "user", 1, None)
        tries = [self.register(f"guest-{n}", invite="token", device=20 + n) for n in range(8)]
        results = await defer.DeferredList(tries, consumeErrors=True)
        self.assertEqual([success for success, _ in results].count(True), 1)

    async def test_a_new_passwords_length_has_limits(self) -> None:
        """At, below and above both ends."""
        sizes = [MIN_PASSWORD - 1, MIN_PASSWORD, MIN_PASSWORD + 1, MAX_PASSWORD - 1, MAX_PASSWORD, MAX_PASSWORD + 1]
        tries = [self.register(f"user-{n}", "x" * size, device=20 + n) for n, size in enumerate(sizes)]
        results = await defer.DeferredList(tries, consumeErrors=True)
        self.assertEqual([success for success, _ in results], [False, True, True, True, True, False])
        self.assertIs(results[0][1].type, RegistrationRefusedError)

    async def test_a_taken_or_bad_name_is_refused(self) -> None:
        """With the reason."""
        for name in ("alice", "A1ICE", "server", "a b"):
            await self.refused(NameRefusedError, self.register(name))

    async def test_a_device_of_one_account_cannot_register_another(self) -> None:
        """And no account is left behind."""
        await self.refused(LoginRefusedError, self.register("bob", device=1))
        self.assertIsNone(await self.store.account("bob"))

    async def test_guessing_invites_is_throttled_by_address(self) -> None:
        """A good invite has to wait as well, from there; from elsewhere it has not."""
        await self.store.add_invite("token", "user", 2, None)
        for _ in range(LOGIN_FREE_FAILURES):
            await self.refused(RegistrationRefusedError, self.register("eve", invite="guess"))
        await self.refused(ThrottledError, self.register("eve", invite="token"))
        self.assertEqual((await self.register("bob", invite="token", address="192.0.2.2")).account.name, "bob")

    async def test_a_password_is_in_no_repr(self) -> None:
        """Credentials may end up in a traceback."""
        self.assertNotIn("canary", repr(NewAccount("bob", "canary", "canary", key(1))))


class LoggingIn(AuthTestCase):
    """Known accounts."""

    async def test_the_right_password_logs_in_and_makes_the_device_known(self) -> None:
        """Whatever the case of the name."""
        login = await self.login("aLICE", device=2)
        self.assertEqual(login.account, self.alice)
        self.assertEqual(await self.auth.login_device("alice", key(2)), login)

    async def test_a_password_in_another_unicode_form_is_the_same(self) -> None:
        """Registered with a composed character, typed with a combining mark."""
        await self.register("bob", "caf\u00e9 caf\u00e9")
        self.assertEqual((await self.login("bob", "cafe\u0301 cafe\u0301", device=9)).account.name, "bob")

    async def test_wrong_password_and_unknown_name_get_one_answer(self) -> None:
        """Also an account without a password and one that was deleted."""
        await self.store.create_account("nopassword", None, "user", 1)
        gone = await self.store.create_account("gone", "hash", "user", 1)
        await self.store.delete_account(gone.id, 1)
        texts = {
            await self.refused(LoginRefusedError, self.login(name, "wrong", f"192.0.2.{n}"))
            for n, name in enumerate(("alice", "nobody", "nopassword", "gone", "not a name"))
        }
        self.assertEqual(len(texts), 1)

    async def test_unknown_names_cost_the_same_work(self) -> None:
        """One derivation and the same questions to the store, whether the name is known or not."""
        self.store = CountingStore(self.store)
        self.auth = self.authenticator()
        work = []
        for name in ("alice", "nobody"):
            self.store.asked.clear()
            before = self.hasher.derivations
            await self.refused(LoginRefusedError, self.login(name, "wrong"))
            work.append((self.hasher.derivations - before, dict(self.store.asked)))
        self.assertEqual(work[0], work[1])
        self.assertEqual(work[0][0], 1)

    async def test_a_device_logs_in_as_its_own_account_only(self) -> None:
        """An unknown key and a key of somebody else get one answer."""
        await self.register("bob", device=2)
        self.assertEqual((await self.auth.login_device("ALICE", key(1))).account, self.alice)
        texts = {
            await self.refused(LoginRefusedError, self.auth.login_device(name, key(number)))
            for name, number in (("alice", 2), ("alice", 3), ("nobody", 1))
        }
        self.assertEqual(len(texts), 1)

    async def test_a_forgotten_device_logs_in_no_more(self) -> None:
        """Until it has logged in by password again."""
        await self.auth.forget_device(key(1))
        await self.refused(LoginRefusedError, self.auth.login_device("alice", key(1)))
        await self.login("alice")
        self.assertEqual((await self.auth.login_device("alice", key(1))).account, self.alice)

    async def test_a_deleted_account_logs_in_no_more(self) -> None:
        """Neither by password nor by device."""
        await self.store.delete_account(self.alice.id, 1)
        await self.refused(LoginRefusedError, self.login("alice"))
        await self.refused(LoginRefusedError, self.auth.login_device("alice", key(1)))

    async def test_a_device_of_another_account_is_refused(self) -> None:
        """Even with the right password."""
        await self.register("bob", device=2)
        await self.refused(LoginRefusedError, self.login("alice", device=2))

    async def test_a_confirmation_needs_the_accounts_own_password(self) -> None:
        """Right is the account as it is by now, wrong is refused."""
        await self.store.set_role(self.alice.id, "moderator")
        self.assertEqual((await self.auth.confirm(self.alice, PASSWORD, HOME)).role, "moderator")
        await self.refused(LoginRefusedError, self.auth.confirm(self.alice, "wrong", HOME))

    async def test_a_stopped_hasher_means_overloaded_and_not_a_wrong_password(self) -> None:
        """It is no failure of the person's."""
        self.hasher.stop()
        for _ in range(LOGIN_FREE_FAILURES + 1):
            await self.refused(OverloadedError, self.login("alice"))


class Throttling(AuthTestCase):
    """Wrong passwords have a price."""

    async def test_wrong_passwords_are_throttled_by_name(self) -> None:
        """From wherever they come, in whatever case; the right one has to wait as well."""
        for number in range(LOGIN_FREE_FAILURES):
            await self.wrong_logins(1, ("alice", "ALICE")[number % 2], f"192.0.2.{number}")
        await self.refused(ThrottledError, self.login("alice", address="198.51.100.1"))
        self.clock.advance(LOGIN_WAIT_SECONDS)
        self.assertEqual((await self.login("alice")).account, self.alice)

    async def test_unknown_names_are_throttled_like_known_ones(self) -> None:
        """Else the throttle would tell who is registered."""
        for number in range(LOGIN_FREE_FAILURES):
            await self.wrong_logins(1, "nobody", f"192.0.2.{number}")
        await self.refused(ThrottledError, self.login("nobody", address="198.51.100.1"))

    async def test_wrong_passwords_are_throttled_by_address(self) -> None:
        """Whoever they were for; from another address the same name is free."""
        for number in range(LOGIN_FREE_FAILURES):
            await self.wrong_logins(1, f"user-{number}")
        await self.refused(ThrottledError, self.login("alice"))
        self.assertEqual((await self.login("alice", address="192.0.2.2")).account, self.alice)

    async def test_an_ipv6_subscriber_counts_as_one_address(self) -> None:
        """By its /64."""
        for number in range(LOGIN_FREE_FAILURES):
            await self.wrong_logins(1, f"user-{number}", f"2001:db8::{number}")
        await self.refused(ThrottledError, self.login("alice", address="2001:db8::ffff"))
        self.assertEqual((await self.login("alice", address="2001:db8:0:1::1")).account, self.alice)

    async def test_guesses_sent_at_once_tell_no_more_than_the_free_ones(self) -> None:
        """All are being hashed before the first fails; those over the limit are throttled, the right one too."""
        guesses = [self.login("alice", f"guess {n}") for n in range(12)] + [self.login("alice")]
        results = await defer.DeferredList(guesses, consumeErrors=True)
        kinds = Counter(failure.type for success, failure in results if not success)
        self.assertEqual(kinds, {LoginRefusedError: LOGIN_FREE_FAILURES, ThrottledError: 13 - LOGIN_FREE_FAILURES})

    async def test_a_throttled_login_costs_no_hashing(self) -> None:
        """It is refused before."""
        await self.wrong_logins(LOGIN_FREE_FAILURES)
        before = self.hasher.derivations
        await self.refused(ThrottledError, self.login("alice"))
        self.assertEqual(self.hasher.derivations, before)

    async def test_a_success_frees_the_name_but_not_the_address(self) -> None:
        """An account of one's own buys no guesses at others'."""
        await self.wrong_logins(LOGIN_FREE_FAILURES - 1)
        await self.login("alice")
        await self.wrong_logins(1)
        await self.refused(ThrottledError, self.login("alice"))
        await self.wrong_logins(LOGIN_FREE_FAILURES - 2, address="192.0.2.2")
        self.assertEqual((await self.login("alice", address="192.0.2.2")).account, self.alice)

    async def test_confirmations_are_throttled(self) -> None:
        """A session left open is no place to guess."""
        for _ in range(LOGIN_FREE_FAILURES):
            await self.refused(LoginRefusedError, self.auth.confirm(self.alice, "wrong", HOME))
        await self.refused(ThrottledError, self.auth.confirm(self.alice, PASSWORD, HOME))

    async def test_devices_are_not_held_up(self) -> None:
        """Somebody guessing at alice does not keep alice's laptop out."""
        await self.wrong_logins(LOGIN_FREE_FAILURES)
        self.assertEqual((await self.auth.login_device("alice", key(1))).account, self.alice)


@implementer(ICredentialsChecker)
class Answering:
    """A third party's checker that answers anything with one value, at once."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.seen: list[Any] = []

    def requestAvatarId(self, credentials: Any) -> Any:
        self.seen.append((credentials.username, credentials.password))
        return self.answer


class External(AuthTestCase):
    """Checkers from elsewhere (``--auth``)."""

    def use(self, *checkers: Any) -> None:
        """From now on they say who there is."""
        self.auth = self.authenticator(list(checkers))

    async def test_an_account_is_made_at_the_first_login(self) -> None:
        """As a user; the second login finds it, and so does its device."""
        self.use(InMemoryUsernamePasswordDatabaseDontUse(carol=b"sesame"))
        login = await self.login("carol", "sesame", device=3)
        self.assertEqual((login.account.name, login.account.role), ("carol", "user"))
        self.assertEqual(await self.login("carol", "sesame", device=3), login)
        self.assertEqual(await self.auth.login_device("carol", key(3)), login)

    async def test_a_password_file_says_who_there_is(self) -> None:
        """`twisted.cred.checkers.FilePasswordDB`, as ``--auth file:...`` makes it; passwords are UTF-8 in it."""
        path = Path(self.mktemp())
        path.write_text("carol:caf\u00e9\ndave:sesame\n", "utf-8")
        self.use(FilePasswordDB(str(path)))
        self.assertEqual((await self.login("carol", "cafe\u0301", device=3)).account.name, "carol")
        self.assertEqual((await self.login("dave", "sesame", device=4)).account.name, "dave")
        await self.refused(LoginRefusedError, self.login("dave", "caf\u00e9", device=4))

    async def test_a_password_file_may_hold_hashes(self) -> None:
        """Its own hash function is used."""
        path = Path(self.mktemp())
        path.write_text(f"carol:{sha256(b'sesame').hexdigest()}\n")
        hashed = FilePasswordDB(str(path), hash=lambda name, password, entry: sha256(password).hexdigest().encode())
        self.use(hashed)
        self.assertEqual((await self.login("carol", "sesame", device=3)).account.name, "carol")

    async def test_the_stores_own_passwords_count_no_more(self) -> None:
        """They are replaced, not added to; the refusal is the usual one, and throttled."""
        self.use(InMemoryUsernamePasswordDatabaseDontUse(carol=b"sesame"))
        before = self.hasher.derivations
        await self.wrong_logins(LOGIN_FREE_FAILURES - 1)
        await self.refused(LoginRefusedError, self.login("alice", PASSWORD))
        await self.refused(ThrottledError, self.login("carol", "sesame", device=3))
        self.assertEqual(self.hasher.derivations, before)

    async def test_nobody_registers(self) -> None:
        """The text says what to do instead."""
        self.use(InMemoryUsernamePasswordDatabaseDontUse(carol=b"sesame"))
        self.assertIn("log in instead", await self.refused(RegistrationRefusedError, self.register("bob")))

    async def test_several_are_asked_in_order(self) -> None:
        """Who is in any of them gets in."""
        first = InMemoryUsernamePasswordDatabaseDontUse(carol=b"sesame")
        second = InMemoryUsernamePasswordDatabaseDontUse(carol=b"other", dave=b"sesame")
        self.use(first, second)
        for name, password, device in (("carol", "sesame", 3), ("carol", "other", 3), ("dave", "sesame", 4)):
            self.assertEqual((await self.login(name, password, device=device)).account.name, name)

    async def test_checkers_get_bytes(self) -> None:
        """Name and password, as `IUsernamePassword` has them, and may answer without a Deferred."""
        checker = Answering(b"carol")
        self.use(checker)
        await self.login("carol", "cafe\u0301", device=3)
        self.assertEqual(checker.seen, [(b"carol", b"caf\xc3\xa9")])

    async def test_a_guest_is_refused(self) -> None:
        """A checker that answers "anonymous" lets nobody in."""
        self.use(Answering(ANONYMOUS))
        await self.refused(LoginRefusedError, self.login("carol", "sesame", device=3))

    async def test_a_name_that_differs_in_case_is_not_the_same_person(self) -> None:
        """Elsewhere alice may be somebody else than Alice, who is here."""
        self.use(InMemoryUsernamePasswordDatabaseDontUse(alice=b"sesame"))
        self.assertIn("Alice", await self.refused(NameRefusedError, self.login("alice", "sesame", device=3)))

    async def test_a_name_against_the_rules_gets_no_account(self) -> None:
        """Look-alikes and reserved names are refused here too."""
        self.use(InMemoryUsernamePasswordDatabaseDontUse(a1ice=b"sesame", server=b"sesame"))
        for name in ("a1ice", "server"):
            await self.refused(NameRefusedError, self.login(name, "sesame", device=3))

    async def test_two_first_logins_at_once_make_one_account(self) -> None:
        """Both get in."""
        self.use(InMemoryUsernamePasswordDatabaseDontUse(carol=b"sesame"))
        logins = await defer.gatherResults([self.login("carol", "sesame", device=n) for n in (3, 4)])
        self.assertEqual(logins[0].account, logins[1].account)

    async def test_a_confirmation_asks_the_checker(self) -> None:
        """The password is the one from elsewhere."""
        self.use(InMemoryUsernamePasswordDatabaseDontUse(carol=b"sesame"))
        carol = (await self.login("carol", "sesame", device=3)).account
        self.assertEqual((await self.auth.confirm(carol, "sesame", HOME)).id, carol.id)
        await self.refused(LoginRefusedError, self.auth.confirm(carol, "wrong", HOME))

    async def test_a_checker_that_answers_for_somebody_else_confirms_nothing(self) -> None:
        """The account must be the same."""
        self.use(Answering(b"carol"))
        await self.refused(LoginRefusedError, self.auth.confirm(self.alice, PASSWORD, HOME))

    def test_a_checker_that_takes_no_passwords_is_a_configuration_error(self) -> None:
        """At the start, not at the first login."""
        text = self.assertRaises(ConfigurationError, self.use, AllowAnonymousAccess()).text
        self.assertIn("AllowAnonymousAccess", text)

    async def test_no_checkers_means_the_stores_own_passwords(self) -> None:
        """An empty list, as options without ``--auth`` may give."""
        self.use()
        self.assertEqual((await self.login("alice")).account, self.alice)
