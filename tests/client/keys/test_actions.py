"""Commands about keys, at a core with real keys."""

from __future__ import annotations

from pathlib import Path

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.files.disk import LocalFiles
from encchat.client.store import MemoryStore
from tests.client.table import Table, ready

WITH_KEYS = (
    "/verify bob",
    "/verify bob stop",
    "/verified bob",
    "/trust bob",
    "/policy",
    "/fingerprint",
    "/devices bob",
    "/approve x",
    "/recover a b c",
    "/recovery",
    "/sign rsa",
    "/why",
    "/keys export x y",
)


def with_keys() -> Table:
    """A table whose client keeps things, and so has keys; bob's are known from a message to him."""
    table = ready(store=MemoryStore(durable=True), files=LocalFiles())
    table.type("/msg bob hello")
    table.take("send")
    table.shown.clear()
    return table


class Keys(SynchronousTestCase):
    """``/verify``, ``/policy``, ``/fingerprint``, ``/recovery``, ``/keys`` and the others."""

    def refused(self, table: Table, line: str) -> str:
        """The error of a line."""
        table.type(line)
        return table.texts(events.Error)[-1]

    def test_without_keys_each_command_says_what_is_missing(self) -> None:
        """A client that keeps nothing can do nothing with keys, and says what to do."""
        for line in WITH_KEYS:
            self.assertIn("start again with the password", self.refused(ready(), line), line)

    def test_each_refusal_names_what_would_be_right(self) -> None:
        """With the usage."""
        for line, words in (
            ("/verify", "NAME is missing: /verify NAME [stop]"),
            ("/verify bob now", "now is none of them, there are stop"),
            ("/verify alice", "alice is you"),
            ("/verified", "NAME is missing"),
            ("/trust bob carol", "carol is too much: /trust NAME"),
            ("/policy maybe", "maybe is none of them, there are first-use, verified-only, always"),
            ("/devices revoke", "DEVICE is missing: /devices [NAME], /devices revoke DEVICE"),
            ("/devices bob carol", "carol is too much"),
            ("/approve", "one CODE, as the other device shows it"),
            ("/recovery now", "now is too much: /recovery"),
            ("/sign", "a word is missing, there are ed25519, rsa, dsa"),
            ("/why nothing", "no message NOTHING waits here"),
            ("/why", "every message here could be read"),
            ("/keys", "a word is missing, there are export, import"),
            ("/keys export", "FILE is missing: /keys export|import FILE [PASSPHRASE]"),
            ("/keys import nowhere x", "nowhere cannot be read: No such file"),
        ):
            self.assertIn(words, self.refused(with_keys(), line), line)

    def test_verifying_shows_the_number_and_asks_the_other_side(self) -> None:
        """Sixty digits in twelve groups; then it waits, until it is stopped."""
        table = with_keys()
        table.type("/verify bob")
        shown = [event for event in table.shown if isinstance(event, events.Verification)]
        self.assertEqual(["number", "waiting"], [event.step for event in shown])
        self.assertRegex(shown[0].number, r"^(\d{5} ){11}\d{5}$")
        table.type("/verify bob stop")
        last = table.last()
        assert isinstance(last, events.Verification)
        self.assertEqual(("cancelled", "refused"), (last.step, last.reason))

    def test_who_was_verified_is_shown_so(self) -> None:
        """In the bar, by /fingerprint, and for messages."""
        table = with_keys()
        self.assertEqual("encrypted, pinned", table.core.trust_actions.lock("@bob"))
        table.type("/verify bob", "/verified bob", "/fingerprint bob")
        self.assertEqual("encrypted, verified", table.core.trust_actions.lock("@bob"))
        self.assertIn("the key of bob (verified): ed25519 SHA256:", table.texts(events.Notice)[-1])

    def test_the_policy_is_shown_and_chosen(self) -> None:
        """Under verified-only nothing goes to somebody who is not."""
        table = with_keys()
        table.type("/policy", "/policy verified-only")
        self.assertEqual(["first-use", "verified-only"], [text.split(":")[0] for text in table.texts(events.Notice)])
        table.type("/msg bob a canary")
        self.assertNotIn("send", table.verbs())
        self.assertIn("bob", table.texts(events.Error)[-1])

    def test_devices_of_others_and_of_oneself(self) -> None:
        """Others' with their keys; one's own are the server's to list and to end."""
        table = with_keys()
        table.type("/devices bob")
        listed = table.last()
        assert isinstance(listed, events.Listing)
        self.assertEqual(["device", "key"], listed.columns)
        self.assertEqual(1, len(listed.rows))
        table.type("/devices", "/devices revoke abc")
        asked = [table.take("devices") for _ in range(2)]
        self.assertEqual([("list", ""), ("revoke", "abc")], [(one["action"], one["device"]) for one in asked])

    def test_the_recovery_phrase_is_shown_again(self) -> None:
        """Twelve words; wrong ones bring nothing."""
        table = with_keys()
        table.type("/recovery")
        shown = table.last()
        assert isinstance(shown, events.Recovery)
        self.assertEqual(12, len(shown.phrase.split()))
        self.assertTrue(self.refused(table, "/recover these are no such words"))

    def test_keys_go_into_a_file_and_come_back(self) -> None:
        """Under a passphrase, which is asked for if it does not stand in the line."""
        table, path = with_keys(), self.mktemp()
        table.type(f"/keys export {path} pass phrase")
        self.assertIn(path, table.texts(events.Notice)[-1])
        self.assertTrue(Path(path).read_bytes())
        table.type(f"/keys import {path} pass phrase")
        self.assertIn("keys of past messages", table.texts(events.Notice)[-1])
        self.assertTrue(self.refused(table, f"/keys import {path} wrong"))
        table.type(f"/keys import {path}")
        question = table.core.take_question()
        assert question is not None
        self.assertIn("/keys import FILE PASSPHRASE", question.otherwise)
        self.assertIn("is there already", self.refused(table, f"/keys export {path} pass phrase"))

    def test_secure_text_goes_where_it_is_encrypted(self) -> None:
        """With keys, to one person."""
        table = with_keys()
        table.type("/go bob", "secure: a canary")
        sent = table.take("send")
        self.assertEqual(("@bob", "megolm"), (sent["conversation"], sent["scheme"]))
        self.assertNotIn("canary", sent["body"])


class Told(SynchronousTestCase):
    """What the machine tells, as the json face has it."""

    def test_lines_of_the_machine_face(self) -> None:
        """Their names and fields stay as they are."""
        for event, fields in (
            (events.KeyChanged(user="bob"), {"type": "key_changed", "user": "bob"}),
            (
                events.Verification(user="bob", step="compare", emoji=["Dog"], decimals=[1]),
                {"type": "verification", "user": "bob", "step": "compare", "emoji": ["Dog"], "decimals": [1]},
            ),
            (
                events.Undecryptable(ulid="U", conversation="@bob", sender="bob", reason="no-key"),
                {"type": "undecryptable", "ulid": "U", "conversation": "@bob", "from": "bob", "reason": "no-key"},
            ),
            (
                events.Room(room="#tea", event_="joined", user="bob", by="bob"),
                {"type": "room", "event": "joined", "room": "#tea", "user": "bob", "by": "bob"},
            ),
            (
                events.Session(partner="bob", event_="refused", reason="BUSY"),
                {"type": "session", "with": "bob", "event": "refused", "reason": "BUSY"},
            ),
            (events.Rooms(rooms=[]), {"type": "rooms", "rooms": []}),
            (events.Recovery(phrase="a b"), {"type": "recovery", "phrase": "a b"}),
            (events.Ringing(sender="bob"), {"type": "ringing", "from": "bob", "over": False}),
        ):
            line = msgspec.json.decode(events.json_line(event))
            self.assertEqual(fields, {name: line[name] for name in fields})
