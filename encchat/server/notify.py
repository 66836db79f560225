"""Telling systemd how the server is doing (sd_notify, without libsystemd)."""

from __future__ import annotations

import socket
from collections.abc import Mapping


def notify(state: str, environ: Mapping[str, str]) -> bool:
    """Send ``state`` (``READY=1``, ``STOPPING=1``) to the service manager; say whether there is one.

    Source: sd_notify(3), "Notes": one datagram to the AF_UNIX socket named by $NOTIFY_SOCKET.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # sd_notify(3): an abstract socket is written with @ for the first zero byte
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.connect(address)
            manager.sendall(state.encode("utf-8"))
    except OSError:
        return False
    return True
