"""What moderators and admins do: `admin` and `kick`."""

from __future__ import annotations

from twisted.logger import Logger

from encchat import wire
from encchat.errors import UnavailableError
from encchat.server.chat import check_confirm, check_kick
from encchat.server.command import command
from encchat.server.commands.accounts import stored_account
from encchat.server.context import Context

log = Logger()


@command(
    "confirm your password for admin commands", role="moderator", cost=20, in_order=True, kind="login", audited=True
)
async def admin(context: Context, request: wire.Admin) -> wire.AdminGranted:
    """Lasts `Settings.admin_seconds`, on this connection."""
    account = await context.services.auth.confirm(context.account, request.password, context.address)
    if account.role != context.account.role:  # changed by encchat-admin, or while this login was under way
        context.services.change(account)
        check_confirm(account)
    seconds = context.services.settings.admin_seconds
    context.confirm_admin(seconds)
    return wire.AdminGranted(seconds=seconds)


@command(
    "end all connections of a user",
    role="moderator",
    admin=True,
    cost=10,
    in_order=True,
    kind="moderation",
    audited=True,
)
async def kick(context: Context, request: wire.Kick) -> None:
    """The user is told who and why, and is OFFLINE at once."""
    target = await stored_account(context, request.user)
    check_kick(context.account, target)
    if context.chat.presence(target.name) == "OFFLINE":
        raise UnavailableError(f"{target.name} is OFFLINE")
    context.services.expel(target.name, wire.Kicked(by=context.account.name, reason=request.reason))
    log.info("{user} kicked {target}", event="kicked", user=context.account.name, target=target.name)
