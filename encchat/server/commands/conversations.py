"""Reading what was said: `conversations`, `sync`, `ack`."""

from __future__ import annotations

from encchat import wire
from encchat.errors import UnavailableError
from encchat.server.command import command
from encchat.server.context import Context


@command("list your conversations and how far this device has read", cost=5)
def conversations(context: Context, request: wire.Conversations) -> wire.ConversationList:
    """Not there yet."""
    raise UnavailableError("conversations is not there yet")


@command("read the messages of a conversation after a number", cost=5)
def sync(context: Context, request: wire.Sync) -> wire.Page:
    """Not there yet."""
    raise UnavailableError("sync is not there yet")


@command("say that this device has everything of a conversation up to a number")
def ack(context: Context, request: wire.Ack) -> None:
    """Not there yet."""
    raise UnavailableError("ack is not there yet")
