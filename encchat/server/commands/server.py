"""The connection itself: `commands` and `quit`."""

from __future__ import annotations

from encchat import wire
from encchat.server.command import command
from encchat.server.context import Context, State


@command("list the commands you may use", login=None, cost=5)
def commands(context: Context, request: wire.Commands) -> wire.CommandList:
    """Before a login: those a stranger may use."""
    role = context.account.role if context.state is State.LOGGED_IN else None
    return wire.CommandList(commands=context.services.commands(role))


@command("leave", login=None, in_order=True)
async def leave(context: Context, request: wire.Quit) -> None:
    """Everything asked before is answered first; this answer is the last line."""
    await context.settled()
    if context.here is not None and not context.services.hub.has_several(context.name):
        context.services.calls.quit(context.name)
    context.leave()
