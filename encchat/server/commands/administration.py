"""What the server is and who may come: `role`, `announce`, `invite_link`, `registration`, `audit`."""

from __future__ import annotations

from encchat import wire
from encchat.errors import UnavailableError
from encchat.server.command import command
from encchat.server.context import Context

_SOON = "this server does not do that yet"


@command("change what a user may do", role="admin", admin=True, cost=10, in_order=True)
async def set_role(context: Context, request: wire.SetRole) -> None:
    """Not yet."""
    raise UnavailableError(_SOON)


@command("show a notice to everybody who is here", role="moderator", admin=True, cost=10, in_order=True)
async def announce(context: Context, request: wire.Announce) -> None:
    """Not yet."""
    raise UnavailableError(_SOON)


@command("make an invite link for one person", role="admin", admin=True, cost=10, in_order=True)
async def invite_link(context: Context, request: wire.InviteLink) -> wire.Notice:
    """Not yet."""
    raise UnavailableError(_SOON)


@command("say who may make an account from now on", role="admin", admin=True, cost=10, in_order=True)
async def set_registration(context: Context, request: wire.SetRegistration) -> None:
    """Not yet."""
    raise UnavailableError(_SOON)


@command("list what moderators and admins did", role="admin", cost=10)
async def audit(context: Context, request: wire.Audit) -> wire.Listing:
    """Not yet."""
    raise UnavailableError(_SOON)
