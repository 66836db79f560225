"""Keeping somebody out or quiet: `ban`, `unban`, `bans`, `mute`, `unmute`."""

from __future__ import annotations

from encchat import wire
from encchat.errors import UnavailableError
from encchat.server.command import command
from encchat.server.context import Context

_SOON = "this server does not do that yet"


@command("keep an account, address or network out", role="moderator", admin=True, cost=10, in_order=True)
async def ban(context: Context, request: wire.Ban) -> None:
    """Not yet."""
    raise UnavailableError(_SOON)


@command("take a ban back", role="moderator", admin=True, cost=10, in_order=True)
async def unban(context: Context, request: wire.Unban) -> None:
    """Not yet."""
    raise UnavailableError(_SOON)


@command("list bans and mutes", role="moderator", cost=10)
async def bans(context: Context, request: wire.Bans) -> wire.Listing:
    """Not yet."""
    raise UnavailableError(_SOON)


@command("let a user read but not send", role="moderator", admin=True, cost=10, in_order=True)
async def mute(context: Context, request: wire.Mute) -> None:
    """Not yet."""
    raise UnavailableError(_SOON)


@command("let a user send again", role="moderator", admin=True, cost=10, in_order=True)
async def unmute(context: Context, request: wire.Unmute) -> None:
    """Not yet."""
    raise UnavailableError(_SOON)
