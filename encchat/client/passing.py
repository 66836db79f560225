"""What is said off the record: shown as it comes, and kept nowhere.

Theory of operation. A message of an ephemeral room has no seq: it comes once, to whoever is there, and its place is
where it comes. It is opened and shown at once. One whose key has not come waits in memory; it is shown as unreadable
when something said after it is shown, or when nothing more is asked for, and as what it is should its key come then.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from attrs import define, field

from encchat import names
from encchat.client.store.interface import StoredMessage
from encchat.errors import UndecryptableError
from encchat.limits import MAX_PASSING


@define(eq=False)
class Unread:
    """A message that could not be opened, as it is shown then; ``session`` is the key it waits for."""

    message: StoredMessage
    body: str
    session: str
    told: bool = False


@define(eq=False)
class Passing:
    """``open`` opens a message or raises `UndecryptableError`, ``show`` shows one."""

    _open: Callable[[StoredMessage], StoredMessage]
    _show: Callable[[StoredMessage], None]
    _unread: list[Unread] = field(init=False, factory=list)
    """In the order in which they came; of more than `MAX_PASSING` the first are forgotten."""

    def hear(self, message: StoredMessage) -> None:
        """It came just now."""
        try:
            opened = self._open(message)
        except UndecryptableError as error:
            unread = Unread(_sealed(message, error), message.body, error.session)
            self._unread = [*self._unread[1 - MAX_PASSING :], unread]
            if error.reason != "no-key":
                self._tell(unread)
        else:
            self._tell_before(message.conversation, len(self._unread))
            self._show(opened)

    def arrived(self, session: str) -> None:
        """The key of that session has come."""
        for unread in [one for one in self._unread if one.session == session]:
            try:
                opened = self._open(msgspec.structs.replace(unread.message, body=unread.body, content="text"))
            except UndecryptableError as error:
                unread.message, unread.session = _sealed(unread.message, error), error.session
                continue
            self._tell_before(opened.conversation, self._unread.index(unread))
            self._unread.remove(unread)
            self._show(opened)

    def give_up(self) -> None:
        """No key is on its way: show what is not shown yet as unreadable."""
        for unread in self._unread:
            self._tell(unread)

    def find(self, ulid: str) -> tuple[str, str, str] | None:
        """As `encchat.client.privacy.Privacy.unreadable`."""
        found = [one for one in self._unread if not ulid or one.message.ulid == ulid.upper()]
        return (found[-1].message.ulid, found[-1].message.reason, found[-1].session) if found else None

    def _tell_before(self, conversation: str, end: int) -> None:
        for unread in self._unread[:end]:
            if names.folded(unread.message.conversation) == names.folded(conversation):
                self._tell(unread)

    def _tell(self, unread: Unread) -> None:
        if not unread.told:
            unread.told = True
            self._show(unread.message)


def _sealed(message: StoredMessage, error: UndecryptableError) -> StoredMessage:
    return msgspec.structs.replace(message, body="", content="sealed", reason=error.reason)
