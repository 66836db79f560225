"""The client core: order, outbox, sessions, leaving, what the server says."""

from __future__ import annotations

from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.client import events
from encchat.client.core import ClientCore, State
from encchat.client.screen import iso_time
from encchat.client.store import Changes, MemoryStore
from encchat.errors import StoreError, UsageError
from encchat.limits import MAX_BODY, MAX_ENCODED_BODY, MAX_KNOWN_NAMES, MAX_LINE, MAX_NAME, MAX_OUTBOX, MAX_WAITING
from tests.client.table import Table, new_core, private, ready


@define
class Failing(MemoryStore):
    """A store on a disk that is full."""

    fails: bool = False

    def apply(self, changes: Changes) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        super().apply(changes)


class Starting(SynchronousTestCase):
    """From the first line typed to the first login."""

    def test_what_is_typed_before_the_login_is_done_after_it_in_order(self) -> None:
        """A script need not wait for anything."""
        table = Table(new_core(store=(store := MemoryStore(durable=True))), store=store)
        table.type("one", "/msg bob two", "/users")
        self.assertEqual(table.sent, [])
        table.log_in()
        self.assertEqual(table.on_their_way(), [("lobby", "one"), ("@bob", "two")])
        self.assertEqual(sorted(table.verbs()), ["send", "send", "users"])

    def test_nothing_is_done_between_the_login_and_the_command_list(self) -> None:
        """Without the list the server's own commands would be unknown."""
        table = Table()
        table.type("/roll 6")
        table.core.logged_in(wire.LoggedIn(user="alice", device="d", role="user", presence="FREE"))
        self.assertEqual(table.verbs(), ["commands"])

    def test_a_server_without_a_command_list_can_be_used(self) -> None:
        """An error as answer to it is no hindrance."""
        table = Table()
        table.type("one")
        table.core.logged_in(wire.LoggedIn(user="alice", device="d", role="user", presence="FREE"))
        table.refuse("commands", "forbidden", "no")
        self.assertEqual(table.on_their_way(), [("lobby", "one")])

    def test_connected_and_logged_in_are_shown(self) -> None:
        """The json face's first two events."""
        self.assertEqual(
            ready().shown,
            [
                events.Connected(server="localhost:5000", fingerprint="SHA256:x", suite="noise", new_pin=True),
                events.LoggedIn(user="alice", device="d", role="user"),
            ],
        )

    def test_a_person_gets_the_names_who_are_there_for_completion(self) -> None:
        """The list is asked for quietly."""
        table = ready(interactive=True)
        table.answer("users", wire.UserList(users=[wire.UserEntry(user="bob", presence="FREE")]))
        self.assertEqual([row.word for row in table.core.complete("/msg b")], ["bob"])
        self.assertNotIsInstance(table.last(), events.Users)


class Sending(SynchronousTestCase):
    """Messages and the outbox."""

    def test_a_message_is_shown_as_sent_once_the_server_has_accepted_it(self) -> None:
        """Not when it is written."""
        table = ready()
        table.type("hello")
        self.assertFalse(table.core.idle)
        ulid = table.accept(seq=7)
        self.assertEqual(table.last(), events.Sent(ulid=ulid, conversation="lobby", seq=7))
        self.assertTrue(table.core.idle)

    def test_two_slashes_send_a_text_that_begins_with_one(self) -> None:
        """``//help`` is the text ``/help``."""
        table = ready()
        table.type("//help", "//")
        self.assertEqual(table.on_their_way(), [("lobby", "/help"), ("lobby", "/")])

    def test_an_unaccepted_message_goes_again_under_the_same_ulid(self) -> None:
        """So the server can tell that it is the same; order is kept."""
        table = ready()
        table.type("one", "two")
        first = [request["ulid"] for request in table.sent]
        table.lose()
        table.type("three")
        table.log_in()
        self.assertEqual([request["ulid"] for request in table.sent][:2], first)
        self.assertEqual([text for _, text in table.on_their_way()], ["one", "two", "three"])

    def test_an_accepted_message_does_not_go_again(self) -> None:
        """The outbox lets go of it."""
        table = ready()
        table.type("one")
        table.accept()
        table.lose()
        table.log_in()
        self.assertEqual(table.verbs(), [])

    def test_a_message_typed_without_connection_is_said_to_wait(self) -> None:
        """Typing never blocks and never lies."""
        table = ready()
        table.lose()
        table.type("one")
        self.assertEqual(table.texts(events.Notice), ["not connected: 1 waiting, sent when the connection is back"])

    def test_a_message_that_waits_is_an_event_of_its_own(self) -> None:
        """Programs see which; once connected none waits."""
        table = private()
        table.lose()
        table.type("one", "/msg bob two")
        waiting = [event for event in table.shown if isinstance(event, events.Waiting)]
        self.assertEqual(([event.conversation for event in waiting], table.core.waiting), (["lobby", "@bob"], 2))
        table.log_in()
        self.assertEqual(([row["ulid"] for row in table.sent], table.core.waiting), ([row.ulid for row in waiting], 0))

    def test_a_message_is_in_the_outbox_before_it_is_on_the_wire(self) -> None:
        """And leaves it in the transaction that keeps it as accepted."""
        store = MemoryStore(durable=True)
        table = ready(store=store)
        table.core.typed("hello")
        self.assertEqual(store.outbox(), [])
        table.look()
        self.assertEqual([row.ulid for row in store.outbox()], [table.sent[0]["ulid"]])
        table.core.receive_line(
            wire.encode(
                wire.Ok(id=table.sent[0]["id"], result=wire.Sent(ulid="u", conversation="lobby", seq=1, time=5))
            )
        )
        self.assertEqual((len(store.outbox()), store.cursors()), (1, {}))
        table.look()
        self.assertEqual((store.outbox(), store.cursors()), ([], {"lobby": 1}))
        self.assertEqual([(one.body, one.time) for one in store.history("lobby", 9)], [("hello", 5)])

    def test_the_next_client_on_a_store_sends_what_waits_under_the_same_ulid(self) -> None:
        """Before anything typed now in that conversation."""
        store = MemoryStore(durable=True)
        first = ready(store=store)
        first.type("one", "/msg bob two")
        again = Table(ClientCore(lambda: 1_700_000_001.0, bytes, store=store), store=store)
        self.assertEqual(again.texts(events.Notice), ["2 waiting from last time, sent when connected"])
        again.type("three", "/msg bob four")
        again.log_in()
        sent = [row["ulid"] for row in again.sent if row["type"] == "send"]
        self.assertLessEqual({row["ulid"] for row in first.sent}, set(sent))
        bodies: dict[str, list[str]] = {conversation: [] for conversation in ("lobby", "@bob")}
        for conversation, body in again.on_their_way():
            bodies[conversation].append(body)
        self.assertEqual(bodies, {"lobby": ["one", "three"], "@bob": ["two", "four"]})

    def test_a_store_that_fails_stops_the_client_before_anything_gets_out(self) -> None:
        """Nothing is sent or shown that is not kept."""
        store = Failing()
        table = ready(store=store)
        store.fails = True
        table.core.typed("hello")
        self.assertRaises(StoreError, table.core.lines_to_send)
        self.assertRaises(StoreError, table.core.events_to_show)
        store.fails = False
        self.assertEqual(len(table.core.lines_to_send()), 1)

    def test_a_pipe_is_held_at_so_much_that_waits(self) -> None:
        """n-1, n, n+1 lines: what is over it goes out when there is room, in order."""
        for count in (MAX_WAITING - 1, MAX_WAITING, MAX_WAITING + 1):
            table = ready()
            table.type(*(f"line {number}" for number in range(count)))
            self.assertEqual(table.core.full, count >= MAX_WAITING)
            self.assertEqual(len(table.sent), min(count, MAX_WAITING))
            for seq in range(1, count + 1):
                table.accept(seq)
            self.assertFalse(table.core.full)
            self.assertTrue(table.core.idle)

    def test_a_person_is_not_held(self) -> None:
        """Who pastes sees what waits."""
        table = ready(interactive=True)
        table.type(*(f"line {number}" for number in range(MAX_WAITING + 1)))
        self.assertEqual(table.verbs().count("send"), MAX_WAITING + 1)

    def test_the_outbox_is_bounded(self) -> None:
        """n-1 and n wait, n+1 is refused."""
        table = ready(interactive=True)
        table.type(*("x" for _ in range(MAX_OUTBOX - 1)))
        self.assertEqual(table.texts(events.Error), [])
        table.type("n", "one too many")
        self.assertEqual((table.core.unaccepted, len(table.texts(events.Error))), (MAX_OUTBOX, 1))

    def test_a_refused_message_is_an_error_with_its_command_and_leaves_the_outbox(self) -> None:
        """It would be refused again."""
        table = private()
        table.type("/msg bob hi")
        table.refuse("send", "unknown-user", "there is no account bob")
        self.assertEqual(
            table.last(), events.Error(code="unknown-user", text="/msg bob: not sent: there is no account bob")
        )
        self.assertTrue(table.core.idle)

    def test_blank_lines_are_nothing(self) -> None:
        """Enter on an empty line sends nothing and is no error."""
        table = ready()
        before = len(table.shown)
        table.type("", "   ")
        self.assertEqual((table.sent, len(table.shown)), ([], before))

    def test_a_message_holds_max_body_characters(self) -> None:
        """n-1 and n are sent, n+1 is an error that says both numbers."""
        table = ready()
        for length in (MAX_BODY - 1, MAX_BODY, MAX_BODY + 1):
            table.type("x" * length)
        self.assertEqual([len(text) for _, text in table.on_their_way()], [MAX_BODY - 1, MAX_BODY])
        [error] = table.texts(events.Error)
        self.assertIn(f"{MAX_BODY + 1} characters, {MAX_BODY}", error)

    def test_a_message_fits_a_line_once_it_is_encoded(self) -> None:
        """n-1 and n bytes of JSON are sent, n+1 is an error: wide characters count for more."""
        table = ready()
        for length in (MAX_ENCODED_BODY - 1, MAX_ENCODED_BODY, MAX_ENCODED_BODY + 1):
            quotes = 2
            table.type("\N{GRINNING FACE}" * ((length - quotes) // 4) + "x" * ((length - quotes) % 4))
        self.assertEqual(len(table.on_their_way()), 2)
        self.assertEqual(len(table.texts(events.Error)), 1)
        self.assertLess(max(len(wire.encode(request)) for request in table.sent), MAX_LINE)

    def test_a_text_that_is_no_unicode_is_refused(self) -> None:
        """Half a surrogate pair cannot be sent."""
        table = ready()
        table.type("\ud800")
        self.assertIn("not valid Unicode", table.texts(events.Error)[0])

    @given(st.lists(st.text(max_size=40), max_size=20))
    def test_whatever_is_typed_is_answered_or_sent(self, lines: list[str]) -> None:
        """No line raises, in any state."""
        for table in (ready(), ready(classic=True), Table(new_core(interactive=True))):
            table.type(*lines)
            table.lose()
            table.type(*lines)
            table.log_in()


class Refused(SynchronousTestCase):
    """What could never be sent."""

    def test_a_message_to_a_name_that_cannot_be_does_not_enter_the_outbox(self) -> None:
        """It would be refused here after every login, and nothing behind it would ever be sent."""
        for connected in (True, False):
            table = private()
            if not connected:
                table.lose()
            with self.assertRaises(UsageError):
                table.core.say("/msg", "@" + "x" * (MAX_NAME + 1), "hello")
            table.core.say("/msg", "@" + "x" * MAX_NAME, "hello")
            self.assertEqual(table.core.unaccepted, 1)


class Order(SynchronousTestCase):
    """Lines whose meaning hangs on the answer to an earlier one."""

    def test_lines_after_connect_go_to_the_partner(self) -> None:
        """They wait for the answer, for otherwise the lobby would read them."""
        table = private()
        table.type("/connect bob", "for bob only")
        self.assertEqual(table.verbs(), ["connect"])
        table.say(wire.SessionStarted(partner="bob", by="alice"))
        table.answer("connect")
        self.assertEqual(table.on_their_way(), [("@bob", "for bob only")])

    def test_the_answer_to_connect_is_enough_to_begin(self) -> None:
        """The event may come before or after it."""
        table = private()
        table.type("/connect bob", "hello")
        table.answer("connect")
        self.assertEqual(table.on_their_way(), [("@bob", "hello")])
        table.say(wire.SessionStarted(partner="bob", by="alice"))
        self.assertEqual(table.last(), events.Session(partner="bob", event_="started"))
        self.assertEqual(table.core.conversation, "@bob")

    def test_a_line_for_a_session_that_did_not_begin_reaches_nobody(self) -> None:
        """It was meant for one person; commands behind it are done."""
        table = ready()
        table.type("/connect bob", "secret", "//secret", "/users")
        table.refuse("connect", "unavailable", "bob is BUSY")
        self.assertEqual(table.verbs(), ["users"])
        self.assertEqual(table.core.conversation, "lobby")
        self.assertEqual(
            table.texts(events.Error), ["/connect bob: bob is BUSY", "2 not sent: there is no session with bob"]
        )

    def test_a_refused_call_is_an_event_of_its_own(self) -> None:
        """Programs see both who and why."""
        table = ready()
        table.type("/connect bob")
        table.refuse("connect", "unavailable", "bob is BUSY")
        self.assertIn(events.Session(partner="bob", event_="refused", reason="bob is BUSY"), table.shown)

    def test_a_kick_waits_for_the_admin_confirmation_before_it(self) -> None:
        """Hashing the password takes the server a moment."""
        table = ready()
        table.type("/admin correct horse", "/kick bob")
        self.assertEqual(table.take("admin")["password"], "correct horse")
        self.assertEqual(table.verbs(), [])

    def test_waiting_ends_with_the_connection(self) -> None:
        """Otherwise nothing typed would ever be done again."""
        table = ready()
        table.type("/connect bob", "for bob only")
        table.lose()
        self.assertEqual(table.texts(events.Error)[0], "/connect bob: the connection was lost before the answer came")
        table.log_in()
        table.type("hello")
        self.assertEqual(table.on_their_way(), [("lobby", "hello")])


class Sessions(SynchronousTestCase):
    """Where bare lines go around a session."""

    def in_session(self) -> Table:
        table = private()
        table.say(wire.SessionStarted(partner="bob", by="bob"))
        return table

    def test_a_session_makes_busy_and_takes_bare_lines(self) -> None:
        """Whoever called."""
        table = self.in_session()
        self.assertEqual((table.core.presence, table.core.conversation), ("BUSY", "@bob"))

    def test_goodbye_leads_back_to_where_one_was(self) -> None:
        """In either order of the event and the answer."""
        for event_first in (True, False):
            table = private()
            table.type("/go @carol")
            table.say(wire.SessionStarted(partner="bob", by="bob"))
            table.type("/goodbye", "hello")
            if event_first:
                table.say(wire.SessionEnded(partner="bob", reason="goodbye"))
            table.answer("goodbye")
            if not event_first:
                table.say(wire.SessionEnded(partner="bob", reason="goodbye"))
            self.assertEqual(table.on_their_way(), [("@carol", "hello")])
            self.assertEqual(table.core.presence, "FREE")

    def test_a_line_for_a_partner_who_just_left_does_not_reach_the_lobby(self) -> None:
        """It goes to that person as a direct message, and a notice says so."""
        for reason in ("goodbye", "lost"):
            table = self.in_session()
            table.say(wire.SessionEnded(partner="bob", reason=reason))  # type: ignore[arg-type]
            table.type("a secret")
            self.assertEqual(table.on_their_way(), [("@bob", "a secret")])
            self.assertIn(events.Session(partner="bob", event_="ended", reason=reason), table.shown)
            self.assertIn("/go lobby", table.texts(events.Notice)[-1])

    def test_a_session_outlives_a_lost_connection(self) -> None:
        """If the server says so after the login; else it is over. Lines typed meanwhile stay with the partner."""
        for resumed in (True, False):
            table = self.in_session()
            table.lose()
            self.assertEqual(table.core.conversation, "@bob")
            table.core.logged_in(wire.LoggedIn(user="alice", device="d", role="user", presence="FREE"))
            if resumed:
                table.say(wire.SessionStarted(partner="bob", by="bob", resumed=True))
            table.answer("commands", wire.CommandList(commands=[]))
            over = events.Session(partner="bob", event_="ended", reason="lost")
            self.assertEqual((over in table.shown, table.core.presence == "BUSY"), (not resumed, resumed))
            self.assertEqual(table.core.conversation, "@bob")

    def test_a_refused_goodbye_changes_nothing(self) -> None:
        """There was no session."""
        table = ready()
        table.type("/goodbye")
        table.refuse("goodbye", "unavailable", "there is no session")
        self.assertEqual(table.texts(events.Error), ["/goodbye: there is no session"])
        self.assertEqual(table.core.conversation, "lobby")


class Leaving(SynchronousTestCase):
    """Quit, the end of the input, and both at bad moments."""

    def test_quit_waits_until_all_is_accepted(self) -> None:
        """Then it is said to the server, whose answer ends the client."""
        table = ready()
        table.type("hello", "/quit")
        self.assertEqual(table.verbs(), ["send"])
        table.accept()
        table.answer("quit")
        self.assertTrue(table.core.finished)

    def test_quit_said_twice_does_not_wait(self) -> None:
        """What is lost by that is said."""
        table = ready()
        table.type("hello", "/quit", "/quit")
        self.assertTrue(table.core.finished)
        self.assertEqual(table.texts(events.Error), ["1 of what was typed was not accepted by the server and is lost"])

    def test_nothing_typed_after_quit_is_done(self) -> None:
        """Quit is the last word."""
        table = ready()
        table.type("hello", "/quit", "more")
        self.assertEqual(table.on_their_way(), [("lobby", "hello")])

    def test_quit_typed_before_the_login_comes_after_what_was_typed_before_it(self) -> None:
        """A script may end with it."""
        table = Table()
        table.type("hello", "/quit", "more")
        table.core.end_of_input()
        table.log_in()
        self.assertEqual(table.on_their_way(), [("lobby", "hello")])
        self.assertFalse(table.core.finished)
        table.accept()
        table.answer("quit")
        self.assertTrue(table.core.finished)

    def test_a_person_can_quit_before_the_login(self) -> None:
        """Nobody has to wait for a server that does not answer."""
        table = Table(new_core(interactive=True))
        table.type("hello", "/quit")
        self.assertTrue(table.core.finished)

    def test_what_waits_in_a_store_is_not_called_lost(self) -> None:
        """The next start sends it; a command is lost all the same."""
        table = ready(store=MemoryStore(durable=True))
        table.type("/goodbye", "/users")
        table.lose()
        table.type("hello", "/quit")
        self.assertEqual(
            table.texts(events.Error)[-1],
            "1 of what was typed was not accepted by the server; 1 waiting here for the next start",
        )

    def test_quit_without_connection_leaves_at_once(self) -> None:
        """And says what is left behind."""
        table = ready()
        table.lose()
        table.type("hello", "/quit")
        self.assertTrue(table.core.finished)
        self.assertEqual(len(table.texts(events.Error)), 1)

    def test_the_end_of_the_input_waits_for_every_answer(self) -> None:
        """Messages and commands."""
        table = ready()
        table.type("hello", "/users")
        table.core.end_of_input()
        self.assertEqual(table.verbs(), ["send", "users"])
        table.accept()
        self.assertEqual(table.verbs(), ["users"])
        table.answer("users", wire.UserList(users=[]))
        self.assertEqual(table.verbs(), ["quit"])

    def test_the_end_of_the_input_survives_a_reconnect(self) -> None:
        """What was not accepted is sent again first."""
        table = ready()
        table.type("hello")
        table.core.end_of_input()
        table.lose()
        self.assertFalse(table.core.finished)
        table.log_in()
        table.accept()
        self.assertEqual(table.verbs(), ["quit"])

    def test_the_end_of_the_connection_is_as_good_as_the_answer_to_quit(self) -> None:
        """The server may close first; nothing is shown of it."""
        table = ready()
        table.type("/quit")
        before = list(table.shown)
        table.lose()
        self.assertTrue(table.core.finished)
        self.assertEqual(table.shown, before)

    def test_a_connection_lost_while_quitting_is_the_end(self) -> None:
        """No reconnecting for somebody who leaves."""
        table = ready()
        table.type("hello", "/quit")
        table.lose()
        self.assertTrue(table.core.finished)


class FromTheServer(SynchronousTestCase):
    """Events and results as screen events."""

    def test_a_message_is_shown_as_the_contract_says(self) -> None:
        """In the lobby nothing is encrypted end to end."""
        table = ready()
        ulid, time = "01ARZ3NDEKTSV4RRFFQ69G5FAV", 1_469_922_850_259
        fields = {"conversation": "lobby", "kind": "lobby", "seq": 1, "sender": "bob", "ulid": ulid}
        table.say(wire.Message(**fields, time=time, body="hi"))
        marks = {"encryption": "none", "signature": "none", "trust": "none"}
        self.assertEqual(table.last(), events.Message(**fields, text="hi", time="2016-07-30T23:54:10.259Z", **marks))

    def test_users_and_status(self) -> None:
        """`/users` and `/status` answer with the events of their name."""
        table = ready()
        bob = wire.UserEntry(user="bob", presence="AWAY")
        table.type("/users", "/status bob", "/status")
        table.answer("users", wire.UserList(users=[bob]))
        self.assertEqual(table.last(), events.Users(users=[bob]))
        table.answer("status", wire.UserStatus(user="bob", presence="OFFLINE", last_seen=0))
        self.assertEqual(
            table.last(), events.Status(user="bob", presence="OFFLINE", last_seen="1970-01-01T00:00:00.000Z")
        )
        self.assertEqual(table.sent[-1]["user"], "alice")
        table.answer("status", wire.UserStatus(user="alice", presence="AWAY"))
        self.assertEqual(table.last(), events.Status(user="alice", presence="AWAY", last_seen=None))
        self.assertEqual(table.core.presence, "AWAY")

    def test_presence_of_others_and_of_oneself(self) -> None:
        """Another device of the account may have changed it."""
        table = ready()
        table.say(wire.PresenceChanged(user="bob", presence="BUSY"))
        self.assertEqual(table.last(), events.PresenceChanged(user="bob", presence="BUSY"))
        table.say(wire.PresenceChanged(user="alice", presence="AWAY"))
        self.assertEqual(table.core.presence, "AWAY")

    def test_setting_the_presence_is_confirmed(self) -> None:
        """By a notice, once the server agrees."""
        table = ready()
        table.type("/away")
        self.assertEqual(table.take("presence")["presence"], "AWAY")
        table.type("/busy")
        table.answer("presence")
        self.assertEqual((table.core.presence, table.texts(events.Notice)), ("BUSY", ["you are BUSY now"]))

    def test_the_server_says_why_it_closes(self) -> None:
        """Its reason counts for more than the transport's."""
        table = ready()
        table.say(wire.Closing(reason="the server is stopping"))
        table.lose("Connection reset")
        self.assertEqual(table.last(), events.Disconnected(reason="the server is stopping"))
        table.log_in()
        table.lose("Connection reset")
        self.assertEqual(table.last(), events.Disconnected(reason="Connection reset"))

    def test_a_kick_is_shown_and_remembered(self) -> None:
        """The shell does not reconnect after it."""
        table = ready()
        table.say(wire.Kicked(by="root", reason="noise"))
        self.assertEqual(table.last(), events.Kicked(by="root", reason="noise"))
        self.assertIsNotNone(table.core.kicked)
        table.lose()
        self.assertEqual(table.last(), events.Disconnected(reason="kicked by root"))

    def test_the_greeting_of_the_day_is_a_notice(self) -> None:
        """An empty one is nothing."""
        table = ready()
        table.say(wire.Welcome(server="s", version="1", registration="open", motd="be kind"))
        table.say(wire.Welcome(server="s", version="1", registration="open"))
        self.assertEqual(table.texts(events.Notice), ["be kind"])

    def test_a_listing_is_shown(self) -> None:
        """Whatever command it answers; a verb with an underscore is typed with a hyphen, or as it is."""
        entry = wire.CommandEntry(verb="all_bans", help="list")
        table = Table()
        table.log_in(commands=[entry, wire.CommandEntry(verb="sync", help="not for typing")])
        table.type("/all-bans", "/all_bans", "/help all_bans", "/sync")
        self.assertEqual(table.verbs(), ["all_bans", "all_bans"])
        table.answer("all_bans", wire.Listing(title="bans", columns=["who", "why"], rows=[["bob", "noise"]]))
        self.assertEqual(table.last(), events.Listing(title="bans", columns=["who", "why"], rows=[["bob", "noise"]]))
        table.refuse("all_bans", "forbidden", "no")
        self.assertEqual(table.texts(events.Error)[-1], "/all-bans: no")
        self.assertEqual(table.texts(events.Notice), ["/all-bans  list"])
        self.assertEqual([row.word for row in table.core.complete("/all")], ["/all", "/all-bans"])

    def test_errors_and_lines_nobody_waited_for_are_shown(self) -> None:
        """An error without id, and a line that is no event; an ok for nothing is ignored."""
        table = ready()
        table.say(wire.Error(code="line-too-long", text="too long"), wire.Ok(id=999))
        self.assertEqual(table.last(), events.Error(code="line-too-long", text="too long"))
        table.core.receive_line(b"{")
        self.assertIsInstance(table.last(), events.Error)

    def test_admin_rights_bring_a_new_command_list(self) -> None:
        """There may be more commands now."""
        table = ready()
        table.type("/admin pw")
        table.answer("admin", wire.AdminGranted(seconds=600))
        self.assertEqual(table.texts(events.Notice), ["admin commands work for the next 10 minutes"])
        table.answer("commands", wire.CommandList(commands=[wire.CommandEntry(verb="ban", help="ban")]))
        self.assertEqual(list(table.core.server_commands), ["ban"])

    def test_the_admin_password_is_asked_for_where_it_is_not_given(self) -> None:
        """The shell asks the person; the core takes the answer."""
        table = ready()
        table.type("/admin")
        question = table.core.take_question()
        assert question is not None
        question.then("correct horse")
        self.assertEqual(table.take("admin")["password"], "correct horse")

    def test_an_event_in_the_far_future_has_no_time(self) -> None:
        """A server's number cannot make the client fail."""
        self.assertEqual(iso_time(2**62), "unknown")

    @given(st.binary(max_size=200))
    def test_no_line_from_the_server_raises(self, line: bytes) -> None:
        """Whatever its bytes."""
        ready().core.receive_line(line)

    def test_remembered_names_are_bounded(self) -> None:
        """n-1, n, n+1 names: the oldest goes."""
        table = ready()
        for count in range(MAX_KNOWN_NAMES + 1):
            table.say(wire.PresenceChanged(user=f"u{count}", presence="FREE"))
            if count >= MAX_KNOWN_NAMES - 2:
                known = len(table.core.complete("/msg "))
                self.assertEqual(known, min(count + 1, MAX_KNOWN_NAMES))
        self.assertNotIn("u0", [row.word for row in table.core.complete("/msg ")])

    def test_commands_need_a_connection(self) -> None:
        """They are refused at once: done later they could surprise."""
        table = ready()
        table.lose()
        table.type("/users", "/roll", "/goodbye", "/admin", "/connect bob")
        self.assertEqual({event.code for event in table.shown if isinstance(event, events.Error)}, {"not-connected"})
        self.assertIs(table.core.state, State.AWAY_FROM_SERVER)
