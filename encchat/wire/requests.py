"""What a client may ask: one tagged type a request (protocol, section "Requests").

Decoding checks every field's type and limit in one call; a handler never sees a request that is not
well formed. Lengths are in characters.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from encchat import limits

Id = Annotated[int, Meta(ge=0, le=limits.MAX_REQUEST_ID)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.MAX_NAME)]
Password = Annotated[str, Meta(min_length=1, max_length=limits.MAX_PASSWORD)]
Reason = Annotated[str, Meta(max_length=limits.MAX_REASON)]
DeviceName = Annotated[str, Meta(max_length=limits.MAX_DEVICE_NAME)]
InviteToken = Annotated[str, Meta(max_length=limits.MAX_INVITE)]
ConversationName = Annotated[str, Meta(min_length=1, max_length=limits.MAX_NAME + 1)]
Body = Annotated[str, Meta(min_length=1, max_length=limits.MAX_BODY)]
Ulid = Annotated[str, Meta(pattern="^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
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
    """Append a message to a conversation; answered by `Sent`, the same one for the same ``ulid``."""

    conversation: ConversationName
    ulid: Ulid
    body: Body
    scheme: Literal["none"] = "none"


class Connect(Request, frozen=True, kw_only=True, tag="connect"):
    """Open a session with somebody who is FREE or AWAY; both become BUSY."""

    user: Name


class Goodbye(Request, frozen=True, kw_only=True, tag="goodbye"):
    """End the session this account is in."""


class Admin(Request, frozen=True, kw_only=True, tag="admin"):
    """Confirm the password for admin commands; lasts `encchat.limits.ADMIN_SECONDS`."""

    password: Password


class Kick(Request, frozen=True, kw_only=True, tag="kick"):
    """End every connection of an account below one's own role."""

    user: Name
    reason: Reason = ""


class Quit(Request, frozen=True, kw_only=True, tag="quit"):
    """Leave; the server answers, then closes."""


BUILT_IN: tuple[type[Request], ...] = (
    Register,
    Login,
    LoginDevice,
    ForgetDevice,
    Commands,
    Users,
    Status,
    SetPresence,
    Send,
    Connect,
    Goodbye,
    Admin,
    Kick,
    Quit,
)
"""The requests every encchat server knows; commands from plugins bring their own."""
