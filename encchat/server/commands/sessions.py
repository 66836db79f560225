"""One-to-one calls: `connect` and `goodbye`."""

from __future__ import annotations

from encchat import wire
from encchat.server.command import command
from encchat.server.commands.accounts import stored_account
from encchat.server.context import Context


@command("open a session with somebody who is FREE or AWAY", cost=5, in_order=True)
async def connect(context: Context, request: wire.Connect) -> None:
    """Both become BUSY; what the caller said before is heard before."""
    await context.settled()
    callee = context.chat.account(request.user) or await stored_account(context, request.user)
    context.services.carry_out(context.chat.connect(context.account.name, callee.name))


@command("end the session you are in", in_order=True)
async def goodbye(context: Context, request: wire.Goodbye) -> None:
    """Both become FREE; what was said in it is heard before."""
    await context.settled()
    context.services.carry_out(context.chat.goodbye(context.account.name))
