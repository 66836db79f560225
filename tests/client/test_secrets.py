"""Secrets stand where they are needed, and in nothing that is printed to find a fault."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.ledger import Ledger
from encchat.client.store import Changes, MemoryStore
from encchat.e2e import interfaces
from encchat.e2e.recovery import Backup
from tests.e2e.people import identity, seeded

CANARY = "abandon ability able"


class Printed(SynchronousTestCase):
    """`repr`, which tracebacks and debuggers show."""

    def test_the_recovery_phrase_is_in_no_repr(self) -> None:
        """Neither of what the machine tells nor of what the faces show; the faces get it all the same."""
        for thing in (interfaces.Recovery(CANARY), events.Recovery(phrase=CANARY)):
            self.assertNotIn("abandon", repr(thing))
            self.assertEqual(thing.phrase, CANARY)

    def test_keys_are_in_no_repr(self) -> None:
        """Of the store in memory, of what waits to be written, of the keys themselves."""
        store, secret = MemoryStore(durable=True), b"canary of a key"
        ledger = Ledger(store)
        ledger.put("identity", "private", secret)
        changes = Changes(state={("identity", "private"): secret})
        for thing in (ledger, changes, [changes]):
            self.assertNotIn("canary", repr(thing))
        ledger.commit()
        self.assertNotIn("canary", repr(store) + repr(ledger))
        backup = Backup.make("alice", seeded())
        self.assertNotIn(backup.phrase.split()[0], repr(backup))
        self.assertNotIn("private", repr(identity("alice")))
