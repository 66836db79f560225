"""Passwords are hashed by argon2id, a few at a time, and no more wait than the queue holds."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from twisted.internet import defer, reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from encchat.errors import OverloadedError
from encchat.limits import PASSWORD_QUEUE
from encchat.server.passwords import Cost, PasswordHasher, password_bytes

CHEAP = Cost(memory=8, passes=1)


class Hashing(TestCase):
    """A hasher with its threads."""

    def setUp(self) -> None:
        self.hasher = PasswordHasher(reactor, CHEAP)
        self.hasher.start()
        self.addCleanup(self.hasher.stop)

    async def test_a_password_verifies_against_its_hash_only(self) -> None:
        """Right, wrong, and the empty one."""
        encoded = await self.hasher.hash(b"correct horse")
        found = [await self.hasher.verify(encoded, guess) for guess in (b"correct horse", b"battery", b"")]
        self.assertEqual(found, [True, False, False])

    async def test_the_default_cost_is_what_owasp_asks_for(self) -> None:
        """19 MiB, two passes, one lane; and hashes made at another cost still verify."""
        default = PasswordHasher(reactor)
        default.start()
        self.addCleanup(default.stop)
        encoded = await default.hash(b"password")
        self.assertTrue(encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), encoded)
        self.assertTrue(await self.hasher.verify(encoded, b"password"))

    async def test_the_same_password_never_has_the_same_hash(self) -> None:
        """Each has a salt of its own."""
        hashes = {await self.hasher.hash(b"password") for _ in range(5)}
        self.assertEqual(len(hashes), 5)

    async def test_no_hash_costs_one_derivation_and_is_never_right(self) -> None:
        """As much as a hash that is there."""
        encoded = await self.hasher.hash(b"password")
        for there, right in ((encoded, True), (None, False)):
            before = self.hasher.derivations
            self.assertEqual(await self.hasher.verify(there, b"password"), right)
            self.assertEqual(self.hasher.derivations - before, 1)

    async def test_a_damaged_hash_is_never_right(self) -> None:
        """Nor an error that tells it from a wrong password."""
        for damaged in ("", "x", "$argon2id$v=19$m=8,t=1,p=1$"):
            self.assertFalse(await self.hasher.verify(damaged, b"password"))

    async def test_hashing_gives_way_to_those_who_chat(self) -> None:
        """On Linux its threads, and no others, have a lower priority than the server has."""
        before, found = os.getpriority(os.PRIO_PROCESS, 0), []

        def random(count: int) -> bytes:
            found.append(os.getpriority(os.PRIO_PROCESS, 0))
            return bytes(count)

        hasher = PasswordHasher(reactor, CHEAP, random)
        hasher.start()
        self.addCleanup(hasher.stop)
        await hasher.hash(b"password")
        lower = sys.platform == "linux" and before < 10
        self.assertEqual([one > before for one in found], [lower])
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, 0), before)

    async def test_where_giving_way_is_forbidden_passwords_are_checked_all_the_same(self) -> None:
        """A filter of system calls, as a service manager sets one, may refuse it."""

        def forbidden(*_: int) -> None:
            raise PermissionError(1, "Operation not permitted")

        self.patch(os, "setpriority", forbidden)
        encoded = await self.hasher.hash(b"correct horse")
        self.assertTrue(await self.hasher.verify(encoded, b"correct horse"))

    async def test_the_queue_is_bounded(self) -> None:
        """With the last place taken the next one is refused, and there is room again afterwards."""
        places = self.hasher.threads + PASSWORD_QUEUE
        waiting = [self.hasher.hash(b"password") for _ in range(places - 1)]
        last, over = self.hasher.hash(b"password"), self.hasher.hash(b"password")
        self.failureResultOf(over, OverloadedError)
        await defer.gatherResults([*waiting, last])
        self.assertTrue(await self.hasher.hash(b"password"))

    async def test_what_waits_when_it_stops_is_refused(self) -> None:
        """The stop does not take as long as the queue is; what comes later is refused at once."""
        results: list[Any] = []
        waiting = [self.hasher.hash(b"password").addBoth(results.append) for _ in range(PASSWORD_QUEUE)]
        self.hasher.stop()
        await defer.gatherResults(waiting)
        refused = [one for one in results if not isinstance(one, str)]
        self.assertEqual({one.type for one in refused} - {OverloadedError}, set())
        self.assertLess(self.hasher.derivations, PASSWORD_QUEUE)
        self.failureResultOf(self.hasher.hash(b"password"), OverloadedError)

    def test_threads_run_only_between_start_and_stop(self) -> None:
        """None before: twistd forks in between."""
        self.hasher.stop()
        before = set(threading.enumerate())
        hasher = PasswordHasher(reactor, CHEAP)
        self.assertEqual(set(threading.enumerate()), before)
        hasher.start()
        hasher.stop()
        self.assertEqual(set(threading.enumerate()), before)


class Bytes(SynchronousTestCase):
    """From what is typed to what is hashed."""

    def test_two_spellings_of_one_text_are_one_password(self) -> None:
        """An accent as a character or as a combining mark: keyboards differ, people do not notice."""
        self.assertEqual(password_bytes("caf\u00e9"), password_bytes("cafe\u0301"))
        self.assertEqual(password_bytes("caf\u00e9"), b"caf\xc3\xa9")

    def test_any_string_has_bytes(self) -> None:
        """Half a surrogate pair is an odd password, not an error."""
        self.assertEqual(password_bytes("\ud800"), b"\xed\xa0\x80")
