"""Moderation: who may, what happens, and that all of it is written down."""

from __future__ import annotations

from twisted.internet.address import IPv4Address

from encchat.limits import AUDIT_REFUSALS, INVITE_SECONDS, MAX_AUDIT_DETAIL
from encchat.links import parse_link
from encchat.server.factory import ChatFactory
from encchat.server.model import AuditEntry
from tests.server.harness import HOME, PASSWORD, Client, Server, ServerTestCase, ulid

HOUR = 3_600


class ModerationCase(ServerTestCase):
    """A server with an admin, a moderator and a user; each at an address of its own."""

    async def populate(self) -> Server:
        """Carol is admin, mona moderator, both have confirmed; bob is user."""
        self.server = await self.serve()
        self.carol = await self.at("carol", "192.0.2.1", "admin")
        self.mona = await self.at("mona", "192.0.2.2", "moderator")
        self.bob = await self.at("bob", "192.0.2.3")
        return self.server

    async def at(self, name: str, address: str, role: str = "user", device: int = 0) -> Client:
        """Register ``name`` from ``address``, and confirm a moderator's password."""
        client = self.server.client(device, address=address)
        token = f"token-{name}"
        await self.server.store.add_invite(token, role, 1, None)
        await client.do("register", user=name, password=PASSWORD, invite=token)
        if role != "user":
            await client.do("admin", password=PASSWORD)
        return client

    async def trail(self, limit: int = 100) -> list[AuditEntry]:
        """The audit log, newest first, without the confirmations of `populate`."""
        await self.server.store.set_meta("flush", "")  # what was handed over before it is on disk then
        entries = await self.server.store.audit_log(limit)
        return [entry for entry in entries if entry.action != "admin"]


class Bans(ModerationCase):
    """Accounts."""

    async def test_a_ban_ends_all_connections_and_refuses_every_login(self) -> None:
        """By password and by device key, and the name cannot be had again in any spelling."""
        server = await self.populate()
        second = server.client(7, "192.0.2.9")
        await second.do("login", user="bob", password=PASSWORD)
        said = await self.mona.do("ban", target="BOB", terms="2h caps lock")
        self.assertIn("bob is banned from this server until 2027-01-15 10:00 UTC by mona: caps lock", said["text"])
        for client in (self.bob, second):
            await client.end()
            kicked = {"type": "kicked", "by": "mona", "reason": "banned until 2027-01-15 10:00 UTC: caps lock"}
            self.assertEqual(client.lines[-1], kicked)
        self.assertEqual((await self.carol.do("status", user="bob"))["presence"], "OFFLINE")
        again = server.client(7, "192.0.2.9")
        for type_, fields in (("login", {"password": PASSWORD}), ("login_device", {})):
            code, text = await again.refused(type_, user="bob", **fields)
            self.assertEqual(code, "banned")
            self.assertIn("until 2027-01-15 10:00 UTC by mona: caps lock", text)
        for name in ("bob", "BOB", "b0b"):
            code, _ = await server.client().refused("register", user=name, password=PASSWORD)
            self.assertEqual(code, "name-refused")

    async def test_only_who_knows_the_password_learns_of_a_ban(self) -> None:
        """To others it is a wrong password like any."""
        server = await self.populate()
        await self.mona.do("ban", target="bob")
        self.assertEqual((await server.client().refused("login", user="bob", password="wrong"))[0], "login-refused")

    async def test_a_ban_ends_by_itself(self) -> None:
        """The moment before it still holds; then it is in no list either."""
        server = await self.populate()
        await self.mona.do("ban", target="bob", terms="30m")
        server.time.advance(1_799)
        self.assertEqual((await server.client().refused("login", user="bob", password=PASSWORD))[0], "banned")
        self.carol = await server.moderator("carol")
        self.assertEqual(len((await self.carol.do("bans"))["rows"]), 1)
        server.time.advance(1)
        await server.client().do("login", user="bob", password=PASSWORD)
        self.assertEqual((await self.carol.do("bans"))["rows"], [])

    async def test_unban_lets_in_at_once(self) -> None:
        """A second time there is nothing to take back."""
        server = await self.populate()
        await self.mona.do("ban", target="bob")
        await self.mona.do("unban", target="Bob")
        await server.client().do("login", user="bob", password=PASSWORD)
        code, text = await self.mona.refused("unban", target="bob")
        self.assertEqual((code, text), ("refused", "there is no ban of bob: bans lists those there are"))

    async def test_a_login_under_way_does_not_slip_past_a_ban(self) -> None:
        """Its password was right and being checked when the ban came."""
        server = await self.populate()
        late = server.client()
        request = late.send("login", user="bob", password=PASSWORD)
        await self.mona.do("ban", target="bob")
        answer = await late.answer(request) if not late.gone else late.lines[-1]
        if answer["type"] == "ok":  # it was first: then the ban ended it
            await late.end()
            answer = late.lines[-1]
        self.assertIn(answer.get("code") or answer["type"], ("banned", "kicked"))
        self.assertEqual((await self.carol.do("status", user="bob"))["presence"], "OFFLINE")

    async def test_bans_and_mutes_stand_over_a_restart(self) -> None:
        """They are in the store."""
        server = await self.populate()
        await self.carol.do("ban", target="bob", terms="1d spam")
        await self.carol.do("ban", target="198.51.100.0/24")
        await self.carol.do("mute", user="mona")
        factory = ChatFactory(server.time, server.store, server.factory.services.auth, server.factory.settings, ())
        await factory.open(HOME)
        self.assertEqual(
            [(one.kind, one.target, one.reason) for one in factory.services.sanctions.in_force()],
            [("ban", "198.51.100.0/24", ""), ("ban", "bob", "spam"), ("mute", "mona", "")],
        )
        self.assertTrue(factory.services.sanctions.bars("198.51.100.7"))

    async def test_a_mistyped_duration_bans_nobody(self) -> None:
        """It would have been for ever."""
        await self.populate()
        code, text = await self.mona.refused("ban", target="bob", terms="30min spam")
        self.assertEqual(code, "malformed")
        self.assertIn("30min is no duration such as 30m", text)
        await self.bob.do("users")

    async def test_the_list_shows_what_whom_how_long_by_whom_and_why(self) -> None:
        """One row each."""
        await self.populate()
        await self.mona.do("mute", user="bob", terms="12h hush")
        await self.carol.do("ban", target="2001:db8::1")
        listing = await self.mona.do("bans")
        self.assertEqual(listing["columns"], ["what", "whom", "until", "by", "since", "reason"])
        self.assertEqual(
            listing["rows"],
            [
                ["ban", "2001:db8::/64", "for ever", "carol", "2027-01-15 08:00 UTC", ""],
                ["mute", "bob", "2027-01-15 20:00 UTC", "mona", "2027-01-15 08:00 UTC", "hush"],
            ],
        )


class Addresses(ModerationCase):
    """Addresses and networks."""

    async def test_a_banned_network_is_hung_up_and_kept_out(self) -> None:
        """Logged in or not; who is outside stays."""
        server = await self.populate()
        stranger = server.client(address="198.51.100.9")
        dave = await self.at("dave", "198.51.100.200")
        await self.carol.do("ban", target="198.51.100.77/24", terms="1d flood")
        for client in (stranger, dave):
            await client.end()
            self.assertEqual(client.lines[-1]["reason"], "banned until 2027-01-16 08:00 UTC: flood")
        await self.bob.do("users")
        self.assertTrue(server.factory.services.sanctions.bars("::ffff:198.51.100.1"))
        self.assertFalse(server.factory.services.sanctions.bars("198.51.101.1"))
        self.assertIsNone(server.factory.buildProtocol(IPv4Address("TCP", "198.51.100.1", 1)))
        await self.carol.do("unban", target="198.51.100.0/24")
        self.assertFalse(server.factory.services.sanctions.bars("198.51.100.1"))

    async def test_an_expired_address_ban_lets_in_again(self) -> None:
        """Without anybody doing anything."""
        server = await self.populate()
        await self.carol.do("ban", target="198.51.100.7", terms="30m")
        server.time.advance(1_799)
        self.assertTrue(server.factory.services.sanctions.bars("198.51.100.7"))
        server.time.advance(1)
        self.assertFalse(server.factory.services.sanctions.bars("198.51.100.7"))

    async def test_nobody_bans_the_address_an_admin_is_at(self) -> None:
        """One's own least of all, however wide the network is."""
        server = await self.populate()
        for network in ("192.0.2.1", "192.0.2.0/24", "0.0.0.0/0"):
            code, text = await self.carol.refused("ban", target=network)
            self.assertEqual((code, text), ("forbidden", "your own address is in it: you would ban yourself"))
        await self.at("chris", "203.0.113.5", "admin")
        code, text = await self.carol.refused("ban", target="203.0.113.0/24")
        self.assertEqual((code, text), ("forbidden", "chris, who is admin, is connected from there"))
        self.assertEqual(server.factory.services.sanctions.in_force(), [])

    async def test_only_admins_ban_addresses(self) -> None:
        """Many people may be behind one."""
        await self.populate()
        for verb in ("ban", "unban"):
            code, text = await self.mona.refused(verb, target="198.51.100.0/24")
            self.assertEqual(code, "forbidden")
            self.assertIn("need the role admin", text)

    async def test_what_looks_like_an_address_is_one_and_an_at_sign_makes_it_a_name(self) -> None:
        """A name may consist of digits and dots."""
        server = await self.populate()
        await self.at("198.51.100.7", "192.0.2.44")
        await self.carol.do("ban", target="198.51.100.7")
        await self.carol.do("ban", target="@198.51.100.7")
        self.assertEqual(
            [one.target for one in server.factory.services.sanctions.in_force()],
            ["198.51.100.7", "198.51.100.7/32"],
        )
        for wrong in ("198.51.100.0/33", "2001:db8::x", "alice/24"):
            self.assertEqual((await self.carol.refused("ban", target=wrong))[0], "malformed")


class Mutes(ModerationCase):
    """Read, but do not send."""

    async def test_a_muted_user_reads_but_sends_nothing_anywhere(self) -> None:
        """Lobby, direct and session alike, nor does he call; he is told until when, by whom and why."""
        await self.populate()
        await self.bob.do("connect", user="carol")
        await self.mona.do("mute", user="@bob", terms="30m caps lock")
        notice = await self.bob.take("notice")
        self.assertIn("you are muted until 2027-01-15 08:30 UTC by mona: caps lock; you can still read", notice["text"])
        for number, place in enumerate(("lobby", "@mona", "@carol")):
            code, text = await self.bob.refused("send", **self.bob.message(number, "HEY", place))
            self.assertEqual(code, "muted")
            self.assertIn("until 2027-01-15 08:30 UTC by mona: caps lock", text)
        await self.bob.do("goodbye")
        self.assertEqual((await self.bob.refused("connect", user="mona"))[0], "muted")
        await self.carol.say(50, "hello")
        await self.bob.take("message", body="hello")

    async def test_a_mute_ends_by_itself_or_by_unmute(self) -> None:
        """And then one sends again."""
        server = await self.populate()
        await self.mona.do("mute", user="bob", terms="30m")
        server.time.advance(1_800)
        await self.bob.say(1, "again")
        self.mona = await server.moderator("mona")
        await self.mona.do("mute", user="bob")
        self.assertEqual((await self.bob.refused("send", conversation="lobby", ulid=ulid(2), body="x"))[0], "muted")
        await self.mona.do("unmute", user="bob")
        await self.bob.take("notice", text="you are not muted any more")
        await self.bob.say(2, "and again")

    async def test_a_muted_moderator_announces_nothing(self) -> None:
        """That would be sending, too."""
        await self.populate()
        await self.carol.do("mute", user="mona")
        self.assertEqual((await self.mona.refused("announce", text="psst"))[0], "muted")


class Rights(ModerationCase):
    """Who may do it to whom."""

    async def test_a_users_moderation_is_refused(self) -> None:
        """Every command of it."""
        await self.populate()
        for type_, fields in COMMANDS:
            self.assertEqual((await self.bob.refused(type_, **fields))[0], "forbidden", type_)
        self.assertEqual((await self.bob.refused("admin", password=PASSWORD))[0], "forbidden")

    async def test_moderation_needs_a_fresh_confirmation(self) -> None:
        """Also for the lists."""
        server = await self.populate()
        server.time.advance(server.factory.settings.admin_seconds)
        for type_, fields in COMMANDS:
            code, text = await self.carol.refused(type_, **fields)
            self.assertEqual(code, "forbidden", type_)
            self.assertIn("needs your password again", text)

    async def test_what_is_for_admins_is_refused_to_moderators(self) -> None:
        """Roles, invites, registration, the audit log."""
        await self.populate()
        for type_, fields in COMMANDS:
            if type_ in ("role", "invite_link", "registration", "audit"):
                self.assertIn("needs the role admin", (await self.mona.refused(type_, **fields))[1])

    async def test_only_roles_below_ones_own_are_sanctioned(self) -> None:
        """Not one's own, not oneself."""
        await self.populate()
        await self.at("mike", "192.0.2.5", "moderator")
        for type_, field in (("ban", "target"), ("mute", "user"), ("unban", "target"), ("unmute", "user")):
            for name in ("mona", "mike", "carol"):
                self.assertEqual((await self.mona.refused(type_, **{field: name}))[0], "forbidden", (type_, name))
        self.assertEqual((await self.carol.refused("ban", target="carol"))[0], "forbidden")
        self.assertEqual((await self.carol.refused("mute", user="nobody"))[0], "unknown-user")

    async def test_a_moderator_does_not_undo_what_an_admin_has_set(self) -> None:
        """Neither by lifting it nor by setting a shorter one."""
        await self.populate()
        await self.carol.do("ban", target="bob", terms="2w")
        self.assertEqual((await self.mona.refused("unban", target="bob"))[0], "forbidden")
        self.assertEqual((await self.mona.refused("ban", target="bob", terms="1m"))[0], "forbidden")
        await self.carol.do("unban", target="bob")


class Roles(ModerationCase):
    """What an account may do."""

    async def test_a_role_change_takes_effect_at_once(self) -> None:
        """On the connection that is there; the password is asked for again."""
        await self.populate()
        await self.carol.do("role", user="bob", role="moderator")
        await self.bob.take("notice", text="carol has made you moderator")
        self.assertIn("ban", [row["verb"] for row in (await self.bob.do("commands"))["commands"]])
        self.assertIn("use admin first", (await self.bob.refused("kick", user="mona"))[1])
        await self.bob.do("admin", password=PASSWORD)
        await self.carol.do("role", user="bob", role="user")
        self.assertEqual((await self.bob.refused("bans"))[0], "forbidden")
        self.assertNotIn("ban", [row["verb"] for row in (await self.bob.do("commands"))["commands"]])

    async def test_more_rights_need_the_password_again(self) -> None:
        """A confirmation was for what the account could do then."""
        await self.populate()
        await self.mona.do("bans")
        await self.carol.do("role", user="mona", role="admin")
        self.assertIn("use admin first", (await self.mona.refused("audit"))[1])
        await self.mona.do("admin", password=PASSWORD)
        await self.mona.do("audit")

    async def test_a_demoted_moderator_can_be_banned_by_his_successor(self) -> None:
        """What he was does not protect him."""
        await self.populate()
        await self.carol.do("role", user="mona", role="user")
        await self.carol.do("role", user="bob", role="moderator")
        await self.bob.do("admin", password=PASSWORD)
        await self.bob.do("ban", target="mona")
        await self.mona.end()

    async def test_nobody_changes_his_own_role_or_another_admins(self) -> None:
        """There is an admin left, whatever is typed."""
        await self.populate()
        await self.at("chris", "192.0.2.6", "admin")
        for name in ("carol", "chris"):
            code, text = await self.carol.refused("role", user=name, role="user")
            self.assertEqual(code, "forbidden")
            self.assertIn("encchat-admin", text)

    async def test_a_role_changed_elsewhere_counts_from_the_next_confirmation(self) -> None:
        """The store's word counts, not what was so at the login."""
        server = await self.populate()
        account = await server.store.account("mona")
        await server.store.set_role(account.id, "user")
        code, _ = await self.mona.refused("admin", password=PASSWORD)
        self.assertEqual(code, "forbidden")
        self.assertEqual((await self.mona.refused("bans"))[0], "forbidden")


class Policies(ModerationCase):
    """Announcements, invites, registration."""

    async def test_an_announcement_reaches_everybody_who_is_logged_in(self) -> None:
        """And says whose it is."""
        server = await self.populate()
        stranger = server.client()
        await self.mona.do("announce", text="the server moves at eight")
        for client in (self.carol, self.mona, self.bob):
            await client.take("notice", text="mona announces: the server moves at eight")
        await stranger.do("commands")
        self.assertEqual(stranger.seen("notice"), [])

    async def test_an_invite_link_lets_one_person_in_with_its_role(self) -> None:
        """It names the public address and the server's identity, and ends after a week."""
        server = await self.populate()
        await self.carol.do("registration", policy="invite")
        links = [(await self.carol.do("invite_link", role="moderator"))["text"] for _ in range(2)]
        link = parse_link(links[0])
        self.assertEqual((link.address, link.identity), (HOME.address, HOME.identity))
        erin = server.client()
        self.assertEqual(
            (await erin.do("register", user="erin", password=PASSWORD, invite=link.invite))["role"], "moderator"
        )
        again = await server.client().refused("register", user="fred", password=PASSWORD, invite=link.invite)
        self.assertEqual(again[0], "registration-refused")
        server.time.advance(INVITE_SECONDS)
        late = parse_link(links[1]).invite
        code, _ = await server.client().refused("register", user="fred", password=PASSWORD, invite=late)
        self.assertEqual(code, "registration-refused")

    async def test_registration_is_opened_and_closed_while_running(self) -> None:
        """From the next registration and the next greeting on."""
        server = await self.populate()
        await self.carol.do("registration", policy="closed")
        guest = server.client()
        self.assertEqual((await guest.take("welcome"))["registration"], "closed")
        self.assertEqual((await guest.refused("register", user="gus", password=PASSWORD))[0], "registration-refused")
        await self.carol.do("registration", policy="open")
        await guest.do("register", user="gus", password=PASSWORD)

    async def test_the_latest_word_on_registration_counts(self) -> None:
        """An admin's stands over restarts and reloads, until the configuration says something new."""
        server = await self.populate()
        await self.carol.do("registration", policy="closed")
        server.change(motd="unchanged registration", registration="open")
        self.assertEqual(server.factory.settings.registration, "closed")

        async def restarted(configured: str) -> str:
            settings = server.factory.settings.__class__(registration=configured)  # type: ignore[arg-type]
            factory = ChatFactory(server.time, server.store, server.factory.services.auth, settings, ())
            await factory.open(HOME)
            return factory.settings.registration

        self.assertEqual([await restarted("open"), await restarted("invite")], ["closed", "invite"])
        server.change(registration="invite")
        self.assertEqual(server.factory.settings.registration, "invite")


class AuditLog(ModerationCase):
    """What was done, and what was refused."""

    async def test_everything_done_or_refused_is_in_the_audit_log(self) -> None:
        """Who, when, what, to whom; it is there when the answer is, newest first."""
        await self.populate()
        await self.mona.do("kick", user="bob", reason="bye")
        await self.mona.refused("ban", target="carol", terms="1d spite")
        await self.carol.do("invite_link", role="moderator")
        await self.carol.do("role", user="bob", role="moderator")
        listing = await self.carol.do("audit", limit=4)
        self.assertEqual(listing["columns"], ["when", "who", "did", "to", "detail"])
        when = "2027-01-15 08:00 UTC"
        refusal = "refused: carol is admin; as moderator you can ban only roles below your own; 1d spite"
        self.assertEqual(
            listing["rows"],
            [
                [when, "carol", "role", "bob", "moderator"],
                [when, "carol", "invite_link", "", "moderator"],
                [when, "mona", "ban", "carol", refusal],
                [when, "mona", "kick", "bob", "bye"],
            ],
        )

    async def test_every_command_of_moderation_is_audited(self) -> None:
        """Only the lists, which change nothing, are not."""
        await self.populate()
        for type_, fields in COMMANDS:
            await self.bob.refused(type_, **fields)
        await self.carol.do("bans")
        changing = [type_ for type_, _ in COMMANDS if type_ not in ("bans", "audit")]
        self.assertEqual([entry.action for entry in reversed(await self.trail())], changing)

    async def test_passwords_and_invites_are_not_in_the_audit_log(self) -> None:
        """A confirmation is, right or wrong."""
        server = await self.populate()
        await self.carol.refused("admin", password="canary-password")
        link = (await self.carol.do("invite_link"))["text"]
        entries = await server.store.audit_log(100)
        self.assertNotIn("canary-password", str(entries))
        self.assertNotIn(parse_link(link).invite, str(entries))
        self.assertIn("wrong name or password", entries[1].detail)

    async def test_asking_for_what_one_may_not_does_not_fill_the_disk(self) -> None:
        """Beyond a burst the refusals of one account are written once in a while; those of others are not missed."""
        await self.populate()
        for _ in range(int(AUDIT_REFUSALS) + 30):
            await self.bob.refused("ban", target="carol")
        self.assertEqual(len(await self.trail(500)), int(AUDIT_REFUSALS))
        await self.mona.refused("ban", target="carol")
        self.assertEqual((await self.trail(500))[0].actor, "mona")

    async def test_a_long_detail_is_cut(self) -> None:
        """An announcement may be eight pages."""
        await self.populate()
        for length in (MAX_AUDIT_DETAIL - 1, MAX_AUDIT_DETAIL, MAX_AUDIT_DETAIL + 1):
            await self.carol.do("announce", text="x" * length)
        lengths = [len(entry.detail) for entry in reversed(await self.trail(3))]
        self.assertEqual(lengths, [MAX_AUDIT_DETAIL - 1, MAX_AUDIT_DETAIL, MAX_AUDIT_DETAIL])


COMMANDS: list[tuple[str, dict[str, str]]] = [
    ("kick", {"user": "mona"}),
    ("ban", {"target": "mona"}),
    ("unban", {"target": "mona"}),
    ("bans", {}),
    ("mute", {"user": "mona"}),
    ("unmute", {"user": "mona"}),
    ("role", {"user": "mona", "role": "user"}),
    ("announce", {"text": "hello"}),
    ("invite_link", {}),
    ("registration", {"policy": "open"}),
    ("audit", {}),
]
