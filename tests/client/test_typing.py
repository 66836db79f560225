"""The line's keys, on prompt_toolkit itself with keys from a pipe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.input.base import PipeInput
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.styles import DummyStyle
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.faces import Completion
from encchat.client.faces.prompts import Left, Moves, Typing, Words, line_session, question_session
from encchat.client.preferences import Preferences
from encchat.limits import MAX_HISTORY, MAX_PASTE

ALT_ENTER, CTRL_C, CTRL_R, CTRL_U, ENTER, ESCAPE, TAB, UP = (
    "\x1b\r",
    "\x03",
    "\x12",
    "\x15",
    "\r",
    "\x1b",
    "\t",
    "\x1b[A",
)
LIMIT = 10.0


def paste(text: str) -> str:
    """What a terminal sends for a paste."""
    return f"\x1b[200~{text}\x1b[201~"


@define(eq=False)
class Desk:
    """A line session, the keys that go into it, and what its keys have called."""

    keys: PipeInput
    preferences: Preferences = field(factory=Preferences)
    before: tuple[str, ...] = ()
    known: Callable[[str], list[Completion]] = lambda typed: []
    asked: list[str] = field(init=False, factory=list)
    moved: list[int] = field(init=False, factory=list)
    edited: list[str] = field(init=False, factory=list)
    typing: Typing = field(init=False)
    session: PromptSession[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        words = Words()
        words.words = self._complete
        moves = Moves(to=self.moved.append, by=self.moved.append)
        self.typing = Typing(words, lambda: self.preferences, moves, self.edited.append)
        self.session = line_session(self.typing, lambda: "lobby", list, self.typed_before, DummyStyle())

    async def typed_before(self) -> tuple[str, ...]:
        """The lines of earlier runs."""
        return self.before

    def _complete(self, typed: str) -> list[Completion]:
        self.asked.append(typed)
        return self.known(typed)

    @property
    def text(self) -> str:
        """What stands in the line."""
        return self.session.default_buffer.text

    async def until(self, seen: Callable[[], bool]) -> None:
        """Let it work until ``seen``."""
        async with asyncio.timeout(LIMIT):
            while not seen():
                await asyncio.sleep(0.005)

    async def line(self, *keys: str | Callable[[], bool]) -> str:
        """The line that these keys give; between them what is waited for."""
        prompt = asyncio.ensure_future(self.session.prompt_async(handle_sigint=False))
        await self.until(lambda: self.session.app.is_running)
        for key in keys:
            if isinstance(key, str):  # in a thread, for a pipe holds less than a long paste
                await asyncio.to_thread(self.keys.send_text, key)
            else:
                await self.until(key)
        async with asyncio.timeout(LIMIT):
            return await prompt


class AtTheDesk(SynchronousTestCase):
    """Each test is one coroutine."""

    def run_at(self, test: Callable[[Desk], Coroutine[Any, Any, None]], **options: Any) -> None:
        """Run ``test`` with a desk."""

        async def run() -> None:
            with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
                await test(Desk(keys, **options))

        asyncio.run(run())


class Lines(AtTheDesk):
    """Enter and what breaks a line."""

    def test_enter_sends_and_alt_enter_breaks_the_line(self) -> None:
        """In emacs and vi keys."""

        async def test(desk: Desk) -> None:
            self.assertEqual(await desk.line("one" + ENTER), "one")
            self.assertEqual(await desk.line("one" + ALT_ENTER + "two" + ENTER), "one\ntwo")
            desk.preferences = Preferences(keys="vi")
            self.assertEqual(await desk.line("one" + ALT_ENTER + "two" + ENTER), "one\ntwo")

        self.run_at(test)

    def test_edit_opens_the_editor_instead_of_being_sent(self) -> None:
        """With its text; so does Ctrl+X Ctrl+E with the line, and v in vi keys."""

        async def test(desk: Desk) -> None:
            line = desk.line("/edit a draft" + ENTER, lambda: desk.edited == ["a draft"], " more" + ENTER)
            self.assertEqual(await line, "a draft more")
            line = desk.line("text\x18\x05", lambda: len(desk.edited) == 2, ENTER)
            self.assertEqual(await line, "text")
            desk.preferences = Preferences(keys="vi")
            line = desk.line("text" + ESCAPE, self.in_navigation(desk), "v", lambda: len(desk.edited) == 3, ENTER)
            self.assertEqual(await line, "text")
            self.assertEqual(desk.edited, ["a draft", "text", "text"])

        self.run_at(test)

    def in_navigation(self, desk: Desk) -> Callable[[], bool]:
        """Whether vi's escape has come through."""
        return lambda: str(desk.session.app.vi_state.input_mode).endswith("NAVIGATION")

    def test_keys_change_at_once(self) -> None:
        """In the middle of a line, both ways; a lone escape counts soon, and two keys of vi may take their time."""

        async def test(desk: Desk) -> None:
            def vi() -> bool:
                desk.preferences = Preferences(keys="vi")
                desk.session.app.invalidate()
                return str(desk.session.app.editing_mode).endswith("VI")

            def emacs() -> bool:
                desk.preferences = Preferences(keys="emacs")
                desk.session.app.invalidate()
                return str(desk.session.app.editing_mode).endswith("EMACS")

            def soon() -> bool:
                return desk.session.app.timeoutlen is not None and desk.session.app.timeoutlen < 0.1

            line = desk.line(
                "hello world",
                vi,
                ESCAPE,
                soon,
                self.in_navigation(desk),
                "0d",
                lambda: not soon(),
                "$",
                emacs,
                "ab" + ENTER,
            )
            self.assertEqual(await line, "ab")

        self.run_at(test)

    def test_conversations_change_by_alt(self) -> None:
        """And a digit or an arrow; in vi keys too."""

        async def test(desk: Desk) -> None:
            keys = "\x1b1\x1b9\x1b[1;3D\x1b[1;3C"
            self.assertEqual(await desk.line(keys + "x" + ENTER), "x")
            desk.preferences = Preferences(keys="vi")
            self.assertEqual(await desk.line(keys + "x" + ENTER), "x")
            self.assertEqual(desk.moved, [1, 9, -1, 1] * 2)

        self.run_at(test)


class Pastes(AtTheDesk):
    """Several lines."""

    def test_several_lines_wait_for_one_enter(self) -> None:
        """With a question that says how many; then they are one message."""

        async def test(desk: Desk) -> None:
            def asked() -> bool:
                return desk.typing.hint(desk.text).startswith("3 lines pasted: Enter sends them as one message")

            self.assertEqual(await desk.line(paste("a\r\nb\r\nc\r\n"), asked, ENTER), "a\nb\nc")
            self.assertEqual(desk.typing.hint("a\nb"), "")

        self.run_at(test)

    def test_ctrl_c_drops_them_and_leaves_without_them(self) -> None:
        """What was typed before stays."""

        async def test(desk: Desk) -> None:
            line = desk.line(
                "see ", paste("a\nb"), lambda: "\n" in desk.text, CTRL_C, lambda: desk.text == "see ", ENTER
            )
            self.assertEqual(await line, "see ")
            try:
                await desk.line(paste("a\nb"), lambda: "\n" in desk.text, CTRL_C, lambda: not desk.text, CTRL_C)
            except Left:
                return
            self.fail("Ctrl+C leaves")

        self.run_at(test)

    def test_who_wants_that_sends_them_at_once(self) -> None:
        """``/set paste send``; one line still waits."""

        async def test(desk: Desk) -> None:
            self.assertEqual(await desk.line("see ", paste("a\nb")), "see a\nb")
            self.assertEqual(await desk.line(paste("a\n"), lambda: desk.text == "a", "b" + ENTER), "ab")

        self.run_at(test, preferences=Preferences(paste="send"))

    def test_several_lines_never_run_as_commands(self) -> None:
        """A slash more stands before them, to be seen; the question says so."""

        async def test(desk: Desk) -> None:
            def asked() -> bool:
                return "a text and no command" in desk.typing.hint(desk.text)

            self.assertEqual(await desk.line(paste("/quit\n/kick bob"), asked, ENTER), "//quit\n/kick bob")
            self.assertEqual(await desk.line("/msg bob ", paste("/a\n/b"), ENTER), "/msg bob /a\n/b")

        self.run_at(test)

    def test_what_comes_back_from_the_editor_is_no_paste(self) -> None:
        """Nothing is asked any more, and Ctrl+C leaves."""

        async def test(desk: Desk) -> None:
            line = desk.line(paste("a\nb"), "\x18\x05", lambda: desk.edited == ["a\nb"], ENTER)
            self.assertEqual(await line, "a\nb")
            left = desk.line(
                paste("a\nb"), "\x18\x05", lambda: len(desk.edited) == 2 and not desk.typing.hint(desk.text), CTRL_C
            )
            with self.assertRaises(Left):
                await left

        self.run_at(test)

    def test_a_paste_that_is_too_long_is_not_taken(self) -> None:
        """The person is told, until they type on."""

        async def test(desk: Desk) -> None:
            def refused() -> bool:
                return desk.typing.hint(desk.text).startswith("not taken")

            line = desk.line("a" + paste("x" * (MAX_PASTE + 1)), refused, "b", lambda: not refused(), ENTER)
            self.assertEqual(await line, "ab")

        self.run_at(test)

    def test_an_answer_is_one_line(self) -> None:
        """What a clipboard puts behind a password is no part of it."""

        async def test(desk: Desk) -> None:
            question = asyncio.ensure_future(question_session("Password: ", True).prompt_async(handle_sigint=False))
            desk.keys.send_text(paste("hunter2\r\n") + ENTER)
            async with asyncio.timeout(LIMIT):
                self.assertEqual(await question, "hunter2")

        self.run_at(test)


class Remembering(AtTheDesk):
    """The lines typed before."""

    def test_lines_of_earlier_runs_are_there(self) -> None:
        """By Up and by Ctrl+R; what was typed since comes first."""

        async def test(desk: Desk) -> None:
            self.assertEqual(await desk.line(self.loaded(desk), UP + ENTER), "second")
            self.assertEqual(await desk.line("third" + ENTER), "third")
            self.assertEqual(
                await desk.line(self.loaded(desk), CTRL_R + "fir" + ENTER, lambda: desk.text == "first", ENTER), "first"
            )
            self.assertEqual(await desk.line(self.loaded(desk), UP * 2 + ENTER), "third")

        self.run_at(test, before=("first", "second"))

    def loaded(self, desk: Desk) -> Callable[[], bool]:
        """Whether the lines before are in the line's reach."""
        return lambda: len(desk.session.default_buffer._working_lines) > 2

    def test_secrets_are_not_remembered(self) -> None:
        """Nor more lines than there is room for."""

        async def test(desk: Desk) -> None:
            for line in ("/admin canary", "/RECOVER canary", "/amdin canary", "one", "two"):
                await desk.line(line + ENTER)
            kept = desk.session.history.get_strings()
            self.assertEqual((len(kept), kept[-2:]), (MAX_HISTORY, ["one", "two"]))
            self.assertNotIn("canary", "".join(kept))

        self.run_at(test, before=tuple(f"line {number}" for number in range(MAX_HISTORY)))


class Offers(AtTheDesk):
    """Completion."""

    def test_plain_keys_ask_for_nothing(self) -> None:
        """Only what is typed behind a slash, a colon or an @ does, and Tab."""

        async def test(desk: Desk) -> None:
            await desk.line("a message, of 10:30 and a@b: :) http://x y" + ENTER)
            self.assertEqual(desk.asked, [])
            await desk.line("hi @b", lambda: bool(desk.asked), ENTER)
            self.assertTrue(all(typed.startswith("hi @") for typed in desk.asked))
            desk.asked.clear()
            await desk.line("/m", lambda: bool(desk.asked), ENTER)
            desk.asked.clear()
            await desk.line("x" + TAB, lambda: desk.asked == ["x"], ENTER)

        self.run_at(test)

    def test_tab_completes_the_only_word_with_a_blank(self) -> None:
        """A folder without, as its files come next; a word of several lines too."""

        async def test(desk: Desk) -> None:
            self.assertEqual(
                await desk.line("/se" + TAB, lambda: desk.text == "/send ", "fo" + TAB + ENTER), "/send folder/"
            )
            self.assertEqual(await desk.line("one" + ALT_ENTER + "@b" + TAB + ENTER), "one\n@bob ")

        words = ("/send", "folder/", "@bob")
        self.run_at(test, known=lambda typed: [Completion(word) for word in words if word.startswith(_last(typed))])

    def test_tab_gives_the_emoji(self) -> None:
        """The best one at once, the next by Tab again; the word before it stays."""

        async def test(desk: Desk) -> None:
            self.assertEqual(await desk.line("well :tada" + TAB + ENTER), "well \U0001f389 ")
            smile = "well (\U0001f604"
            self.assertEqual(await desk.line("well (:smi" + TAB, lambda: desk.text == smile, ENTER), smile)
            line = desk.line(
                ":smi" + TAB, lambda: desk.text == "\U0001f604", TAB, lambda: desk.text == "\U0001f60f", ENTER
            )
            self.assertEqual(await line, "\U0001f60f")

        self.run_at(test)

    def test_what_cannot_be_shown_is_not_offered(self) -> None:
        """A name with something unprintable in it cannot be meant."""

        async def test(desk: Desk) -> None:
            self.assertEqual(await desk.line("@b" + TAB + ENTER), "@bob ")

        self.run_at(test, known=lambda typed: [Completion("@b\u202eob"), Completion("@bob", "\x1b[2J")])


def _last(typed: str) -> str:
    return typed.replace("\n", " ").rpartition(" ")[2]


class Seen(AtTheDesk):
    """What was pasted is shown harmlessly, and goes out as it was."""

    def test_hostile_text_stays_as_it_is_in_the_line(self) -> None:
        """Only its picture changes."""

        async def test(desk: Desk) -> None:
            self.assertEqual(await desk.line(paste("a\u202eb") + ENTER), "a\u202eb")
            drawn = desk.session.layout.current_control.create_content(80, 24).get_line(0)  # type: ignore[attr-defined]
            self.assertNotIn("\u202e", "".join(text for _, text, *_ in drawn))

        self.run_at(test)

    def test_a_draft_of_many_lines_leaves_half_of_the_screen(self) -> None:
        """To what others say."""

        async def test(desk: Desk) -> None:
            def low() -> bool:
                window = desk.session.layout.current_window
                return callable(window.height) and window.height().max == 20

            await desk.line(paste("x\n" * 100 + "y"), low, ENTER)

        self.run_at(test)
