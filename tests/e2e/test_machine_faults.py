"""Two machines under random deliveries, losses, duplicates and restarts: nothing committed is lost or shown twice."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from encchat import limits, wire
from encchat.e2e.interfaces import Conversation
from encchat.errors import EncchatError, NotPreparedError, UndecryptableError
from tests.e2e.directory import Client, Directory

WHO = st.sampled_from((0, 1))


class TwoMachines(RuleBasedStateMachine):
    """Alice and Bob talk; the log of the conversation is safe, everything else may go wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Directory()
        self.clients = (Client(self.directory, "alice", "A1"), Client(self.directory, "bob", "B1"))
        for client in self.clients:
            client.start()
        self.log: list[tuple[int, wire.Message, str]] = []
        self.shown: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self.shut: tuple[set[int], set[int]] = (set(), set())
        self.read: list[int] = [0, 0]

    def _where(self, who: int) -> Conversation:
        return self.clients[who].direct(self.clients[1 - who].user)

    @rule(who=WHO)
    def say(self, who: int) -> None:
        """Somebody says something; what is sealed and committed is in the log."""
        client = self.clients[who]
        errors: list[EncchatError | None] = []
        client.machine.prepare(self._where(who), errors.append)
        for _ in range(200):
            if errors or not client.turn():
                break
        if errors != [None]:
            return
        text = f"{who}/{len(self.log)}"
        try:
            self.log.append((who, client.sealed_quietly(self._where(who), text), text))
        except NotPreparedError:
            return

    @rule(who=WHO, turns=st.integers(1, 6))
    def work(self, who: int, turns: int) -> None:
        """Some turns of one side."""
        for _ in range(turns):
            if self.clients[who].online:
                self.clients[who].turn()

    @rule(who=WHO, again=st.booleans())
    def read_on(self, who: int, again: bool) -> None:
        """The next message of the log is opened, or the one before once more."""
        at = self.read[who] - 1 if again and self.read[who] else self.read[who]
        if at >= len(self.log):
            return
        self.read[who] = max(self.read[who], at + 1)
        self._open(who, at)

    @rule(who=WHO)
    def lose(self, who: int) -> None:
        """The connection goes and comes."""
        if self.clients[who].online:
            self.clients[who].lose()
        self.clients[who].online = True
        self.clients[who].machine.start(self.clients[who].user, self.clients[who].device)

    @rule(who=WHO)
    def crash(self, who: int) -> None:
        """The process is killed: what was not committed is gone, what was asked may not have arrived."""
        self.clients[who].boot()
        self.clients[who].online = True
        self.clients[who].machine.start(self.clients[who].user, self.clients[who].device)

    @rule(who=WHO)
    def answer_lost(self, who: int) -> None:
        """The server does what was asked, and the answer never comes."""
        client = self.clients[who]
        if client.asked:
            kind, _, fields = client.asked[0]
            self.directory.answer(client, kind, fields)
            client.lose()
            self.lose(who)

    @rule(who=WHO)
    def duplicate(self, who: int) -> None:
        """The server pushes what waits in the inbox a second time."""
        for item in self.directory.device(self.clients[who].user, self.clients[who].device).inbox:
            self.clients[who].machine.receive(item)

    @invariant()
    def nothing_is_shown_twice_or_as_something_else(self) -> None:
        """What was shown is what was said."""
        for who in (0, 1):
            for ulid, text in self.shown[who].items():
                assert (1 - who, text) in {(by, said) for by, message, said in self.log if message.ulid == ulid}

    def _open(self, who: int, at: int) -> None:
        by, said, text = self.log[at]
        if by == who:
            return
        client = self.clients[who]
        try:
            opened = client.read(self._where(who), said)
        except UndecryptableError as error:
            if said.ulid not in self.shown[who]:
                if error.reason != "no-key":
                    raise
                self.shut[who].add(at)
            return
        assert said.ulid not in self.shown[who], "shown twice"
        assert opened.text == text
        self.shown[who][said.ulid] = opened.text

    def teardown(self) -> None:
        """Once all is well again, everything that was said is read by the other side."""
        for who in (0, 1):
            self.lose(who)
        for _ in range(2 * limits.REPAIR_TIMES):
            self.clients[0].run()
            for who in (0, 1):
                for at in range(len(self.log)):
                    if self.log[at][0] != who and self.log[at][1].ulid not in self.shown[who]:
                        self._open(who, at)
                self.clients[who].now += limits.RENEW_SECONDS
            if self._all_read():
                return
        assert self._all_read(), [self.log[at][2] for who in (0, 1) for at in self.shut[who]]

    def _all_read(self) -> bool:
        return all(message.ulid in self.shown[1 - by] for by, message, _ in self.log)


class Faults(SynchronousTestCase):
    """Hypothesis looks for a history that breaks the promise."""

    def test_nothing_committed_is_lost_or_shown_twice(self) -> None:
        """Random deliveries, losses, duplicates and restarts of two machines."""
        quick = settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(TwoMachines, settings=quick)
