"""The keys of what was said before: given to who comes into a room, kept in files, brought back from the backup.

The scheme `encchat.e2e.megolm` has them; a client without that scheme has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from attrs import frozen

from encchat.e2e import export
from encchat.e2e.backup import ENTRY, fetch
from encchat.e2e.host import nothing
from encchat.e2e.interfaces import Conversation, Host
from encchat.e2e.megolm import Megolm
from encchat.e2e.recovery import Backup
from encchat.errors import EncchatError


@frozen
class Past:
    """See the module."""

    _host: Host
    _megolm: Megolm | None

    def invited(self, conversation: Conversation, user: str) -> None:
        """`encchat.e2e.machine.Machine.invited`."""
        if self._megolm is not None:
            self._megolm.handover.invited(conversation, user)

    def hand_over(self, conversation: Conversation, user: str) -> int:
        """How many keys are on their way to ``user``, who has joined."""
        return 0 if self._megolm is None else self._megolm.handover.hand_over(conversation, user)

    def introduce(self, conversation: Conversation, user: str, names: Sequence[str]) -> None:
        """Tell ``user``, who has joined, that those of ``names`` are members."""
        if self._megolm is not None:
            self._megolm.handover.introduce(conversation, user, names)

    def collect(self, passphrase: str, done: Callable[[bytes | EncchatError], None]) -> None:
        """All keys, sealed: those here, and those in the account's backup only."""
        if self._megolm is None:
            self._collected(passphrase, done, {})
        else:
            self._megolm.history.collect(partial(self._collected, passphrase, done))

    def _collected(
        self,
        passphrase: str,
        done: Callable[[bytes | EncchatError], None],
        values: dict[str, bytes] | EncchatError,
    ) -> None:
        try:
            sealed = values if isinstance(values, EncchatError) else export.seal(values, passphrase, self._host.random)
        except EncchatError as error:
            sealed = error
        done(sealed)

    def imported(self, exported: bytes, passphrase: str) -> int:
        """How many keys of a file open something that could not be opened before; `RecoveryError`."""
        values = export.unseal(exported, passphrase)
        return 0 if self._megolm is None else self._megolm.history.imported(values, "file")

    def bring_back(self, backup: Backup) -> None:
        """The identity key has come, and with it what opens the backup."""
        if self._megolm is not None:
            fetch(self._host, backup, partial(_taken, self._megolm), nothing)


def _taken(megolm: Megolm, kind: str, name: str, value: bytes) -> None:
    if kind == ENTRY:
        megolm.history.take(value, "backup")
