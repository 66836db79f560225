"""End-to-end keys: `publish_identity`, `upload_keys`, `query_keys`, `claim_keys`.

Whose keys somebody may ask for is a matter of the conversation it is for: the two of a direct one, the members of a
room one is in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from encchat import wire
from encchat.errors import MalformedRequestError
from encchat.limits import CLAIM_COST
from encchat.names import direct_with
from encchat.server.chat import check_partners
from encchat.server.command import command
from encchat.server.context import Context
from encchat.server.store.interface import Uploaded

T = TypeVar("T")
_ROOM: Final = "#"


def check_conversation(context: Context, conversation: str, users: Iterable[str], *, invited: bool = False) -> None:
    """Whether who asks may have to do with the keys of ``users`` for that conversation; ``invited``: of a room's too.

    `UnknownConversationError`, `ForbiddenError`.
    """
    if conversation.startswith(_ROOM):
        context.chat.rooms.check_keys(context.account, conversation, users, invited=invited)
    else:
        check_partners(context.account, direct_with(conversation), users)


@command("publish the account's next identity key", cost=20, in_order=True, typed=False)
async def publish_identity(context: Context, request: wire.PublishIdentity) -> None:
    """What it is signed with, others' clients check."""
    store, account = context.services.store, context.account
    if await store.publish_identity(account.id, request.identity, request.vouches):
        context.services.key_watch.changed(account.name, context)


@command("publish this device's keys", cost=20, in_order=True, typed=False)
async def upload_keys(context: Context, request: wire.UploadKeys) -> wire.KeyCount:
    """Under its own name only."""
    keys, own = request.keys, (context.account.name, context.device.id)
    if keys is not None and (keys.user, keys.device) != own:
        raise MalformedRequestError(
            f"these are keys of {keys.user}'s device {keys.device}; you are {own[0]} on {own[1]}"
        )
    uploaded: Uploaded = await context.services.store.upload_keys(context.device.key, request)
    if uploaded.is_news:
        context.services.key_watch.changed(own[0], context)
    return uploaded.count


@command("ask for the keys of users", cost=5, in_order=True, typed=False)
async def query_keys(context: Context, request: wire.QueryKeys) -> wire.KeyList:
    """From now on the asker hears when they change."""
    check_conversation(context, request.conversation, request.users, invited=True)
    context.services.key_watch.asked(context.account.name, request.users)
    found: wire.KeyList = await context.services.store.published_keys(_distinct(request.users))
    return found


@command("take one-time keys of devices", cost=5, in_order=True, typed=False)
async def claim_keys(context: Context, request: wire.ClaimKeys) -> wire.ClaimedKeys:
    """Each device costs something: emptying everybody's supply takes long, and then there is the fallback key."""
    check_conversation(context, request.conversation, [address.user for address in request.devices])
    context.charge("query", CLAIM_COST * len(request.devices))
    store, now = context.services.store, context.services.now()
    keys: list[wire.ClaimedKey] = await store.claim_keys(_distinct(request.devices), now)
    return wire.ClaimedKeys(keys=keys)


def _distinct(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))
