"""What the commands about files do: sending one, fetching one that was sent, and which there are; knows no sockets.

Of each file that was sent, by others or from here, it is kept under the ULID of its message where that message is, so
that it can be fetched at any time later; what is listed are the newest. A ULID that two messages have is refused: a
server that tells a friend of its own which ULID is on its way could have one file fetched for another.
"""

from __future__ import annotations

import shlex
from typing import Final

import msgspec
from attrs import define, field

from encchat import names, wire
from encchat.client import events, screen
from encchat.client.files.disk import Found
from encchat.client.files.sealed import Descriptor, clean_name, described
from encchat.client.files.transfers import Transfers
from encchat.client.floor import Floor
from encchat.client.ledger import Ledger
from encchat.client.store import StoredMessage
from encchat.errors import FileRefusedError, NotEncryptedError, UsageError
from encchat.limits import MAX_FILE_TAKEN, MAX_FILES_SHOWN

_KIND: Final = "file-said"
_NEWEST: Final = "newest"
"""Under this name no message's place stands, but the ULIDs of the last ones."""
_MEDIA: Final[dict[str, str]] = {
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "md": "text/markdown",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "webp": "image/webp",
    "zip": "application/zip",
}
"""Few, and the same everywhere: what a system's own table says of a file is nobody's business."""

_places: Final = msgspec.msgpack.Decoder(list[tuple[str, int]]).decode
_names: Final = msgspec.msgpack.Decoder(list[str]).decode


@define(eq=False)
class FileActions:
    """Each method of a command may raise `EncchatError`, which is shown under the command's name."""

    _floor: Floor
    _ledger: Ledger
    _transfers: Transfers
    _said: list[str] | None = field(init=False, default=None)

    # What is said ---------------------------------------------------------------------------------
    def use(self) -> None:
        """The ledger has another store now."""
        self._said = None

    def remember(self, message: StoredMessage) -> None:
        """Somebody, perhaps this client, has said something about a file, or what only a newer client knows."""
        place = (names.folded(message.conversation), message.seq)
        known = self._places(message.ulid)
        if not message.seq or place in known or len(known) > 1:
            return
        self._ledger.put(_KIND, message.ulid, msgspec.msgpack.encode([*known, place]))
        if not known and message.content == "file":
            self._said = [*self._newest(), message.ulid][-MAX_FILES_SHOWN:]
            self._ledger.put(_KIND, _NEWEST, msgspec.msgpack.encode(self._said))

    def _places(self, ulid: str) -> list[tuple[str, int]]:
        kept = None if ulid == _NEWEST else self._ledger.get(_KIND, ulid)
        return [] if kept is None else _places(kept)

    def _newest(self) -> list[str]:
        if self._said is None:
            kept = self._ledger.get(_KIND, _NEWEST)
            self._said = [] if kept is None else _names(kept)
        return self._said

    def unreadable(self, ulid: str) -> tuple[str, str, str] | None:
        """The message of that ULID if it is no file, though it says so: with what is wrong (`Floor.unreadable`)."""
        message = self._at(ulid)
        if message is None or self._event(message) is not None:
            return None
        if message.content != "file":
            return ulid, "newer", ""
        try:
            self._described(message)
        except FileRefusedError as error:
            return ulid, error.text, ""
        return None

    def offers(self) -> list[tuple[str, str]]:
        """ULID and name of the files others have sent lately, the last one first, to complete with."""
        found = [(message, self._event(message)) for message in reversed(self._messages())]
        return [(message.ulid, event.name) for message, event in found if event and not self._mine(message)]

    def _messages(self) -> list[StoredMessage]:
        return [message for ulid in self._newest() if (message := self._at(ulid)) is not None]

    def _at(self, ulid: str) -> StoredMessage | None:
        known = self._places(ulid)
        return self._ledger.at(*known[0]) if len(known) == 1 else None

    @staticmethod
    def _event(message: StoredMessage) -> events.File | None:
        event = screen.message(message)
        return event if isinstance(event, events.File) else None

    def _mine(self, message: StoredMessage) -> bool:
        return names.folded(message.sender) == names.folded(self._floor.user)

    # Commands -------------------------------------------------------------------------------------
    def send(self, conversation: str, path: str) -> str:
        """Send the file at ``path``; its ULID."""
        self._may_send(conversation)
        found = self._look(path)
        if found.size > MAX_FILE_TAKEN:
            raise UsageError(f"{path} has {found.size} bytes, {MAX_FILE_TAKEN} can be sent")
        return self._transfers.send(conversation, found, _MEDIA.get(_ending(found.name), ""))

    def _look(self, path: str) -> Found:
        """What is at ``path``, also where that is as a terminal writes a file that was dropped on it."""
        try:
            return self._floor.files.look(path)
        except UsageError:
            if (bare := _unquoted(path)) == path:
                raise
            return self._floor.files.look(bare)

    def _may_send(self, conversation: str) -> None:
        if conversation == names.LOBBY:
            raise NotEncryptedError(
                "files go encrypted end to end, and the lobby is everybody's: /send @NAME FILE or /send #ROOM FILE"
            )
        if self._floor.machine is None:
            raise NotEncryptedError(
                "without a store that a password or keyring opens there are no end-to-end keys here to send a file"
                " with; start again and give the password"
            )
        room = self._floor.rooms.known(conversation)
        if room is not None and room.header.ephemeral:
            raise UsageError(
                f"{room.name} is off the record, and a file would be kept by the server: send it to @NAME, or in"
                " another room"
            )
        if conversation.startswith("#"):
            self._floor.rooms.may_speak(conversation)

    def accept(self, ulid: str) -> None:
        """Fetch a file into the folder of downloads."""
        self.save(ulid, "")

    def save(self, ulid: str, path: str) -> None:
        """Fetch a file to ``path``, a folder or a new file; the last that was sent if ``ulid`` is empty."""
        message = self._wanted(ulid)
        file = self._described(message)
        downloads = f"{self._floor.settings.now.downloads or '.'}/"
        place = self._floor.files.place(path or downloads, file.name, file.size)
        self._transfers.fetch(message, file, place)

    def _wanted(self, ulid: str) -> StoredMessage:
        if ulid:
            if len(self._places(ulid)) > 1:
                raise FileRefusedError(
                    f"two messages have the ULID {ulid}: somebody, perhaps the server, wants one file"
                    " to be taken for another"
                )
            message = self._at(ulid)
            if message is None or message.content != "file":
                raise UsageError(f"no file of that ULID was sent here: {ulid}; /files lists them")
            return message
        others = [message for message in self._messages() if not self._mine(message)]
        here = [message for message in others if _same(message.conversation, self._floor.conversation)]
        if not others:
            raise UsageError("nobody has sent a file here yet")
        return (here or others)[-1]

    @staticmethod
    def _described(message: StoredMessage) -> Descriptor:
        try:
            return described(message.body)
        except FileRefusedError as error:
            raise FileRefusedError(f"what {message.sender} sends is refused: {error.text}") from None

    def list_files(self) -> None:
        """Show which files are on their way, and which were sent lately."""
        under_way = {transfer.ulid: transfer for transfer in self._transfers.under_way()}
        rows = [
            [one.ulid, one.name, str(one.size), one.conversation, _by(one), _far(one)] for one in under_way.values()
        ]
        for message in reversed(self._messages()):
            event = self._event(message)
            if event is not None and message.ulid not in under_way:
                sender = "you" if self._mine(message) else event.sender
                rows.append([event.ulid, event.name, str(event.size), event.conversation, sender, ""])
        columns = ["ulid", "name", "bytes", "where", "from", "state"]
        self._floor.show(events.Listing(title="files", columns=columns, rows=rows[:MAX_FILES_SHOWN]))

    def drop(self, ulid: str) -> None:
        """Stop what is under way, or have the server forget a file that was sent from here."""
        if self._transfers.stop(ulid):
            return
        message = self._wanted(ulid)
        if not self._mine(message):
            raise UsageError(f"that file is {message.sender}'s: only who sent it can take it back")
        file = self._described(message)
        self._floor.ask(f"/files drop {ulid}", wire.DropFile, file=file.file)


def _same(one: str, other: str) -> bool:
    return names.folded(one) == names.folded(other)


def _unquoted(path: str) -> str:
    """``path`` without the quotation marks or backslashes of a shell, if it is one word then."""
    try:
        words = shlex.split(path)
    except ValueError:
        return path
    return words[0] if len(words) == 1 else path


def _ending(name: str) -> str:
    return clean_name(name).rpartition(".")[2].casefold()


def _by(transfer: events.Transfer) -> str:
    return "you" if transfer.direction == "out" else ""


def _far(transfer: events.Transfer) -> str:
    part = 100 if not transfer.size else 100 * transfer.done // transfer.size
    if transfer.state == "waiting":
        return f"waits, {part}%"
    return f"{'sending' if transfer.direction == 'out' else 'fetching'}, {part}%"
