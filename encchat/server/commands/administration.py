"""Who may what, and who may come: `role`, `announce`, `invite_link`, `registration`, `audit`."""

from __future__ import annotations

import secrets
from typing import Final

from attrs import evolve

from encchat import wire
from encchat.errors import UnavailableError
from encchat.limits import INVITE_SECONDS
from encchat.links import InviteLink
from encchat.server.chat import Delivery, check_role_change
from encchat.server.command import command
from encchat.server.commands.accounts import stored_account
from encchat.server.context import Context
from encchat.server.model import AuditEntry
from encchat.server.times import utc

_COLUMNS: Final = ["when", "who", "did", "to", "detail"]


@command("change what a user may do", role="admin", admin=True, cost=10, in_order=True, kind="moderation", audited=True)
async def set_role(context: Context, request: wire.SetRole) -> wire.Notice:
    """At once, for who is connected too."""
    target = await stored_account(context, request.user)
    by = context.account
    check_role_change(by, target)
    services = context.services
    await services.store.set_role(target.id, request.role)
    services.change(evolve(target, role=request.role))
    services.carry_out([Delivery((target.name,), wire.Notice(text=f"{by.name} has made you {request.role}"))])
    return wire.Notice(text=f"{target.name} is {request.role} now")


@command(
    "show a notice to everybody who is here",
    role="moderator",
    admin=True,
    cost=50,
    in_order=True,
    kind="moderation",
    voice=True,
    audited=True,
)
async def announce(context: Context, request: wire.Announce) -> None:
    """Not stored: who is not here does not hear it."""
    notice = wire.Notice(text=f"{context.account.name} announces: {request.text}")
    context.services.carry_out([Delivery(None, notice)])


@command(
    "make an invite link for one person",
    role="admin",
    admin=True,
    cost=10,
    in_order=True,
    kind="moderation",
    audited=True,
)
async def invite_link(context: Context, request: wire.InviteLink) -> wire.Notice:
    """Good for `INVITE_SECONDS`; to the address that people use."""
    services = context.services
    if services.home is None:
        raise UnavailableError("this server does not know its address: make the link with encchat-admin invite")
    token = secrets.token_urlsafe(24)
    await services.store.add_invite(token, request.role, 1, services.now() + INVITE_SECONDS * 1_000)
    return wire.Notice(text=str(InviteLink(services.home.address, services.home.identity, token)))


@command(
    "say who may make an account from now on",
    role="admin",
    admin=True,
    cost=10,
    in_order=True,
    kind="moderation",
    audited=True,
)
async def set_registration(context: Context, request: wire.SetRegistration) -> wire.Notice:
    """Stands until it is said again, or until the configuration says something new."""
    await context.services.say_registration(request.policy)
    return wire.Notice(text=f"registration is {request.policy} now")


@command("list what moderators and admins did", role="admin", admin=True, cost=10, in_order=True, kind="moderation")
async def audit(context: Context, request: wire.Audit) -> wire.Listing:
    """The newest first."""
    entries = await context.services.store.audit_log(request.limit)
    return wire.Listing(title="audit log", columns=_COLUMNS, rows=[_row(entry) for entry in entries])


def _row(entry: AuditEntry) -> list[str]:
    return [utc(entry.time), entry.actor, entry.action, entry.target, entry.detail]
