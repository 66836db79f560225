"""The devices of one's account: `devices`."""

from __future__ import annotations

from encchat import wire
from encchat.errors import UnavailableError
from encchat.server.command import command
from encchat.server.context import Context


@command("list your devices, or revoke one", cost=10, in_order=True)
def devices(context: Context, request: wire.Devices) -> wire.Listing:
    """Not there yet."""
    raise UnavailableError("devices is not there yet")
