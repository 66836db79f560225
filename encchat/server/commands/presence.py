"""Who is here and how: `users`, `status`, `presence`."""

from __future__ import annotations

from encchat import wire
from encchat.server.command import command
from encchat.server.commands.accounts import stored_account
from encchat.server.context import Context


@command("list everybody who is FREE, BUSY or AWAY", cost=10)
def users(context: Context, request: wire.Users) -> wire.UserList:
    """By name."""
    return wire.UserList(users=context.chat.users())


@command("ask for one user's presence", cost=5, in_order=True)
async def status(context: Context, request: wire.Status) -> wire.UserStatus:
    """Somebody who is here is seen now; of others the store is asked, in order: one such question at a time."""
    account = context.chat.account(request.user) or await stored_account(context, request.user)
    presence = context.chat.presence(account.name)
    last_seen = context.services.last_seen.of_account(account) if presence == "OFFLINE" else context.services.now()
    return wire.UserStatus(user=account.name, presence=presence, last_seen=last_seen)


@command("say that you are FREE, BUSY or AWAY")
def set_presence(context: Context, request: wire.SetPresence) -> None:
    """For all of the account's devices."""
    context.chat.set_presence(context.account.name, request.presence)
    context.services.carry_out(())
