"""sd_notify."""

from __future__ import annotations

import socket
from pathlib import Path
from uuid import uuid4

from twisted.trial.unittest import SynchronousTestCase

from encchat.server.notify import notify


class NotifyTests(SynchronousTestCase):
    def manager(self, address: str) -> socket.socket:
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(address)
        manager.settimeout(5)
        return manager

    def test_the_manager_is_told_through_its_socket(self) -> None:
        """A socket file."""
        address = Path(self.mktemp()).absolute()
        address.parent.mkdir(parents=True, exist_ok=True)
        manager = self.manager(str(address))
        self.assertTrue(notify("READY=1", {"NOTIFY_SOCKET": str(address)}))
        self.assertEqual(manager.recv(100), b"READY=1")

    def test_an_abstract_socket_is_written_with_an_at_sign(self) -> None:
        """sd_notify(3)."""
        name = f"encchat-{uuid4()}"
        manager = self.manager(f"\0{name}")
        self.assertTrue(notify("STOPPING=1", {"NOTIFY_SOCKET": f"@{name}"}))
        self.assertEqual(manager.recv(100), b"STOPPING=1")

    def test_without_a_manager_nothing_happens(self) -> None:
        """Not named, or gone."""
        self.assertFalse(notify("READY=1", {}))
        self.assertFalse(notify("READY=1", {"NOTIFY_SOCKET": "/nowhere/at/all"}))
