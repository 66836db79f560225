"""The server reads nothing: what a whole evening of chat leaves where the server is.

One evening is played (story.py); each test looks at another place.
"""

from __future__ import annotations

import re
from typing import ClassVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, TestCase

from encchat import envelopes
from tests.blindness.evidence import Evidence
from tests.blindness.forms import fits
from tests.blindness.page import columns
from tests.blindness.story import SCHEMES, Story

_READABLE = 24
"""So many printable characters in a row do not come by chance: once in 10,000 runs among a megabyte of random bytes."""
_PUBLIC = {"lobby", "reason of a kick"}
"""What the server may read, and no other; docs/security.md says so."""


def named(found: set[str]) -> set[str]:
    """The canaries, without how they were spelled."""
    return {entry.partition(" (")[0] for entry in found}


class Blindness(TestCase):
    """Everything people can do in encchat, and who can read it."""

    timeout = 240
    _played: ClassVar[Evidence | list[Failure] | None] = None

    async def setUp(self) -> None:  # type: ignore[override]
        if Blindness._played is None:
            Blindness._played = await Deferred.fromCoroutine(Story(self).tell()).addErrback(lambda failure: [failure])
        if isinstance(Blindness._played, list):
            Blindness._played[0].raiseException()
        self.evidence = Blindness._played

    def test_no_secret_is_in_the_servers_memory(self) -> None:
        """Neither texts, topics, passphrases nor recovery phrases, searched after each thing that people did.

        Passwords are not searched for here: they come to the server inside the channel, to be hashed, and Python cannot
        wipe what it has freed (docs/security.md, "Passwords and devices").
        """
        if self.evidence.memory is None:
            raise SkipTest("nobody may read the memory of another process here (ptrace is forbidden, or no /proc)")
        self.assertGreater(self.evidence.memory_size, 10_000_000)
        self.assertEqual(named(self.evidence.memory), _PUBLIC)

    def test_no_secret_is_in_the_servers_files(self) -> None:
        """Database, write-ahead log, keys: a thief of the server has what was said in public, and no password."""
        self.assertEqual(named(self.evidence.files), _PUBLIC)

    def test_the_log_has_nothing_that_anybody_said(self) -> None:
        """At its most talkative, not even what was said in public."""
        self.assertEqual(self.evidence.log, set())

    def test_the_network_reads_nothing(self) -> None:
        """No text, name or password in either direction, and nothing printable but the preamble."""
        directions = self.evidence.wire
        self.assertGreater(sum(map(len, directions)), 100_000)
        for said in directions:
            found = self.evidence.canaries.search(said, "secret", "public", "password", "name")
            self.assertEqual(found, set())
            readable = re.findall(rb"[\x20-\x7e]{%d,}" % _READABLE, said)
            self.assertEqual([words for words in readable if b"encchat/1" not in words], [])

    def test_the_clients_disk_has_nothing_readable(self) -> None:
        """A thief of the device without password and keyring has no text, passphrase, password or recovery phrase."""
        self.assertEqual(named(self.evidence.homes), {"name of a file of keys"})

    def test_every_column_holds_what_the_documentation_says(self) -> None:
        """Only those marked as text hold words; what is sealed has no readable run, whatever its base64 spells."""
        for name, column in columns().items():
            if column.is_text:
                continue
            for value in self.evidence.stored[name]:
                self.assertTrue(fits(column.form, value), f"{name} is no {column.form}: {value!r}")

    def test_every_message_outside_the_lobby_is_an_envelope(self) -> None:
        """But for what the server itself writes into a room's log."""
        stored = self.evidence.stored
        messages = list(zip(stored["message.kind"], stored["message.scheme"], stored["message.body"], strict=True))
        schemes = {scheme for _, scheme, _ in messages}
        self.assertEqual(schemes, {"none", "event", *SCHEMES})
        for kind, scheme, body in messages:
            self.assertEqual(scheme == "none", kind == "lobby")
            if scheme not in ("none", "event"):
                envelopes.check(scheme, body)
            if scheme in envelopes.SCHEMES:  # the one for teaching has its receivers' names before the ciphertext
                self.assertTrue(fits("sealed", body.rpartition(".")[2].partition(",")[0]), body)

    def test_a_room_under_the_servers_key_is_read_by_a_thief_of_the_server(self) -> None:
        """It is marked everywhere because its key lies beside its messages."""
        self.assertIn(self.evidence.canaries.texts["message under the server's key"], self.evidence.glass)
