"""What a client may ask about files (protocol, section "Files").

A file is known by the ULID its sender gave it, which stands, with its key, in the message that tells of it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from encchat.limits import MAX_REQUEST_ID
from encchat.wire.files import ChunkNumber, SealedChunk
from encchat.wire.requests import Request
from encchat.wire.values import ConversationName, Ulid


class OfferFile(Request, frozen=True, kw_only=True, tag="offer_file"):
    """Begin to upload a file for a conversation, or go on with it; answered by `FileState`.

    ``size``: its bytes before they are sealed, ``chunks`` as many as they make.
    """

    file: Ulid
    conversation: ConversationName
    size: Annotated[int, Meta(ge=0, le=MAX_REQUEST_ID)]
    chunks: Annotated[int, Meta(ge=0, le=MAX_REQUEST_ID)]


class PutChunk(Request, frozen=True, kw_only=True, tag="put_chunk"):
    """Upload the next chunk of one's own file; one that is there already is fine. Answered when it is stored."""

    file: Ulid
    number: ChunkNumber
    data: SealedChunk


class GetChunk(Request, frozen=True, kw_only=True, tag="get_chunk"):
    """Fetch a chunk of a file that was uploaded whole, for a conversation one is in now; answered by `Chunk`."""

    file: Ulid
    number: ChunkNumber


class DropFile(Request, frozen=True, kw_only=True, tag="drop_file"):
    """Have the server forget one's own file, uploaded whole or not."""

    file: Ulid


FILE_REQUESTS: tuple[type[Request], ...] = (OfferFile, PutChunk, GetChunk, DropFile)
