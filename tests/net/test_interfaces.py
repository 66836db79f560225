"""Promises about plugins of the channel: a suite in a file, endpoint parsers that cost nothing until used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from twisted.internet.interfaces import IStreamClientEndpointStringParserWithReactor, IStreamServerEndpointStringParser
from twisted.logger import capturedLogs
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

import encchat.plugins
from encchat.net.interfaces import find_suites
from encchat.secure import Channel, ClientKeys, Plaintext, default_suites
from tests.net.pairs import DEVICE_KEY, PIN, SERVER_KEYS

FOURTH = """
    from twisted.plugin import IPlugin
    from zope.interface import implementer
    from encchat.net.interfaces import ISuite
    from encchat.secure import default_suites

    @implementer(IPlugin, ISuite)
    class Renamed:
        def __init__(self, name):
            self.name = name

        def initiate(self, prologue, keys):
            return default_suites()["noise"].initiate(prologue, keys)

        def respond(self, prologue, keys):
            return default_suites()["noise"].respond(prologue, keys)

    suite = Renamed({name!r})
"""

HALF = """
    from twisted.plugin import IPlugin
    from zope.interface import implementer
    from encchat.net.interfaces import ISuite

    @implementer(IPlugin, ISuite)
    class Half:
        name = "half"

    half = Half()
"""


class SuitePluginTests(SynchronousTestCase):
    """Suites in files."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        self.directory = directory
        self.patch(encchat.plugins, "__path__", [*encchat.plugins.__path__, str(directory)])
        self.addCleanup(self._forget, set(sys.modules))

    def _forget(self, known: set[str]) -> None:
        for name in set(sys.modules) - known:
            if name.startswith("encchat.plugins."):
                del sys.modules[name]

    def drop_in(self, file: str, text: str) -> None:
        (self.directory / file).write_text(dedent(text))

    def test_fourth_suite_is_a_file(self) -> None:
        """A file dropped into a plugin directory adds a suite, and connections can be made with it."""
        self.drop_in("net_test_fourth.py", FOURTH.format(name="fourth"))
        suites = find_suites()
        self.assertEqual(set(suites) - set(default_suites()), {"fourth"})
        client = Channel.initiator(suites["fourth"], ClientKeys(DEVICE_KEY, PIN))
        server = Channel.responder({"fourth": suites["fourth"]}, SERVER_KEYS)
        while not server.secured:
            server.receive_data(client.data_to_send())
            client.receive_data(server.data_to_send())
        client.send(b"hello")
        self.assertEqual(server.receive_data(client.data_to_send()), [Plaintext(b"hello")])

    def test_plugin_cannot_take_the_name_of_a_suite(self) -> None:
        """A suite called like one of ours is left out and logged: nobody replaces a suite by a file."""
        self.drop_in("net_test_taken.py", FOURTH.format(name="noise"))
        with capturedLogs() as logs:
            suites = find_suites()
        self.assertEqual(suites.keys(), default_suites().keys())
        self.assertIs(type(suites["noise"]), type(default_suites()["noise"]))
        self.assertEqual([line["event"] for line in logs if "event" in line], ["suite_left_out"])

    def test_plugin_needs_a_name_that_fits_the_preamble(self) -> None:
        """Names that could not be asked for are left out and logged."""
        for number, name in enumerate(("", "two words", "a,b", "x" * 55, None)):
            self.drop_in(f"net_test_name{number}.py", FOURTH.format(name=name))
        with capturedLogs() as logs:
            self.assertEqual(find_suites().keys(), default_suites().keys())
        self.assertEqual([line["event"] for line in logs if "event" in line], ["suite_left_out"] * 5)

    def test_half_a_suite_is_left_out(self) -> None:
        """An object that says it is a suite and is not costs a log line, not the server."""
        self.drop_in("net_test_half.py", HALF)
        with capturedLogs() as logs:
            self.assertEqual(find_suites().keys(), default_suites().keys())
        self.assertIn("respond", "".join(line.get("wrong", "") for line in logs))

    def test_broken_file_is_left_out(self) -> None:
        """A plugin that cannot be imported is Twisted's to log; the suites are there all the same."""
        self.drop_in("net_test_broken.py", "1 / 0")
        self.assertEqual(find_suites().keys(), default_suites().keys())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class EndpointPluginTests(SynchronousTestCase):
    """What Twisted finds."""

    def test_both_parsers_are_found(self) -> None:
        """Any Twisted program where encchat is installed knows ``noise:`` for servers and for clients."""
        for interface in (IStreamServerEndpointStringParser, IStreamClientEndpointStringParserWithReactor):
            self.assertEqual([plugin.prefix for plugin in getPlugins(interface)].count("noise"), 1)

    def test_looking_for_plugins_imports_neither_a_reactor_nor_the_channel(self) -> None:
        """Every twistd imports the plugin module: a reactor there would break --reactor, cryptography cost time."""
        code = dedent(
            """
            import sys
            import twisted.plugins.encchat_plugin
            heavy = ("twisted.internet.reactor", "cryptography", "encchat.secure", "encchat.server")
            print(*(name for name in heavy if name in sys.modules))
            """
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((result.stdout.strip(), result.stderr), ("", ""))
