"""End-to-end encryption from core to core, over a real server: what is read, what is seen to be wrong, what is kept."""

from __future__ import annotations

import copy
from functools import partial
from itertools import count
from typing import Any

from attrs import define, field

from encchat.client import events
from encchat.client.store import Changes, MemoryStore
from encchat.envelopes import split_megolm
from encchat.errors import StoreError
from encchat.limits import MAX_KEY_LOOKS, ROTATE_AFTER_SECONDS
from tests.client.people import Change, PeopleTestCase, Person
from tests.server.harness import Line


@define
class Liar:
    """A server that tells one client what ``change`` makes of messages; the others hear the truth."""

    dropped: int = 0
    """The message of that seq is never told, and those after it move up."""
    swapped: dict[int, int] = field(factory=dict)
    """Seqs that are told as others."""
    held: list[Line] = field(factory=list)
    holds: str = ""
    """Lines or results of that type are held back."""
    heard: list[Line] = field(factory=list)

    def __call__(self, line: Line) -> Line | None:
        said = line.get("result") if line["type"] == "ok" else line
        if self.holds and isinstance(said, dict) and said["type"] == self.holds:
            self.held.append(line)
            return None
        if not isinstance(said, dict) or said.get("conversation", "lobby") == "lobby":
            return line
        self.heard.append(line)
        if said["type"] == "page":
            said["messages"] = [one for one in map(self._told, said["messages"]) if one is not None]
            said["messages"].sort(key=lambda one: one["seq"])
            return line
        return line if "seq" not in said or self._told(said) is not None else None

    def _told(self, said: Line) -> Line | None:
        if said["seq"] == self.dropped:
            return None
        if self.dropped and said["seq"] > self.dropped:
            said["seq"] -= 1
        said["seq"] = self.swapped.get(said["seq"], said["seq"])
        return said


class TwoPeople(PeopleTestCase):
    """Alice writes to Bob."""

    async def test_what_one_writes_the_other_reads_and_the_server_does_not(self) -> None:
        """Both ways; encrypted and signed, and so it says."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob hello bob")
        said = await bob.reads("hello bob")
        marks = (said.encryption, said.signature, said.signed, said.trust)
        self.assertEqual(marks, ("megolm", "ed25519", "valid", "pinned"))
        bob.type("/msg alice hello alice")
        await alice.reads("hello alice")
        for person in (alice, bob):
            for line in person.sent:
                self.assertNotIn("hello", str(line))
            self.assertEqual(person.seen(events.Error), [])

    async def test_history_and_search_know_both_sides(self) -> None:
        """What was said is kept as it was meant, and found, by the next process too."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob one fish")
        await bob.reads("one fish")
        bob.type("/msg alice two fish")
        await alice.reads("two fish")
        alice.die()
        alice.type("/history @bob", "/search fish")
        await alice.arrive()
        for kind in (events.History, events.Found):
            past = (await alice.sees(kind)).messages
            self.assertEqual([one.text for one in past], ["one fish", "two fish"])
            self.assertEqual({one.encryption for one in past}, {"megolm"})

    async def test_what_was_said_while_one_was_away_is_read_after_the_reconnect(self) -> None:
        """Keys first, then messages: nothing is shown as undecryptable in between."""
        alice, bob = await self.people("alice", "bob")
        bob.leave()
        alice.type("/msg bob first", "/msg bob second")
        await alice.settled()
        await bob.arrive()
        await bob.reads("second")
        self.assertEqual(bob.texts(), ["first", "second"])
        self.assertEqual(bob.seen(events.Undecryptable), [])
        self.assertTrue(all(one.missed for one in bob.seen(events.Message)))

    async def test_what_was_typed_without_a_connection_is_encrypted_when_it_is_back(self) -> None:
        """In order, and once."""
        alice, bob = await self.people("alice", "bob")
        alice.leave()
        alice.type("/msg bob first", "/msg bob second")
        await alice.arrive()
        await bob.reads("second")
        self.assertEqual(bob.texts(), ["first", "second"])

    async def test_a_message_to_somebody_without_keys_waits_for_them_a_while(self) -> None:
        """Who registers makes keys in a moment; n looks, then it is refused. Who does not exist is said at once."""
        (alice,) = await self.people("alice")
        alice.type("/msg nobody hello")
        self.assertEqual((await alice.sees(events.Error)).code, "unknown-user")
        raw = await self.server.user("bob", device=2)
        alice.shown.clear()
        alice.type("/msg bob hello")
        self.assertEqual((await alice.sees(events.Error)).code, "no-keys")
        queries = [line for line in alice.sent if line["type"] == "query_keys" and line["conversation"] == "@bob"]
        self.assertEqual(len(queries), 1 + MAX_KEY_LOOKS)
        raw.vanish()
        alice.type("/msg bob patience")
        bob = await self.person("bob", 2)
        await bob.reads("patience")

    async def test_a_message_before_its_key_is_shown_as_such_and_read_when_the_key_comes(self) -> None:
        """Under the same ULID, once each; history and search know it then."""
        alice, bob = await self.people("alice", "bob")
        bob.lie = liar = Liar(holds="inbox_item")
        alice.type("/msg bob early bird")
        shut = await bob.sees(events.Undecryptable)
        self.assertEqual((shut.conversation, shut.sender, shut.reason), ("@alice", "alice", "no-key"))
        bob.type("/search bird")
        self.assertEqual((await bob.sees(events.Found)).messages, [])
        liar.holds = ""
        for line in liar.held:
            bob.heard(line)
        said = await bob.reads("early bird")
        self.assertEqual((said.ulid, said.seq), (shut.ulid, shut.seq))
        await bob.settled()
        self.assertEqual((len(bob.seen(events.Undecryptable)), len(bob.texts())), (1, 1))
        bob.shown.clear()
        bob.type("/search bird")
        self.assertEqual([one.text for one in (await bob.sees(events.Found)).messages], ["early bird"])

    async def test_its_key_finds_a_message_that_waits_in_the_store_of_the_next_process(self) -> None:
        """What could not be read before the crash is read after it."""
        alice, bob = await self.people("alice", "bob")
        bob.lie = Liar(holds="inbox_item")
        alice.type("/msg bob early bird")
        await bob.sees(events.Undecryptable)
        bob.die()
        bob.lie = Liar()
        await bob.arrive()
        await bob.reads("early bird")
        await bob.settled()
        self.assertEqual(bob.texts(), ["early bird"])


class HeldBack(PeopleTestCase):
    """Who sent a message is being asked for: it is not called undecryptable while its key may be on its way."""

    async def from_a_new_phone(self) -> tuple[Person, Person, Liar]:
        """Alice says "first" from a phone whose keys Bob has asked for in vain; Alice and Bob at their desks."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob before")
        await bob.reads("before")
        phone = await self.person("alice", 9)
        bob.lie = liar = Liar(holds="keys")
        phone.type(f"/recover {(await alice.sees(events.Recovery)).phrase}")
        await phone.reads("before")
        phone.type("/msg bob first")
        await bob.until(lambda: len(bob.store.history("@alice", 9)) == 2 and liar.held)
        self.assertEqual(bob.seen(events.Undecryptable), [])
        return alice, bob, liar

    def answer(self, bob: Person, liar: Liar) -> None:
        """What was held back is said now."""
        liar.holds = ""
        for line in liar.held:
            bob.heard(line)

    async def test_what_is_held_back_is_read_once_and_in_order(self) -> None:
        """Nothing was said behind it: nobody notices."""
        _, bob, liar = await self.from_a_new_phone()
        self.answer(bob, liar)
        await bob.reads("first")
        self.assertEqual((bob.texts(), bob.seen(events.Undecryptable)), (["before", "first"], []))

    async def test_what_is_held_back_is_told_of_before_what_was_said_behind_it(self) -> None:
        """In its place, and read when the key comes."""
        alice, bob, liar = await self.from_a_new_phone()
        alice.type("/msg bob second")
        await bob.reads("second")
        shown = [event for event in bob.shown if isinstance(event, events.Message | events.Undecryptable)]
        self.assertEqual([event.seq for event in shown], [1, 2, 3])
        self.assertIsInstance(shown[1], events.Undecryptable)
        self.answer(bob, liar)
        await bob.reads("first")
        await bob.settled()
        self.assertEqual((bob.texts(), len(bob.seen(events.Undecryptable))), (["before", "second", "first"], 1))

    async def test_what_was_held_back_when_the_process_died_is_told_of_by_the_next(self) -> None:
        """Or read, once."""
        _, bob, _ = await self.from_a_new_phone()
        for _ in range(20):  # more than the store counts as perhaps not shown
            bob.type("to everybody")
        await bob.until(lambda: len(bob.seen(events.Sent)) == 20)
        bob.shown.clear()
        bob.die()
        bob.pump()
        [told] = bob.seen(events.Undecryptable)
        self.assertEqual((told.seq, told.reason), (2, "no-key"))
        bob.lie = Liar()
        await bob.arrive()
        await bob.reads("first")
        bob.die()
        bob.pump()
        self.assertEqual(len(bob.seen(events.Undecryptable)), 1)

    async def test_who_is_behind_before_the_login_is_through_reads_all_the_same(self) -> None:
        """Nothing is opened before the keys are there."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob before")
        await bob.reads("before")
        bob.leave()
        alice.type("/msg bob hello")
        await alice.settled()
        bob.die()
        bob.lie = self.behind_first(bob)
        await bob.arrive()
        await bob.reads("hello")

    def behind_first(self, bob: Person) -> Change:
        """A server that says so right behind the login's answer."""

        def lie(line: Line) -> Line | None:
            said = line.get("result") or {}
            if said.get("type") == "logged_in":
                bob.lie = Liar()
                bob.heard(line)
                bob.heard({"type": "behind"})
                sent = [one["type"] for one in bob.sent]
                self.assertNotIn("conversations", sent[len(sent) - sent[::-1].index("login_device") :])
                return None
            return line

        return lie


class LyingServers(PeopleTestCase):
    """What a server does to messages it cannot read is seen."""

    async def test_a_silently_dropped_message_is_seen_as_a_gap(self) -> None:
        """The next one names the one before it (`previous`)."""
        alice, bob = await self.people("alice", "bob")
        bob.lie = Liar(dropped=2)
        for text in ("one", "two", "three"):
            alice.type(f"/msg bob {text}")
            await alice.settled()
        await bob.reads("three")
        self.assertEqual(bob.texts(), ["one", "three"])
        self.assertIn("gap", [warned.code for warned in bob.seen(events.Warned)])

    async def test_an_honest_server_gives_no_cause_for_warnings(self) -> None:
        """Whoever answers whom, in one burst, over a reconnect and a crash."""
        alice, bob = await self.people("alice", "bob")
        alice.type(*(f"/msg bob burst {number}" for number in range(5)))
        await bob.reads("burst 4")
        bob.type("/msg alice answer")
        await alice.reads("answer")
        alice.leave()
        alice.type("/msg bob away")
        await alice.arrive()
        await bob.reads("away")
        alice.die()
        await alice.arrive()
        alice.type("/msg bob again")
        await bob.reads("again")
        for person in (alice, bob):
            self.assertEqual(person.seen(events.Warned), [])
            self.assertEqual(person.seen(events.Error), [])

    async def test_a_server_that_lies_about_the_order_is_found_out(self) -> None:
        """A message names the newest its sender had, by seq and ULID (`after`)."""
        alice, bob = await self.people("alice", "bob")
        bob.lie = Liar(swapped={2: 3, 3: 2}, holds="sent")
        alice.type("/msg bob one")
        await bob.reads("one")
        bob.type("/msg alice two")
        await alice.reads("two")
        alice.type("/msg bob three")
        await bob.reads("three")
        self.assertEqual([warned.code for warned in bob.seen(events.Warned)], ["order"])

    async def test_a_replayed_message_is_not_shown_as_one(self) -> None:
        """Neither under its own ULID nor under another."""
        alice, bob = await self.people("alice", "bob")
        bob.lie = liar = Liar()
        alice.type("/msg bob pay me once")
        await bob.reads("pay me once")
        [line] = [line for line in liar.heard if line["type"] == "message"]
        bob.heard({**line, "seq": 2})
        bob.heard({**line, "seq": 3, "ulid": line["ulid"][:-1] + ("0" if line["ulid"][-1] != "0" else "1")})
        self.assertEqual(bob.texts(), ["pay me once"])
        self.assertEqual(len(bob.seen(events.Undecryptable)), 2)
        self.assertEqual({shut.reason for shut in bob.seen(events.Undecryptable)}, {"replayed"})

    async def test_plaintext_in_a_direct_conversation_is_not_shown_as_a_message(self) -> None:
        """Else the server could speak in everybody's name."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob hello")
        await bob.reads("hello")
        said = {"type": "message", "conversation": "@alice", "sender": "alice", "from": "alice", "time": 5}
        for seq, scheme in enumerate(("none", "event"), 2):
            forged = {**said, "kind": "direct", "seq": seq, "ulid": f"01{seq:024}", "body": "obey", "scheme": scheme}
            bob.heard(forged)
        self.assertEqual(bob.texts(), ["hello"])
        self.assertEqual([shut.reason for shut in bob.seen(events.Undecryptable)], ["not-encrypted"] * 2)


class WithoutKeys(PeopleTestCase):
    """A client whose store nobody could open."""

    async def test_encrypted_messages_are_locked_without_the_password(self) -> None:
        """They are not acknowledged, so that they come again; what is sent goes to the lobby only."""
        alice, bob = await self.people("alice", "bob")
        bob.leave()
        alice.type("/msg bob for your eyes only")
        await alice.settled()
        bob.store, kept = MemoryStore(), bob.store
        bob.start()
        await bob.arrive()
        shut = await bob.sees(events.Undecryptable)
        self.assertEqual(shut.reason, "locked")
        bob.type("/msg alice hi", "/all hello all")
        refused = await bob.sees(events.Error)
        self.assertEqual(refused.code, "not-encrypted")
        await alice.reads("hello all")
        bob.leave()
        bob.store = kept
        bob.start()
        await bob.arrive()
        await bob.reads("for your eyes only")


class Dying:
    """A store whose process dies before or after its commit of that number; what it has then stays."""

    durable = True

    def __init__(self, inner: MemoryStore, dies_in: int, *, before: bool) -> None:
        self.inner, self.dies_in, self.before, self.died = inner, dies_in, before, False

    def apply(self, changes: Changes) -> None:
        """All of it or nothing, and perhaps the end."""
        self.dies_in -= 1
        if self.died or (self.dies_in == 0 and self.before):
            self.died = True
            raise StoreError("dead")
        self.inner.apply(changes)
        if self.dies_in == 0:
            self.died = True
            raise StoreError("dead")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Killed(PeopleTestCase):
    """kill -9 with ratchets at work."""

    timeout = 240

    async def test_a_kill_between_any_two_steps_loses_nothing(self) -> None:
        """Whoever dies, before or after any commit: everything is read by both, once in the store.

        A week passes between the two things each says, so that the second one needs a fresh session: its key, the
        message, its row in the outbox, the ratchets and the cursors are all moved in what the process dies of.
        """
        for before in (True, False):
            for who in (0, 1):
                for number in count(1):
                    if not await self.survive(who, number, before=before):
                        break
                self.assertGreater(number, 4)

    async def survive(self, who: int, number: int, *, before: bool) -> bool:
        """Whether that one died at all."""
        pair = await self.people("alice", "bob")
        victim, other = pair[who], pair[1 - who]
        victim.leave()
        kept, victim.store = victim.store, Dying(victim.store, number, before=before)
        dying = victim.store
        victim.start()
        texts = [f"{person.name} {word}" for person in pair for word in ("one", "two")]
        try:
            await victim.arrive()
            for text in texts:
                person, partner = (victim, other) if text.startswith(victim.name) else (other, victim)
                if text.endswith("two"):
                    person.skew = ROTATE_AFTER_SECONDS
                person.type(f"/msg {partner.name} {text}")
                await person.settled()
            await self.everything(victim, other, texts)
        except StoreError:
            pass
        victim.leave()
        victim.store = kept
        victim.start()
        await victim.arrive()
        rotated = [person for person in pair if self.sessions(person) > 1]
        self.assertTrue(dying.died or rotated == list(pair))
        known = [one.body for one in (*kept.history(f"@{other.name}", 9), *kept.outbox())]
        for text in texts:
            if text.startswith(victim.name) and text not in known:
                victim.type(f"/msg {other.name} {text}")  # the dead one had not taken it
        known = [one.body for one in (*other.store.history(f"@{victim.name}", 9), *other.store.outbox())]
        for text in texts:
            if text.startswith(other.name) and text not in known:
                other.type(f"/msg {victim.name} {text}")
        await self.everything(victim, other, texts)
        return dying.died

    def sessions(self, person: Person) -> int:
        """How many Megolm sessions it has said something with."""
        sent = [line for line in person.sent if line["type"] == "send" and line["scheme"] == "megolm"]
        return len({split_megolm(line["body"]).session for line in sent})

    async def everything(self, one: Person, other: Person, texts: list[str]) -> None:
        """Wait until both have all of it, once, and were shown what the other said."""
        for person, partner in ((one, other), (other, one)):
            await person.until(partial(self.has_all, person, partner, texts))
            history = person.store.history(f"@{partner.name}", 99)
            self.assertEqual(sorted(row.body for row in history), sorted(texts))
            past = [row for event in person.seen(events.Recovered) for row in event.messages]
            told = {row.text for row in (*person.seen(events.Message), *past) if isinstance(row, events.Message)}
            self.assertLessEqual({text for text in texts if text.startswith(partner.name)}, told)

    def has_all(self, person: Person, partner: Person, texts: list[str]) -> bool:
        """Whether nothing is missing, unreadable or unsent."""
        history = person.store.history(f"@{partner.name}", 99)
        return {row.body for row in history} >= set(texts) and not person.core.unaccepted


class Distrust(PeopleTestCase):
    """Stores from the past, and keys of somebody else."""

    async def test_a_rolled_back_store_is_noticed_and_talks_on(self) -> None:
        """Fresh keys are made: nothing is encrypted twice under one key, and both sides read all that comes then."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob one")
        await bob.reads("one")
        old = copy.deepcopy(alice.store)
        for _ in range(3):
            alice.leave()
            await alice.arrive()
        alice.type("/msg bob two")
        await bob.reads("two")
        alice.leave()
        alice.store = old
        alice.start()
        await alice.arrive()
        alice.type("/msg bob three")
        await bob.reads("three")
        bob.type("/msg alice four")
        await alice.reads("four")
        self.assertIn("store-restored", [warned.code for warned in alice.seen(events.Warned)])

    async def test_a_changed_key_stops_a_message_and_gives_a_script_its_own_exit_code(self) -> None:
        """It leaves the outbox with the error shown, and nothing was sent."""
        alice, bob, mallory = await self.people("alice", "bob", "mallory")
        alice.type("/msg bob one")
        await bob.reads("one")
        mallory.type("/msg alice hi")
        await alice.reads("hi")
        await alice.is_shown_the_keys_of("mallory", "bob")
        before = len([line for line in alice.sent if line["type"] == "send"])
        alice.type("/msg bob two")
        self.assertEqual((await alice.sees(events.Error)).code, "key-changed")
        self.assertEqual((alice.core.distrusted, alice.core.unaccepted), (True, 0))
        self.assertEqual(len([line for line in alice.sent if line["type"] == "send"]), before)


class SecondDevice(PeopleTestCase):
    """Another device of the same account."""

    async def test_the_recovery_phrase_makes_a_new_device_read_and_write(self) -> None:
        """What was said before it too; without the phrase it says what to do."""
        alice, bob = await self.people("alice", "bob")
        bob.type("/msg alice before")
        await alice.reads("before")
        await alice.settled()
        phrase = (await alice.sees(events.Recovery)).phrase
        phone = await self.person("alice", 9)
        phone.type("/msg bob too early")
        self.assertEqual((await phone.sees(events.Error)).code, "not-vouched")
        phone.type(f"/recover {phrase}")
        await phone.reads("before")
        bob.type("/msg alice after")
        await phone.reads("after")
        phone.type("/msg bob from my phone")
        await bob.reads("from my phone")
        await alice.reads("from my phone")
