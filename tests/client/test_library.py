"""The client as a library, against a real server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from encchat import errors, wire
from encchat.client import Client, File, Home, Message
from encchat.client.events import Error, Notice, Sent
from encchat.client.library import Events
from encchat.limits import MAX_UNREAD_EVENTS
from tests.processes import ServerProcess, directory, start_server


async def first(events: Events, count: int) -> AsyncIterator[Message]:
    """The next ``count`` messages."""
    while count:
        event = await anext(events)
        if isinstance(event, Message):
            yield event
            count -= 1


class Bots(TestCase):
    """Connect, log in, send, `async for event`."""

    timeout = 60

    def client(self, server: ServerProcess, name: str, **options: Any) -> Any:
        options = {"register": True, "home": Home(directory(self)), "reactor": reactor, **options}
        return Client(server.address, name, options.pop("password", "correct horse"), **options)

    async def test_an_echo_bot_answers_who_writes_to_it(self) -> None:
        """The bot of the package's docstring."""
        server = await start_server(self, "--registration", "open")

        async def echo() -> None:
            async with self.client(server, "echo") as client:
                started.callback(None)
                async for event in client.events():
                    if isinstance(event, Message) and event.sender != client.user:
                        await client.send(event.conversation, f"you said {event.text}")
                        return

        started: Deferred[None] = Deferred()
        bot = ensureDeferred(echo())
        await started
        async with self.client(server, "alice") as alice:
            heard = alice.events()
            sent = await alice.send("@echo", "hello")
            self.assertEqual(sent.conversation, "@echo")
            async for event in heard:
                if isinstance(event, Message):
                    self.assertEqual((event.sender, event.text), ("echo", "you said hello"))
                    break
            await bot

    async def test_what_came_before_the_first_read_is_not_missed(self) -> None:
        """A message may arrive between the login and the first call of `events`."""
        server = await start_server(self, "--registration", "open")
        async with self.client(server, "bot") as bot, self.client(server, "alice") as alice:
            await alice.send("@bot", "early bird")
            await bot.request(wire.Users)
            events = bot.events()
            await alice.send("@bot", "second")
            heard = [event.text async for event in first(events, 2)]
        self.assertEqual(heard, ["early bird", "second"])

    async def test_a_bot_hears_what_it_missed(self) -> None:
        """As ordinary messages, once; its home may be given as a path."""
        server = await start_server(self, "--registration", "open")
        home = str(directory(self))
        async with self.client(server, "bot", home=home):
            pass
        async with self.client(server, "alice") as alice:
            await alice.send("@bot", "one")
            await alice.send("@bot", "two")
            async with self.client(server, "bot", home=home) as bot:
                self.assertEqual([event.text async for event in first(bot.events(), 2)], ["one", "two"])
            async with self.client(server, "bot", home=home) as bot:
                events = bot.events()
                await alice.send("@bot", "three")
                self.assertEqual([event.text async for event in first(events, 1)], ["three"])

    async def test_bots_send_and_fetch_files(self) -> None:
        """Awaited until they are there; what stands in the way is raised."""
        server = await start_server(self, "--registration", "open")
        place, content = directory(self), bytes(range(256)) * 1_000
        (place / "garden.png").write_bytes(content)
        async with self.client(server, "bot") as bot, self.client(server, "alice") as alice:
            heard = bot.events()
            ulid = await alice.send_file("@bot", place / "garden.png")
            async for event in heard:
                if isinstance(event, File):
                    break
            self.assertEqual((ulid, "garden.png", len(content)), (event.ulid, event.name, event.size))
            path = await bot.fetch_file(event.ulid, place / "fetched.png")
            self.assertEqual((str(place / "fetched.png"), content), (path, Path(path).read_bytes()))
            for refused, call in (
                (errors.UsageError, alice.send_file("@bot", place / "nowhere")),
                (errors.UsageError, bot.fetch_file(ulid, place / "fetched.png")),
                (errors.UsageError, bot.fetch_file("0" * 26, place)),
                (errors.NotEncryptedError, alice.send_file("lobby", place / "garden.png")),
                (errors.FileRefusedError, alice.send_file("@nobody", place / "garden.png")),
            ):
                await self.assertFailure(ensureDeferred(call), refused)
        await self.assertFailure(ensureDeferred(alice.send_file("@bot", place)), errors.NotConnectedError)

    async def test_a_bot_that_leaves_gives_its_files_up_for_now(self) -> None:
        """Who waits for one is told so."""
        server = await start_server(self, "--registration", "open")
        place = directory(self)
        (place / "garden.png").write_bytes(b"x")
        client = self.client(server, "bot")
        await client.connect()
        await server.stops()
        waits = ensureDeferred(client.send_file("@alice", place / "garden.png"))
        await client.close()
        await self.assertFailure(waits, errors.NotConnectedError)

    async def test_a_bot_types_what_people_type(self) -> None:
        """What comes of it comes as events, refusals too; one that has left types no more."""
        server = await start_server(self, "--registration", "open")
        async with self.client(server, "alice") as alice:
            heard = alice.events()
            alice.do("/all hello")
            alice.do("/nonsense")
            kinds = []
            while len(kinds) < 2:
                event = await anext(heard)
                if isinstance(event, Error | Sent):
                    kinds.append(type(event))
            self.assertEqual(set(kinds), {Error, Sent})
        self.assertRaises(errors.NotConnectedError, alice.do, "/all hello")

    async def test_refusals_are_raised_as_their_class(self) -> None:
        """Of a message, of a request, of a login."""
        server = await start_server(self, "--registration", "open")
        async with self.client(server, "alice") as alice:
            with self.assertRaises(errors.UnknownUserError):
                await alice.send("@nobody", "hello")
            with self.assertRaises(errors.ForbiddenError):
                await alice.request(wire.Kick, user="bob")
            users = await alice.request(wire.Users)
            self.assertEqual([entry.user for entry in users.users], ["alice"])
            with self.assertRaises(errors.UsageError):
                await alice.send("lobby", "")
        with self.assertRaises(errors.LoginRefusedError):
            await self.client(server, "alice", register=False, password="wrong horse").connect()
        with self.assertRaises(errors.UsageError):
            await self.client(server, "alice", register=False, password=None).connect()

    async def test_a_device_that_has_logged_in_needs_no_password(self) -> None:
        """A bot can be started without one from then on."""
        server = await start_server(self, "--registration", "open")
        home = Home(directory(self))
        async with self.client(server, "alice", home=home):
            pass
        async with self.client(server, "alice", home=home, password=None) as alice:
            self.assertEqual(alice.user, "alice")

    async def test_a_server_that_is_not_there_is_raised(self) -> None:
        """At once; and what is lost later ends the events with its error."""
        server = await start_server(self, "--registration", "open")
        alice = self.client(server, "alice", reconnect=0.0)
        await alice.connect()
        heard = alice.events()
        await server.stops()
        with self.assertRaises(errors.CannotConnectError):
            async for _ in heard:
                pass
        with self.assertRaises(errors.CannotConnectError):
            await self.client(server, "bob").connect()

    async def test_the_events_end_when_the_client_leaves(self) -> None:
        """Also for who asks for them afterwards."""
        server = await start_server(self, "--registration", "open")
        alice = self.client(server, "alice")
        await alice.connect()
        heard = alice.events()
        await alice.close()
        await alice.close()
        self.assertEqual([event async for event in heard if isinstance(event, Message)], [])
        self.assertEqual([event async for event in alice.events()], [])
        with self.assertRaises(errors.NotConnectedError):
            await alice.request(wire.Users)


class Unread(SynchronousTestCase):
    """A program that does not read."""

    def test_events_are_kept_up_to_the_limit(self) -> None:
        """n-1 and n are kept, the next one ends the reading with an error after them."""
        for count, overflows in ((-1, False), (0, False), (1, True)):
            events = Events(Client("localhost", "alice"))
            for number in range(MAX_UNREAD_EVENTS + count):
                events.put(Notice(text=str(number)))
            events.end(None)

            async def read(events: Events = events) -> int:
                return len([event async for event in events])

            reading = ensureDeferred(read())
            if overflows:
                self.failureResultOf(reading, errors.OverloadedError)
            else:
                self.assertEqual(self.successResultOf(reading), MAX_UNREAD_EVENTS + count)


class Importing(SynchronousTestCase):
    """What the import of a library must not do."""

    def test_importing_the_client_installs_no_reactor_and_needs_no_terminal_library(self) -> None:
        """A bot chooses its own reactor; the core comes without Twisted at all."""
        code = (
            "import sys, encchat.client.core\n"
            "print(sorted({name.split('.')[0] for name in sys.modules} & {'twisted', 'prompt_toolkit'}))\n"
            "import encchat.client\nencchat.client.Client\n"
            "print('twisted.internet.reactor' in sys.modules, 'prompt_toolkit' in sys.modules)\n"
            "import encchat.client.__main__\n"
            "print('twisted.internet.reactor' in sys.modules, 'prompt_toolkit' in sys.modules)\n"
        )
        root = Path(__file__).resolve().parent.parent.parent
        ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
        self.assertEqual(ran.stdout.splitlines(), ["[]", "False False", "False False"])

    def test_unknown_names_are_attribute_errors(self) -> None:
        """As of any module."""
        import encchat.client

        self.assertRaises(AttributeError, lambda: encchat.client.nothing)
