"""Schemes of plugins, as a client finds them."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import encchat.plugins
from encchat.client.schemes import find_schemes

PLUGIN = """
from encchat.scheme_plugins import SchemePlugin

mine = SchemePlugin("rot13", "encchat.plugins.{module}.Rot13")
taken = SchemePlugin("megolm", "encchat.plugins.{module}.Rot13")
reserved = SchemePlugin("none", "encchat.plugins.{module}.Rot13")
no_name = SchemePlugin("Not A Name", "encchat.plugins.{module}.Rot13")


class Rot13:
    name = "rot13"
"""


class FromOutside(SynchronousTestCase):
    """A module dropped into an ``encchat/plugins`` on the path."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        module = f"rot_{self.directory.parent.name}_{self.directory.name}".replace(".", "_").replace("-", "_")
        (self.directory / f"{module}.py").write_text(PLUGIN.format(module=module))
        self.patch(encchat.plugins, "__path__", [*encchat.plugins.__path__, str(self.directory)])

    def test_its_scheme_is_found_beside_encchats_own(self) -> None:
        """By its name; what takes a name that is taken, reserved or none is left out and told of in the log."""
        found = {scheme.name: type(scheme).__name__ for scheme in find_schemes()}
        self.assertEqual(found, {"megolm": "Megolm", "server-key": "ServerKey", "rot13": "Rot13"})

    def test_each_client_gets_objects_of_its_own(self) -> None:
        """Two clients in one process share no keys."""
        first, second = find_schemes(), find_schemes()
        self.assertEqual([one for one in first if any(one is other for other in second)], [])
