"""Whom a ban is about: what a moderator typed as an account or as a network."""

from __future__ import annotations

from attrs import frozen

from encchat.errors import MalformedRequestError
from encchat.names import folded
from encchat.net.networks import Network, NetworkSet, parse_network
from encchat.server.chat import check_addresses, check_network, check_override, check_sanction
from encchat.server.commands.accounts import stored_account
from encchat.server.context import Context
from encchat.server.model import Account, Sanction, SanctionKind


@frozen
class Target:
    """One of the two; ``key`` is `Sanction.target`."""

    account: Account | None
    network: Network | None

    @property
    def key(self) -> str:
        return folded(self.account.name) if self.account else str(self.network)

    @property
    def name(self) -> str:
        return self.account.name if self.account else str(self.network)


async def find_target(context: Context, typed: str) -> Target:
    """What is an address or a network is one; ``@NAME`` is always an account. `UnknownUserError`."""
    network = parse_network(typed)
    if network is not None:
        return Target(None, network)
    if "/" in typed or ":" in typed:
        raise MalformedRequestError(f"{typed} is no network: write it like 192.0.2.0/24 or 2001:db8::/32")
    return Target(await stored_account(context, typed.removeprefix("@")), None)


async def check_target(context: Context, target: Target, verb: str, kind: SanctionKind) -> Sanction | None:
    """What stands against ``target`` now; `ForbiddenError` if this moderator may not change it."""
    standing = context.services.sanctions.find(kind, target.key)
    setter = await context.services.store.account(standing.by) if standing else None
    if target.account is not None:
        check_sanction(context.account, target.account, verb, setter)
    else:
        check_addresses(context.account, verb)
        check_override(context.account, verb, setter)
    return standing


def check_nobody_inside(context: Context, network: Network) -> None:
    """`ForbiddenError` if the one who asks, or an admin who is here, is connected from ``network``."""
    inside = NetworkSet([network])
    admins = [
        visitor.here.name
        for visitor in context.services.visitors()
        if visitor.here is not None and visitor.here.role == "admin" and visitor.address in inside
    ]
    check_network(context.address in inside, admins)
