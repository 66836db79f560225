"""The devices of one's account: `devices`."""

from __future__ import annotations

from twisted.logger import Logger

from encchat import wire
from encchat.errors import RequestError, UnknownDeviceError
from encchat.server.command import LATER, Later, command
from encchat.server.context import Context
from encchat.server.model import Device
from encchat.server.times import utc

log = Logger()


@command("list your devices, or revoke one", cost=10, in_order=True)
async def devices(context: Context, request: wire.Devices) -> wire.Listing | Later | None:
    """A revoked device logs in by its key no more, and its connections end at once; this one may be it."""
    if request.action == "list":
        return await _listing(context)
    if not request.device:
        raise RequestError("say which device to revoke: its id, as devices lists it")
    return await _revoke(context, request)


async def _listing(context: Context) -> wire.Listing:
    here = {receiver.device.key for receiver in context.services.hub.of(context.account.name)}
    known: list[Device] = await context.services.store.devices(context.account.id)
    last_login = context.services.last_seen.of_device
    rows = [
        [one.id, one.name, _time(one.created), _time(last_login(one)), _presence(one.key, context.device.key, here)]
        for one in known
    ]
    return wire.Listing(title="devices", columns=["id", "name", "since", "last login", "now"], rows=rows)


async def _revoke(context: Context, request: wire.Devices) -> Later | None:
    account = context.account
    revoked: Device | None = await context.services.store.revoke_device(account.id, request.device)
    if revoked is None:
        raise UnknownDeviceError(f"you have no device {request.device}: devices lists them")
    log.info("{user} revoked a device", event="device_revoked", user=account.name, device=revoked.id)
    context.finish(request.id, None)  # before this connection, if it is one of the device's, hears its end
    last = wire.Kicked(by=account.name, reason="this device was revoked: log in with the password")
    context.services.expel_device(account.name, revoked.key, last)
    await context.services.room_keeper.rotate(account.name)
    context.services.key_watch.changed(account.name)
    return LATER


def _presence(key: bytes, own: bytes, here: set[bytes]) -> str:
    if key == own:
        return "this device"
    return "connected" if key in here else ""


def _time(milliseconds: int | None) -> str:
    return utc(milliseconds) if milliseconds else "unknown"
