"""What one account may do to another."""

from __future__ import annotations

from encchat.errors import ForbiddenError
from encchat.server.model import RANK, Account


def check_kick(actor: Account, target: Account) -> None:
    """Raise `ForbiddenError` unless ``target`` is somebody else and of a role below ``actor``'s."""
    if actor.id == target.id:
        raise ForbiddenError("you cannot kick yourself; quit instead")
    if RANK[target.role] >= RANK[actor.role]:
        raise ForbiddenError(f"{target.name} is {target.role}; as {actor.role} you can kick only roles below your own")
