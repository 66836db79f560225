"""Key backups, which only the account's recovery phrase opens: `put_backup`, `get_backup`."""

from __future__ import annotations

from encchat import wire
from encchat.limits import MAX_PAGE
from encchat.server.command import command
from encchat.server.context import Context


@command("keep sealed values for this account's later devices", cost=10, in_order=True, typed=False)
async def put_backup(context: Context, request: wire.PutBackup) -> None:
    """All of them or none."""
    await context.services.store.put_backup(context.account.id, request.entries)


@command("read the sealed values of this account", cost=5, in_order=True, typed=False)
async def get_backup(context: Context, request: wire.GetBackup) -> wire.BackupPage:
    """In pages."""
    store = context.services.store
    page: wire.BackupPage = await store.get_backup(context.account.id, request.after, request.name, MAX_PAGE)
    return page
