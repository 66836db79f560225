"""What `encchat-admin` changed in the store of a running server takes effect on who is connected."""

from __future__ import annotations

from typing import cast

from attrs import define, field
from twisted.internet.defer import ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from encchat.errors import StoreError
from encchat.limits import CHANGES_SECONDS
from encchat.server.chat import Delivery
from encchat.server.model import Account
from encchat.server.services import Services
from encchat.server.store.accounts import ADMIN, REVISION
from encchat.wire import Kicked, Notice

log = Logger()


@define(eq=False)
class Changes:
    """Looks at the store's revision every `CHANGES_SECONDS`; when it has moved, at every account that is here."""

    services: Services
    _seen: str | None = field(default=None, init=False)
    _loop: LoopingCall | None = field(default=None, init=False)

    def start(self) -> None:
        """The store is open."""
        self._loop = LoopingCall(lambda: ensureDeferred(self._look()))
        self._loop.clock = cast(IReactorTime, self.services.clock)
        self._loop.start(CHANGES_SECONDS)

    def stop(self) -> None:
        """The store is about to close."""
        loop, self._loop = self._loop, None
        if loop is not None and loop.running:
            loop.stop()

    async def _look(self) -> None:
        try:
            revision = await self.services.store.get_meta(REVISION)
            if revision == self._seen:
                return
            for entry in self.services.chat.users():
                await self._compare(entry.user)
            await self.services.room_keeper.forget_deleted()
        except StoreError as error:
            log.error("what encchat-admin changed is not known: {why}", event="store_broke", why=error.text)
        else:
            self._seen = revision  # and not before: what failed half way is looked at again

    async def _compare(self, name: str) -> None:
        stored: Account | None = await self.services.store.account(name)
        here = self.services.chat.account(name)
        if here is None or self._loop is None:
            return
        # By id, too: what is stored under the name must be who is here.
        if stored is None or stored.id != here.id:
            self._expel(name, "the account was deleted")
        elif stored.role != here.role:
            self.services.change(stored)
            self.services.carry_out([Delivery((name,), Notice(text=f"{ADMIN} has made you {stored.role}"))])

    def _expel(self, name: str, reason: str) -> None:
        log.info("{user} was deleted", event="account_deleted", user=name)
        self.services.key_watch.changed(name)
        self.services.expel(name, Kicked(by=ADMIN, reason=reason))
