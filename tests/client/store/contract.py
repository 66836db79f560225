"""What each of the client's stores has to pass."""

from __future__ import annotations

from typing import Any

import msgspec

from encchat.client.store import Changes, Outgoing, Store, StoredMessage
from encchat.client.store.interface import Content
from encchat.limits import DOUBTFUL_TRANSACTIONS

ONE, TWO, THREE = (Outgoing(f"01{number:024}", "@bob", f"text {number}") for number in range(1, 4))


def message(seq: int, text: str = "hello", conversation: str = "lobby", sender: str = "bob") -> StoredMessage:
    """A message in the lobby."""
    kind: Any = "lobby" if conversation == "lobby" else "direct"
    return StoredMessage(conversation, kind, seq, sender, f"{conversation}{seq:020}", 1_700_000_000_000 + seq, text)


class StoreContract:
    """Mixed into a `SynchronousTestCase` that has `make`."""

    def make(self) -> Store:
        """The store; what an earlier one of this test kept is in it, as after a crash."""
        raise NotImplementedError

    def test_a_new_store_is_empty(self: Any) -> None:
        """In every respect."""
        store = self.make()
        self.assertEqual((store.outbox(), store.cursors(), store.doubtful()), ([], {}, []))
        self.assertEqual((store.history("lobby", 20), store.search("x", 20), store.holds("lobby", 1)), ([], [], False))

    def test_the_outbox_keeps_its_order_until_messages_leave_it(self: Any) -> None:
        """Over a crash as well."""
        self.make().apply(Changes(queued=[TWO, ONE]))
        store = self.make()
        store.apply(Changes(queued=[THREE]))
        store.apply(Changes(settled=[ONE.ulid]))
        self.assertEqual(store.outbox(), [TWO, THREE])
        self.assertEqual(self.make().outbox(), [TWO, THREE])

    def test_what_enters_and_leaves_at_once_is_not_in_the_outbox(self: Any) -> None:
        """Leaving counts for more; leaving twice, or unknown, is nothing."""
        store = self.make()
        store.apply(Changes(queued=[ONE], settled=[ONE.ulid, ONE.ulid, TWO.ulid]))
        self.assertEqual(store.outbox(), [])

    def test_a_message_and_its_cursor_are_kept_together(self: Any) -> None:
        """Also with what leaves the outbox."""
        self.make().apply(Changes(queued=[ONE]))
        self.make().apply(Changes(settled=[ONE.ulid], messages=[message(1)], cursors={"lobby": 1}))
        store = self.make()
        self.assertEqual((store.outbox(), store.cursors(), store.history("lobby", 9)), ([], {"lobby": 1}, [message(1)]))

    def test_a_place_is_taken_once(self: Any) -> None:
        """The first message stays."""
        store = self.make()
        store.apply(Changes(messages=[message(1, "first"), message(1, "second")]))
        store.apply(Changes(messages=[message(1, "third")]))
        self.assertEqual([one.body for one in store.history("lobby", 9)], ["first"])
        self.assertTrue(store.holds("lobby", 1))
        self.assertFalse(store.holds("@bob", 1))

    def test_history_is_the_newest_by_seq_oldest_first(self: Any) -> None:
        """n-1, n and n+1 of n messages; each conversation for itself."""
        store = self.make()
        store.apply(Changes(messages=[message(2), message(1), message(7, conversation="@bob"), message(3)]))
        for count, seqs in ((2, [2, 3]), (3, [1, 2, 3]), (4, [1, 2, 3])):
            self.assertEqual([one.seq for one in store.history("lobby", count)], seqs)

    def test_names_are_the_same_in_upper_and_lower_case(self: Any) -> None:
        """As accounts are; the last spelling is the one that is given."""
        store = self.make()
        store.apply(Changes(messages=[message(1, conversation="@Bob")], cursors={"@bob": 1}))
        store.apply(Changes(cursors={"@Bob": 2}))
        self.assertEqual(store.cursors(), {"@Bob": 2})
        self.assertEqual(len(store.history("@BOB", 9)), 1)

    def test_a_ciphertext_is_opened_in_its_place(self: Any) -> None:
        """It is found then, and in doubt again; where nothing is kept, nothing is opened."""
        sealed, other = (msgspec.structs.replace(message(seq, "Aw cipher"), content="sealed") for seq in (1, 2))
        opened = msgspec.structs.replace(message(1, "plain words"), encryption="megolm", signed="valid")
        store = self.make()
        store.apply(Changes(messages=[sealed, other]))
        self.assertEqual(store.search("cipher", 9), [])
        for _ in range(DOUBTFUL_TRANSACTIONS):
            store.apply(Changes(cursors={"lobby": 2}))
        self.assertEqual(store.doubtful(), [])
        store.apply(Changes(opened=[opened, message(7)]))
        for again in (store, self.make()):
            self.assertEqual((again.at("LOBBY", 1), again.at("lobby", 7)), (opened, None))
            self.assertEqual((again.history("lobby", 9), again.doubtful()), ([opened, other], [opened]))
            self.assertEqual((again.search("plain", 9), again.search("cipher", 9)), ([opened], []))

    def test_only_what_a_person_wrote_is_found(self: Any) -> None:
        """No ciphertext and no change of a room."""
        store = self.make()
        contents: tuple[Content, ...] = ("text", "topic", "event", "sealed")
        rows = [msgspec.structs.replace(message(n), content=content) for n, content in enumerate(contents, 1)]
        store.apply(Changes(messages=rows))
        self.assertEqual([one.content for one in store.search("hello", 9)], ["text", "topic"])

    def test_state_is_remembered_by_kind_and_exact_name(self: Any) -> None:
        """Over a crash; the last value counts, None forgets, and upper and lower case differ."""
        self.make().apply(Changes(state={("olm", "Aa"): b"1", ("olm", "aA"): b"2", ("megolm", "Aa"): b""}))
        store = self.make()
        self.assertEqual(store.states("olm"), {"Aa": b"1", "aA": b"2"})
        self.assertEqual((store.state("megolm", "Aa"), store.state("megolm", "aA")), (b"", None))
        store.apply(Changes(state={("olm", "Aa"): None, ("olm", "aA"): b"3", ("olm", "none"): None}))
        for again in (store, self.make()):
            self.assertEqual((again.states("olm"), again.states("pins")), ({"aA": b"3"}, {}))

    def test_search_finds_all_words_and_their_beginnings(self: Any) -> None:
        """Case apart, newest last, also what came after the first search."""
        store = self.make()
        store.apply(Changes(messages=[message(1, "The quick fox"), message(2, "quick"), message(3, "a fox, quickly")]))
        self.assertEqual([one.seq for one in store.search("QUICK fox", 9)], [1, 3])
        store.apply(Changes(messages=[message(4, "fox and quick", "@bob"), message(3, "no fox quick")]))
        self.assertEqual([one.seq for one in store.search("fox quick", 2)], [3, 4])

    def test_search_takes_any_text(self: Any) -> None:
        """Nothing of it is a query language."""
        store = self.make()
        store.apply(Changes(messages=[message(1, 'say "no" AND (or) not*')]))
        for text in ('"', "AND", "(", "*", "no AND (", 'body:"', "\0", "'; --", "-", "  "):
            self.assertLessEqual(len(store.search(text, 9)), 1)
        self.assertEqual(len(store.search('"no" AND', 9)), 1)

    def test_after_a_crash_the_latest_messages_are_doubtful(self: Any) -> None:
        """Those of the last few transactions: n-1, n and n+1 of them."""
        store = self.make()
        for seq in range(1, DOUBTFUL_TRANSACTIONS + 2):
            store.apply(Changes(messages=[message(seq)]))
            first = max(1, seq - DOUBTFUL_TRANSACTIONS + 1)
            self.assertEqual([one.seq for one in self.make().doubtful()], list(range(first, seq + 1)))

    def test_after_a_proper_end_nothing_is_doubtful(self: Any) -> None:
        """All of it was shown; closing twice is no error."""
        store = self.make()
        store.apply(Changes(messages=[message(1)]))
        store.close()
        store.close()
        self.assertEqual(self.make().doubtful(), [])
