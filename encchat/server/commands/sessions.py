"""One-to-one calls: `connect`, `answer`, `goodbye`, and what is to become of calls: `calls`."""

from __future__ import annotations

from encchat import wire
from encchat.errors import UnavailableError
from encchat.server.command import LATER, Later, command
from encchat.server.commands.accounts import stored_account
from encchat.server.context import Context
from encchat.server.model import CallPolicy


@command("open a session with somebody who is FREE or AWAY", cost=20, in_order=True, voice=True)
async def connect(context: Context, request: wire.Connect) -> Later | None:
    """Both become BUSY; what the caller said before is heard before. While it rings, other requests go on."""
    await context.settled()
    callee = context.chat.account(request.user) or await stored_account(context, request.user)
    policy: CallPolicy = await context.services.store.calls(callee.id)

    def answered(outcome: UnavailableError | None) -> None:
        if outcome is None:
            context.answer(request.id, None)
        else:
            context.refuse(request.id, outcome)

    if not context.services.calls.connect(context.account.name, callee.name, policy, answered):
        return None
    context.set_aside()
    context.write_line(wire.encode(wire.Notice(text=f"{callee.name} is asked to take the call")))
    return LATER


@command("take or refuse a call", in_order=True)
async def answer(context: Context, request: wire.Answer) -> None:
    """With a yes both become BUSY; the caller hears a no as the answer to its `connect`."""
    await context.settled()
    context.services.calls.answer(context.account.name, request.user, accept=request.accept)


@command("say what becomes of calls: auto, ask or never", cost=5, in_order=True)
async def calls(context: Context, request: wire.Calls) -> None:
    """For all of the account's devices, until it is said anew."""
    await context.services.store.set_calls(context.account.id, request.policy)


@command("end the session you are in, or hang up", in_order=True)
async def goodbye(context: Context, request: wire.Goodbye) -> None:
    """Both become FREE; what was said in it is heard before."""
    await context.settled()
    context.services.calls.goodbye(context.account.name)
