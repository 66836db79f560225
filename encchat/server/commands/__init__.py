"""The built-in commands, one module a topic; this is the one list of them."""

from encchat.server.command import Command
from encchat.server.commands.administration import announce, audit, invite_link, set_registration, set_role
from encchat.server.commands.backup import get_backup, put_backup
from encchat.server.commands.conversations import ack, conversations, sync
from encchat.server.commands.devices import devices
from encchat.server.commands.files import drop_file, get_chunk, offer_file, put_chunk
from encchat.server.commands.inbox import ack_inbox, inbox, send_parcels
from encchat.server.commands.keys import claim_keys, publish_identity, query_keys, upload_keys
from encchat.server.commands.login import forget_device, login, login_device, register
from encchat.server.commands.messages import send
from encchat.server.commands.moderation import admin, kick
from encchat.server.commands.presence import set_presence, status, users
from encchat.server.commands.rooms import (
    decline,
    expel,
    get_room_key,
    invite,
    join,
    leave_room,
    member_role,
    open_room,
    room_open,
    rooms,
    who,
)
from encchat.server.commands.sanctions import ban, bans, mute, unban, unmute
from encchat.server.commands.server import commands, leave
from encchat.server.commands.sessions import answer, calls, connect, goodbye

BUILT_IN_COMMANDS: tuple[Command, ...] = (
    register,
    login,
    login_device,
    forget_device,
    commands,
    users,
    status,
    set_presence,
    send,
    conversations,
    sync,
    ack,
    devices,
    connect,
    answer,
    calls,
    goodbye,
    open_room,
    invite,
    join,
    decline,
    leave_room,
    expel,
    member_role,
    room_open,
    who,
    rooms,
    get_room_key,
    publish_identity,
    upload_keys,
    query_keys,
    claim_keys,
    send_parcels,
    inbox,
    ack_inbox,
    put_backup,
    get_backup,
    offer_file,
    put_chunk,
    get_chunk,
    drop_file,
    admin,
    kick,
    ban,
    unban,
    bans,
    mute,
    unmute,
    set_role,
    announce,
    invite_link,
    set_registration,
    audit,
    leave,
)

__all__ = ["BUILT_IN_COMMANDS"]
