"""Sessions from core to core: whose keys open what, also when a session is over, and until when."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.keys.calls import CallKeys
from encchat.client.ledger import Ledger
from encchat.client.store import MemoryStore
from encchat.limits import SESSION_GRACE_SECONDS, SESSION_KEYS_SECONDS
from tests.client.people import PeopleTestCase, Person
from tests.server.harness import Line


class Held:
    """A server that holds back what is said, until it is let go."""

    def __init__(self) -> None:
        self.holds, self.lines = True, list[Line]()

    def __call__(self, line: Line) -> Line | None:
        if self.holds and line["type"] == "message":
            self.lines.append(line)
            return None
        return line

    def let_go(self, person: Person, **changes: Any) -> None:
        """Now it comes, perhaps changed."""
        self.holds = False
        for line in self.lines:
            person.heard({**line, **changes})


class SessionTestCase(PeopleTestCase):
    """Alice calls Bob."""

    async def session(self, *others: str) -> tuple[Any, ...]:
        """They are in one, and have spoken both ways."""
        people = await self.people("alice", "bob", *others)
        await self.call(people[0], people[1])
        return people

    async def call(self, alice: Person, bob: Person) -> None:
        """Alice calls, and both say something."""
        alice.shown.clear()
        bob.shown.clear()
        alice.type("/connect bob", "are you there")
        await bob.reads("are you there")
        bob.type("I am")
        self.assertEqual((await alice.reads("I am")).encryption, "olm")
        await alice.settled()
        await bob.settled()

    def keys(self, person: Person) -> list[str]:
        """The sessions between two people that there are keys of."""
        return [name for name in person.store.states("olm-session") if "session:" in name]

    async def held_at_the_end(self) -> tuple[Any, Any, Held]:
        """Bob ends the session while something that Alice has said in it is on its way."""
        alice, bob = await self.session()
        bob.lie = held = Held()
        alice.type("one more thing")
        await alice.settled()
        self.assertEqual(len(held.lines), 1)
        bob.type("/goodbye")
        await bob.settled()
        return alice, bob, held

    async def later(self, person: Person, seconds: float) -> None:
        """Time passes, and the client looks whether there is something to do."""
        self.server.time.advance(seconds)
        person.core.look()
        person.pump()
        await person.settled()


class OnTheirWay(SessionTestCase):
    """Messages of a session that come after its end."""

    async def test_a_message_that_arrives_after_the_end_is_read(self) -> None:
        """Also as what the server calls a direct message, for its keys are kept a while."""
        _, bob, held = await self.held_at_the_end()
        held.let_go(bob, kind="direct")
        self.assertEqual((await bob.reads("one more thing")).encryption, "olm")
        self.assertEqual(bob.seen(events.Undecryptable), [])

    async def test_it_is_read_when_the_next_session_has_begun(self) -> None:
        """And what is said in that one too."""
        alice, bob, held = await self.held_at_the_end()
        bob.type("/connect alice")
        await alice.until(lambda: len(alice.seen(events.Session, event_="started")) == 2)
        alice.type("hello again")
        await alice.settled()
        self.assertEqual(len(held.lines), 2)
        held.let_go(bob)
        await bob.reads("hello again")
        self.assertEqual(bob.texts()[-2:], ["one more thing", "hello again"])

    async def test_who_was_away_when_it_ended_reads_what_was_said_until_then(self) -> None:
        """And writes under the keys of direct messages after that, for that session is over."""
        alice, bob = await self.session()
        bob.leave()
        alice.type("where are you")
        await alice.settled()
        self.server.time.advance(SESSION_GRACE_SECONDS)
        await alice.sees(events.Session, event_="ended")
        self.server.time.advance(SESSION_KEYS_SECONDS)
        await bob.arrive()
        self.assertEqual((await bob.reads("where are you")).encryption, "olm")
        bob.type("/msg alice here")
        self.assertEqual((await alice.reads("here")).encryption, "megolm")
        await self.later(bob, SESSION_KEYS_SECONDS)
        self.assertEqual(self.keys(bob), [])

    async def test_the_next_process_reads_it_as_well(self) -> None:
        """What it has of keys is in the store, and goes from there."""
        alice, bob = await self.session()
        bob.leave()
        alice.type("where are you")
        await alice.settled()
        self.server.time.advance(SESSION_GRACE_SECONDS)
        await alice.sees(events.Session, event_="ended")
        bob.die()
        await bob.arrive()
        await bob.reads("where are you")
        await self.later(bob, SESSION_KEYS_SECONDS)
        self.assertEqual(self.keys(bob), [])

    async def test_another_device_that_never_heard_of_the_session_reads_it(self) -> None:
        """Which it is of stands in the message; and its keys go there too."""
        alice, bob = await self.people("alice", "bob")
        phrase = (await bob.sees(events.Recovery)).phrase
        phone = await self.person("bob", 9)
        phone.type(f"/recover {phrase}")
        await phone.until(lambda: phone.core.machine.vouched)
        await phone.settled()
        phone.leave()
        await self.call(alice, bob)
        bob.type("/goodbye")
        await bob.settled()
        await phone.arrive()
        await phone.reads("are you there")
        self.assertEqual((await phone.reads("I am")).encryption, "olm")
        await self.later(phone, SESSION_KEYS_SECONDS)
        self.assertEqual(self.keys(phone), [])


class Over(SessionTestCase):
    """The keys of a session that is over."""

    async def test_they_are_gone_some_time_after_the_end(self) -> None:
        """On both sides; what was said stays readable here, as it is kept."""
        alice, bob = await self.session()
        alice.type("/goodbye")
        await bob.sees(events.Session, event_="ended")
        for person in (alice, bob):
            self.assertEqual(len(self.keys(person)), 1)
        self.server.time.advance(SESSION_KEYS_SECONDS - 1)
        for person in (alice, bob):
            await self.later(person, 0)
            self.assertEqual(len(self.keys(person)), 1)
        self.server.time.advance(1)
        for person in (alice, bob):
            await self.later(person, 0)
            self.assertEqual(self.keys(person), [])
        alice.type("/history @bob")
        past = await alice.sees(events.History, conversation="@bob")
        self.assertEqual([one.text for one in past.messages], ["are you there", "I am"])

    async def test_what_comes_when_they_are_gone_says_so(self) -> None:
        """It is nobody's fault, and no key is asked for."""
        _, bob, held = await self.held_at_the_end()
        await self.later(bob, SESSION_KEYS_SECONDS)
        bob.sent.clear()
        held.let_go(bob)
        shut = await bob.sees(events.Undecryptable)
        self.assertEqual(shut.reason, "session-over")
        bob.shown.clear()
        bob.type(f"/why {shut.ulid}")
        self.assertIn("session that is over", (await bob.sees(events.Notice)).text)
        await bob.settled()
        self.assertEqual([line["type"] for line in bob.sent if line["type"] in ("claim_keys", "send_parcels")], [])

    async def test_a_session_that_is_taken_up_again_keeps_its_keys(self) -> None:
        """However long it lasts after that."""
        alice, bob = await self.session()
        bob.leave()
        await bob.arrive()
        await self.later(bob, 2 * SESSION_KEYS_SECONDS)
        self.assertEqual(len(self.keys(bob)), 1)
        alice.type("still here")
        self.assertEqual((await bob.reads("still here")).encryption, "olm")
        bob.type("so am I")
        self.assertEqual((await alice.reads("so am I")).encryption, "olm")


class Elsewhere(SessionTestCase):
    """A server that shows what was said in a session as of somebody else."""

    async def test_what_one_says_to_one_is_not_shown_as_said_to_another(self) -> None:
        """Not even to another device of the one who said it: its messages say which two it is of."""
        alice, bob, _ = await self.people("alice", "bob", "carol")
        phrase = (await alice.sees(events.Recovery)).phrase
        phone = await self.person("alice", 9)
        phone.type(f"/recover {phrase}")
        await phone.until(lambda: phone.core.machine.vouched)
        await phone.settled()
        phone.lie = held = Held()
        await self.call(alice, bob)
        await phone.until(lambda: held.lines)
        phone.shown.clear()
        [mine] = [line for line in held.lines if line["from"] == "alice"]
        held.lines = [mine]
        held.let_go(phone, conversation="@carol", seq=1)
        self.assertEqual((await phone.sees(events.Undecryptable)).reason, "wrong-conversation")
        self.assertEqual(phone.texts(), [])


class Keeping(SynchronousTestCase):
    """`CallKeys` by itself."""

    def setUp(self) -> None:
        """At a time of ours."""
        self.now = 1000.0
        self.ledger = Ledger(MemoryStore(durable=True))
        self.calls = CallKeys(self.ledger, lambda: self.now)

    def test_keys_are_due_at_the_limit_and_not_before(self) -> None:
        """One second less, the limit, and nothing is due twice."""
        self.calls.started("bob", "01A")
        self.calls.ended()
        self.now += SESSION_KEYS_SECONDS - 1
        self.assertEqual(self.calls.take_due(), [])
        self.now += 1
        self.assertEqual(self.calls.take_due(), ["01A"])
        self.assertEqual(self.calls.take_due(), [])
        self.assertEqual(self.ledger.all("call"), {})

    def test_time_without_a_connection_does_not_count(self) -> None:
        """What was missed is read after the login."""
        self.calls.started("bob", "01A")
        self.calls.lost()
        self.now += 2 * SESSION_KEYS_SECONDS
        self.assertEqual(self.calls.take_due(), [])
        self.calls.login()
        self.assertEqual(self.calls.take_due(), [])
        self.now += SESSION_KEYS_SECONDS
        self.assertEqual(self.calls.take_due(), ["01A"])

    def test_only_the_partner_is_spoken_to_under_its_keys(self) -> None:
        """In upper or lower case, and nobody once it is over."""
        self.calls.started("Bob", "01A")
        self.assertEqual([self.calls.is_with(name) for name in ("@bob", "@carol", "#bob")], [True, False, False])
        self.calls.ended()
        self.assertFalse(self.calls.is_with("@bob"))
