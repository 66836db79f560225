"""Where a file may go, and who may fetch it."""

from __future__ import annotations

from encchat.errors import FileNotTakenError
from encchat.names import LOBBY
from encchat.server.chat.rooms import Rooms
from encchat.server.model import Account, direct_people
from encchat.wire import chunks_of


def check_size(size: int, chunks: int, most: int) -> None:
    """Raise `FileNotTakenError` unless a file of ``size`` bytes, in so many chunks, is one this server takes."""
    if not most:
        raise FileNotTakenError("this server takes no files")
    if size > most:
        raise FileNotTakenError(f"the file has {size} bytes; this server takes at most {most}")
    if chunks != chunks_of(size):
        raise FileNotTakenError(f"a file of {size} bytes has {chunks_of(size)} chunks, not {chunks}")


def check_not_lobby(conversation: str) -> None:
    """Raise `FileNotTakenError` for the lobby."""
    if conversation == LOBBY:
        raise FileNotTakenError("the lobby takes no files: send it to somebody, as @NAME, or to a room, as #ROOM")


def key_of_room(rooms: Rooms, sender: Account, name: str) -> str:
    """The store's key of the room for which ``sender`` has a file.

    `UnknownConversationError` unless it is in it; `FileNotTakenError` if what is said there is not stored.
    """
    room, route = rooms.route(sender, name)
    if room.head.ephemeral:
        raise FileNotTakenError(f"{room.name} is off the record: the server keeps nothing of it, so it takes no files")
    return route.key


def may_fetch(rooms: Rooms, account: Account, key: str) -> bool:
    """Whether ``account`` is now in the conversation that the store calls ``key``."""
    return account.id in direct_people(key) or rooms.is_in(account, key)
