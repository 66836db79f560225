"""Messages from line to line: who gets what, in which order, and only what is stored."""

from __future__ import annotations

from typing import Any

from encchat.limits import MAX_CHAINS
from encchat.server.model import LOBBY_KEY
from tests.envelopes import unsealed
from tests.server.harness import START, Client, Server, ServerTestCase, text, ulid

ENVELOPE = "DEVICE." + "A" * 43 + ".Aw"


async def bodies(client: Client, count: int) -> list[str]:
    """The next ``count`` messages."""
    return [text(await client.take("message")) for _ in range(count)]


class Lobby(ServerTestCase):
    """Everybody hears it."""

    async def test_a_message_reaches_everybody_logged_in_and_is_answered_to_its_sender(self) -> None:
        """The sender has `sent`, all others `message`, strangers nothing."""
        server = await self.serve()
        alice, bob, carol = [await server.user(name) for name in ("Alice", "bob", "carol")]
        stranger = server.client()
        sent = await alice.say(1, "good morning")
        self.assertEqual(
            sent, {"type": "sent", "ulid": ulid(1), "conversation": "lobby", "seq": 1, "time": START * 1000}
        )
        for receiver in (bob, carol):
            self.assertEqual(
                await receiver.take("message"),
                {
                    "type": "message",
                    "conversation": "lobby",
                    "kind": "lobby",
                    "seq": 1,
                    "from": "Alice",
                    "ulid": ulid(1),
                    "time": START * 1000,
                    "body": "good morning",
                },
            )
        await stranger.do("commands")
        self.assertEqual(stranger.seen("message") + alice.seen("message"), [])

    async def test_another_device_of_the_sender_gets_the_message(self) -> None:
        """Once; the sending device does not."""
        server = await self.serve()
        laptop = await server.user("alice")
        phone = await server.user("alice")
        await laptop.say(1, "from the laptop")
        self.assertEqual((await phone.take("message"))["from"], "alice")
        await phone.say(2, "from the phone")
        self.assertEqual(await bodies(laptop, 1), ["from the phone"])
        self.assertEqual(phone.seen("message"), [])

    async def test_numbers_have_no_gaps_and_everybody_sees_the_same_order(self) -> None:
        """Two senders at once."""
        server = await self.serve()
        alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
        for number in range(50):
            alice.send("send", conversation="lobby", ulid=ulid(number), body=f"a{number}")
            bob.send("send", conversation="lobby", ulid=ulid(number), body=f"b{number}")
        lines = [await carol.take("message") for _ in range(100)]
        self.assertEqual([line["seq"] for line in lines], list(range(1, 101)))
        for sender in "ab":
            said = [line["body"] for line in lines if line["body"][0] == sender]
            self.assertEqual(said, [f"{sender}{number}" for number in range(50)])


class Direct(ServerTestCase):
    """Between two."""

    async def test_each_side_calls_the_conversation_by_the_others_name(self) -> None:
        """And nobody else hears of it."""
        server = await self.serve()
        alice, bob, carol = [await server.user(name) for name in ("Alice", "bob", "carol")]
        self.assertEqual((await alice.say(1, "psst", "@BOB"))["conversation"], "@bob")
        message = await bob.take("message")
        self.assertEqual((message["conversation"], message["kind"], message["from"]), ("@Alice", "direct", "Alice"))
        self.assertEqual((await bob.say(1, "yes?", "@alice"))["seq"], 2)
        await carol.do("users")
        self.assertEqual(carol.seen("message"), [])

    async def test_the_senders_other_device_sees_it_under_the_receivers_name(self) -> None:
        """As the sender itself calls the conversation."""
        server = await self.serve()
        laptop, phone = await server.user("alice"), await server.user("alice")
        await server.user("bob")
        await laptop.say(1, "psst", "@bob")
        message = await phone.take("message")
        self.assertEqual((message["conversation"], message["from"]), ("@bob", "alice"))

    async def test_a_message_to_an_unknown_name_is_refused(self) -> None:
        """The text says which name."""
        server = await self.serve()
        alice = await server.user("alice")
        refusal = await alice.refused("send", **alice.message(1, "hello?", "@nobody"))
        self.assertEqual(refusal, ("unknown-user", "there is no user nobody"))

    async def test_a_conversation_there_is_not_is_refused(self) -> None:
        """The text says what there is."""
        server = await self.serve()
        alice = await server.user("alice")
        for name in ("bob", "@"):
            code, text = await alice.refused("send", conversation=name, ulid=ulid(1), body="hello?")
            self.assertEqual((code, "lobby, @NAME or #ROOM" in text), ("unknown-conversation", True))

    async def test_a_message_to_somebody_offline_is_stored(self) -> None:
        """It has its number; there is nobody to deliver to yet."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        bob.vanish()
        self.assertEqual((await alice.say(1, "later", "@bob"))["seq"], 1)
        (stored,) = await server.store.history("direct:1:2", 0, 10)
        self.assertEqual((stored.sender, unsealed(stored.body)), ("alice", "later"))

    async def test_messages_sent_while_the_receiver_comes_back_keep_their_order(self) -> None:
        """The first needs a look into the store, the second does not."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob", device=7)
        bob.vanish()
        burst = [alice.encoded("send", 100 + n, **alice.message(n, f"{n}", "@bob")) for n in range(20)]
        back = server.client(device=7)
        back.send("login_device", user="bob")
        alice.write(b"".join(burst))
        await alice.answer(119)
        stored = await server.store.history("direct:1:2", 0, 100)
        self.assertEqual([unsealed(message.body) for message in stored], [f"{n}" for n in range(20)])

    async def test_a_note_to_oneself_reaches_the_other_devices_once(self) -> None:
        """One's own name is a conversation like any other."""
        server = await self.serve()
        laptop, phone = await server.user("alice"), await server.user("alice")
        await laptop.say(1, "milk", "@alice")
        self.assertEqual(await bodies(phone, 1), ["milk"])
        self.assertEqual(phone.seen("message") + laptop.seen("message"), [])

    async def test_a_message_between_partners_is_of_kind_session(self) -> None:
        """Over the same log as their direct messages."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await alice.say(1, "free?", "@bob")
        await alice.do("connect", user="bob")
        self.assertEqual((await bob.say(2, "now yes", "@alice"))["seq"], 2)
        self.assertEqual((await alice.take("message"))["kind"], "session")


class Durable(ServerTestCase):
    """Nothing is said that is not stored, nothing is said twice."""

    async def test_nothing_is_answered_or_delivered_before_it_is_stored(self) -> None:
        """The store has the message by the time anybody hears of it."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        alice.send("send", conversation="lobby", ulid=ulid(1), body="kept")
        self.assertEqual((alice.seen("ok"), bob.seen("message")), ([], []))
        await bob.take("message")
        self.assertEqual([message.body for message in await server.store.history(LOBBY_KEY, 0, 10)], ["kept"])

    async def test_the_same_ulid_gets_the_same_number_and_is_not_delivered_again(self) -> None:
        """What a client does after a reconnect when it does not know."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        first = await alice.say(1, "once")
        server.time.advance(5)
        self.assertEqual(await alice.say(1, "once"), first)
        await alice.say(2, "twice")
        self.assertEqual(await bodies(bob, 2), ["once", "twice"])

    async def test_a_message_whose_sender_is_gone_by_then_is_delivered(self) -> None:
        """It was accepted; the hang-up does not take it back."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        alice.send("send", conversation="lobby", ulid=ulid(1), body="last words")
        alice.vanish()
        self.assertEqual(await bodies(bob, 1), ["last words"])

    async def test_the_other_device_hears_also_if_the_sending_one_is_gone_by_then(self) -> None:
        """Under the name by which the sender calls the conversation."""
        server = await self.serve()
        laptop, phone = await server.user("alice"), await server.user("alice")
        await server.user("bob")
        laptop.send("send", **laptop.message(1, "last words", "@bob"))
        laptop.vanish()
        self.assertEqual((await phone.take("message"))["conversation"], "@bob")

    async def test_a_store_that_cannot_store_is_an_error_and_no_delivery(self) -> None:
        """The sender is told to try again; the reason stays in the log."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        logs = self.hear_logs()
        await server.store.close()
        code, text = await alice.refused("send", conversation="lobby", ulid=ulid(1), body="canary")
        self.assertEqual((code, "could not store" in text), ("internal", True))
        self.assertEqual(bob.seen("message"), [])
        self.assertIn("store_broke", [event.get("event") for event in logs])


class Bursts(ServerTestCase):
    """How the bytes are cut does not matter."""

    async def script(self, server: Server, cut: int) -> list[str]:
        """Log in, send three messages and quit in one stream, ``cut`` bytes at a time; what bob heard."""
        bob = await server.user("bob")
        await server.user("alice", device=7)
        client = server.client(device=7)
        stream = client.encoded("login_device", 1, user="alice") + b"".join(
            client.encoded("send", n, conversation="lobby", ulid=ulid(cut * 10 + n), body=f"{n}") for n in (2, 3, 4)
        )
        stream += client.encoded("quit", 5)
        for start in range(0, len(stream), cut):
            client.write(stream[start : start + cut])
            if not client.connection.paused:
                continue
            await client.until(lambda: not client.connection.paused)
        await client.end()
        self.assertEqual([line["id"] for line in client.seen("ok")], [1, 2, 3, 4, 5])
        return await bodies(bob, 3)

    async def test_a_burst_in_one_segment_loses_nothing(self) -> None:
        """Login, messages and goodbye in one write take effect in that order, and all are answered."""
        self.assertEqual(await self.script(await self.serve(), 100_000), ["2", "3", "4"])

    async def test_lines_split_over_segments_anywhere_are_the_same_lines(self) -> None:
        """A byte at a time, and in uneven pieces."""
        self.assertEqual(await self.script(await self.serve(), 1), ["2", "3", "4"])
        self.assertEqual(await self.script(await self.serve(), 17), ["2", "3", "4"])


class Chains(ServerTestCase):
    """A message names the one before it, so it is not taken without it."""

    def setUp(self) -> None:
        """What was asked."""
        super().setUp()
        self.asked: list[int] = []

    def send(
        self, client: Client, number: int, *, chained: bool, conversation: str = "@bob", broken: bool = False
    ) -> None:
        """Send a message; the server takes no ``broken`` one."""
        message: dict[str, Any] = {**client.message(number, f"message {number}", conversation), "chained": chained}
        if broken:
            message["body"] = "no envelope"
        self.asked.append(client.send("send", **message))

    async def outcomes(self, client: Client) -> list[str]:
        """What became of all that was sent since, in its order: ok, or a code."""
        asked, self.asked = self.asked, []
        return [(await client.answer(id_)).get("code", "ok") for id_ in asked]

    async def test_what_follows_a_refused_message_is_refused_until_a_chain_begins_anew(self) -> None:
        """Those chained to it, and to them; the first that is not chained is taken, and what is chained to that."""
        server = await self.serve()
        alice, _ = await server.user("alice"), await server.user("bob")
        self.send(alice, 1, chained=False)
        self.send(alice, 2, chained=True, broken=True)
        self.send(alice, 3, chained=True)
        self.send(alice, 4, chained=True)
        self.assertEqual(await self.outcomes(alice), ["ok", "malformed", "broken-chain", "broken-chain"])
        self.send(alice, 3, chained=False)
        self.send(alice, 4, chained=True)
        self.assertEqual(await self.outcomes(alice), ["ok", "ok"])

    async def test_a_chain_is_of_one_conversation(self) -> None:
        """Whatever is refused elsewhere; upper and lower case are the same conversation."""
        server = await self.serve()
        alice = await server.user("alice")
        for name in ("bob", "carol"):
            await server.user(name)
        self.send(alice, 1, chained=False, broken=True)
        self.send(alice, 2, chained=True, conversation="@carol")
        self.send(alice, 3, chained=True, conversation="@BOB")
        self.assertEqual(await self.outcomes(alice), ["malformed", "ok", "broken-chain"])

    async def test_a_reason_of_its_own_counts_for_more(self) -> None:
        """So that a client that may not speak is told so of each message at once."""
        server = await self.serve()
        alice, _ = await server.user("alice"), await server.user("bob")
        for number in range(3):
            self.send(alice, number, chained=number > 0, broken=True)
        self.assertEqual(await self.outcomes(alice), ["malformed"] * 3)

    async def test_so_many_broken_chains_are_remembered_and_no_more(self) -> None:
        """At the limit all of them; with one more only that one."""
        for count, outcome in (
            (MAX_CHAINS - 1, "broken-chain"),
            (MAX_CHAINS, "broken-chain"),
            (MAX_CHAINS + 1, "ok"),
        ):
            server = await self.serve()
            alice, _ = await server.user("alice"), await server.user("bob")
            self.send(alice, 0, chained=False, broken=True)
            for number in range(1, count):
                self.send(alice, number, chained=False, conversation=f"@nobody{number}", broken=True)
            self.send(alice, count, chained=True)
            self.assertEqual((await self.outcomes(alice))[-1], outcome)


class Schemes(ServerTestCase):
    """What a message says that it is encrypted with."""

    async def test_a_scheme_is_one_that_is_known_there(self) -> None:
        """Its form is not looked at while a line is read: it has to be the one of the room, or one that is allowed."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await alice.do("open_room", room="#den", ulid=ulid(1), open=True)
        for scheme in ("", "Megolm", "megolm\n", "a" * 32, "\x1b[2J", "event"):
            for conversation in ("lobby", "#den", "@bob", "@nobody"):
                fields = {"conversation": conversation, "ulid": ulid(2), "body": ENVELOPE, "scheme": scheme}
                self.assertIn(
                    (await alice.refused("send", **fields))[0], ("malformed", "refused"), (scheme, conversation)
                )
        self.assertEqual(bob.seen("message"), [])
