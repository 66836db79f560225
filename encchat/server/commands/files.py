"""Files: `offer_file`, `put_chunk`, `get_chunk`, `drop_file`.

The server has of a file sealed chunks, their number and the file's size, and for which conversation it is. What it is
called, what it is and its key stand in the message that tells of it.

Chunks are counted apart from what people say (`encchat.server.meters`), one of a connection is under way at a time, and
a few of all together: so that however many go up and down, a message does not wait for more than those.
"""

from __future__ import annotations

from encchat import wire
from encchat.errors import FileNotTakenError
from encchat.limits import BYTES_PER_UNIT, CHUNK_COST, FILES_OF_ACCOUNT
from encchat.names import direct_with
from encchat.server.chat import check_not_lobby, check_size, key_of_room, may_fetch
from encchat.server.command import command
from encchat.server.commands.accounts import stored_account
from encchat.server.context import Context
from encchat.server.model import NewFile, StoredChunk, direct_key, no_file


@command("begin to upload a file, or go on with it", cost=5, in_order=True, voice=True, typed=False)
async def offer_file(context: Context, request: wire.OfferFile) -> wire.FileState:
    """For a room or a direct conversation, as in `send`."""
    services, account = context.services, context.account
    most = services.settings.max_file_size
    check_size(request.size, request.chunks, most)
    key = await _key(context, request.conversation)
    new = NewFile(request.file, account.id, key, request.size, request.chunks, services.now())
    received: int = await services.store.offer_file(new, most * FILES_OF_ACCOUNT)
    return wire.FileState(file=request.file, received=received)


async def _key(context: Context, conversation: str) -> str:
    check_not_lobby(conversation)
    account = context.account
    if conversation.startswith("#"):
        return key_of_room(context.chat.rooms, account, conversation)
    name = direct_with(conversation)
    return direct_key(account, context.chat.account(name) or await stored_account(context, name))


@command("upload the next chunk of a file", cost=CHUNK_COST, kind="file", in_order=True, voice=True, typed=False)
async def put_chunk(context: Context, request: wire.PutChunk) -> None:
    """Answered when it is stored."""
    # It was weighed off the wire as something said; it is charged as a chunk.
    context.meter.give_back("message", len(request.data) * 4 / 3 / BYTES_PER_UNIT)
    services, account = context.services, context.account
    await services.chunks.run(
        services.store.put_chunk, request.file, account.id, request.number, request.data, services.now()
    )


@command("fetch a chunk of a file", cost=CHUNK_COST, kind="file", in_order=True, typed=False)
async def get_chunk(context: Context, request: wire.GetChunk) -> wire.Chunk:
    """Who may have it is decided when it is at hand, so nobody gets one who was removed meanwhile."""
    services = context.services
    found: StoredChunk | None = await services.chunks.run(services.store.file_chunk, request.file, request.number)
    if found is None or not may_fetch(context.chat.rooms, context.account, found.conversation):
        raise no_file(request.file)
    if found.data is None:
        raise FileNotTakenError(f"the file has {found.chunks} chunks, from 0: there is no {request.number}")
    return wire.Chunk(file=request.file, number=request.number, data=found.data)


@command("have your file forgotten", cost=5, in_order=True, typed=False)
async def drop_file(context: Context, request: wire.DropFile) -> None:
    """At once nobody can fetch it; it is erased within `encchat.limits.SWEEP_SECONDS`."""
    await context.services.store.drop_file(request.file, context.account.id)
