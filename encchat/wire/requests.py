"""What a client may ask: one tagged type a request (protocol, section "Requests").

Decoding checks every field's type and limit in one call; a handler never sees a request that is not
well formed. Lengths are in characters.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from encchat import limits
from encchat.wire.values import ConversationName, Id, Name, Seq, Ulid

Password = Annotated[str, Meta(min_length=1, max_length=limits.MAX_PASSWORD)]
Reason = Annotated[str, Meta(max_length=limits.MAX_REASON)]
DeviceName = Annotated[str, Meta(max_length=limits.MAX_DEVICE_NAME)]
InviteToken = Annotated[str, Meta(max_length=limits.MAX_INVITE)]
Body = Annotated[str, Meta(min_length=1, max_length=limits.MAX_BODY)]
Envelope = Annotated[str, Meta(min_length=1, max_length=limits.MAX_ENVELOPE)]
AnyScheme = Annotated[str, Meta(max_length=32)]
"""As long as a `Scheme` at most: it is compared with those that are allowed, which is cheaper than a pattern."""
Target = Annotated[str, Meta(min_length=1, max_length=limits.MAX_TARGET)]
Terms = Annotated[str, Meta(max_length=limits.MAX_REASON)]
SettablePresence = Literal["FREE", "BUSY", "AWAY"]


class Request(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all requests; ``id`` is the client's choice and comes back in the one answer."""

    id: Id


class Register(Request, frozen=True, kw_only=True, tag="register"):
    """Make an account and log this device in; ``invite`` is needed unless registration is open."""

    user: Name
    password: Password
    invite: InviteToken = ""
    device_name: DeviceName = ""


class Login(Request, frozen=True, kw_only=True, tag="login"):
    """Log in by password; the transport key of this connection becomes a device of the account."""

    user: Name
    password: Password
    device_name: DeviceName = ""


class LoginDevice(Request, frozen=True, kw_only=True, tag="login_device"):
    """Log in by this connection's transport key, which the channel has proven."""

    user: Name


class ForgetDevice(Request, frozen=True, kw_only=True, tag="forget_device"):
    """Remove this device from the account; its key logs in no more."""


class Commands(Request, frozen=True, kw_only=True, tag="commands"):
    """List the commands this account may use here; answered by `CommandList`."""


class Users(Request, frozen=True, kw_only=True, tag="users"):
    """List everybody who is FREE, BUSY or AWAY; answered by `UserList`."""


class Status(Request, frozen=True, kw_only=True, tag="status"):
    """Ask for one account's presence; answered by `UserStatus`."""

    user: Name


class SetPresence(Request, frozen=True, kw_only=True, tag="presence"):
    """Set this account's presence; refused while in a session, which is BUSY."""

    presence: SettablePresence


class Send(Request, frozen=True, kw_only=True, tag="send"):
    """Append a message to a conversation; answered by `Sent`, the same one for the same ``ulid``.

    In the lobby ``body`` is a text of at most `encchat.limits.MAX_BODY` characters, elsewhere an envelope of
    ``scheme`` (protocol, section "Envelopes"). ``chained``: the message is to follow, and
    names inside its encryption, the one this connection has sent there before, so it is refused if that one was.
    """

    conversation: ConversationName
    ulid: Ulid
    body: Envelope
    scheme: AnyScheme = "none"
    chained: bool = False


class Conversations(Request, frozen=True, kw_only=True, tag="conversations"):
    """List this account's conversations and this device's cursors; answered by `ConversationList`."""


class Sync(Request, frozen=True, kw_only=True, tag="sync"):
    """Read the messages of a conversation whose seq is greater than ``after``; answered by `Page`."""

    conversation: ConversationName
    after: Seq
    limit: Annotated[int, Meta(ge=1, le=limits.MAX_PAGE)] = limits.MAX_PAGE


class Ack(Request, frozen=True, kw_only=True, tag="ack"):
    """This device has safely taken everything up to ``seq``: move its cursor there; it never goes back."""

    conversation: ConversationName
    seq: Seq


class Devices(Request, frozen=True, kw_only=True, tag="devices"):
    """List this account's devices, answered by `Listing`, or revoke one: its key and its connections end."""

    action: Literal["list", "revoke"] = "list"
    device: DeviceName = ""


class Connect(Request, frozen=True, kw_only=True, tag="connect"):
    """Open a session with somebody who is FREE or AWAY; both become BUSY."""

    user: Name


class Answer(Request, frozen=True, kw_only=True, tag="answer"):
    """Say whether there is to be a session with somebody who calls (`Ringing`)."""

    user: Name
    accept: bool = True


class Calls(Request, frozen=True, kw_only=True, tag="calls"):
    """Say what becomes of calls: a session at once, a question first, or none ever; stands until said anew."""

    policy: Literal["auto", "ask", "never"]


class Goodbye(Request, frozen=True, kw_only=True, tag="goodbye"):
    """End the session this account is in."""


class Admin(Request, frozen=True, kw_only=True, tag="admin"):
    """Confirm the password for admin commands; lasts `encchat.limits.ADMIN_SECONDS`."""

    password: Password


class Kick(Request, frozen=True, kw_only=True, tag="kick"):
    """End every connection of an account below one's own role."""

    user: Name
    reason: Reason = ""


class Ban(Request, frozen=True, kw_only=True, tag="ban"):
    """Keep an account, or an address or network (``192.0.2.0/24``), out; ``terms``: [DURATION] [REASON]."""

    target: Target
    terms: Terms = ""


class Unban(Request, frozen=True, kw_only=True, tag="unban"):
    """Take a ban back."""

    target: Target


class Bans(Request, frozen=True, kw_only=True, tag="bans"):
    """List the bans and mutes in force; answered by `Listing`."""


class Mute(Request, frozen=True, kw_only=True, tag="mute"):
    """Let an account read but not send; ``terms``: [DURATION] [REASON]."""

    user: Name
    terms: Terms = ""


class Unmute(Request, frozen=True, kw_only=True, tag="unmute"):
    """Let an account send again."""

    user: Name


class SetRole(Request, frozen=True, kw_only=True, tag="role"):
    """Change what an account may do."""

    user: Name
    role: Literal["user", "moderator", "admin"]


class Announce(Request, frozen=True, kw_only=True, tag="announce"):
    """Show a notice to everybody who is here."""

    text: Body


class InviteLink(Request, frozen=True, kw_only=True, tag="invite_link"):
    """Make an invite link for one person, of a role not above one's own; answered by `Notice`, the link alone."""

    role: Literal["user", "moderator", "admin"] = "user"


class SetRegistration(Request, frozen=True, kw_only=True, tag="registration"):
    """Say who may make an account; stands, over restarts too, until it is set again or configured anew."""

    policy: Literal["open", "invite", "closed"]


class Audit(Request, frozen=True, kw_only=True, tag="audit"):
    """List the newest entries of the audit log; answered by `Listing`."""

    limit: Annotated[int, Meta(ge=1, le=limits.MAX_PAGE)] = 20


class Quit(Request, frozen=True, kw_only=True, tag="quit"):
    """Leave; the server answers, then closes."""


CHAT_REQUESTS: tuple[type[Request], ...] = (
    Register,
    Login,
    LoginDevice,
    ForgetDevice,
    Commands,
    Users,
    Status,
    SetPresence,
    Send,
    Conversations,
    Sync,
    Ack,
    Devices,
    Connect,
    Answer,
    Calls,
    Goodbye,
)
"""Logging in, and what people do with each other outside rooms."""

ADMIN_REQUESTS: tuple[type[Request], ...] = (
    Admin,
    Kick,
    Ban,
    Unban,
    Bans,
    Mute,
    Unmute,
    SetRole,
    Announce,
    InviteLink,
    SetRegistration,
    Audit,
    Quit,
)
"""Moderation, and the end."""
