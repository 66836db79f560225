"""What is offered at the end of what is being typed; all of it from the tables that parsing uses."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.client.commands import COMMANDS
from encchat.client.commands.completion import Known, suggestions
from encchat.client.commands.table import Command, Flag
from encchat.client.preferences import OPTIONS
from tests.client.rooms.test_known import member, state
from tests.client.table import Table, ready

PIECES = (
    " ",
    "/",
    "#",
    "@",
    "--",
    "\n",
    "(",
    "b",
    "/chat ",
    "/msg ",
    "/open ",
    "/set ",
    "/keys ",
    "/save ",
    "history",
    "on ",
)
SIGNS = "@/#"


def known() -> Table:
    """Somebody who has met Bob and ben, and is in #garden with Bob and carol."""
    table = ready(user="alice")
    for name in ("Bob", "ben"):
        table.say(wire.PresenceChanged(user=name, presence="FREE"))
    table.core.rooms.take(state("#garden", members=[member(name) for name in ("alice", "Bob", "carol")]))
    return table


class Completing(SynchronousTestCase):
    """Words that fit."""

    def words(self, typed: str) -> list[str]:
        """What is offered behind ``typed``."""
        return [row.word for row in self.table.core.complete(typed)]

    def setUp(self) -> None:
        self.table = known()

    def test_every_command_is_offered_with_its_help(self) -> None:
        """Those of the server too; upper case as well."""
        rows = self.table.core.complete("/")
        self.assertEqual({row.word for row in rows}, {f"/{one.verb}" for one in COMMANDS} | {"/roll"})
        self.assertTrue(all(row.help for row in rows))
        self.assertEqual(self.words("/MS"), ["/msg"])

    def test_options_and_their_values_are_those_that_are_parsed(self) -> None:
        """Each option once; its values behind it; after them the arguments go on."""
        self.assertEqual(self.words("/chat Bob --"), ["--ephemeral", "--deniable", "--scheme", "--history", "--open"])
        self.assertEqual(self.words("/chat --open Bob --o"), [])
        self.assertEqual(self.words("/chat --history "), ["none", "since-invite", "all"])
        self.assertEqual(self.words("/chat --history s"), ["since-invite"])
        self.assertEqual(self.words("/chat --scheme m"), ["megolm"])
        self.assertEqual(self.words("/chat --history all B"), ["Bob", "ben"])
        self.assertEqual(self.words("/chat --ephemeral B"), ["Bob", "ben"])

    def test_a_usage_shows_the_options_its_row_has(self) -> None:
        """And their values."""
        for command in COMMANDS:
            self.assertEqual(re.findall(r"--[a-z-]+", command.usage), [flag.name for flag in command.flags])
            for flag in command.flags:
                self.assertIn(f"[{flag.name} {'|'.join(flag.values)}".strip() + "]", command.usage)

    def test_a_room_may_come_first(self) -> None:
        """Where the command takes one, by its sign."""
        for typed in ("/expel #", "/chat #g", "/open #", "/msg #g", "/go #", "/history #"):
            self.assertEqual(self.words(typed), ["#garden"], typed)
        self.assertEqual(self.words("/expel #garden b"), ["Bob", "ben"])
        self.assertEqual(self.words("/open #garden "), ["on", "off"])
        self.assertEqual(self.words("/moderator #garden Bob o"), ["on", "off"])
        self.assertEqual(self.words("/moderator Bob o"), ["on", "off"])
        self.assertEqual(self.words("/verify Bob "), ["stop"])
        self.assertEqual(self.words("/devices r"), ["revoke"])
        self.assertEqual(self.words("/verify Bob stop "), [])
        for typed in ("/status #", "/verify #g", "/expel Bob #g"):
            self.assertEqual(self.words(typed), [], typed)

    def test_settings_and_their_values(self) -> None:
        """All of them, with their help; typed with dashes or underscores."""
        rows = self.table.core.complete("/set ")
        self.assertEqual([row.word for row in rows], [option.typed for option in OPTIONS.values()])
        self.assertEqual([row.help for row in rows], [option.help for option in OPTIONS.values()])
        self.assertEqual(self.words("/set notify-t"), ["notify-text"])
        for option in OPTIONS.values():
            self.assertEqual(self.words(f"/set {option.typed} "), list(option.suggested))
            self.assertEqual(self.words(f"/set {option.name} "), list(option.suggested))
        self.assertEqual(self.words("/set keys vi "), [])
        self.assertEqual(self.words("/set nothing "), [])
        [row] = self.table.core.complete("/set paste a")
        self.assertEqual((row.word, row.help), ("ask", "as it is by default"))

    @given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
    def test_whatever_is_typed_only_words_that_go_on_from_it_are_offered(self, typed: str) -> None:
        """Case and sign apart; nothing that is typed breaks it."""
        last = re.split("[ \n]", typed)[-1]
        for word in self.words(typed):
            self.assertTrue(word.casefold().lstrip(SIGNS).startswith(last.casefold().lstrip(SIGNS)), (typed, word))

    def test_who_can_be_addressed_inside_a_text(self) -> None:
        """In a room its members, in the lobby everybody who was met, elsewhere the other one; never oneself."""
        self.assertEqual(self.words("hello @B"), ["@Bob", "@ben"])
        self.assertEqual(self.words("@b"), ["@Bob", "@ben"])
        self.assertEqual(self.words("(@b"), ["(@Bob", "(@ben"])
        self.assertEqual(self.words("one\n@be"), ["@ben"])
        self.assertEqual(self.words("//x @be"), ["@ben"])
        self.assertEqual(self.words("/all hi @be"), ["@ben"])
        self.assertEqual(self.words("/msg #garden hi @"), ["@Bob", "@carol"])
        self.assertEqual(self.words("/msg ben hi @"), ["@ben"])
        self.table.type("/go ben")
        self.assertEqual(self.words("hi @"), ["@ben"])
        self.table.core.go("#garden")
        self.assertEqual(self.words("hi @"), ["@Bob", "@carol"])
        for typed in ("ann@b", "@@b", "hello b", "@b ", "/users @b"):
            self.assertEqual(self.words(typed), [], typed)


class Paths(SynchronousTestCase):
    """Files and folders."""

    def words(self, typed: str) -> list[str]:
        """With commands that take files."""
        send = Command("send", "/send [#ROOM|@NAME] FILE", "send", _run, "file", place="conversation")
        save = Command("save", "/save [ULID] [PATH]", "save", _run, "offer", then=("file",))
        there = ("notes.txt", "my notes/", "my notes/one.txt", "my nose.png")
        commands = {"send": send, "save": save}
        known = Known(
            ("bob",),
            ("#garden",),
            commands,
            {},
            paths=lambda typed: [path for path in there if path.startswith(typed)],
            offers=lambda: [("01ABC", "photo.png")],
        )
        return [row.word for row in suggestions(typed, known)]

    def test_a_path_takes_the_rest_of_the_line(self) -> None:
        """With its blanks; what is offered stands behind the last of them."""
        self.assertEqual(self.words("/send n"), ["notes.txt"])
        self.assertEqual(self.words("/send my no"), ["notes/", "notes/one.txt", "nose.png"])
        self.assertEqual(self.words("/send my notes/o"), ["notes/one.txt"])
        self.assertEqual(self.words("/send "), ["notes.txt", "my notes/", "my notes/one.txt", "my nose.png"])

    def test_a_conversation_may_come_first(self) -> None:
        """A path behind it."""
        self.assertEqual(self.words("/send #"), ["#garden"])
        self.assertEqual(self.words("/send @b"), ["@bob"])
        self.assertEqual(self.words("/send #garden my nos"), ["nose.png"])
        self.assertEqual(self.words("/send @bob n"), ["notes.txt"])

    def test_a_file_that_was_sent_comes_with_its_name(self) -> None:
        """Then where it goes to."""
        self.assertEqual(self.words("/save "), ["01ABC"])
        self.assertEqual(self.words("/save 01ABC my nos"), ["nose.png"])
        self.assertEqual(self.words("/save my nos"), ["nose.png"])
        self.assertEqual(self.words("/save no"), ["notes.txt"])

    def test_a_flag_has_no_place_among_the_arguments(self) -> None:
        """With its value it is passed over."""
        flags = (Flag("--to", ("x", "y")), Flag("--loud"))
        row = Command("say", "/say NAME WORD", "say", _run, "user", then=(("aloud",),), flags=flags)
        known = Known(("bob",), (), {"say": row}, {})
        for typed in ("/say bob ", "/say --to x bob ", "/say bob --loud ", "/say --loud bob --to y "):
            self.assertEqual([one.word for one in suggestions(typed, known)], ["aloud"], typed)


def _run(actor: Any, arguments: str) -> None:
    raise NotImplementedError
