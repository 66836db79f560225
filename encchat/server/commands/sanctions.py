"""Keeping somebody out or silent: `ban`, `unban`, `bans`, `mute`, `unmute`."""

from __future__ import annotations

from encchat import wire
from encchat.durations import split_terms
from encchat.errors import RequestError
from encchat.server.chat import Delivery
from encchat.server.command import command
from encchat.server.commands.targets import Target, check_nobody_inside, check_target, find_target
from encchat.server.context import Context
from encchat.server.model import Sanction, SanctionKind
from encchat.server.sanctions import described, term
from encchat.server.times import utc

_COLUMNS = ["what", "whom", "until", "by", "since", "reason"]


@command(
    "keep a user, or an address or network, out",
    role="moderator",
    admin=True,
    cost=10,
    in_order=True,
    kind="moderation",
    audited=True,
)
async def ban(context: Context, request: wire.Ban) -> wire.Notice:
    """Connections end at once; the terms are [DURATION] [REASON]."""
    target = await find_target(context, request.target)
    made = _made(context, "ban", target, request.terms)
    await check_target(context, target, "ban", "ban")
    if target.network is not None:
        check_nobody_inside(context, target.network)
    services = context.services
    await services.sanctions.add(made)
    last = wire.Kicked(by=made.by, reason=f"banned {term(made)}" + (f": {made.reason}" if made.reason else ""))
    if target.account is not None:
        services.expel(target.account.name, last)
    else:
        services.expel_address(last)
    return wire.Notice(text=f"{target.name} is {described(made)}")


@command("take a ban back", role="moderator", admin=True, cost=10, in_order=True, kind="moderation", audited=True)
async def unban(context: Context, request: wire.Unban) -> None:
    """Of an account, or of the very network that was banned."""
    await _lift(context, "ban", request.target, "unban")


@command(
    "let a user read but not send",
    role="moderator",
    admin=True,
    cost=10,
    in_order=True,
    kind="moderation",
    audited=True,
)
async def mute(context: Context, request: wire.Mute) -> wire.Notice:
    """The user is told; the terms are [DURATION] [REASON]."""
    target = await find_target(context, f"@{request.user.removeprefix('@')}")
    made = _made(context, "mute", target, request.terms)
    await check_target(context, target, "mute", "mute")
    await context.services.sanctions.add(made)
    _tell(context, target, f"you are {described(made)}; you can still read")
    return wire.Notice(text=f"{target.name} is {described(made)}")


@command("let a user send again", role="moderator", admin=True, cost=10, in_order=True, kind="moderation", audited=True)
async def unmute(context: Context, request: wire.Unmute) -> None:
    """The user is told."""
    target = await _lift(context, "mute", f"@{request.user.removeprefix('@')}", "unmute")
    _tell(context, target, "you are not muted any more")


@command("list the bans and mutes in force", role="moderator", admin=True, cost=10, in_order=True, kind="moderation")
def bans(context: Context, request: wire.Bans) -> wire.Listing:
    """By what and whom."""
    return wire.Listing(
        title="bans and mutes",
        columns=_COLUMNS,
        rows=[_row(one) for one in context.services.sanctions.in_force()],
    )


def _row(one: Sanction) -> list[str]:
    until = "for ever" if one.until is None else utc(one.until)
    return [one.kind, one.target, until, one.by, utc(one.since), one.reason]


def _made(context: Context, kind: SanctionKind, target: Target, terms: str) -> Sanction:
    seconds, reason = split_terms(terms)
    now = context.services.now()
    until = None if seconds is None else now + seconds * 1_000
    return Sanction(kind=kind, target=target.key, by=context.account.name, reason=reason, since=now, until=until)


async def _lift(context: Context, kind: SanctionKind, typed: str, verb: str) -> Target:
    target = await find_target(context, typed)
    standing = await check_target(context, target, verb, kind)
    if standing is None:
        raise RequestError(f"there is no {kind} of {target.name}: bans lists those there are")
    await context.services.sanctions.remove(standing)
    return target


def _tell(context: Context, target: Target, text: str) -> None:
    context.services.carry_out([Delivery((target.name,), wire.Notice(text=text))])
