"""Rooms, as the client's commands and the server's answers make them."""

from __future__ import annotations

from typing import Any

from attrs import define
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.client import events
from encchat.client.commands import COMMANDS
from encchat.client.core import State
from encchat.errors import NameRefusedError
from tests.client.rooms.test_known import ULID, change, member, state
from tests.client.table import Table, new_core

THEIRS = "01J0000000000000000000000Z"


@define
class RoomTable(Table):
    """A table at which the list of rooms is answered by hand."""

    def _take_up(self, request: dict[str, Any]) -> None:
        if request["type"] == "rooms":
            self.sent.append(request)
        else:
            super()._take_up(request)


def logged_in(*entries: wire.RoomEntry, user: str = "alice", **options: Any) -> Table:
    """A table whose core has logged in; the server knows of these rooms."""
    table = RoomTable(new_core(**options))
    table.core.connected("localhost:5000", "SHA256:x", "noise", False)
    table.core.logged_in(wire.LoggedIn(user=user, device="d", role="user", presence="FREE"))
    table.answer("commands", wire.CommandList(commands=[]))
    table.answer("rooms", wire.RoomList(rooms=list(entries)))
    return table


def ready(user: str = "alice", **options: Any) -> Table:
    """A table that is in no room."""
    table = logged_in(user=user, **options)
    table.answer("conversations", wire.ConversationList(conversations=[]))
    return table


def entry(room: str = "#garden", state: Any = "joined", by: str = "") -> wire.RoomEntry:
    """A row of the list of rooms."""
    return wire.RoomEntry(room=room, id=ULID, state=state, scheme="megolm", policy="signed", members=2, by=by)


def join(table: Table, room: str = "#garden", **more: Any) -> None:
    """Join a room without an invitation: what it is has to be asked first."""
    table.type(f"/join {room}")
    name = f"#{room.removeprefix('#')}"
    table.answer("who", state(name, **more))
    table.answer("join", state(name, **more))


def in_room(room: str = "#garden", **more: Any) -> Table:
    """A table that has joined a room by hand."""
    table = ready()
    join(table, room, **more)
    table.shown.clear()
    return table


def heard(
    event: wire.RoomEvent, seq: int, room: str = "#garden", ulid: str = "01J0000000000000000000000Z"
) -> wire.Message:
    """A change in a room's log."""
    return wire.Message(
        conversation=room,
        kind="room",
        seq=seq,
        sender=event.by,
        ulid=ulid,
        time=0,
        body=wire.encode(event).decode(),
        scheme="event",
    )


def changes(table: Table) -> list[tuple[str, str, str, str]]:
    """What was shown of rooms: event, room, whom, by whom."""
    table.look()
    shown = (event for event in table.shown if isinstance(event, events.Room))
    return [(event.event_, event.room, event.user, event.by) for event in shown]


def error(table: Table, line: str) -> str:
    """What is shown when ``line`` is typed, which must not ask the server anything."""
    before = len(table.texts(events.Error))
    table.type(line)
    assert table.sent == [], table.sent
    [text] = table.texts(events.Error)[before:]
    return text


class Opening(SynchronousTestCase):
    """``/chat`` and ``/invite``."""

    def test_chat_opens_a_room_goes_there_and_invites(self) -> None:
        """It gets a name, everybody named is invited once, and who is OFFLINE is told to the inviter."""
        table = ready()
        table.type("/chat bob @carol BOB")
        asked = table.take("open_room")
        self.assertRegex(asked["room"], r"^#[a-z]+-[a-z]+$")
        self.assertEqual(
            ("megolm", "signed", "none", False), tuple(asked[name] for name in ("scheme", "policy", "history", "open"))
        )
        table.say(wire.Ok(id=asked["id"], result=state(asked["room"], id=asked["ulid"], members=[member("alice")])))
        self.assertEqual(asked["room"], table.core.conversation)
        self.assertEqual(["bob", "carol"], [request["user"] for request in table.sent])
        table.answer("invite", wire.UserStatus(user="bob", presence="FREE"))
        table.answer("invite", wire.UserStatus(user="Carol", presence="OFFLINE"))
        room = asked["room"]
        self.assertEqual(
            [
                ("opened", room, "alice", "alice"),
                ("invited", room, "bob", "alice"),
                ("invited", room, "Carol", "alice"),
            ],
            changes(table),
        )
        self.assertIn("Carol is OFFLINE", table.texts(events.Notice)[-1])

    def test_settings_may_stand_anywhere(self) -> None:
        """Each becomes a field of the request."""
        for line in (
            "/chat #tea bob --deniable --scheme server-key --history all --open",
            "/chat --deniable --open --history ALL --scheme server-key #tea bob",
        ):
            table = ready()
            table.type(line)
            asked = table.take("open_room")
            wanted = {"room": "#tea", "scheme": "server-key", "policy": "deniable", "history": "all", "open": True}
            self.assertEqual(wanted, {name: asked[name] for name in wanted}, line)

    def test_a_room_off_the_record_is_asked_for_as_such(self) -> None:
        """Wherever the word stands; history none is what it has anyway."""
        for line in ("/chat #tea bob --ephemeral --history none", "/chat --ephemeral --deniable #tea bob"):
            table = ready()
            table.type(line)
            asked = table.take("open_room")
            self.assertEqual((asked["ephemeral"], asked["history"]), (True, "none"), line)
        self.assertFalse(self.opened("/chat #tea bob")["ephemeral"])

    def opened(self, line: str) -> dict[str, Any]:
        """What is asked for."""
        table = ready()
        table.type(line)
        return table.take("open_room")

    def test_a_made_up_name_that_is_taken_is_made_up_again(self) -> None:
        """Nobody who has named no room is told of names; a name that was given is the person's to change."""
        table = ready(user="alice")
        table.type("/chat bob")
        table.refuse("open_room", NameRefusedError.code, "there is such a room")
        self.assertEqual(([], ["open_room"]), (table.texts(events.Error), table.verbs()))
        table.type("/quit")
        other = ready()
        other.type("/chat #tea bob")
        other.refuse("open_room", NameRefusedError.code, "there is such a room")
        self.assertEqual(["/chat #tea: there is such a room"], other.texts(events.Error))

    def test_what_is_typed_behind_waits_and_is_dropped_if_there_is_no_room(self) -> None:
        """It was meant for two, not for everybody in the lobby."""
        table = ready()
        table.type("/chat #tea bob", "a secret")
        table.refuse("open_room", NameRefusedError.code, "there is such a room")
        self.assertEqual(([], "lobby"), (table.sent, table.core.conversation))
        self.assertIn("1 not sent", table.texts(events.Error)[-1])

    def test_invite_goes_to_the_current_or_the_named_room(self) -> None:
        """Several at once."""
        table = in_room()
        table.type("/invite bob carol", "/invite #GARDEN dave")
        self.assertEqual(
            [("#garden", "bob"), ("#garden", "carol"), ("#garden", "dave")],
            [(request["room"], request["user"]) for request in table.sent],
        )

    def test_who_is_in_no_room_opens_one_by_inviting(self) -> None:
        """As older chats do."""
        table = ready(classic=True)
        table.type("invite bob")
        self.assertEqual(["open_room"], table.verbs())

    def test_who_is_in_rooms_but_not_in_one_now_has_to_name_it(self) -> None:
        """The error names them."""
        table = in_room()
        table.type("/go lobby")
        self.assertEqual("/invite: you are in #garden, say which: /invite #ROOM NAME...", error(table, "/invite bob"))

    def test_a_refused_invitation_is_named(self) -> None:
        """The others are invited all the same."""
        table = in_room()
        table.type("/invite bob nobody")
        table.answer("invite", wire.UserStatus(user="bob", presence="FREE"))
        table.refuse("invite", "unknown-user", "there is no account nobody")
        self.assertEqual(["/invite nobody: there is no account nobody"], table.texts(events.Error))
        self.assertEqual([("invited", "#garden", "bob", "alice")], changes(table))


class Coming(SynchronousTestCase):
    """``/join``, ``/decline``, invitations."""

    def test_an_invitation_says_what_to_type(self) -> None:
        """And the only one needs no name."""
        table = ready()
        table.say(wire.Invited(room="#tea", id=ULID, by="bob"))
        self.assertEqual([("invited", "#tea", "alice", "bob")], changes(table))
        self.assertEqual("/join #tea joins, /decline #tea declines", table.texts(events.Notice)[-1])
        table.type("/join")
        self.assertEqual("#tea", table.take("join")["room"])

    def test_joining_goes_there(self) -> None:
        """And what was typed meanwhile goes there as well."""
        table = ready()
        join(table, "tea")
        self.assertEqual("#tea", table.core.conversation)
        self.assertEqual([("joined", "#tea", "alice", "alice")], changes(table))
        self.assertEqual(["alice", "bob"], list(table.core.rooms.get("#tea").joined()))

    def test_a_refused_join_leaves_everything_as_it_was(self) -> None:
        """What was typed behind it goes nowhere."""
        table = ready()
        table.type("/join #tea", "a secret")
        table.refuse("who", "unknown-conversation", "no such room")
        table.refuse("join", "unknown-conversation", "no such room")
        self.assertEqual(
            (["/join #tea: no such room"], "lobby"), (table.texts(events.Error)[:1], table.core.conversation)
        )
        self.assertEqual([], table.sent)

    def test_a_connection_lost_while_a_join_is_under_way_is_said(self) -> None:
        """Nothing is asked again over the connection that is gone, and what was typed behind it goes nowhere."""
        for answered in (0, 1):
            table = ready()
            table.type("/join #tea", "a secret")
            if answered:
                table.refuse("who", "unknown-conversation", "no such room")
            table.lose()
            self.assertEqual(
                ["/join #tea: the connection was lost before the answer came", "1 not sent: you are not in #tea"],
                table.texts(events.Error),
            )
            self.assertEqual(([], 0), (table.sent, table.core.unaccepted))

    def test_an_answer_that_is_not_the_room_sends_nothing_to_everybody(self) -> None:
        """Whatever a server answers to who wants to enter a room: what was typed behind it goes nowhere else."""
        for line, verb in (("/join #tea", "who"), ("/join #tea", "join"), ("/chat #tea bob", "open_room")):
            for result in (None, wire.Notice(text="x"), state("#other")):
                table = ready()
                table.type(line, "a secret")
                if verb == "join":
                    table.answer("who", state("#tea"))
                table.answer(verb, result)
                self.assertIn("the server's answer is not the room #tea", table.texts(events.Error)[0])
                self.assertEqual(([], "lobby"), (table.on_their_way(), table.core.conversation))
        table = ready()
        table.type("/connect bob", "a secret")
        table.answer("connect", wire.Notice(text="x"))
        self.assertEqual("@bob", table.core.conversation)

    def test_what_is_tried_after_a_refusal_can_be_refused_here(self) -> None:
        """It is shown under the command's name, and what was typed behind it is not held up for ever."""
        table = ready()
        table.core.ask("/x", wire.Who, failed=lambda _: table.core.say("", "lobby", " ") == "", room="#tea")
        table.refuse("who", "unknown-conversation", "no such room")
        self.assertEqual(["/x: there is nothing to send: the text is empty"], table.texts(events.Error))
        table.type("hello")
        self.assertEqual([("lobby", "hello")], table.on_their_way())

    def test_joining_a_room_one_is_in_goes_there(self) -> None:
        """Without asking the server."""
        table = in_room()
        table.type("/go lobby", "/join #Garden")
        self.assertEqual(([], "#garden"), (table.sent, table.core.conversation))

    def test_declining_forgets_the_invitation(self) -> None:
        """Once the server has heard of it."""
        table = ready()
        table.say(wire.Invited(room="#tea", id=ULID, by="bob"))
        table.type("/decline")
        table.answer("decline")
        self.assertEqual(("declined", "#tea", "alice", "alice"), changes(table)[-1])
        self.assertIn("no invitation waits", error(table, "/join"))

    def test_of_several_invitations_one_has_to_be_named(self) -> None:
        """The error names them."""
        table = ready()
        for room in ("#tea", "#bar"):
            table.say(wire.Invited(room=room, id=ULID, by="bob"))
        self.assertEqual("/join: you are invited to #bar, #tea, say which: /join #ROOM", error(table, "/join"))

    def test_invitations_of_last_time_are_shown_after_the_login(self) -> None:
        """And rooms are learned before messages come."""
        table = logged_in(entry("#garden"), entry("#tea", "invited", "bob"), entry("#yard", "open"))
        self.assertEqual([("invited", "#tea", "alice", "bob")], changes(table))
        self.assertNotIn("conversations", table.verbs())
        table.answer("who", state(more=True))
        asked = table.take("who")
        self.assertEqual("bob", asked["after"])
        table.say(wire.Ok(id=asked["id"], result=state(members=[member("carol")])))
        self.assertEqual(("alice", "bob", "carol"), table.core.rooms.conversation("#garden").members)
        self.assertIn("conversations", table.verbs())

    def test_rooms_that_cannot_be_are_passed_over_after_the_login(self) -> None:
        """A server that lists what is no room, or one twice, does not hold this client up."""
        table = logged_in(entry("#"), entry("#tea"), entry("#tea"), entry("#" + "x" * 40))
        self.assertEqual(["who"], [verb for verb in table.verbs() if verb == "who"])
        table.answer("who", state("#tea"))
        table.answer("conversations", wire.ConversationList(conversations=[]))
        self.assertEqual(["#tea"], table.core.rooms.names())
        self.assertIs(State.READY, table.core.state)

    def test_a_server_without_rooms_is_fine(self) -> None:
        """Whatever it answers, the client goes on."""
        table = RoomTable(new_core())
        table.core.logged_in(wire.LoggedIn(user="alice", device="d", role="user", presence="FREE"))
        table.answer("commands", wire.CommandList(commands=[]))
        table.refuse("rooms", "unknown-command", "there is no rooms")
        self.assertEqual(["conversations"], table.verbs())


class Going(SynchronousTestCase):
    """``/leave``, ``/expel`` and what becomes of bare lines."""

    def test_leaving_goes_back(self) -> None:
        """To where one was before; the event in the room's log, which may come first, changes nothing of that."""
        for event_first in (False, True):
            table = ready()
            table.type("/go @bob")
            join(table, "#tea")
            table.shown.clear()
            table.type("/leave")
            asked = table.take("leave")
            said = [
                wire.Ok(id=asked["id"]),
                heard(change("left", "alice"), 3, "#tea", asked["ulid"]),
            ]
            table.say(*(reversed(said) if event_first else said))
            self.assertEqual(("@bob", []), (table.core.conversation, table.core.rooms.names()))
            self.assertEqual([("left", "#tea", "alice", "alice")], changes(table))

    def test_leaving_another_room_stays_here(self) -> None:
        """Bare lines go where they went."""
        table = in_room()
        join(table, "#tea")
        table.type("/leave #GARDEN")
        self.assertEqual("#garden", table.take("leave")["room"])
        self.assertEqual("#tea", table.core.conversation)

    def test_leaving_never_goes_back_to_a_room_that_was_left(self) -> None:
        """It goes to the lobby then."""
        table = in_room()
        join(table, "#tea")
        for room in ("#garden", "#tea"):
            table.type(f"/leave {room}")
            table.answer("leave")
        self.assertEqual("lobby", table.core.conversation)

    def test_who_is_expelled_does_not_speak_to_the_lobby(self) -> None:
        """What is typed for the room is refused, not given to everybody."""
        table = in_room(version=0)
        table.say(heard(change("expelled", "alice", "bob"), 1))
        self.assertEqual([("expelled", "#garden", "alice", "bob")], changes(table))
        self.assertIn("you are not in #garden any more", table.texts(events.Notice)[-1])
        self.assertEqual("#garden", table.core.conversation)
        table.type("a secret")
        self.assertNotIn("send", table.verbs())

    def test_expelling(self) -> None:
        """By name, from the current or the named room."""
        table = in_room()
        table.type("/expel bob", "/expel #garden @carol")
        self.assertEqual(["bob", "carol"], [request["user"] for request in table.sent])
        table.answer("expel")
        self.assertEqual([("expelled", "#garden", "bob", "alice")], changes(table))
        self.assertEqual("/expel: Alice is you: /leave leaves the room", error_after(table, "/expel Alice"))

    def test_roles_and_openness(self) -> None:
        """Each is asked for and told."""
        table = in_room()
        for line, verb, field, value in (
            ("/moderator bob", "member_role", "role", "moderator"),
            ("/moderator #garden bob OFF", "member_role", "role", "member"),
            ("/open", "room_open", "open", True),
            ("/open #garden off", "room_open", "open", False),
        ):
            table.type(line)
            asked = table.take(verb)
            self.assertEqual(value, asked[field], line)
            table.say(wire.Ok(id=asked["id"]))
        self.assertEqual(
            [
                "bob is moderator of #garden now",
                "bob is member of #garden now",
                "everybody may join #garden now",
                "only who is invited may join #garden now",
            ],
            table.texts(events.Notice),
        )


def error_after(table: Table, line: str) -> str:
    """The error of a line, whatever else waits for an answer."""
    table.type(line)
    return table.texts(events.Error)[-1]


class Hearing(SynchronousTestCase):
    """What others do."""

    def test_others_come_and_go(self) -> None:
        """It is announced, and changes who is there."""
        table = in_room(version=0)
        said = (
            change("invited", "carol", "bob"),
            change("joined", "carol", "carol"),
            change("left", "bob", "bob"),
            change("role", "carol", role="moderator"),
            change("open", "alice", open=True),
        )
        for seq, event in enumerate(said, 1):
            table.say(heard(event, seq))
        self.assertEqual(
            [
                ("invited", "#garden", "carol", "bob"),
                ("joined", "#garden", "carol", "carol"),
                ("left", "#garden", "bob", "bob"),
            ],
            changes(table),
        )
        self.assertEqual(("alice", "carol"), table.core.rooms.conversation("#garden").members)
        notices = ["carol is moderator of #garden now, says alice", "everybody may join #garden now, says alice"]
        self.assertEqual(notices, table.texts(events.Notice))

    def test_what_this_client_did_is_told_once(self) -> None:
        """The answer tells it, the event in the log does not repeat it."""
        table = in_room(version=0)
        table.type("/invite carol")
        asked = table.take("invite")
        table.say(wire.Ok(id=asked["id"], result=wire.UserStatus(user="carol", presence="FREE")))
        table.say(heard(change("invited", "carol"), 1, ulid=asked["ulid"]))
        self.assertEqual([("invited", "#garden", "carol", "alice")], changes(table))
        carol = table.core.rooms.get("#garden").member("carol")
        self.assertEqual("invited", carol and carol.state)

    def test_another_device_of_ours_joins(self) -> None:
        """This one asks what the room is and is in it as well."""
        table = ready()
        table.say(heard(change("joined", "alice", "alice"), 1, "#tea"))
        table.answer("who", state("#tea"))
        self.assertEqual(["#tea"], table.core.rooms.names())
        self.assertEqual("lobby", table.core.conversation)

    def test_a_body_that_is_no_change_is_passed_over(self) -> None:
        """A server cannot break the client by it."""
        table = in_room(version=0)
        said = heard(change("joined", "bob"), 1)
        broken = wire.Message(
            conversation="#garden", kind="room", seq=1, sender="x", ulid=said.ulid, time=0, body="[", scheme="event"
        )
        table.say(broken)
        self.assertEqual([], changes(table))


class Looking(SynchronousTestCase):
    """``/who``, ``/rooms``, ``/topic`` and ``/go``."""

    def test_who_shows_all_pages_as_one(self) -> None:
        """With the room's settings and every member's presence."""
        table = in_room()
        table.type("/who")
        table.answer("who", state(members=[member("alice", role="owner", presence="FREE")], more=True))
        asked = table.take("who")
        self.assertEqual(("#garden", "alice"), (asked["room"], asked["after"]))
        table.say(wire.Ok(id=asked["id"], result=state(members=[member("bob", state="invited")])))
        shown = table.last()
        assert isinstance(shown, events.Who)
        self.assertEqual(
            ("megolm", "signed", "none", "alice"), (shown.scheme, shown.policy, shown.history, shown.owner)
        )
        self.assertEqual(
            [("alice", "owner", "joined", "FREE"), ("bob", "member", "invited", "OFFLINE")],
            [(one.user, one.role, one.state, one.presence) for one in shown.members],
        )

    def test_who_of_a_room_one_is_not_in(self) -> None:
        """It is shown, and does not become a room of ours."""
        table = ready()
        table.type("/who #yard")
        table.answer("who", state("#yard", open=True))
        self.assertIsInstance(table.last(), events.Who)
        self.assertEqual([], table.core.rooms.names())

    def test_rooms(self) -> None:
        """As the server lists them."""
        table = ready()
        table.type("/rooms")
        table.answer("rooms", wire.RoomList(rooms=[entry()]))
        self.assertEqual(events.Rooms(rooms=[entry()]), table.last())

    def test_go(self) -> None:
        """To a room one is in, else the error says what to do."""
        table = in_room()
        table.type("/go lobby", "/go #GARDEN")
        self.assertEqual("#garden", table.core.conversation)
        self.assertIn("you are not in #tea; you are in #garden", error(table, "/go #tea"))
        self.assertIn("#.# is no room", error(table, "/go #.#"))

    def test_a_topic_needs_a_room(self) -> None:
        """Without one it says so; without a text it shows the topic."""
        self.assertIn("you are in no room", error(ready(), "/topic tulips"))
        table = in_room()
        table.type("/topic")
        self.assertEqual("#garden has no topic: /topic TEXT", table.texts(events.Notice)[-1])
        table.core.room_actions.topic_set("#garden", "bob", "tulips")
        table.type("/topic")
        self.assertEqual("#garden is about: tulips", table.texts(events.Notice)[-1])
        shown = [event for event in table.shown if isinstance(event, events.Room)]
        self.assertEqual([("topic", "bob", "tulips")], [(one.event_, one.user, one.text) for one in shown])


class Refusals(SynchronousTestCase):
    """What cannot be meant is refused here, and the text says how it is right."""

    def test_each_refusal_names_what_would_be_right(self) -> None:
        """Nothing is asked of the server."""
        for line, words in (
            ("/chat", "NAME is missing: /chat [#ROOM] NAME..."),
            ("/chat alice", "alice is you"),
            ("/chat bob --secret", "there is no --secret, there are --ephemeral, --deniable, --scheme, --history,"),
            ("/chat bob --ephemeral --history all", "with --ephemeral there is no --history to give"),
            ("/chat bob --history", "--history takes none or since-invite or all"),
            ("/chat bob --history some", "some is none of them, there are none, since-invite, all"),
            ("/chat bob --scheme", "--scheme takes megolm or server-key"),
            ("/chat bob --scheme Über", "SCHEME"),
            ("/chat # bob", "# is no room: # and 1 to 32 letters"),
            ("/chat b!b", "a name has 1 to 32 letters"),
            ("/invite", "NAME is missing: /invite [#ROOM] NAME..."),
            ("/invite #tea", "NAME is missing"),
            ("/invite #tea bob", "you are not in #tea; you are in none: /chat NAME... opens one"),
            ("/join", "no invitation waits for you: /join #ROOM; /rooms lists"),
            ("/join #tea now", "now is too much: /join [#ROOM]"),
            ("/decline", "no invitation waits for you"),
            ("/leave", "you are in no room: /chat NAME... opens one"),
            ("/leave #tea", "you are not in #tea"),
            ("/who", "you are in no room"),
            ("/rooms now", "now is too much: /rooms"),
            ("/expel", "NAME is missing: /expel [#ROOM] NAME"),
            ("/expel bob loudly", "loudly is too much"),
            ("/moderator bob maybe", "maybe is none of them, there are on, off"),
            ("/open wide", "wide is none of them, there are on, off"),
        ):
            self.assertIn(words, error(ready(), line), line)

    def test_without_a_connection_it_is_said(self) -> None:
        """For every command that needs the server."""
        lines = ("/chat bob", "/join #tea", "/rooms", "/who #tea")
        table = ready()
        table.lose()
        for line in lines:
            self.assertIn("there is no connection now", error(table, line))

    def test_every_command_on_rooms_is_in_this_module(self) -> None:
        """A new one cannot be forgotten."""
        verbs = {"chat", "invite", "join", "decline", "leave", "who", "rooms", "topic", "expel", "moderator", "open"}
        self.assertLessEqual(verbs, {command.verb for command in COMMANDS})
