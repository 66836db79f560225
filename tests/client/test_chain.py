"""Messages on their way out: what each says of the one before it, and how what became of them is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from encchat.client import events
from tests.client.people import PeopleTestCase, Person
from tests.server.harness import Line


def change_sends(person: Person, change: Callable[[int, Line], Line]) -> None:
    """On the wire the person's messages become what ``change`` makes of them, by number from 1 in this connection."""
    connection: Any = person.connection
    write, count = connection.write, 0

    def changed(data: bytes) -> None:
        nonlocal count
        lines = []
        for raw in data.splitlines():
            line = msgspec.json.decode(raw)
            if line["type"] == "send":
                count += 1
                line = change(count, line)
            lines.append(msgspec.json.encode(line) + b"\n")
        write(b"".join(lines))

    connection.write = changed


def broken(*numbers: int) -> Callable[[int, Line], Line]:
    """Those of that number are no envelopes any more, so that the server refuses them for good."""
    return lambda number, line: {**line, "body": "damaged"} if number in numbers else line


def passing(line: Line) -> Line:
    """The server says of what is malformed that it would take it another time."""
    return {**line, "code": "internal"} if line.get("code") == "malformed" else line


class Refusals(PeopleTestCase):
    """A message is refused while the next ones are on the wire already."""

    async def test_a_message_never_names_one_that_was_refused(self) -> None:
        """So the receiver is not warned of a gap that is none; what came after it goes, in order, and at once."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob zero")
        await bob.reads("zero")
        change_sends(alice, broken(2))
        alice.type(*(f"/msg bob {word}" for word in ("one", "two", "three", "four")))
        await bob.reads("four")
        self.assertEqual(bob.texts(), ["zero", "one", "three", "four"])
        self.assertEqual(bob.seen(events.Warned), [])
        self.assertEqual([error.code for error in alice.seen(events.Error)], ["malformed"])
        await alice.settled()
        self.assertEqual(alice.core.unaccepted, 0)
        alice.type("/msg bob five")
        await bob.reads("five")
        self.assertEqual(bob.seen(events.Warned), [])

    async def test_nothing_waits_for_an_answer_as_long_as_all_goes_well(self) -> None:
        """A burst is on the wire at once, each chained to the one before it."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob zero")
        await bob.reads("zero")
        await alice.settled()
        alice.sent.clear()
        alice.type(*(f"/msg bob {number}" for number in range(5)))
        sends = [line["chained"] for line in alice.sent if line["type"] == "send"]
        self.assertEqual(sends, [False, True, True, True, True])
        await bob.reads("4")

    async def test_lines_on_a_pipe_that_wait_at_a_cut_go_before_what_is_typed_after_it(self) -> None:
        """One was refused for a while, the next waits for it, and the connection is lost."""
        (bob,) = await self.people("bob")
        alice = await self.person("alice", 7, interactive=False)
        change_sends(alice, broken(1))
        alice.lie = passing
        alice.type("/msg bob one")
        await alice.sees(events.Warned)
        alice.type("/msg bob two")
        alice.leave()
        alice.type("/msg bob three")
        alice.lie = lambda line: line
        await alice.arrive()
        await bob.reads("three")
        self.assertEqual(bob.texts(), ["one", "two", "three"])

    async def test_what_is_refused_for_a_while_keeps_its_place(self) -> None:
        """The ones behind it wait with it, and all go in order when it is tried again."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob zero")
        await bob.reads("zero")
        change_sends(alice, broken(2))
        alice.lie = passing
        alice.type(*(f"/msg bob {word}" for word in ("one", "two", "three")))
        await alice.until(lambda: alice.core.sync_refused)
        await bob.reads("one")
        alice.type("/msg bob four")
        alice.core.catch_up()
        alice.pump()
        await bob.reads("four")
        self.assertEqual(bob.texts(), ["zero", "one", "two", "three", "four"])
        self.assertEqual((bob.seen(events.Warned), alice.seen(events.Error)), ([], []))
        self.assertEqual([one.code for one in alice.seen(events.Warned)], ["internal"], "told once, not with each try")

    async def test_each_of_many_refused_messages_is_sent_once(self) -> None:
        """Those that the server would not take by themselves are told so, and do not come again."""
        alice, bob = await self.people("alice", "bob")
        change_sends(alice, lambda number, line: {**line, "body": "damaged"})
        alice.sent.clear()
        alice.type(*(f"/msg bob {number}" for number in range(5)))
        await alice.settled()
        self.assertEqual(len([line for line in alice.sent if line["type"] == "send"]), 5)
        self.assertEqual([error.code for error in alice.seen(events.Error)], ["malformed"] * 5)
        self.assertEqual(bob.texts(), [])


class OwnMessages(PeopleTestCase):
    """How this client's own messages are kept."""

    async def test_they_have_the_signature_they_went_out_with(self) -> None:
        """That of the key of then, none in a deniable room or the lobby."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob one")
        await bob.reads("one")
        for algorithm, signature in (("rsa", "rsa-pss"), ("dsa", "dsa")):
            alice.type(f"/sign {algorithm}")
            await alice.until(lambda wanted=algorithm: alice.core.machine.identity.algorithm == wanted)
            alice.type(f"/msg bob {signature}")
            self.assertEqual((await bob.reads(signature)).signature, signature)
        await alice.settled()
        alice.type("/history @bob")
        past = (await alice.sees(events.History)).messages
        self.assertEqual([one.signature for one in past], ["ed25519", "rsa-pss", "dsa"])
        self.assertEqual({one.signed for one in past}, {"valid"})
        alice.type("/chat #attic --deniable", "not me", "/all hello")
        await alice.sees(events.Sent, conversation="#attic")
        await alice.sees(events.Sent, conversation="lobby")
        alice.type("/history #attic", "/history lobby")
        await alice.until(lambda: len(alice.seen(events.History)) == 3)
        for history in alice.seen(events.History)[1:]:
            self.assertEqual([(one.signature, one.signed) for one in history.messages], [("none", "absent")])

    async def test_an_answer_that_was_lost_leaves_no_mark(self) -> None:
        """What an earlier process has sent is known to be encrypted and signed, though nobody tells this one so."""
        alice, bob = await self.people("alice", "bob")
        alice.lie = lambda line: None if (line.get("result") or {}).get("type") == "sent" else line
        alice.type("/msg bob one")
        await bob.reads("one")
        alice.die()
        alice.lie = lambda line: line
        await alice.arrive()
        alice.type("/history @bob")
        [one] = (await alice.sees(events.History)).messages
        self.assertEqual((one.encryption, one.signature, one.signed), ("megolm", "ed25519", "valid"))
