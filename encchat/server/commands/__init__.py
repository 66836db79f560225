"""The built-in commands, one module a topic; this is the one list of them."""

from encchat.server.command import Command
from encchat.server.commands.administration import announce, audit, invite_link, set_registration, set_role
from encchat.server.commands.conversations import ack, conversations, sync
from encchat.server.commands.devices import devices
from encchat.server.commands.login import forget_device, login, login_device, register
from encchat.server.commands.messages import send
from encchat.server.commands.moderation import admin, kick
from encchat.server.commands.presence import set_presence, status, users
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
