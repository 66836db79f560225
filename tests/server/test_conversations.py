"""Reading what was said: conversations, pages, cursors; and nobody else's."""

from __future__ import annotations

from encchat.limits import MAX_BODY, MAX_PAGE, MAX_PAGE_BYTES, MAX_SERVER_LINE
from encchat.server.model import LOBBY_KEY
from encchat.wire import Ok, decode_event
from encchat.wire import encode as encoded
from tests.server.harness import PASSWORD, Client, Line, Server, ServerTestCase, text, ulid


async def talk(client: Client, count: int, conversation: str = "lobby", first: int = 1, body: str = "") -> None:
    """Say so many things."""
    for number in range(first, first + count):
        await client.say(number, body or f"{number}", conversation)


def bodies(page: Line) -> list[str]:
    """What is in the page."""
    return [text(message) for message in page["messages"]]


async def cursors(client: Client) -> dict[str, int]:
    """This device's cursors by conversation."""
    listed = (await client.do("conversations"))["conversations"]
    return {entry["conversation"]: entry["cursor"] for entry in listed}


class Listing(ServerTestCase):
    """`conversations`."""

    async def test_conversations_are_listed_as_this_account_calls_them(self) -> None:
        """Lobby, partners, notes to oneself; with last seq, oldest kept, and this device's cursor."""
        server = await self.serve()
        alice, bob, carol = [await server.user(name) for name in ("alice", "bob", "carol")]
        await talk(bob, 2)
        await alice.say(10, "hi", "@bob")
        await bob.say(11, "hi", "@alice")
        await alice.say(12, "milk", "@alice")
        await carol.say(13, "hi", "@bob")
        listed = (await alice.do("conversations"))["conversations"]
        entries = {entry.pop("conversation"): entry for entry in listed}
        self.assertEqual(
            entries,
            {
                "lobby": {"kind": "lobby", "last_seq": 2, "oldest": 1, "cursor": 0},
                "@bob": {"kind": "direct", "last_seq": 2, "oldest": 1, "cursor": 0},
                "@alice": {"kind": "direct", "last_seq": 1, "oldest": 1, "cursor": 0},
            },
        )

    async def test_who_never_said_or_heard_anything_has_no_conversations(self) -> None:
        """Not even a lobby, as long as it is empty."""
        server = await self.serve()
        self.assertEqual((await (await server.user("alice")).do("conversations"))["conversations"], [])


class Pages(ServerTestCase):
    """`sync`."""

    async def test_a_message_comes_back_as_it_was_delivered(self) -> None:
        """The same line, field by field, in the lobby and in a direct conversation, for both sides."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await alice.say(1, "grüße \u2028 \x00 👋")
        await alice.say(2, "hi", "@bob")
        for conversation in ("lobby", "@alice"):
            live = await bob.take("message", conversation=conversation)
            page = await bob.do("sync", conversation=conversation, after=0)
            self.assertEqual(page, {"type": "page", "conversation": conversation, "messages": [live], "last_seq": 1})
        (mine,) = (await alice.do("sync", conversation="@bob", after=0))["messages"]
        self.assertEqual((mine["conversation"], mine["from"]), ("@bob", "alice"))

    async def test_pages_go_on_after_the_last_one_read(self) -> None:
        """In the order of the seqs, until the last; then an empty page."""
        server = await self.serve()
        alice = await server.user("alice")
        await talk(alice, 7)
        pages = [await alice.do("sync", conversation="lobby", after=after, limit=3) for after in (0, 3, 6, 7, 99)]
        self.assertEqual([bodies(page) for page in pages], [["1", "2", "3"], ["4", "5", "6"], ["7"], [], []])
        self.assertEqual({page["last_seq"] for page in pages}, {7})

    async def test_a_page_has_at_most_so_many_messages(self) -> None:
        """Whatever is asked for; the rest is on the next one."""
        server = await self.serve(request_rate=1e6, request_burst=1e6)
        alice = await server.user("alice")
        for number in range(1, MAX_PAGE + 2):
            alice.send("send", conversation="lobby", ulid=ulid(number), body=f"{number}")
        await alice.say(MAX_PAGE + 2, "last")
        page = await alice.do("sync", conversation="lobby", after=0)
        self.assertEqual(len(page["messages"]), MAX_PAGE)
        self.assertEqual(
            (await alice.refused("sync", conversation="lobby", after=0, limit=MAX_PAGE + 1))[0], "malformed"
        )

    async def test_a_page_of_long_messages_ends_early_and_loses_none(self) -> None:
        """So that its line is one that every client takes, however much the text grows in JSON."""
        server = await self.serve(request_rate=1e6, request_burst=1e6)
        alice = await server.user("alice")
        await talk(alice, 40, body="\x01" * (MAX_BODY // 2))
        seen, pages, after = [], 0, 0
        while after < 40:
            page = await alice.do("sync", conversation="lobby", after=after)
            self.assertLess(len(encoded(page)), MAX_PAGE_BYTES + 1000)
            after = page["messages"][-1]["seq"]
            seen += [message["seq"] for message in page["messages"]]
            pages += 1
        self.assertEqual(seen, list(range(1, 41)))
        self.assertGreater(pages, 1)
        self.assertLess(MAX_PAGE_BYTES, MAX_SERVER_LINE)

    async def test_a_conversation_without_messages_is_an_empty_page(self) -> None:
        """One may ask before anything was said."""
        server = await self.serve()
        alice = await server.user("alice")
        await server.user("bob")
        for name in ("lobby", "@bob", "@alice"):
            empty = {"type": "page", "conversation": name, "messages": [], "last_seq": 0}
            self.assertEqual(await alice.do("sync", conversation=name, after=0), empty)

    async def test_the_partner_may_be_written_in_any_case(self) -> None:
        """The page has the name as it was registered."""
        server = await self.serve()
        alice = await server.user("alice")
        await server.user("Bob")
        await alice.say(1, "hi", "@bob")
        self.assertEqual((await alice.do("sync", conversation="@BOB", after=0))["conversation"], "@Bob")

    async def test_messages_sent_while_one_was_away_are_there(self) -> None:
        """From people who were there, in their order."""
        server = await self.serve()
        await server.user("bob", device=7)
        server.clients[-1].vanish()
        alice = await server.user("alice")
        await talk(alice, 3, "@bob")
        bob = await server.user("bob", device=7)
        self.assertEqual(bodies(await bob.do("sync", conversation="@alice", after=0)), ["1", "2", "3"])

    async def test_what_was_said_with_a_deleted_account_stays_readable(self) -> None:
        """Its name is nobody else's, and the partner's log is the partner's."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await bob.say(1, "bye", "@alice")
        account = await server.store.account("bob")
        assert account is not None
        bob.vanish()
        await server.store.delete_account(account.id, 1)
        page = await alice.do("sync", conversation="@BOB", after=0)
        self.assertEqual((page["conversation"], bodies(page)), ("@bob", ["bye"]))
        await alice.do("ack", conversation="@bob", seq=1)
        self.assertEqual(await cursors(alice), {"@bob": 1})

    async def test_a_pipelined_sync_sees_all_that_was_answered_before(self) -> None:
        """Several pages may be asked for at once; they are answered in turn."""
        server = await self.serve()
        alice = await server.user("alice")
        await talk(alice, 4)
        ids = [alice.send("sync", conversation="lobby", after=after, limit=2) for after in (0, 2)]
        answers = [(await alice.answer(id_))["result"] for id_ in ids]
        self.assertEqual([bodies(page) for page in answers], [["1", "2"], ["3", "4"]])

    async def test_a_page_is_a_line_a_client_understands(self) -> None:
        """It decodes as the wire's type."""
        server = await self.serve()
        alice = await server.user("alice")
        await alice.say(1, "hi")
        answer = decode_event(encoded(await alice.ask("sync", conversation="lobby", after=0)))
        self.assertIsInstance(answer, Ok)


class Cursors(ServerTestCase):
    """`ack`."""

    async def start(self) -> tuple[Server, Client]:
        """Alice, who has heard five things in the lobby from bob."""
        server = await self.serve()
        alice, bob = await server.user("alice", device=7), await server.user("bob")
        await talk(bob, 5)
        return server, alice

    async def test_a_cursor_moves_forward_and_never_back(self) -> None:
        """A late ack of something old changes nothing."""
        _, alice = await self.start()
        for seq, expected in ((3, 3), (1, 3), (3, 3), (4, 4), (0, 4)):
            await alice.do("ack", conversation="lobby", seq=seq)
            self.assertEqual(await cursors(alice), {"lobby": expected})

    async def test_an_ack_of_what_was_never_said_counts_as_one_of_the_last(self) -> None:
        """What comes next is still to come."""
        _, alice = await self.start()
        for seq, expected in ((5 - 1, 4), (5, 5), (5 + 1, 5), (2**53 - 1, 5)):
            await alice.do("ack", conversation="lobby", seq=seq)
            self.assertEqual(await cursors(alice), {"lobby": expected})

    async def test_cursors_outlive_the_connection(self) -> None:
        """They are the device's."""
        server, alice = await self.start()
        await alice.do("ack", conversation="lobby", seq=2)
        alice.vanish()
        again = server.client(7)
        await again.do("login_device", user="alice")
        self.assertEqual(await cursors(again), {"lobby": 2})

    async def test_each_device_has_its_own_cursor(self) -> None:
        """What one has taken the other may not have."""
        server, laptop = await self.start()
        phone = await server.user("alice", device=8)
        await laptop.do("ack", conversation="lobby", seq=5)
        await laptop.say(50, "hi", "@bob")
        await phone.do("ack", conversation="@bob", seq=1)
        self.assertEqual(await cursors(laptop), {"lobby": 5, "@bob": 0})
        self.assertEqual(await cursors(phone), {"lobby": 0, "@bob": 1})

    async def test_a_write_to_a_socket_moves_no_cursor(self) -> None:
        """Only the client knows what it has safely taken."""
        _, alice = await self.start()
        await alice.take("message", seq=5)
        await alice.do("sync", conversation="lobby", after=0)
        self.assertEqual(await cursors(alice), {"lobby": 0})


class LobbyHistory(ServerTestCase):
    """What of the lobby a new device is given."""

    async def test_a_new_device_begins_so_many_messages_before_the_last(self) -> None:
        """With less than that in the lobby, at its beginning; direct conversations are given whole."""
        for said, history, expected in ((4, 5, 0), (5, 5, 0), (6, 5, 1), (6, 0, 6)):
            server = await self.serve(lobby_history=history)
            alice = await server.user("alice")
            await talk(alice, said)
            await talk(alice, said, "@alice", first=100)
            self.assertEqual(await cursors(await server.user("alice")), {"lobby": expected, "@alice": 0})

    async def test_settings_that_changed_hold_for_the_next_device(self) -> None:
        """Without a restart."""
        server = await self.serve(lobby_history=5)
        alice = await server.user("alice")
        await talk(alice, 6)
        server.change(lobby_history=2)
        self.assertEqual(await cursors(await server.user("bob")), {"lobby": 4})


class Membership(ServerTestCase):
    """Whose conversations one may read."""

    async def test_one_may_sync_or_ack_only_the_lobby_and_ones_own_direct_conversations(self) -> None:
        """There is no way to name what two others said, by whatever words the store or the wire have for it."""
        server = await self.serve()
        alice, bob, mallory = [await server.user(name) for name in ("alice", "bob", "mallory")]
        await talk(alice, 3, "@bob")
        one, other = await server.store.account("alice"), await server.store.account("bob")
        assert one is not None
        assert other is not None
        key = f"direct:{one.id}:{other.id}"
        self.assertEqual(len(await server.store.history(key, 0, 10)), 3)
        for name in (
            key,
            f"@{key}",
            "alice",
            "bob",
            "@",
            "@@bob",
            "@alice:bob",
            "direct",
            LOBBY_KEY + " ",
            "LOBBY",
            "#x",
        ):
            for verb, fields in (("sync", {"after": 0}), ("ack", {"seq": 1})):
                code, _ = await mallory.refused(verb, conversation=name, **fields)
                self.assertIn(code, ("unknown-conversation", "unknown-user"), name)
        for name in ("@alice", "@bob", "@mallory"):
            self.assertEqual((await mallory.do("sync", conversation=name, after=0))["messages"], [])
            await mallory.do("ack", conversation=name, seq=3)
        self.assertEqual(await cursors(mallory), {})
        self.assertEqual((await cursors(alice), await cursors(bob)), ({"@bob": 0}, {"@alice": 0}))

    async def test_nobody_reads_anything_before_a_login(self) -> None:
        """Nor after the connection was closed for it."""
        server = await self.serve()
        await (await server.user("alice")).say(1, "secret", "@alice")
        stranger = server.client()
        for verb, fields in (
            ("conversations", {}),
            ("sync", {"conversation": "lobby", "after": 0}),
            ("ack", {"conversation": "lobby", "seq": 1}),
            ("devices", {}),
        ):
            self.assertEqual((await stranger.refused(verb, **fields))[0], "not-logged-in")

    async def test_a_new_account_of_a_like_name_reads_nothing_of_the_deleted_one(self) -> None:
        """The name is refused, so there is none."""
        server = await self.serve()
        alice = await server.user("alice")
        await (await server.user("bob")).say(1, "for bob", "@alice")
        account = await server.store.account("bob")
        assert account is not None
        await server.store.delete_account(account.id, 1)
        code, _ = await server.client().refused("register", user="BOB", password=PASSWORD)
        self.assertEqual(code, "name-refused")
        self.assertEqual(bodies(await alice.do("sync", conversation="@bob", after=0)), ["for bob"])
