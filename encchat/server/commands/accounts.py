"""Looking an account up, here or in the store."""

from __future__ import annotations

from encchat.errors import UnknownUserError
from encchat.server.context import Context
from encchat.server.model import Account


async def stored_account(context: Context, name: str) -> Account:
    """The account as the store has it now; `UnknownUserError` if there is none."""
    account: Account | None = await context.services.store.account(name)
    if account is None:
        raise UnknownUserError(f"there is no user {name}")
    return account
