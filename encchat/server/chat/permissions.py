"""What one account may do to another, and to addresses."""

from __future__ import annotations

from collections.abc import Iterable

from encchat.errors import ForbiddenError
from encchat.names import folded
from encchat.server.model import RANK, Account


def check_confirm(account: Account) -> None:
    """Raise `ForbiddenError` if there are no admin commands for the account."""
    if account.role == "user":
        raise ForbiddenError("you are user now: admin commands need the role moderator or admin")


def check_kick(actor: Account, target: Account) -> None:
    """Raise `ForbiddenError` unless ``target`` is somebody else and of a role below ``actor``'s."""
    if actor.id == target.id:
        raise ForbiddenError("you cannot kick yourself; quit instead")
    _check_below(actor, target, "kick")


def check_sanction(actor: Account, target: Account, verb: str, setter: Account | None) -> None:
    """Likewise for ``verb`` (ban, mute, unban, unmute); ``setter`` is who set what stands, not above ``actor``."""
    if actor.id == target.id:
        raise ForbiddenError(f"you cannot {verb} yourself")
    _check_below(actor, target, verb)
    check_override(actor, verb, setter)


def check_override(actor: Account, verb: str, setter: Account | None) -> None:
    """Raise `ForbiddenError` if what stands was set by somebody of a role above ``actor``'s."""
    if setter is not None and RANK[setter.role] > RANK[actor.role]:
        raise ForbiddenError(f"{setter.name}, who is {setter.role}, has set what stands: ask for their {verb}")


def check_addresses(actor: Account, verb: str) -> None:
    """Raise `ForbiddenError` unless ``actor`` may keep addresses out: many people may be behind one."""
    if actor.role != "admin":
        raise ForbiddenError(f"you can {verb} accounts; addresses and networks need the role admin")


def check_network(own_address_inside: bool, admins_inside: Iterable[str]) -> None:
    """Raise `ForbiddenError` if a network is to be banned in which ``actor`` or a connected admin is."""
    if own_address_inside:
        raise ForbiddenError("your own address is in it: you would ban yourself")
    for name in sorted(set(admins_inside)):
        raise ForbiddenError(f"{name}, who is admin, is connected from there")


def check_role_change(actor: Account, target: Account) -> None:
    """Raise `ForbiddenError` unless ``target`` is somebody else and of a role below ``actor``'s."""
    if actor.id == target.id:
        raise ForbiddenError("you cannot change your own role: another admin can, or encchat-admin")
    if RANK[target.role] >= RANK[actor.role]:
        raise ForbiddenError(f"{target.name} is {target.role} like you: only encchat-admin account role changes that")


def check_partners(actor: Account, partner: str, users: Iterable[str]) -> None:
    """Raise `ForbiddenError` if, for a direct conversation with ``partner``, somebody else's keys are meant."""
    for user in users:
        if folded(user) not in (folded(partner), folded(actor.name)):
            raise ForbiddenError(f"{user} is not in the conversation with {partner}")


def _check_below(actor: Account, target: Account, verb: str) -> None:
    if RANK[target.role] >= RANK[actor.role]:
        raise ForbiddenError(
            f"{target.name} is {target.role}; as {actor.role} you can {verb} only roles below your own"
        )
