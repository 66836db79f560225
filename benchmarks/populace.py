"""A server's data directory with a big room in it: as many members as devices, each with real published keys.

The members speak the wire's lines to a real server in this process, without channel and argon2id's full price; what
they published is as their clients would have made it, so that whoever writes to the room verifies and encrypts for
every one of them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import vodozemac
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from encchat import wire
from encchat.e2e import memberships, statements
from encchat.e2e.identity import IdentityKey
from encchat.links import Address
from encchat.server.auth import Authenticator
from encchat.server.datadir import DataDirectory
from encchat.server.factory import ChatFactory
from encchat.server.passwords import Cost, PasswordHasher
from encchat.server.services import Home
from encchat.server.settings import Settings
from encchat.server.store.sqlite import SqliteStore
from encchat.ulids import UlidMaker

ROOM = "#bench"
_PASSWORD = "correct horse battery"  # noqa: S105 - of accounts that exist for a minute
_ONE_TIME = 4
"""One-time keys of each device: each round takes one, from a copy of the directory."""
_FREE = Settings(registration="open", request_rate=1e9, request_burst=1e9)


@frozen
class _Peer:
    static: bytes


class _Line(StringTransport):
    """The transport of one member; gives each answer to whoever waits for it."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self.peer, self.bytes_read = _Peer(key), 0
        self.waiting: dict[int, Deferred[Any]] = {}
        self._rest = b""

    def write(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            said = wire.decode_event(line)
            if isinstance(said, wire.Ok | wire.Error) and said.id is not None:
                self.waiting.pop(said.id).callback(said)


class _Member:
    """One account with one device, connected."""

    def __init__(self, factory: ChatFactory, name: str) -> None:
        self.name, self.device = name, ""
        self._line = _Line(os.urandom(32))
        self._connection: Any = factory.buildProtocol(None)
        self._connection.makeConnection(self._line)
        self._last = 0

    async def ask(self, kind: type[wire.Request], **fields: Any) -> Any:
        """The result of a request that is not refused."""
        self._last += 1
        answered: Deferred[Any] = Deferred()
        self._line.waiting[self._last] = answered
        self._connection.dataReceived(wire.encode(kind(id=self._last, **fields)) + b"\n")
        answer = await answered
        if isinstance(answer, wire.Error):
            raise RuntimeError(f"{kind.__name__} of {self.name} was refused: {answer.text}")
        return answer.result

    async def publish(self) -> IdentityKey:
        """Register, and publish what a client does."""
        self.device = (await self.ask(wire.Register, user=self.name, password=_PASSWORD)).device
        identity = IdentityKey.make("ed25519", os.urandom)
        await self.ask(wire.PublishIdentity, identity=identity.public)
        await self.ask(wire.UploadKeys, **_published(self.name, self.device, identity))
        return identity

    def leave(self) -> None:
        """The connection is lost."""
        self._connection.connectionLost(Failure(ConnectionError()))


def _published(user: str, device: str, identity: IdentityKey) -> dict[str, Any]:
    account = vodozemac.Account()
    account.generate_one_time_keys(_ONE_TIME)
    keys = wire.DeviceKeys(
        user=user,
        device=device,
        curve25519=account.curve25519_key.to_base64(),
        ed25519=account.ed25519_key.to_base64(),
        signature="",
    )
    signed = account.sign(statements.device_keys(keys)).to_base64()
    keys = msgspec.structs.replace(keys, signature=signed, vouch=identity.sign(statements.vouch(keys)))
    one_time = [_signed(account, user, device, *each) for each in account.one_time_keys.items()]
    return {"generation": 1, "keys": keys, "one_time": one_time}


def _signed(account: vodozemac.Account, user: str, device: str, id: str, key: Any) -> wire.SignedKey:
    text = key.to_base64()
    signature = account.sign(statements.one_time_key(user, device, id, text)).to_base64()
    return wire.SignedKey(id=id, key=text, signature=signature)


async def populate(reactor: Any, directory: Path, members: int) -> None:
    """Make the room ``#bench`` with that many members in a new data directory; it is open to one more."""
    directory.mkdir(mode=0o700)
    store, hasher = SqliteStore(DataDirectory(directory).store, reactor), PasswordHasher(reactor, Cost(32, 1))
    auth = Authenticator(store, hasher, time.time, lambda: "open")
    factory = ChatFactory(reactor, store, auth, _FREE, (), time.time)
    hasher.start()
    await store.open()
    await factory.open(Home(Address("localhost", 5000), bytes(32)))
    try:
        await _fill(factory, members)
    finally:
        hasher.stop()
        await store.close()


async def _fill(factory: ChatFactory, members: int) -> None:
    ulid = UlidMaker(time.time, os.urandom)
    room = ulid()
    for number in range(members):
        member = _Member(factory, f"member{number}")
        identity = await member.publish()
        if not number:
            await _open(member, identity, room)
        else:
            joining = memberships.sign_joining(identity, room, "", 0, member.name)
            await member.ask(wire.Join, room=ROOM, ulid=ulid(), statement=joining)
        member.leave()


async def _open(owner: _Member, identity: IdentityKey, room: str) -> None:
    opening = memberships.sign_opening(identity, ROOM, room, owner.name, "megolm", "signed", "none", True)
    await owner.ask(wire.OpenRoom, room=ROOM, ulid=room, open=True, statement=opening)
