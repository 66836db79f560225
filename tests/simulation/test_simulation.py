"""The simulated world keeps its promises, replays exactly, and finds every lie it is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from tests.simulation import disk, storage
from tests.simulation.__main__ import BEGIN, END, failure, main, report, write
from tests.simulation.device import Device
from tests.simulation.faults import FAULTS
from tests.simulation.runs import Totals, run, run_all
from tests.simulation.seeds import known
from tests.simulation.world import Options, Outcome, World

ROOT = Path(__file__).parent.parent.parent
RUNS = 60
"""Worlds of CI's short form; `python -m tests.simulation` makes as many as one likes."""


class Promises(SynchronousTestCase):
    """Nothing sent is missing, nothing is shown twice, order holds, all devices converge."""

    def kept(self, totals: Totals) -> None:
        """No run broke one; what a failing one says is how to see it again."""
        self.assertEqual([], totals.failed, "\n".join(map(failure, totals.failed[:3])))

    def test_every_promise_is_kept_whatever_befalls_the_world(self) -> None:
        """All kinds of faults, a few in each run."""
        totals = run_all(range(RUNS))
        self.kept(totals)
        names = {fault.__name__.replace("_", " ") for fault in FAULTS} | {"split delivery"}
        self.assertEqual(names - set(totals.faults), set())

    def test_every_promise_is_kept_in_a_long_storm(self) -> None:
        """Many faults on top of each other."""
        self.kept(run_all(range(8), Options(messages=120, faults=60)))

    def test_every_promise_is_kept_through_the_encrypted_channel(self) -> None:
        """A cut within a record loses that record and nothing else."""
        self.kept(run_all(range(4), Options(channel=True)))

    def test_seeds_that_once_failed_fail_no_more(self) -> None:
        """Each of seeds.txt."""
        self.kept(run_all(known()))

    def test_a_quiet_world_is_at_rest_at_once(self) -> None:
        """Without faults there is nothing to recover from."""
        outcome = World(1, Options(messages=20, faults=0)).run()
        self.assertEqual((outcome.broken, outcome.messages, outcome.recovery), ((), 20, 0.0))


class Checker(SynchronousTestCase):
    """It can fail: each lie of a store is found by what it breaks."""

    def found(self, lie: str, *words: str, messages: int = 30, faults: int = 8) -> None:
        """One of the runs in which the store lies is called broken, in one of these words."""
        for seed in range(60):
            outcome = run(seed, Options(messages, faults, lie))
            self.assertFalse(any("Traceback" in text for text in outcome.broken), outcome.broken)
            if any(word in text for word in words for text in outcome.broken):
                return
        self.fail(f"{lie} was not found in 60 runs")

    def test_an_answer_before_the_commit_is_found(self) -> None:
        """The server says `sent`, dies, and the message never was."""
        self.found("answers-before-commit", "sent as")

    def test_a_server_that_forgets_ulids_is_found(self) -> None:
        """What is sent again after a lost answer would be there twice."""
        self.found("forgets-ulids", "stored twice", "sent as")

    def test_a_row_that_reading_skips_is_found(self) -> None:
        """A device that was away would never see it."""
        self.found("skips-a-row", "keeps not")

    def test_answers_out_of_order_are_survived(self) -> None:
        """The client puts them in order by seq, so this lie breaks nothing."""
        self.assertEqual(run_all(range(20), Options(lie="answers-out-of-order")).failed, [])

    def test_a_cursor_moved_without_its_message_is_found(self) -> None:
        """The device believes that it has what it has not."""
        self.found("moves-the-cursor-alone", "keeps not")

    def test_an_outbox_that_keeps_nothing_is_found(self) -> None:
        """What was typed is gone with the process."""
        self.found("loses-the-outbox", "never said", messages=60, faults=40)

    def test_cursors_that_are_not_kept_are_found(self) -> None:
        """What was shown before the crash is shown again after it."""
        self.found("forgets-cursors", "shown after", "its cursor")

    def test_every_lie_has_its_test(self) -> None:
        """None is only written about."""
        text = Path(__file__).read_text(encoding="utf-8")
        for lie in (*disk.LIES, *storage.LIES):
            self.assertIn(f'"{lie}"', text)


def without_keys(device: Device) -> list[object]:
    """What it showed; the keys of ratchets come from the system's randomness, whatever the seed.

    So when a key comes is not the seed's choice: a message read at once in one run is told of first in the other.
    """
    shown = [event for event in device.shown if not isinstance(event, events.Warned | events.Recovery)]
    sealed = [event for event in shown if isinstance(event, events.Message | events.Undecryptable)]
    others = [event for event in shown if not isinstance(event, events.Message | events.Undecryptable)]
    return [*others, *sorted({(event.conversation, event.ulid) for event in sealed})]


class Replay(SynchronousTestCase):
    """A seed is a world."""

    def test_a_seed_replays_exactly(self) -> None:
        """Every event on every screen, with its time, is the same again, but for what is made of keys."""
        for seed in range(5):
            first, second = World(seed), World(seed)
            self.assertEqual(first.run(), second.run())
            for one, other in zip(first.devices, second.devices, strict=True):
                self.assertEqual(without_keys(one), without_keys(other))

    def test_a_seed_replays_in_another_process(self) -> None:
        """Also where Python orders its sets otherwise."""
        script = (
            "import json, sys; from tests.simulation.runs import run;"
            "print(json.dumps([[one.steps, one.messages, one.deliveries, one.recovery] for one in map(run, range(5))]))"
        )
        said = [
            subprocess.run(
                [sys.executable, "-c", script],
                cwd=ROOT,
                env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        ]
        self.assertEqual(said[0], said[1])
        self.assertEqual(len(json.loads(said[0])), 5)


class Command(SynchronousTestCase):
    """`python -m tests.simulation`."""

    def totals(self, *broken: str) -> Totals:
        """Of one run."""
        totals = Totals(seconds=0.5)
        totals.add(Outcome(7, broken, 30, 60, 900, 1.5, Counter({"split delivery": 4})))
        return totals

    def test_the_report_says_what_was_run_and_what_failed(self) -> None:
        """Runs, speed, messages, faults by kind, failures."""
        text = report(self.totals("lost"))
        for words in ("1 runs in 0.5 s (120 a minute)", "30 messages stored", "split delivery", "broke a promise: 1"):
            self.assertIn(words, text)

    def test_a_failure_says_how_to_see_it_again(self) -> None:
        """The command with the seed."""
        text = failure(self.totals("alice.0: lobby: 3 shown after 3").failed[0])
        self.assertIn("python -m tests.simulation --runs 1 --seed 7", text)
        self.assertIn("3 shown after 3", text)

    def test_the_exit_code_is_the_verdict(self) -> None:
        """0: every promise was kept."""
        self.assertEqual(main(["--runs", "1", "--seed", "0", "--messages", "5", "--faults", "0"]), 0)

    def test_the_page_is_written_between_its_markers(self) -> None:
        """What stands around them stays; a second time replaces the first."""
        page = Path(self.mktemp())
        page.write_text(f"# Reliability\nbefore\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
        for _ in range(2):
            write(page, self.totals())
        text = page.read_text(encoding="utf-8")
        self.assertTrue(text.startswith("# Reliability\nbefore\n") and text.endswith("\nafter\n"))
        self.assertNotIn("old", text)
        self.assertEqual((text.count(BEGIN), text.count(END), text.count("| 1 | 120 | 30 | 60 |")), (1, 1, 1))

    def test_a_page_without_markers_gets_them(self) -> None:
        """And a page that is not there is made."""
        page = Path(self.mktemp())
        write(page, self.totals())
        self.assertEqual(page.read_text(encoding="utf-8").count(BEGIN), 1)
