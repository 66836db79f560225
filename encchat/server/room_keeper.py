"""Rooms between the chat, which decides, and the store: each change is stored, then told, in one order.

The store answers in the order of the calls, and what it answers is told before anything else happens: so every member
hears of a change and of messages in the order of their seqs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from encchat.errors import InternalError, StoreError
from encchat.server.chat import Delivery
from encchat.server.chat.room import Room
from encchat.server.chat.rooms import Act, Change, Rooms
from encchat.server.membership import Orphan, StoredRoom
from encchat.server.model import Account, Stored
from encchat.server.roomkeys import new_key

log = Logger()


@define(eq=False)
class RoomKeeper:
    """``store`` provides `IStore`; ``now`` gives ms since 1970 UTC, ``ulid`` makes ids."""

    store: Any
    rooms: Rooms
    carry_out: Callable[[Iterable[Delivery]], None]
    now: Callable[[], int]
    ulid: Callable[[], str]
    random: Callable[[int], bytes] = os.urandom

    async def load(self) -> None:
        """Take all rooms from the store, which is open."""
        self.rooms.load(await self.store.rooms())
        await self.forget_deleted()

    def act(self, by: Account, ulid: str, statement: str = "") -> Act:
        """Something ``by`` does now."""
        return Act(by, ulid, self.now(), self.ulid(), new_key(self.random), statement)

    async def keep(self, change: Change) -> None:
        """Store what was decided and tell it; `InternalError` if it could not be stored and is undone."""
        stored: Deferred[tuple[Stored, ...]] = self.store.change_room(change.row)
        try:
            places = await stored
        except StoreError as error:
            log.error("a change of a room was not stored: {why}", event="store_broke", why=error.text)
            await self._read_again(change.room)
            raise InternalError("the server could not store it; try again later") from None
        if len(places) < len(change.row.steps) or places[0].duplicate:
            await self._read_again(change.room)
            return
        self.carry_out(self.rooms.stored(change, places))

    async def rotate(self, name: str) -> None:
        """A device of ``name`` is no more: its rooms whose key the server makes get another one."""
        for room in self.rooms.server_key_rooms(name):
            room.key_version += 1
            await self.store.rotate_room_key(room.head.id, new_key(self.random))

    async def forget_deleted(self) -> None:
        """Accounts that were deleted leave their rooms."""
        orphans: list[Orphan] = await self.store.orphans()
        for one in orphans:
            account = Account(one.account_id, one.name, "user")
            await self.keep(self.rooms.forget(self.act(account, self.ulid()), one.room))

    async def _read_again(self, room: Room) -> None:
        room.unsure = True
        stored: list[StoredRoom] = await self.store.rooms(room.head.id)
        self.rooms.replace(room, stored[0] if stored else None)
