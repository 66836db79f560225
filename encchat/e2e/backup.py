"""Keys of the past in the account's sealed backup on its server, in files, and back from both.

What is kept of a session here opens only what comes next (`encchat.e2e.inbound`); its earliest key goes, sealed under
the recovery phrase, to the server, and is then forgotten here. Devices of one account may have a session from different
messages on; each puts its own entry, under a name of its own. A device without the phrase's key keeps it until it has
one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import msgspec
from attrs import define, field
from msgspec import Struct

from encchat import limits, wire
from encchat.e2e.inbound import InboundSessions, Origin, Session
from encchat.e2e.interfaces import Done, Host
from encchat.e2e.letters import Held
from encchat.e2e.recovery import Backup
from encchat.e2e.refusals import error_of
from encchat.e2e.repair import Repair, opened_held
from encchat.errors import EncchatError, RecoveryError, RequestError

ENTRY: Final = "megolm"
"""The kind of these entries (`encchat.e2e.recovery.Backup.seal`)."""


class Entry(Struct, frozen=True):
    """A session's key, the id of the conversation it is for, and who handed it over if its owner did not."""

    conversation: str
    held: Held
    by: str = ""


@define
class History:
    """The backup's and files' side of the sessions."""

    host: Host
    inbound: InboundSessions
    repair: Repair
    _sending: bool = field(init=False, default=False)
    _again: float = field(init=False, default=0.0)

    # To the backup -----------------------------------------------------------------------------
    def work(self) -> bool:
        """Seal a slice of what the backup lacks, and send it; whether more is left for now."""
        backup, now = self.host.backup, self.host.clock()
        if backup is None or self._sending or now < self._again:
            return False
        todo = self.inbound.unstored()[: limits.REPAIR_SLICE]
        entries = {session: entry for session in todo if (entry := self._entry(session)) is not None}
        if entries:
            self._send(backup, entries)
        return False

    def _send(self, backup: Backup, entries: dict[Session, Entry]) -> None:
        sealed = [
            backup.seal(ENTRY, _name(session, entry), msgspec.msgpack.encode(entry), self.host.random)
            for session, entry in entries.items()
        ]
        self._sending = True
        self.host.ask(wire.PutBackup, lambda answer: self._sent(entries, answer), entries=sealed)

    def _sent(self, entries: dict[Session, Entry], answer: wire.Ok | wire.Error) -> None:
        self._sending = False
        if isinstance(answer, wire.Error):
            self._again = self.host.clock() + limits.SHARE_AGAIN_SECONDS
            return
        for session, entry in entries.items():
            self.inbound.backed_up(session, entry.held.key)

    # What is missing ---------------------------------------------------------------------------
    def look_for(self, session: Session) -> None:
        """A key is missing: another device of this account may have put it into the backup."""
        backup = self.host.backup
        if backup is not None:
            self.host.ask(wire.GetBackup, partial(self._found, backup), name=backup.name(ENTRY, session.row))

    def _found(self, backup: Backup, answer: wire.Ok | wire.Error) -> None:
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.BackupPage):
            for entry in answer.result.entries:
                _taken(backup, entry, lambda kind, name, value: self._take_found(kind, value))

    def _take_found(self, kind: str, value: bytes) -> None:
        if kind == ENTRY:
            self.take(value, "backup")

    # To a file, and back -----------------------------------------------------------------------
    def exported(self) -> dict[str, bytes]:
        """The earliest keys there are here, for `encchat.e2e.export`."""
        entries = {session: self._entry(session) for session in self.inbound.all()}
        return {session.row: msgspec.msgpack.encode(entry) for session, entry in entries.items() if entry}

    def collect(self, done: Callable[[dict[str, bytes] | EncchatError], None]) -> None:
        """Those, and all that the backup has."""
        found: dict[str, bytes] = {}

        def fetched(error: EncchatError | None) -> None:
            done({**self.exported(), **found} if error is None else error)

        backup = self.host.backup
        if backup is None:
            done(self.exported())
        else:
            fetch(
                self.host,
                backup,
                lambda kind, name, value: found.update({name: value} if kind == ENTRY else {}),
                fetched,
            )

    def imported(self, values: Mapping[str, bytes], origin: Origin) -> int:
        """Take keys of a file or the backup; how many of them open something that could not be opened before."""
        return sum(self.take(value, origin) for value in values.values())

    def take(self, value: bytes, origin: Origin) -> bool:
        """One of them; whether it opens something new. What is no entry opens nothing."""
        try:
            entry = msgspec.msgpack.decode(value, type=Entry)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        new = opened_held(entry.held, entry.conversation)
        if new is None:
            return False
        session = Session.of(entry.held.user, entry.held.device, entry.held.session)
        return self.repair.take(session, msgspec.structs.replace(new, origin=origin, by=entry.by))

    # Inside ------------------------------------------------------------------------------------
    def _entry(self, session: Session) -> Entry | None:
        known, held = self.inbound.get(session), self.inbound.held(session)
        return None if known is None or held is None else Entry(known.conversation, held, known.by)


def _name(session: Session, entry: Entry) -> str:
    """An entry's name: a device that has had a session from later on only replaces nobody's earlier key of it."""
    new = opened_held(entry.held, entry.conversation)
    return f"{session.row} {new.first}" if new is not None and new.first else session.row


def fetch(host: Host, backup: Backup, take: Callable[[str, str, bytes], None], done: Done) -> None:
    """Read all of the backup, page by page: ``take`` gets kind, name and value of each entry, ``done`` the end.

    Entries that do not open (somebody else's, or damaged by the server) are passed over; if none opens,
    `RecoveryError` says so.
    """
    counts = [0, 0]

    def answered(answer: wire.Ok | wire.Error) -> None:
        if isinstance(answer, wire.Error):
            done(error_of(answer))
            return
        if not isinstance(answer.result, wire.BackupPage):
            done(RequestError("the server's answer is no page of a backup"))
            return
        for entry in answer.result.entries:
            counts[0] += 1
            counts[1] += _taken(backup, entry, take)
        if answer.result.more and answer.result.entries:
            host.ask(wire.GetBackup, answered, after=answer.result.entries[-1].name)
        elif counts[0] and not counts[1]:
            done(RecoveryError("these words do not open the backup: they are another account's, or an older one's"))
        else:
            done(None)

    host.ask(wire.GetBackup, answered)


def _taken(backup: Backup, entry: wire.BackupEntry, take: Callable[[str, str, bytes], None]) -> bool:
    try:
        kind, name, value = backup.open(entry)
    except RecoveryError:
        return False
    take(kind, name, value)
    return True
