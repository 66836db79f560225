"""sd_notify."""

from __future__ import annotations

import socket
import tempfile
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
        short = tempfile.TemporaryDirectory()  # a socket's path has at most 107 bytes
        self.addCleanup(short.cleanup)
        address = f"{short.name}/notify"
        manager = self.manager(address)
        self.assertTrue(notify("READY=1", {"NOTIFY_SOCKET": address}))
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
