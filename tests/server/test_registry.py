"""The registry: one visible list of commands, what plugins add, and what is told of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.logger import LogEvent, globalLogPublisher
from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

import encchat.plugins
from encchat.errors import ConfigurationError
from encchat.server.command import Command, ICommand, command
from encchat.server.commands import BUILT_IN_COMMANDS
from encchat.server.context import Context
from encchat.server.registry import Registry, default_registry, find_commands
from encchat.wire import BUILT_IN, Notice, ParameterEntry, Request, Role, Send
from tests.server.harness import ServerTestCase

ROLL = """
from encchat.server.registry import command
from encchat.wire import Notice, Request


class Roll(Request, tag="roll", frozen=True):
    sides: int = 6


@command("roll a die")
def roll(context, request: Roll):
    return Notice(text=f"{context.account.name} rolled a die of {request.sides}")
"""


class Flip(Request, tag="flip", frozen=True, kw_only=True):
    """A request of a plugin."""

    coin: str
    times: int = 1
    fair: bool = True
    weight: float | None = None


class Deep(Request, tag="deep", frozen=True, kw_only=True):
    """A request nobody can type."""

    things: list[str]


class Untagged(Request, frozen=True):
    """A request without a command word."""


@implementer(ICommand, IPlugin)
class NotACommand:
    """Says it is one."""

    verb: str
    request: type[Request]


@command("flip a coin")
def flip(context: Context, request: Flip) -> Notice:
    """A command of a plugin."""
    return Notice(text="heads")


def verbs(registry: Registry, role: Role | None) -> set[str]:
    """What that role may use."""
    return {entry.verb for entry in registry.entries(role)}


class BuiltIn(SynchronousTestCase):
    """The commands every server has."""

    def test_every_request_of_the_wire_has_exactly_one_command(self) -> None:
        """No request type without a handler, no handler without a request type."""
        self.assertEqual({each.request for each in BUILT_IN_COMMANDS}, set(BUILT_IN))
        self.assertEqual(len(BUILT_IN_COMMANDS), len(BUILT_IN))

    def test_commands_are_plugins_of_their_interface(self) -> None:
        """What the decorator makes keeps the promise of `ICommand`."""
        for each in (*BUILT_IN_COMMANDS, flip):
            self.assertTrue(verifyObject(ICommand, each))
            self.assertTrue(IPlugin.providedBy(each))

    def test_rows_for_the_documentation_are_complete(self) -> None:
        """Each command says in one line what it does, what it needs and what is typed after it."""
        rows = {row.verb: row for row in default_registry().rows()}
        self.assertEqual(list(rows), sorted(rows))
        self.assertTrue(all(row.help and "\n" not in row.help for row in rows.values()))
        kick = rows["kick"]
        self.assertEqual([(each.name, each.required) for each in kick.parameters], [("user", True), ("reason", False)])
        self.assertEqual((kick.needs.role, kick.needs.admin), ("moderator", True))

    def test_entries_show_what_may_be_used_and_nothing_else(self) -> None:
        """Strangers see how to log in, users no moderation, nobody what a login rules out or what only programs ask."""
        registry = default_registry()
        self.assertEqual(verbs(registry, None), {"register", "login", "login_device", "commands", "quit"})
        user = verbs(registry, "user")
        moderator = {"admin", "kick", "ban", "unban", "bans", "mute", "unmute", "announce"}
        admin = {"role", "invite_link", "registration", "audit"}
        self.assertEqual(verbs(registry, "moderator") - user, moderator)
        self.assertEqual(verbs(registry, "admin") - verbs(registry, "moderator"), admin)
        self.assertEqual(user & {"register", "login", "login_device"}, set())
        typed = {row.verb for row in registry.rows() if row.needs.login is not False and row.needs.typed}
        self.assertEqual(user, typed - moderator - admin)


class Parameters(SynchronousTestCase):
    """What a command's arguments look like from outside."""

    def test_parameters_come_from_the_requests_fields(self) -> None:
        """Type and need of each, in the order they are declared, without the id."""
        (entry,) = (entry for entry in default_registry([flip]).entries("user") if entry.verb == "flip")
        self.assertEqual(
            entry.parameters,
            [
                ParameterEntry(name="coin", type="string", required=True),
                ParameterEntry(name="times", type="integer", required=False),
                ParameterEntry(name="fair", type="boolean", required=False),
                ParameterEntry(name="weight", type="number", required=False),
            ],
        )

    def test_a_field_nobody_can_type_is_refused(self) -> None:
        """The error names the field."""
        bad = Command(Deep, flip.handle, "deep", flip.needs)
        self.assertIn("Deep.things", self.assertRaises(ConfigurationError, Registry, [bad]).text)

    def test_a_request_without_a_tag_is_refused(self) -> None:
        """Its class name would be the command word."""
        bad = Command(Untagged, flip.handle, "untagged", flip.needs)
        self.assertIn("give the request a tag=", self.assertRaises(ConfigurationError, Registry, [bad]).text)

    def test_a_handler_must_say_which_request_it_takes(self) -> None:
        """Neither no annotation nor one that is no tagged request will do; the error shows what will."""

        def nothing(context, request): ...  # type: ignore[no-untyped-def]
        def untagged(context: Context, request: Request) -> None: ...

        for handler in (nothing, untagged):
            text = self.assertRaises(ConfigurationError, command("x"), handler).text
            self.assertIn(f"def {handler.__name__}(context, request: R)", text)


class Plugins(SynchronousTestCase):
    """Commands from files somebody drops in."""

    def refused(self, *plugins: Command) -> list[str]:
        """What the log says when a registry is made with these."""
        events: list[LogEvent] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        self.registry = default_registry(plugins)
        return [event["why"] for event in events if event.get("event") == "plugin_refused"]

    def test_a_plugin_adds_a_command(self) -> None:
        """It stands in the list like the built-in ones and its request is decoded."""
        self.assertEqual(self.refused(flip), [])
        self.assertIn("flip", verbs(self.registry, "user"))
        request = self.registry.decode(b'{"type":"flip","id":1,"coin":"euro"}')
        self.assertEqual(request, Flip(id=1, coin="euro"))
        self.assertIs(self.registry.command_for(request), flip)

    def test_a_plugin_that_clashes_is_logged_and_left_out(self) -> None:
        """The built-in command stays, and so do the other plugins."""
        clash = Command(Send, flip.handle, "mine", flip.needs)
        self.assertEqual(
            self.refused(clash, flip, Command(Flip, flip.handle, "again", flip.needs)),
            [
                "there are two commands send",
                "there are two commands flip",
            ],
        )
        self.assertNotIn("mine", [row.help for row in self.registry.rows()])
        self.assertIn("flip", verbs(self.registry, "user"))

    def test_a_plugin_that_is_malformed_is_logged_and_left_out(self) -> None:
        """Whatever provides the interface without keeping it."""
        misnamed = NotACommand()
        misnamed.verb, misnamed.request = "toss", Flip
        deep = Command(Deep, flip.handle, "deep", flip.needs)
        self.assertEqual(
            self.refused(NotACommand(), misnamed, deep)[1:],
            [
                "the command toss takes a request tagged flip; the two must be one word",
                "Deep.things is list[str]; only str, int, float and bool can be typed",
            ],
        )
        self.assertEqual(verbs(self.registry, "admin"), verbs(default_registry(), "admin"))

    def drop_in(self, **files: str) -> None:
        """Put a directory with these modules in ``encchat/plugins`` on the path."""
        directory = Path(self.mktemp()).absolute() / "encchat" / "plugins"
        directory.mkdir(parents=True)
        for name, text in files.items():
            (directory / f"{name}.py").write_text(text)
        self.patch(encchat.plugins, "__path__", [*encchat.plugins.__path__, str(directory)])
        self.directory = directory
        self.addCleanup(lambda: [sys.modules.pop(f"encchat.plugins.{name}", None) for name in files])

    def test_a_file_in_a_plugin_directory_adds_a_command(self) -> None:
        """Ten lines, no configuration."""
        self.drop_in(roll=ROLL)
        registry = default_registry(find_commands())
        (entry,) = (entry for entry in registry.entries("user") if entry.verb == "roll")
        self.assertEqual(entry.help, "roll a die")
        self.assertEqual([(each.name, each.type) for each in entry.parameters], [("sides", "integer")])

    def test_a_broken_plugin_file_is_logged_and_left_out(self) -> None:
        """One that cannot be imported, one that makes no sense, and a good one beside them."""
        self.drop_in(
            syntax="def",
            raises="1 / 0",
            shapeless='from encchat.server.registry import command\n@command("x")\ndef x(context, request): ...\n',
            good=ROLL,
        )
        found = find_commands()
        logged = self.flushLoggedErrors(SyntaxError, ZeroDivisionError, ConfigurationError)
        self.assertEqual({failure.type for failure in logged}, {SyntaxError, ZeroDivisionError, ConfigurationError})
        self.assertEqual([each.verb for each in found], ["roll"])

    def test_a_new_process_finds_the_file_on_its_path(self) -> None:
        """No other step than dropping it there."""
        self.drop_in(roll=ROLL)
        program = "from encchat.server.registry import *; print(*(c.verb for c in find_commands()))"
        path = {"PYTHONPATH": str(self.directory.parent.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        output = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, text=True, timeout=60)
        self.assertEqual((output.stdout.split(), output.stderr), (["roll"], ""))


class PluginAtWork(ServerTestCase):
    """A command from a plugin in a running server."""

    async def test_a_plugin_command_is_listed_and_answers(self) -> None:
        """Listed for completion, called with the account that asked."""
        server = await self.serve(flip)
        alice = await server.user("alice")
        listed = await alice.do("commands")
        (entry,) = (entry for entry in listed["commands"] if entry["verb"] == "flip")
        self.assertEqual(entry["parameters"][0], {"name": "coin"})
        self.assertEqual(await alice.do("flip", coin="euro"), {"type": "notice", "text": "heads"})
