"""The first run of ``encchat-client`` on a terminal, at a real server."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.client.terminal import CLIENT, Terminal
from tests.processes import CLIENT_CODE, JsonProcess, directory, spawn, start_client, start_server

PASSWORD = "mellow otter ferry quarz"
ENTER = "\r"
WORD = re.compile(r"(\d+) ([a-z]+)")


class FirstRun(TestCase):
    """Everything that is asked, and what may go wrong."""

    timeout = 120

    def sit_down(self, *arguments: str, home: Path | None = None) -> Terminal:
        """A client on a terminal that is told nothing."""
        home = home or directory(self)
        terminal = Terminal(home, CLIENT, "--home", str(home), *arguments, columns=100, rows=30)
        self.addCleanup(terminal.close)
        return terminal

    def answer(self, terminal: Terminal, *dialogue: str) -> None:
        """Wait for each question, then type what follows it."""
        for prompt, typed in zip(dialogue[::2], dialogue[1::2], strict=True):
            asked = self.times(prompt, terminal.until_shows(prompt))
            terminal.send(typed + ENTER)
            terminal.until(
                lambda lines, prompt=prompt, asked=asked: (
                    not lines[-1].endswith(prompt) or self.times(prompt, lines) > asked
                )
            )

    def times(self, prompt: str, lines: list[str]) -> int:
        """In how many rows it stands."""
        return sum(prompt in line for line in lines)

    def read_phrase(self, terminal: Terminal) -> dict[str, str]:
        """The words on the sheet by their numbers, as a person copies them."""
        screen = "\n".join(terminal.until_shows("of the words are asked for"))
        words = dict(WORD.findall(screen[screen.index("Your recovery phrase") :]))
        self.assertEqual(sorted(map(int, words)), list(range(1, 13)))
        return words

    def say_words(self, terminal: Terminal, words: dict[str, str]) -> None:
        """The two that are asked for."""
        for _ in range(2):
            (line,) = [line for line in terminal.until_shows("What is word") if "What is word" in line]
            number = line.split("word ")[1].split("?")[0]
            terminal.send(words[number] + ENTER)
            terminal.until(lambda lines, number=number: not any(f"What is word {number}?" in line for line in lines))

    async def test_a_link_a_name_a_password_and_the_phrase(self) -> None:
        """From nothing to the lobby; wrong answers are explained; the phrase and the password stay nowhere."""
        server = await start_server(self)
        alice = self.sit_down()
        link = await server.invite()
        alice.until_shows("welcome to encchat")
        self.answer(alice, "type the server's address:", "not/an address")
        alice.until_shows("is no address")
        self.answer(alice, "type the server's address:", link[: len(link) // 2])
        alice.until_shows("cut short")
        alice.send(link + ENTER)
        alice.until_shows("Choose a name:")
        alice.send("lobby" + ENTER)
        alice.until_shows("kept for the server")
        alice.send("alice" + ENTER)
        alice.until_shows("Choose a password")
        alice.send("short" + ENTER)
        alice.until_shows("that is too short")
        alice.send("password" + ENTER)
        alice.until_shows("to take it all the same")
        alice.until_shows("very weak")
        alice.send(ENTER + PASSWORD + ENTER)
        alice.until_shows("this password is strong")
        alice.send(PASSWORD + ENTER)
        words = self.read_phrase(alice)
        alice.send(ENTER)
        self.say_words(alice, words)
        screen = "\n".join(alice.until_shows("first steps"))
        self.assertIn("is written down", screen)
        self.assertNotRegex(screen, rf"\b1 {words['1']}\b")
        self.assertNotIn("Then press Enter", screen)
        self.assertNotIn(PASSWORD.encode(), alice.raw)
        alice.until_shows("/help")
        alice.send("/quit" + ENTER)
        self.assertEqual(alice.exit_code(), 0)

    async def test_a_taken_name_is_asked_again_and_the_phrase_may_be_left(self) -> None:
        """At an open server, by its address; afterwards the client alone goes there again."""
        server = await start_server(self, "--registration", "open")
        bob = start_client(self, server.address, "--user", "bob", "--register", environ={"ENCCHAT_PASSWORD": PASSWORD})
        await bob.wait_for("logged_in")
        home = directory(self)
        terminal = self.sit_down(home=home)
        self.answer(terminal, "type the server's address:", "127.0.0.1:1")
        self.answer(terminal, "have an account there?", "n", "Choose a name:", "bob")
        self.answer(terminal, "type the server's address:", server.address)
        self.answer(terminal, "have an account there?", "n")
        self.answer(terminal, "Choose a password", PASSWORD, "The same again:", PASSWORD)
        self.answer(terminal, "Choose a name:", "robert")
        self.read_phrase(terminal)
        terminal.send(ENTER)
        terminal.until_shows("What is word")
        terminal.send(ENTER)
        terminal.until_shows("or Enter again")
        terminal.send(ENTER)
        terminal.until_shows("NOT checked")
        terminal.until_shows("first steps")
        terminal.send("/quit" + ENTER)
        self.assertEqual(terminal.exit_code(), 0)
        again = self.sit_down(home=home)
        again.until_shows("for the messages kept here")
        again.send(PASSWORD + ENTER)
        again.until_shows(f"connected to {server.address}")
        again.until_shows("logged in as robert")
        again.send("/quit" + ENTER)
        self.assertEqual(again.exit_code(), 0)

    async def test_who_has_an_account_logs_in_and_a_wrong_password_is_asked_again(self) -> None:
        """On a new device, with the first steps but without a phrase."""
        server = await start_server(self, "--registration", "open")
        bob = start_client(self, server.address, "--user", "bob", "--register", environ={"ENCCHAT_PASSWORD": PASSWORD})
        await bob.wait_for("logged_in")
        terminal = self.sit_down()
        self.answer(terminal, "type the server's address:", server.address, "have an account there?", "y")
        self.answer(terminal, "Your name there:", "bob", "Password:", "something else")
        terminal.until_shows("wrong")
        self.answer(terminal, "Your name there:", "bob", "Password:", PASSWORD)
        terminal.until_shows("first steps")
        terminal.send("/quit" + ENTER)
        self.assertEqual(terminal.exit_code(), 0)

    async def test_leaving_while_asked_gives_the_terminal_back(self) -> None:
        """At the first question and with the phrase on the screen; which does not stay there."""
        server = await start_server(self)
        terminal = self.sit_down()
        terminal.until_shows("type the server's address:")
        terminal.send("\x03")
        self.assertEqual(terminal.exit_code(), 0)
        terminal = self.sit_down("--user", "alice")
        self.answer(terminal, "type the server's address:", await server.invite())
        self.answer(terminal, "Choose a password", PASSWORD, "The same again:", PASSWORD)
        words = self.read_phrase(terminal)
        terminal.send("\x03")
        terminal.until_shows("NOT checked")
        self.assertNotRegex("\n".join(terminal.lines()), rf"\b1 {words['1']}\b")
        terminal.until_shows("first steps")
        terminal.send("\x03")
        terminal.until_ended()
        self.assertTrue(terminal.echoes())

    async def test_nobody_is_asked_off_a_terminal(self) -> None:
        """It says what is missing, as a usage error."""
        for face in ("plain", "json"):
            client, home = JsonProcess(), directory(self)
            spawn(self, client, CLIENT_CODE, ["--face", face, "--home", str(home)], home)
            client.end_input()
            self.assertEqual(await client.exits(), 1)
            self.assertIn("no server: give its ADDRESS", client.errors)
