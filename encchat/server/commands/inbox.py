"""Parcels from device to device: `send_parcels`, `inbox`, `ack_inbox`."""

from __future__ import annotations

from encchat import wire
from encchat.limits import MAX_PAGE
from encchat.server.command import command
from encchat.server.commands.keys import check_conversation
from encchat.server.context import Context
from encchat.server.store.interface import Posted


@command("put parcels into inboxes of devices", cost=10, in_order=True, typed=False)
async def send_parcels(context: Context, request: wire.SendParcels) -> None:
    """Devices that are connected get theirs at once; it stays in the inbox until they have acknowledged it."""
    check_conversation(context, request.conversation, [parcel.user for parcel in request.parcels])
    store, now = context.services.store, context.services.now()
    posted: list[Posted] = await store.put_parcels(context.device, request.ulid, request.parcels, now)
    for one in posted:
        context.services.hub.tell_device(one.to, one.device_key, one.item)


@command("read this device's inbox", cost=5, in_order=True, typed=False)
async def inbox(context: Context, request: wire.Inbox) -> wire.InboxPage:
    """In pages."""
    page: wire.InboxPage = await context.services.store.inbox(context.device.key, request.after, MAX_PAGE)
    return page


@command("say that this device has taken its parcels", cost=2, in_order=True, typed=False)
async def ack_inbox(context: Context, request: wire.AckInbox) -> None:
    """They are dropped."""
    await context.services.store.ack_inbox(context.device.key, request.seq)
