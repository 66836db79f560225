"""The server's security rules, each by its name."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail

from encchat.server.command import command
from encchat.server.context import Context, Hold
from encchat.wire import Kicked, Notice, Request
from tests.server.harness import PASSWORD, ServerTestCase, ulid

CANARY = "canary-b7e1"


class Break(Request, tag="break", frozen=True, kw_only=True):
    """Make the server stumble over ``text``."""

    way: str
    text: str


@command("break", role="user")
def broken(context: Context, request: Break) -> Any:
    """In each way a plugin may go wrong."""
    match request.way:
        case "raise":
            raise KeyError(request.text)
        case "late":
            return fail(ValueError(request.text))
        case "coroutine":
            return _late(request.text)
        case "chained":
            return _chained(request.text)
        case _:
            return request.text


async def _late(text: str) -> Notice:
    raise RuntimeError(text)


async def _chained(text: str) -> Notice:
    try:
        int(text)
    except ValueError as error:
        raise OSError(text) from error
    return Notice(text="")


WAYS = ("raise", "late", "coroutine", "chained", "wrong result")


class Identity(ServerTestCase):
    """Who said it."""

    async def test_the_senders_name_is_set_by_the_server(self) -> None:
        """Whatever a client writes about itself into its line."""
        server = await self.serve()
        mallory, bob = await server.user("mallory"), await server.user("bob")
        forged = {"from": "admin", "sender": "admin", "user": "admin", "seq": 99, "kind": "direct", "time": 1}
        await mallory.do("send", conversation="lobby", ulid=ulid(1), body="trust me", **forged)
        message = await bob.take("message")
        self.assertEqual((message["from"], message["seq"], message["kind"]), ("mallory", 1, "lobby"))

    async def test_the_device_key_is_the_channels_not_the_clients(self) -> None:
        """A key in the line opens nothing."""
        server = await self.serve()
        await server.user("alice", device=7)
        mallory = server.client(device=8)
        refusal = await mallory.refused("login_device", user="alice", key="7", device_key="7", static="7")
        self.assertEqual(refusal[0], "login-refused")


class Rights(ServerTestCase):
    """What roles and confirmations protect."""

    async def test_a_kick_without_rights_is_refused_and_logged(self) -> None:
        """Who, whom, why; the target notices nothing."""
        server = await self.serve()
        mallory, alice = await server.user("mallory"), await server.user("alice")
        logs = self.hear_logs()
        code, text = await mallory.refused("kick", user="alice", reason=CANARY)
        self.assertEqual((code, text), ("forbidden", "kick needs the role moderator; yours is user"))
        (logged,) = [event for event in logs if event.get("event") == "forbidden"]
        self.assertEqual(
            (logged["user"], logged["verb"], logged["target"], logged["why"]), ("mallory", "kick", "alice", text)
        )
        await alice.do("users")
        self.assertEqual(alice.seen("kicked"), [])
        self.assertNotIn(CANARY, repr(logs))

    async def test_a_flood_of_refusals_does_not_flood_the_log(self) -> None:
        """The first ten are lines of their own, then one a second says how many; other verbs and people keep theirs."""
        server = await self.serve()
        mallory, eve = await server.user("mallory"), await server.user("eve")
        await server.user("alice")
        logs = self.hear_logs()
        for _ in range(13):
            await mallory.refused("ban", target="alice")
        await mallory.refused("kick", user="alice")
        await eve.refused("ban", target="alice")
        server.time.advance(1)
        await mallory.refused("ban", target="alice")
        lines = [(one["user"], one["verb"], one["count"]) for one in logs if one.get("event") == "forbidden"]
        first = [("mallory", "ban", 1)] * 10
        self.assertEqual(lines, [*first, ("mallory", "kick", 1), ("eve", "ban", 1), ("mallory", "ban", 4)])

    async def test_a_user_cannot_become_admin_by_a_password(self) -> None:
        """The role comes first."""
        server = await self.serve()
        mallory = await server.user("mallory")
        self.assertEqual((await mallory.refused("admin", password=PASSWORD))[0], "forbidden")

    async def test_an_admin_command_needs_a_fresh_confirmation(self) -> None:
        """The role alone does not do, nor does a wrong password."""
        server = await self.serve()
        root, alice = await server.user("root", "admin"), await server.user("alice")
        refusal = await root.refused("kick", user="alice")
        self.assertEqual(refusal, ("forbidden", "kick needs your password again: use admin first, it lasts 10 minutes"))
        self.assertEqual((await root.refused("admin", password="wrong password"))[0], "login-refused")
        self.assertEqual((await root.refused("kick", user="alice"))[0], "forbidden")
        await alice.do("users")

    async def test_an_admin_confirmation_expires(self) -> None:
        """To the second, and it can be had again."""
        server = await self.serve(admin_seconds=600.0)
        root = await server.user("root", "admin")
        await server.user("alice")
        granted = await root.do("admin", password=PASSWORD)
        self.assertEqual(granted, {"type": "admin_granted", "seconds": 600.0})
        server.time.advance(600.0)
        self.assertEqual((await root.refused("kick", user="alice"))[0], "forbidden")
        await root.do("admin", password=PASSWORD)
        server.time.advance(599.9)
        await root.do("kick", user="alice")

    async def test_an_admin_confirmation_is_one_connections(self) -> None:
        """Another device of the same account has to confirm for itself."""
        server = await self.serve()
        await server.moderator("root")
        phone = await server.user("root")
        await server.user("alice")
        self.assertEqual((await phone.refused("kick", user="alice"))[0], "forbidden")

    async def test_only_lower_roles_can_be_kicked(self) -> None:
        """Not an equal, not a higher one, not oneself."""
        server = await self.serve()
        moderator = await server.moderator("mo", "moderator")
        await server.user("other", "moderator")
        await server.user("root", "admin")
        logs = self.hear_logs()
        for name in ("other", "root", "mo"):
            self.assertEqual((await moderator.refused("kick", user=name))[0], "forbidden")
        self.assertEqual(
            [event["target"] for event in logs if event.get("event") == "forbidden"], ["other", "root", "mo"]
        )


class Kick(ServerTestCase):
    """What a kick does."""

    async def test_a_kicked_client_is_told_who_and_why_and_is_offline_at_once(self) -> None:
        """All its connections end; nobody sees a ghost."""
        server = await self.serve()
        root = await server.moderator("root")
        laptop, phone = await server.user("bob"), await server.user("bob")
        await root.do("kick", user="BOB", reason="spam")
        self.assertEqual([entry["user"] for entry in (await root.do("users"))["users"]], ["root"])
        for client in (laptop, phone):
            await client.end()
            self.assertEqual(client.lines[-1], {"type": "kicked", "by": "root", "reason": "spam"})

    async def test_a_kicked_user_cannot_go_on_broadcasting(self) -> None:
        """Not by what had arrived but was not read yet, and not while the last line is still being sent."""
        server = await self.serve()
        root, alice, bob = await server.moderator("root"), await server.user("alice"), await server.user("bob")
        bob.transport.stuck = True
        bob.connection.hold(Hold.ORDER)
        bob.send("send", conversation="lobby", ulid=ulid(10), body="in the buffer")
        await root.do("kick", user="bob")
        bob.connection.release(Hold.ORDER)
        for number in range(11, 15):
            bob.send("send", conversation="lobby", ulid=ulid(number), body="still here")
            await root.say(number, f"{number}")
        heard = [(await alice.take("message"))["body"] for _ in range(4)]
        self.assertEqual(heard, ["11", "12", "13", "14"])
        self.assertEqual(bob.seen("message"), [])

    async def test_a_kicked_user_is_not_listened_to_in_the_turn_of_the_kick(self) -> None:
        """The connection is still open then, for its last line."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        server.factory.services.expel("bob", Kicked(by="root"))
        self.assertFalse(bob.transport.disconnecting)
        bob.send("send", conversation="lobby", ulid=ulid(1), body="one more thing")
        bob.write(b"x" * 70_000)
        await bob.end()
        self.assertEqual((bob.lines[-1], bob.seen("error")), ({"type": "kicked", "by": "root"}, []))
        await alice.say(2, "end")
        self.assertEqual((await server.store.history("lobby", 0, 9))[0].body, "end")

    async def test_a_kicked_user_who_does_not_read_is_cut_off(self) -> None:
        """After a short limit the connection ends, whatever was not sent."""
        server = await self.serve()
        root, bob = await server.moderator("root"), await server.user("bob")
        bob.transport.stuck = True
        await root.do("kick", user="bob")
        server.time.advance(1.9)
        await root.do("users")
        self.assertFalse(bob.gone)
        server.time.advance(0.2)
        await bob.end()
        self.assertEqual(type(bob.reason).__name__, "ConnectionAborted")

    async def test_a_moderator_who_was_kicked_meanwhile_kicks_nobody(self) -> None:
        """Two moderations cross: the one that is still being looked up when its author goes has no effect."""
        server = await self.serve()
        root, mo = await server.moderator("root"), await server.moderator("mo", "moderator")
        alice = await server.user("alice")
        root.send("kick", user="mo")
        mo.send("kick", user="alice")
        await mo.end()
        await alice.do("users")
        self.assertEqual(alice.seen("kicked"), [])

    async def test_kicking_somebody_offline_or_unknown_is_refused_with_the_reason(self) -> None:
        """Nothing happens, and the admin knows why."""
        server = await self.serve()
        root = await server.moderator("root")
        (await server.user("bob")).vanish()
        self.assertEqual(await root.refused("kick", user="bob"), ("unavailable", "bob is OFFLINE"))
        self.assertEqual(await root.refused("kick", user="eve"), ("unknown-user", "there is no user eve"))

    async def test_a_kick_frees_the_session_partner(self) -> None:
        """As any other end of a connection."""
        server = await self.serve()
        root, alice = await server.moderator("root"), await server.user("alice")
        await server.user("bob")
        await alice.do("connect", user="bob")
        await root.do("kick", user="bob")
        self.assertEqual((await alice.take("session_ended"))["reason"], "lost")


class Secrecy(ServerTestCase):
    """What must not come out."""

    async def test_unexpected_exception_text_never_reaches_a_peer(self) -> None:
        """The answer is `internal`; the log has where and what class, and the connection goes on."""
        server = await self.serve(broken)
        alice = await server.user("alice")
        logs = self.hear_logs()
        for way in WAYS:
            code, text = await alice.refused("break", way=way, text=CANARY)
            self.assertEqual((code, text), ("internal", "something broke on the server; its log says what"))
        traces = [event["trace"] for event in logs if event.get("event") == "command_broke"]
        self.assertEqual(
            [trace.split(",")[0] for trace in traces],
            ["KeyError", "ValueError", "RuntimeError", "OSError", "TypeError"],
        )
        self.assertIn("broken (", traces[0])
        self.assertIn("test_security.py", traces[0])
        await alice.do("users")

    async def test_canary_text_never_in_logs(self) -> None:
        """Messages, passwords, invites and reasons, in requests that succeed, fail, break and are malformed."""
        server = await self.serve(broken)
        logs = self.hear_logs()
        secret = f"{CANARY} is a fine password"
        root = await server.moderator("root")
        alice = server.client()
        await alice.refused("register", user="alice", password=secret, invite=f"{CANARY}-wrong")
        await server.store.add_invite(CANARY, "user", 1, None)
        await alice.do("register", user="alice", password=secret, invite=CANARY, device_name=CANARY)
        await alice.do("send", conversation="lobby", ulid=ulid(1), body=CANARY)
        await alice.ask("login", user="alice", password=secret)
        for way in WAYS:
            await alice.ask("break", way=way, text=CANARY)
        await alice.ask("send", conversation="@nobody", ulid=ulid(2), body=CANARY)
        await alice.ask("send", conversation="@root", ulid=ulid(3), body=CANARY)
        await alice.do("send", **alice.message(4, CANARY, "@root"))
        alice.write(f'{{"type":"send","id":77,"body":"{CANARY}"}}\n{CANARY}\n'.encode())
        await alice.answer(77)
        stranger = server.client()
        await stranger.ask("login", user="alice", password=f"{CANARY} is wrong")
        await alice.refused("kick", user="root", reason=CANARY)
        await root.do("kick", user="alice", reason=CANARY)
        await alice.end()
        self.assertGreater(len(logs), 5)
        self.assertNotIn(CANARY, "".join(map(repr, logs)))

    async def test_a_failure_that_nobody_waits_for_any_more_is_not_logged_with_its_text(self) -> None:
        """The client has gone when its command breaks."""
        late: Deferred[Notice] = Deferred()

        @command("wait")
        def wait(context: Context, request: Break) -> Any:
            return late

        server = await self.serve(wait)
        alice = await server.user("alice")
        logs = self.hear_logs()
        alice.send("break", way="", text="")
        alice.vanish()
        late.errback(ValueError(CANARY))
        self.assertIn("command_broke", [event.get("event") for event in logs])
        self.assertNotIn(CANARY, "".join(map(repr, logs)))
