"""What the server could have seen, looked for in every place where it could be."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import define, field
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from mnemonic import Mnemonic

from encchat import envelopes
from encchat.server.datadir import STORE
from tests.blindness.canaries import Canaries, Kind
from tests.blindness.page import columns
from tests.blindness.places import files, memory
from tests.processes import ServerProcess

_WORDS_IN_A_ROW = 3
_EVERYTHING: tuple[Kind, ...] = ("secret", "public", "password")


@define
class Evidence:
    """What was found, each as ``NAME (SPELLING)``."""

    canaries: Canaries = field(factory=Canaries)
    phrases: list[str] = field(factory=list)
    """Everybody's recovery phrase."""
    memory: set[str] | None = field(factory=set)
    """None where the kernel lets nobody look."""
    memory_size: int = 0
    files: set[str] = field(factory=set)
    log: set[str] = field(factory=set)
    homes: set[str] = field(factory=set)
    """What the clients keep on their own disks."""
    wire: list[bytes] = field(factory=list)
    """What each side of each connection has said."""
    stored: dict[str, list[Any]] = field(factory=dict)
    """Every value in the store, by ``table.column``; a list is as long as its table, in its order."""
    glass: str = ""
    """What the store's server-key room says to who has the store and nothing else."""

    def look_into_memory(self, process: int, kind: Kind) -> None:
        """Not for passwords: they come to the server to be hashed, and Python cannot wipe what it has freed."""
        if self.memory is None:
            return
        try:
            size = 0
            for piece in memory(process):
                size += len(piece)
                self.memory |= self.canaries.search(piece, kind)
                if kind == "public":  # less often: phrases are many to look for, and go nowhere
                    self.memory |= self._phrases_in(piece)
            self.memory_size = max(size, self.memory_size)
        except (PermissionError, FileNotFoundError):  # ptrace is forbidden, or there is no /proc
            self.memory = None

    def look_at(self, server: ServerProcess, homes: Iterable[Path]) -> None:
        """Search the files and the log of a server that runs, and the homes of the clients."""
        self.files = self._found(files(server.data_dir))
        self.log = self._found(
            text.encode() for text in (json.dumps(server.seen, ensure_ascii=False), server.other, server.errors)
        )
        self.homes = self._found(files(*homes))
        with closing(sqlite3.connect(f"{(server.data_dir / STORE).as_uri()}?mode=ro", uri=True)) as connection:
            self.stored = {name: _values(connection, *name.split(".")) for name in columns()}
            self.glass = _read_by_a_thief(connection)

    def _found(self, pieces: Iterable[bytes]) -> set[str]:
        found: set[str] = set()
        for piece in pieces:
            found |= self.canaries.search(piece, *_EVERYTHING) | self._phrases_in(piece)
        return found

    def _phrases_in(self, image: bytes) -> set[str]:
        """Pieces of recovery phrases, or the secret that they spell."""
        return {"recovery phrase" for phrase in self.phrases if any(needle in image for needle in _needles(phrase))}


def _needles(phrase: str) -> list[bytes]:
    words = phrase.split()
    rows = [" ".join(words[at : at + _WORDS_IN_A_ROW]) for at in range(0, len(words), _WORDS_IN_A_ROW)]
    secret = bytes(Mnemonic("english").to_entropy(phrase))
    return [*(row.encode() for row in rows), secret, secret.hex().encode()]


def _values(connection: sqlite3.Connection, table: str, column: str) -> list[Any]:
    rows = connection.execute(f"SELECT {column} FROM {table}")  # noqa: S608 - names of the schema
    return [value for (value,) in rows]


def _read_by_a_thief(connection: sqlite3.Connection) -> str:
    """All that was said in server-key rooms, by the keys that lie beside it; AES-GCM is AES-CTR to who only reads."""
    keys = dict(connection.execute("SELECT version, key FROM room_key"))
    said = b""
    for (body,) in connection.execute("SELECT body FROM message WHERE scheme = 'server-key'"):
        envelope = envelopes.split_server_key(body)
        first_block = envelope.nonce + (2).to_bytes(4, "big")  # NIST SP 800-38D section 7.1: 1 is the tag's
        said += Cipher(AES(keys[envelope.version]), CTR(first_block)).decryptor().update(envelope.ciphertext)
    return said.decode("utf-8", "replace")
