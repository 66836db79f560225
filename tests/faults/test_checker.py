"""The checker finds each kind of broken promise, and nothing where all were kept."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.faults.checker import EPOCH, Entry, Told, canonical, judge


def entry(seq: int, sender: str = "ann", text: str = "") -> Entry:
    """A message of its own for each seq."""
    return Entry(seq, f"U{seq}", sender, text or f"text {seq}")


def log(*seqs: int) -> dict[str, list[Entry]]:
    """The lobby of these seqs, all said by ann."""
    return {"lobby": [entry(seq) for seq in seqs]}


def speaker(*seqs: int) -> Told:
    """Ann's device, which said them and was told so."""
    told = Told("ann-1", "ann")
    for seq in seqs:
        told.says("lobby", f"text {seq}")
        told.was_sent("lobby", seq, f"U{seq}")
    return told


def hearer(*seqs: int) -> Told:
    """Bob's device, which was shown them."""
    told = Told("bob-1", "bob")
    for seq in seqs:
        told.was_shown("lobby", entry(seq))
    return told


class CheckerTests(SynchronousTestCase):
    def kinds(self, told: list[Told], truth: dict[str, list[Entry]]) -> set[str]:
        """The kinds of problems found."""
        return {problem.kind for problem in judge(told, truth).problems}

    def test_a_run_without_a_fault_is_good(self) -> None:
        """Everything sent is in the log and was shown once, in order; the promises are counted."""
        verdict = judge([speaker(1, 2), hearer(1, 2)], log(1, 2))
        self.assertEqual((verdict.sent, verdict.problems), (2, ()))

    def test_a_sent_message_that_is_not_in_the_log_is_lost(self) -> None:
        """``sent`` is the promise."""
        self.assertEqual(self.kinds([speaker(1, 2)], log(1)), {"lost"})
        self.assertEqual(self.kinds([speaker(1)], {}), {"lost"})

    def test_a_message_one_device_never_got_is_lost(self) -> None:
        """Also if all others have it."""
        verdict = judge([speaker(1, 2), hearer(1, 2), hearer(1)], log(1, 2))
        self.assertEqual([problem.kind for problem in verdict.problems], ["lost"])

    def test_a_conversation_of_others_is_not_missed(self) -> None:
        """Who takes no part in it need not have it; who does, must."""
        truth = {"ann+cid": [entry(1)]}
        self.assertEqual(self.kinds([hearer()], truth), set())
        self.assertEqual(self.kinds([Told("cid-1", "cid")], truth), {"lost"})

    def test_what_was_typed_and_neither_sent_nor_refused_is_lost(self) -> None:
        """A refusal excuses one text; so does the death of the client that was given it."""
        told = speaker(1)
        told.says("lobby", "into the void")
        self.assertEqual(self.kinds([told], log(1)), {"lost"})
        told.refused = 1
        self.assertEqual(self.kinds([told], log(1)), set())
        told.refused, told.killed = 0, True
        told.keeps("lobby", [entry(1)])
        self.assertEqual(self.kinds([told], log(1)), set())

    def test_what_was_said_to_wait_and_was_never_sent_is_lost(self) -> None:
        """Also if the client was killed: it waits in its outbox, on disk."""
        told = Told("ann-1", "ann", killed=True)
        told.keeps("lobby", [entry(1)])
        told.was_queued("lobby", "U1")
        self.assertEqual(self.kinds([told], log(1)), set())
        told.was_queued("lobby", "U2")
        self.assertEqual(self.kinds([told], log(1)), {"lost"})

    def test_a_message_shown_twice_is_a_duplicate(self) -> None:
        """On one device; the same message on two is as it should be."""
        self.assertEqual(self.kinds([speaker(1), hearer(1), hearer(1)], log(1)), set())
        self.assertEqual(self.kinds([hearer(1, 1)], log(1)), {"duplicated"})

    def test_an_own_message_both_sent_and_shown_is_a_duplicate(self) -> None:
        """A sender sees its message as `sent` alone."""
        told = speaker(1)
        told.was_shown("lobby", entry(1))
        self.assertEqual(self.kinds([told], log(1)), {"duplicated"})

    def test_one_text_in_two_places_of_the_log_is_a_duplicate(self) -> None:
        """It was stored again under another ULID."""
        truth = {"lobby": [entry(1, text="once"), entry(2, text="once")]}
        self.assertEqual(self.kinds([], truth), {"duplicated"})

    def test_a_later_message_shown_first_breaks_the_order(self) -> None:
        """Within a conversation."""
        self.assertEqual(self.kinds([hearer(2, 1)], log(1, 2)), {"order"})

    def test_a_message_whose_key_came_late_may_be_shown_after_others(self) -> None:
        """It stood in its place as one that cannot be read yet; that it is never shown is a loss."""
        told = hearer(2, 1)
        told.announced.add(("lobby", 1))
        self.assertEqual(self.kinds([told], log(1, 2)), set())
        told = hearer(2)
        told.announced.add(("lobby", 1))
        self.assertEqual(self.kinds([told], log(1, 2)), {"lost"})

    def test_typed_lines_in_another_order_break_the_order(self) -> None:
        """What one device said stands in the log as it was typed."""
        told = speaker(1, 2)
        told.typed.reverse()
        self.assertEqual(self.kinds([told], log(1, 2)), {"order"})

    def test_what_was_shown_and_is_not_in_the_log_is_invented(self) -> None:
        """Delivery comes after the commit."""
        self.assertEqual(self.kinds([hearer(1, 2)], log(1)), {"invented"})

    def test_two_messages_under_one_number_diverge(self) -> None:
        """A seq is given once, whatever happens to the server."""
        other = Told("cid-1", "cid")
        other.was_shown("lobby", Entry(1, "OTHER", "ann", "something else"))
        self.assertIn("diverged", self.kinds([hearer(1), other], log(1)))

    def test_a_gap_in_the_log_is_found(self) -> None:
        """At its beginning, within, and at the beginning of a restore epoch."""
        self.assertEqual(self.kinds([], log(1, 2, EPOCH + 1, EPOCH + 2)), set())
        for seqs in ((2,), (1, 3), (1, EPOCH + 2)):
            self.assertEqual(self.kinds([], log(*seqs)), {"gap"}, seqs)

    def test_a_restore_may_forget_what_came_after_the_backup(self) -> None:
        """And nothing before it."""
        devices = [speaker(1, 2, EPOCH + 1), hearer(1, 2, EPOCH + 1)]
        truth = log(1, EPOCH + 1)
        self.assertEqual(judge(devices, truth, lambda name, seq: 1 < seq < EPOCH).problems, ())
        self.assertEqual(
            {problem.kind for problem in judge(devices, truth, lambda name, seq: 2 < seq < EPOCH).problems},
            {"lost", "invented"},
        )

    def test_what_a_killed_device_keeps_counts_for_it(self) -> None:
        """It may have died between keeping and showing; its store has to have the message, and the same one."""
        told = hearer(1)
        told.killed = True
        told.keeps("lobby", [entry(1)])
        self.assertEqual(self.kinds([told], log(1, 2)), {"lost"})
        told.keeps("lobby", [entry(2)])
        self.assertEqual(self.kinds([told], log(1, 2)), set())
        told.keeps("lobby", [entry(2, text="forged")])
        self.assertEqual(self.kinds([told], log(1, 2)), {"diverged"})

    def test_a_sealed_message_is_judged_by_what_its_readers_saw(self) -> None:
        """The auditor cannot read it; two who read different things, or a text stored twice, are found all the same."""
        name, sealed = "ann+bob", [Entry(seq, f"U{seq}", "ann", "", sealed=True) for seq in (1, 2)]
        ann, bob = Told("ann-1", "ann"), Told("bob-1", "bob")
        for seq in (1, 2):
            ann.says(name, f"text {seq}")
            ann.was_sent(name, seq, f"U{seq}")
            bob.was_shown(name, entry(seq))
        self.assertEqual(self.kinds([ann, bob], {name: sealed}), set())
        other = Told("bob-2", "bob", killed=True)
        other.keeps(name, [entry(1), entry(2, text="text 1")])
        self.assertEqual(self.kinds([ann, bob, other], {name: sealed}), {"diverged"})
        twice = Told("bob-2", "bob")
        twice.was_shown(name, entry(1))
        twice.was_shown(name, entry(2, text="text 1"))
        self.assertIn("duplicated", self.kinds([twice], {name: sealed}))

    def test_a_sealed_message_that_nobody_could_read_is_lost(self) -> None:
        """That it is in the log helps nobody."""
        name = "ann+bob"
        ann, bob = Told("ann-1", "ann"), Told("bob-1", "bob")
        ann.says(name, "text 1")
        ann.was_sent(name, 1, "U1")
        problems = judge([ann, bob], {name: [Entry(1, "U1", "ann", "", sealed=True)]}).problems
        self.assertEqual({problem.kind for problem in problems}, {"lost"})
        self.assertIn("nobody could read", " ".join(problem.text for problem in problems))

    def test_both_sides_name_a_direct_conversation_the_same(self) -> None:
        """Each client calls it by the other's name."""
        self.assertEqual(canonical("ann", "@bob"), canonical("bob", "@ann"))
        self.assertEqual(canonical("ann", "lobby"), "lobby")
