"""Many accounts in a new data directory, each with the device that it logs in with.

They are put straight into the store: registering costs argon2id each, and how long that takes is not what is measured.
The device of account ``number`` has a key that follows from the number, so that any process can be that device.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from encchat.server.datadir import DataDirectory
from encchat.server.passwords import Cost, password_bytes
from encchat.server.store import accounts, database, devices

PASSWORD: Final = "correct horse battery"  # noqa: S105 - of accounts that exist for a minute


def name_of(number: int) -> str:
    """The account's name."""
    return f"u{number}"


def device_key(number: int) -> X25519PrivateKey:
    """The private key of the account's device."""
    return X25519PrivateKey.from_private_bytes(hashlib.sha256(f"benchmark device {number}".encode()).digest())


def make(directory: Path, count: int) -> None:
    """A data directory with the accounts 0 to ``count`` - 1, all of the password `PASSWORD` at its usual price."""
    directory.mkdir(mode=0o700)
    now, hashed = int(time.time() * 1000), _hashed()
    with closing(database.connect(DataDirectory(directory).store)) as connection, database.transaction(connection):
        for number in range(count):
            account = accounts.create_account(connection, name_of(number), hashed, "user", now)
            key = device_key(number).public_key().public_bytes_raw()
            devices.add_device(connection, account.id, key, "benchmark", now, 0)


def _hashed() -> str:
    cost = Cost()
    hasher = Argon2id(salt=bytes(16), length=32, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory)
    return hasher.derive_phc_encoded(password_bytes(PASSWORD))
