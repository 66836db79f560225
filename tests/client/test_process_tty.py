"""Two people on two terminals, talking through a real server."""

from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.client.terminal import CLIENT, Terminal
from tests.processes import ServerProcess, directory, start_client, start_server

PASSWORD = "correct horse battery"
CTRL_C, ENTER = "\x03", "\r"
WIDE = {"columns": 100, "rows": 30}


class TwoTerminals(TestCase):
    """The whole of encchat, as two people see it."""

    timeout = 120

    def sit_down(self, *arguments: str, home: Path | None = None) -> Terminal:
        """A client on a terminal."""
        home = home or directory(self)
        terminal = Terminal(home, CLIENT, *arguments, "--home", str(home), **WIDE)
        self.addCleanup(terminal.close)
        return terminal

    def register(self, server: ServerProcess, name: str, *arguments: str) -> Terminal:
        """A person who makes an account by typing; who comes by a link is shown the phrase alone, and leaves it."""
        terminal = self.sit_down(*(arguments or (server.address, "--register")))
        terminal.until_shows("Choose a name:" if arguments else "User name:")
        terminal.send(name + ENTER)
        terminal.until_shows("Choose a password")
        terminal.send(PASSWORD + ENTER)
        terminal.until_shows("The same again")
        terminal.send(PASSWORD + ENTER)
        terminal.until_shows(f"logged in as {name}")
        if arguments:
            terminal.until_shows("of the words are asked for")
            terminal.send(CTRL_C)
            terminal.until_shows("first steps")
        terminal.until_shows("lobby (not end to end)   FREE   connected")
        return terminal

    async def test_two_people_talk(self) -> None:
        """By link and by registration, in the lobby, between themselves, in a session; then one is kicked."""
        server = await start_server(self, "--registration", "open")
        alice = self.register(server, "alice", await server.invite())
        bob = self.register(server, "bob")
        for terminal in (alice, bob):
            self.assertNotIn(PASSWORD.encode(), terminal.raw)
        alice.send("hello everybody" + ENTER)
        bob.until_shows(" alice: hello everybody")
        bob.send("/msg alice psst" + ENTER)
        alice.until_shows("[@bob] bob: psst")
        alice.send("/connect bob" + ENTER)
        alice.until_shows("session with bob started")
        bob.until(lambda lines: lines[-1].strip().startswith("@alice (encrypted") and "BUSY   connected" in lines[-1])
        bob.send("in the call" + ENTER)
        alice.until_shows(" bob: in the call")
        alice.send("/goodbye" + ENTER)
        bob.until_shows("session with alice ended")
        alice.send("/admin" + ENTER)
        alice.until_shows("Your password")
        alice.send(PASSWORD + ENTER)
        alice.until_shows("admin commands work")
        alice.send("/kick bob too loud" + ENTER)
        bob.until_shows("you were kicked by alice: too loud")
        bob.until_ended()
        self.assertTrue(bob.echoes())
        self.assertEqual(bob.exit_code(), 5)
        alice.send(CTRL_C)
        self.assertEqual(alice.exit_code(), 0)

    async def test_the_fingerprint_is_on_the_screen_before_the_password_is_asked_for(self) -> None:
        """Whoever types it can see to whom."""
        server = await start_server(self, "--registration", "open")
        alice = self.sit_down(server.address, "--register", "--user", "alice")
        alice.until_shows("Choose a password")
        screen = alice.until_shows("first contact")
        self.assertLess(alice.raw.index(b"first contact"), alice.raw.index(b"Choose a password"), screen)
        alice.send(CTRL_C)
        alice.until_ended()

    async def test_the_kept_messages_are_unlocked_by_the_password_or_left_alone(self) -> None:
        """It is asked for where no keyring has the key; Enter goes on without."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        alice = self.sit_down(server.address, "--register", "--user", "alice", home=home)
        for prompt in ("Choose a password", "The same again"):
            alice.until_shows(prompt)
            alice.send(PASSWORD + ENTER)
        alice.until_shows("connected")
        alice.send("kept" + ENTER + "/quit" + ENTER)
        alice.until_ended()
        for password, shows in (("wrong" + ENTER + PASSWORD, "alice: kept"), ("", "stay locked without the password")):
            alice = self.sit_down(server.address, home=home)
            alice.until_shows("for the messages kept here")
            alice.send(password + ENTER)
            alice.until_shows("lobby (not end to end)   FREE   connected")
            alice.send("/history" + ENTER)
            alice.until_shows(shows)
            self.assertNotIn(PASSWORD.encode(), alice.raw)
            alice.send("/quit" + ENTER)
            alice.until_ended()

    async def test_hostile_text_does_not_reach_the_terminal(self) -> None:
        """What another client sends is spelled out on the screen; not one of its controls is in the bytes."""
        server = await start_server(self, "--registration", "open")
        alice = self.register(server, "alice")
        mallory = start_client(
            self, server.address, "--user", "mallory", "--register", environ={"ENCCHAT_PASSWORD": PASSWORD}
        )
        mallory.type("\x1b]0;owned\x07\x1b[2J\x9b1m\u202eesrever\u200b\r* forged")
        await mallory.wait_for("sent")
        alice.until_shows("mallory: <U+001B>]0;owned<U+0007><U+001B>[2J<U+009B>1m<U+202E>esrever<U+200B>")
        for sequence in ("\x1b]0;owned", "\x07", "\x1b[2J", "\x9b", "\u202e", "\u200b"):
            self.assertNotIn(sequence.encode(), alice.raw)

    async def test_a_known_device_has_its_prompt_at_once(self) -> None:
        """Before there is a connection: what is typed waits for it, the backlog comes when it is there."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        password = home / "password"
        password.write_text(PASSWORD)
        options = ("--user", "alice", "--password-file", str(password))
        alice = self.sit_down(server.address, "--register", *options, home=home)
        alice.until_shows("FREE   connected")
        alice.send("kept" + ENTER + "/quit" + ENTER)
        alice.until_ended()
        await server.stops()
        alice = self.sit_down(server.address, "--retry", "60", *options, home=home)
        alice.until(lambda lines: lines[-2:] == ["lobby>", " lobby   OFFLINE   connecting"])
        alice.send("typed early" + ENTER + "a draft")
        again = await start_server(self, f"--port={server.port}", data_dir=server.data_dir)
        ready = ["lobby> a draft", " lobby (not end to end)   FREE   connected"]
        lines = alice.until(lambda lines: lines[-2:] == ready)
        self.assertTrue(any("alice: kept" in line for line in lines), lines)
        bob = start_client(self, again.address, "--user", "alice", "--follow", environ={"ENCCHAT_PASSWORD": PASSWORD})
        await bob.wait_for("logged_in")
        alice.send(ENTER)
        self.assertEqual((await bob.wait_for("message", text="a draft"))["seq"], 3)

    async def test_a_draft_outlives_the_server(self) -> None:
        """While the server is away what is typed stays, what is sent waits; both go on when it is back."""
        server = await start_server(self, "--registration", "open")
        alice = self.register(server, "alice")
        await server.stops()
        alice.until_shows("reconnecting")
        alice.send("sent meanwhile" + ENTER + "a draft")
        alice.until_shows("lobby (not end to end)   OFFLINE   reconnecting   1 waiting")
        again = await start_server(self, f"--port={server.port}", data_dir=server.data_dir)
        alice.until(lambda lines: lines[-2:] == ["lobby> a draft", " lobby (not end to end)   FREE   connected"])
        bob = start_client(self, again.address, "--user", "alice", "--follow", environ={"ENCCHAT_PASSWORD": PASSWORD})
        await bob.wait_for("logged_in")
        alice.send(" goes out" + ENTER)
        self.assertEqual((await bob.wait_for("message", text="a draft goes out"))["seq"], 2)
