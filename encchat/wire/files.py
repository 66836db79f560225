"""Files as the server tells of them: sealed chunks, and how many of them there are (protocol, section "Files").

A file is cut into chunks of `FILE_CHUNK` bytes, numbered from 0; the last one has the rest, and an empty file has
none. Each is sealed by the sender's client, which adds `TAG_LENGTH` bytes.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from encchat.limits import FILE_CHUNK, MAX_REQUEST_ID, TAG_LENGTH
from encchat.wire.values import Line

ChunkNumber = Annotated[int, Meta(ge=0, le=MAX_REQUEST_ID)]
SealedChunk = Annotated[bytes, Meta(min_length=TAG_LENGTH + 1, max_length=FILE_CHUNK + TAG_LENGTH)]
"""On the wire in base64 of the standard alphabet, with padding."""


def chunks_of(size: int) -> int:
    """How many chunks a file of ``size`` bytes has."""
    return -(-size // FILE_CHUNK)


def sealed_length(size: int, number: int) -> int:
    """How many bytes the sealed chunk ``number`` of a file of ``size`` bytes has."""
    return min(FILE_CHUNK, size - number * FILE_CHUNK) + TAG_LENGTH


class FileState(Line, frozen=True, kw_only=True, tag="file_state"):
    """How far an upload is: the server has the chunks before number ``received``, and the file if those are all."""

    file: str
    received: int


class Chunk(Line, frozen=True, kw_only=True, tag="chunk"):
    """A sealed chunk of a file."""

    file: str
    number: int
    data: SealedChunk
