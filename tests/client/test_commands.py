"""The command table, its help and completion, classic words, and commands only the server knows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.client import events, generic
from encchat.client.classic import CLASSIC_WORDS, from_classic
from encchat.client.commands import BY_VERB, COMMANDS
from encchat.client.core import Ending
from encchat.client.store import MemoryStore
from encchat.errors import UsageError
from encchat.limits import DEFAULT_PAST, MAX_PAST, MAX_REASON
from tests.client.rooms.test_known import state
from tests.client.table import ROLL, private, ready

HISTORIES = ("", "5", "lobby", "@carol 3", f"lobby {MAX_PAST - 1}", f"lobby {MAX_PAST}")


def error(line: str) -> str:
    """What is shown when ``line`` is typed, which must not send anything."""
    table = ready()
    table.type(line)
    assert table.sent == [], table.sent
    [text] = table.texts(events.Error)
    return text


class Requests(SynchronousTestCase):
    """What each command asks the server."""

    def test_each_command_sends_its_request(self) -> None:
        """Names may be typed with or without @."""
        cases: dict[str, tuple[str, dict[str, object]]] = {
            "/users": ("users", {}),
            "/USERS": ("users", {}),
            "/status bob": ("status", {"user": "bob"}),
            "/status @bob": ("status", {"user": "bob"}),
            "/all hi": ("send", {"conversation": "lobby", "body": "hi"}),
            "/connect bob": ("connect", {"user": "bob"}),
            "/goodbye": ("goodbye", {}),
            "/free": ("presence", {"presence": "FREE"}),
            "/busy": ("presence", {"presence": "BUSY"}),
            "/away": ("presence", {"presence": "AWAY"}),
            "/admin a password": ("admin", {"password": "a password"}),
            "/kick bob": ("kick", {"user": "bob", "reason": ""}),
            "/kick bob too loud": ("kick", {"user": "bob", "reason": "too loud"}),
            "/quit": ("quit", {}),
        }
        for line, (verb, fields) in cases.items():
            table = ready()
            table.type(line)
            request = table.take(verb)
            self.assertEqual(fields, {name: request[name] for name in fields}, line)

    def test_what_is_said_to_one_goes_out_encrypted(self) -> None:
        """With or without @."""
        for line in ("/msg bob a  canary", "/msg @bob a  canary"):
            table = ready(store=MemoryStore(durable=True))
            table.type(line)
            sent = table.take("send")
            self.assertEqual(("@bob", "megolm"), (sent["conversation"], sent["scheme"]))
            self.assertNotIn("canary", sent["body"])

    def test_a_text_may_have_several_lines(self) -> None:
        """They go out as one message, whatever the second begins with, and with a line break behind a word too."""
        for line, text in {
            "one\n/two": "one\n/two",
            "//one\n/two": "/one\n/two",
            "/all one\n  two": "one\n  two",
            "/all\none": "one",
        }.items():
            table = ready()
            table.type(line)
            self.assertEqual([request["body"] for request in table.sent], [text])
        table = private()
        table.type("/msg bob one\ntwo", "/msg bob\none")
        self.assertEqual(table.on_their_way(), [("@bob", "one\ntwo"), ("@bob", "one")])

    def test_an_editor_needs_the_terminal(self) -> None:
        """Elsewhere the command says so, and its text is not sent."""
        self.assertIn("/edit: an editor needs the terminal: encchat-client --face tty", error("/edit a draft"))

    def test_missing_and_superfluous_arguments_are_named(self) -> None:
        """The text says what is wrong and how it is right."""
        for line, text in {
            "/msg": "/msg: NAME is missing: /msg NAME TEXT",
            "/msg bob": "/msg: TEXT is missing: /msg NAME TEXT",
            "/msg bob  ": "/msg: TEXT is missing: /msg NAME TEXT",
            "/all": "/all: TEXT is missing: /all TEXT",
            "/users all": "/users: all is too much: /users",
            "/status bob carol": "/status: carol is too much: /status [NAME]",
            "/connect": "/connect: NAME is missing: /connect NAME",
            "/kick": "/kick: NAME is missing: /kick NAME [REASON]",
            "/quit now": "/quit: now is too much: /quit",
            "/go bob carol": "/go: carol is too much: /go lobby, /go @NAME or /go #ROOM",
            "/calls": "/calls: a word is missing, there are auto, ask, never: /calls auto|ask|never",
            "/calls maybe": "/calls: maybe is none of them, there are auto, ask, never: /calls auto|ask|never",
            "/answer": "/answer: nobody calls: /answer NAME, once somebody does",
            "/refuse": "/refuse: nobody calls: /refuse NAME, once somebody does",
            "/secure": "/secure: TEXT is missing: /secure TEXT, or secure: TEXT",
        }.items():
            self.assertEqual(error(line), text)

    def test_a_name_that_can_be_nobodys_is_refused_here(self) -> None:
        """With the rule in the text."""
        self.assertIn("letters a-z", error("/msg b*b hi"))
        self.assertIn("kept for the server", error("/status lobby"))

    def test_nobody_writes_to_or_calls_oneself(self) -> None:
        """Whatever the case of the letters."""
        self.assertIn("is you", error("/msg Alice hi"))
        self.assertIn("is you", error("/connect ALICE"))

    def test_a_reason_has_its_limit(self) -> None:
        """n-1 and n are sent, n+1 is an error that names the argument."""
        table = ready()
        for length in (MAX_REASON - 1, MAX_REASON, MAX_REASON + 1):
            table.type(f"/kick bob {'x' * length}")
        self.assertEqual(table.verbs(), ["kick", "kick"])
        self.assertEqual(table.texts(events.Error), [f"/kick: REASON: Expected `str` of length <= {MAX_REASON}"])

    def test_a_password_is_never_repeated_in_an_error(self) -> None:
        """Errors name the command only."""
        table = ready()
        table.type("/admin canary")
        table.refuse("admin", "login-refused", "wrong password")
        self.assertEqual(table.texts(events.Error), ["/admin: wrong password"])
        self.assertNotIn("canary", error(f"/admin canary{'x' * 2000}"))


class Places(SynchronousTestCase):
    """``/go``: where bare lines go."""

    def test_bare_lines_go_where_go_says(self) -> None:
        """To a person or back to the lobby."""
        table = ready(store=MemoryStore(durable=True))
        table.type("/go bob", "one", "/go lobby", "two", "/go @carol", "three", "/go")
        self.assertEqual({request["conversation"] for request in table.sent}, {"@bob", "lobby", "@carol"})
        self.assertEqual(table.texts(events.Notice)[-1], "what you type goes to @carol (encrypted, pinned)")

    def test_go_without_an_argument_says_how_it_is_protected(self) -> None:
        """Before somebody types what not everybody should read."""
        table = ready()
        table.type("/go")
        self.assertEqual("what you type goes to lobby (not end to end)", table.texts(events.Notice)[-1])

    def test_nobody_goes_to_oneself(self) -> None:
        """There is no conversation of one."""
        self.assertIn("Alice is you", error("/go @Alice"))


class Secure(SynchronousTestCase):
    """``secure:`` insists on end-to-end encryption."""

    def test_secure_text_is_not_sent_where_there_is_no_end_to_end_encryption(self) -> None:
        """Not in classic mode, not in a session without keys, not as a command; and nothing of it goes out."""
        for classic in (False, True):
            table = ready(classic=classic)
            table.say(wire.SessionStarted(partner="bob", by="bob"))
            table.type("secure: canary", "secure:canary", "/secure canary")
            self.assertEqual(table.sent, [])
            self.assertEqual(
                {event.code for event in table.shown if isinstance(event, events.Error)}, {"not-encrypted"}
            )

    def test_secure_text_is_not_sent_to_the_lobby(self) -> None:
        """The error says where it could be."""
        self.assertIn("/go @NAME, /connect NAME or /chat NAME", error("secure: canary"))


class Calls(SynchronousTestCase):
    """Being called."""

    def test_who_calls_is_answered_without_a_name(self) -> None:
        """As long as they call; the event says how."""
        for line, accept in (("/answer", True), ("/refuse", False), ("/answer Bob", True)):
            table = ready()
            table.say(wire.Ringing(sender="Bob"))
            self.assertEqual(events.Ringing(sender="Bob"), table.last())
            table.type(line)
            asked = table.take("answer")
            self.assertEqual(("Bob", accept), (asked["user"], asked["accept"]))

    def test_nobody_calls_any_more(self) -> None:
        """Then there is nothing to answer."""
        table = ready()
        table.say(wire.Ringing(sender="Bob"), wire.Ringing(sender="Bob", over=True))
        self.assertEqual(events.Ringing(sender="Bob", over=True), table.last())
        table.type("/answer")
        self.assertIn("nobody calls", table.texts(events.Error)[-1])

    def test_the_policy_is_told_to_the_server(self) -> None:
        """In lower case."""
        table = ready()
        table.type("/calls ASK")
        self.assertEqual("ask", table.take("calls")["policy"])


class Unknown(SynchronousTestCase):
    """Commands nobody has."""

    def test_an_unknown_command_names_a_near_one(self) -> None:
        """Or says where the list is and how a slash is sent."""
        self.assertEqual(error("/stats bob"), "there is no command /stats: did you mean /status?")
        self.assertIn("/help lists the commands, //text", error("/xyzzy"))

    def test_an_unknown_command_is_not_sent_as_a_message(self) -> None:
        """A mistyped /msg must not be read by all."""
        self.assertIn("did you mean /msg", error("/mgs bob secret"))


class Help(SynchronousTestCase):
    """``/help`` and completion come from the same table."""

    def test_help_lists_every_command_of_client_and_server(self) -> None:
        """In one notice of several lines."""
        table = ready()
        table.type("/help")
        [text] = table.texts(events.Notice)
        for command in COMMANDS:
            self.assertIn(command.usage, text)
            self.assertIn(command.help, text)
        self.assertIn("/roll [SIDES] [NOTE]", text)
        self.assertIn("roll a die", text)

    def test_help_explains_one_command(self) -> None:
        """With or without its slash."""
        table = ready()
        table.type("/help away", "/help /roll")
        self.assertEqual(
            table.texts(events.Notice),
            ["/away  be AWAY from the keyboard", "/roll [SIDES] [NOTE]  roll a die"],
        )
        self.assertIn("no command /xyzzy", error("/help xyzzy"))

    def test_every_usage_begins_with_its_verb(self) -> None:
        """The table agrees with itself."""
        for command in COMMANDS:
            self.assertEqual(command.usage.split()[0], f"/{command.verb}")
        self.assertEqual(len(BY_VERB), len(COMMANDS))

    def test_history_takes_a_conversation_and_a_number(self) -> None:
        """Either alone, both, or none; n-1 and n of the limit, not n+1."""
        table = ready()
        table.type("/go @bob", *(f"/history {words}".rstrip() for words in HISTORIES))
        past = [event for event in table.shown if isinstance(event, events.History)]
        self.assertEqual([event.conversation for event in past], ["@bob", "@bob", "lobby", "@carol", "lobby", "lobby"])
        table.type("/history bob", "/history 0", "/history #.", f"/history {MAX_PAST + 1}", "/history lobby 1 2")
        self.assertEqual(len(table.texts(events.Error)), 5)

    def test_history_shows_as_many_as_asked(self) -> None:
        """20 unless said otherwise."""
        table = ready()
        for seq in range(1, DEFAULT_PAST + 3):
            table.type(f"text {seq}")
            table.accept(seq)
        table.type("/history", "/history 2", "/search TEXT", "/search")
        first, second, found = (event.messages for event in table.shown[-4:-1])  # type: ignore[attr-defined]
        self.assertEqual(([one.seq for one in second], len(first), len(found)), ([21, 22], DEFAULT_PAST, 22))
        self.assertEqual(table.texts(events.Error), ["/search: TEXT is missing: /search TEXT"])

    def test_completion_knows_verbs_names_conversations_and_commands(self) -> None:
        """The word under the cursor, case apart."""
        table = ready()
        table.say(wire.PresenceChanged(user="Bob", presence="FREE"), wire.PresenceChanged(user="ben", presence="FREE"))

        def words(typed: str) -> list[str]:
            return [row.word for row in table.core.complete(typed)]

        self.assertEqual(words("/s"), ["/secure", "/search", "/status", "/send", "/save", "/sign", "/set"])
        self.assertEqual(words("/rol"), ["/roll"])
        self.assertEqual(words("/msg b"), ["Bob", "ben"])
        self.assertEqual(words("/kick @bo"), ["Bob"])
        self.assertEqual(words("/go "), ["lobby", "@Bob", "@ben"])
        self.assertEqual(words("/help q"), ["quit"])
        self.assertEqual(words("/chat Bob "), ["Bob", "ben"])
        self.assertEqual(words("/calls a"), ["auto", "ask"])
        self.assertEqual(words("/keys "), ["export", "import"])
        table.core.rooms.take(state("#garden"))
        self.assertEqual(words("/go #g"), ["#garden"])
        self.assertEqual(words("/leave "), ["#garden"])
        self.assertEqual(words("/expel #garden b"), ["Bob", "ben"])
        self.assertEqual(words("/expel #"), ["#garden"])
        for nothing in ("", "b", "//s", "/msg bob b", "/users ", "/roll ", "/xyzzy b"):
            self.assertEqual(words(nothing), [])


class ServerCommands(SynchronousTestCase):
    """Commands a plugin gave the server."""

    def test_a_command_of_the_server_is_sent_with_typed_fields(self) -> None:
        """The last text takes the rest of the line; what is optional may be missing."""
        table = ready()
        table.type("/roll", "/roll 6", "/roll 20 for the  dragon")
        bare = [{name: v for name, v in request.items() if name != "id"} for request in table.sent]
        self.assertEqual(
            bare,
            [
                {"type": "roll"},
                {"type": "roll", "sides": 6},
                {"type": "roll", "sides": 20, "note": "for the  dragon"},
            ],
        )

    def test_its_answer_is_shown(self) -> None:
        """A notice as such; ok without a result, and a refusal, with the command's name."""
        table = ready()
        table.type("/roll", "/roll", "/roll")
        table.answer("roll", wire.Notice(text="4"))
        table.answer("roll")
        self.assertEqual(table.texts(events.Notice), ["4", "/roll: done"])
        table.refuse("roll", "refused", "no dice")
        self.assertEqual(table.texts(events.Error), ["/roll: no dice"])

    def test_each_type_of_argument_is_converted_or_refused(self) -> None:
        """Numbers, truth, text; the error shows the usage."""
        entry = wire.CommandEntry(
            verb="set",
            help="set",
            parameters=[
                wire.ParameterEntry(name="count", type="integer"),
                wire.ParameterEntry(name="share", type="number"),
                wire.ParameterEntry(name="loud", type="boolean"),
                wire.ParameterEntry(name="word"),
            ],
        )
        self.assertEqual(
            generic.fields(entry, "3 0.5 yes a b"), {"count": 3, "share": 0.5, "loud": True, "word": "a b"}
        )
        self.assertEqual(generic.fields(entry, "-3 2 OFF x")["loud"], False)
        for arguments, text in {
            "x": "COUNT is a whole number, not x",
            "1 x": "SHARE is a number, not x",
            "1 1 perhaps": "LOUD is yes or no, not perhaps",
            "1 1 no": "WORD is missing",
        }.items():
            refused = self.assertRaises(UsageError, generic.fields, entry, arguments)
            self.assertEqual(refused.text, f"{text}: /set COUNT SHARE LOUD WORD")

    def test_superfluous_arguments_are_refused(self) -> None:
        """Where there is no text to take them."""
        entry = wire.CommandEntry(verb="ping", help="ping")
        self.assertEqual(self.assertRaises(UsageError, generic.fields, entry, "x y").text, "x y is too much: /ping")

    def test_a_server_cannot_replace_the_clients_own_commands(self) -> None:
        """Nor offer the requests that the client makes itself."""
        table = ready()
        table.type("/admin pw")
        table.answer("admin", wire.AdminGranted(seconds=1))
        mine = [
            wire.CommandEntry(verb=verb, help="evil")
            for verb in ("msg", "quit", "send", "register", "upload_keys", "open_room", "devices")
        ]
        table.answer("commands", wire.CommandList(commands=[*mine, ROLL]))
        self.assertEqual(list(table.core.server_commands), ["roll"])

    def test_a_field_of_the_server_cannot_stand_for_the_type_or_id(self) -> None:
        """They are ours."""
        table = ready()
        parameters = [wire.ParameterEntry(name="type"), wire.ParameterEntry(name="id")]
        table.core.server_commands["odd"] = wire.CommandEntry(verb="odd", help="", parameters=parameters)
        table.type("/odd kick x")
        self.assertEqual(table.sent[0]["type"], "odd")
        self.assertIsInstance(table.sent[0]["id"], int)


class Classic(SynchronousTestCase):
    """``--classic`` takes the words of older chats."""

    def test_each_word_stands_for_its_command(self) -> None:
        """With its arguments."""
        for line, command in {
            "-l": "/users",
            "-m bob hi there": "/msg bob hi there",
            "-b hi all": "/all hi all",
            "-a secret": "/admin secret",
            "-a": "/admin",
            "-k bob": "/kick bob",
            "-q": "/quit",
            "online": "/users",
            "all": "/users",
            "status": "/users",
            "status bob": "/status bob",
            "connect bob": "/connect bob",
            "goodbye": "/goodbye",
            "close": "/quit",
            "quit": "/quit",
            "chat bob carol": "/chat bob carol",
            "invite bob": "/invite bob",
            "join": "/join",
        }.items():
            self.assertEqual(from_classic(line), command)

    def test_sentences_that_begin_with_a_word_stay_sentences(self) -> None:
        """As do the client's own commands."""
        for line in (
            "all is well",
            "goodbye everybody",
            "status of the plan?",
            "closer",
            "-x",
            "/users",
            "//all",
            "",
            "join us at 5",
        ):
            self.assertEqual(from_classic(line), line)

    def test_words_are_commands_only_in_classic_mode(self) -> None:
        """Elsewhere they are text."""
        table = ready()
        table.type("online")
        self.assertEqual(table.verbs(), ["send"])
        classic = ready(classic=True)
        classic.type("online", "-q")
        self.assertEqual(classic.verbs(), ["users"])
        self.assertIs(classic.core.ending, Ending.QUITTING)

    def test_a_classic_word_without_its_arguments_is_not_sent_as_text(self) -> None:
        """``-m bob`` is a mistake, not a message to everybody."""
        table = ready(classic=True)
        table.type("-m bob", "-k", "connect")
        self.assertEqual(table.sent, [])
        self.assertEqual(len(table.texts(events.Error)), 3)

    @given(st.sampled_from(CLASSIC_WORDS), st.lists(st.sampled_from(["bob", "x"]), max_size=3))
    def test_every_row_is_a_command_or_text(self, row: object, words: list[str]) -> None:
        """Never something else."""
        line = " ".join([row.word, *words])  # type: ignore[attr-defined]
        self.assertTrue(from_classic(line) == line or from_classic(line).startswith("/"))
