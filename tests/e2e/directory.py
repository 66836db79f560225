"""A stand-in for the server's part in end-to-end encryption, honest unless told to lie, and clients around machines."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from attrs import define, field

from encchat import wire
from encchat.e2e.host import direct_id
from encchat.e2e.interfaces import Content, Conversation, Effect, KeyArrived, Opened
from encchat.e2e.machine import Machine
from encchat.errors import EncchatError, UndecryptableError
from encchat.names import folded
from encchat.ulids import UlidMaker

START = 1_800_000_000.0


@define(eq=False)
class Published:
    """One device, as the directory holds it."""

    user: str
    device: str
    keys: wire.DeviceKeys | None = None
    one_time: dict[str, wire.SignedKey | None] = field(factory=dict)
    fallback: wire.SignedKey | None = None
    fallback_used: bool = False
    generation: int = 0
    inbox: list[wire.InboxItem] = field(factory=list)
    seq: int = 0

    @property
    def left(self) -> int:
        """One-time keys that nobody has claimed."""
        return sum(key is not None for key in self.one_time.values())


@define(eq=False)
class Directory:
    """Accounts, their devices, inboxes and backups; ``lie`` may change what a query is answered."""

    names: dict[str, str] = field(factory=dict)
    identities: dict[str, list[wire.Identity]] = field(factory=dict)
    devices: dict[str, dict[str, Published]] = field(factory=dict)
    backups: dict[str, dict[str, wire.BackupEntry]] = field(factory=dict)
    batches: set[tuple[str, str]] = field(factory=set)
    clients: list[Client] = field(factory=list)
    lie: Callable[[wire.UserKeys], wire.UserKeys] | None = None
    lie_of_key: Callable[[wire.ClaimedKey], wire.ClaimedKey] | None = None
    claims: list[str] = field(factory=list)
    asked: list[str] = field(factory=list)
    refused: dict[type[wire.Request], wire.Error] = field(factory=dict)

    def device(self, user: str, device: str) -> Published:
        """That device."""
        return self.devices[folded(user)][device]

    def revoke(self, user: str, device: str) -> None:
        """The account has removed it."""
        del self.devices[folded(user)][device]
        self.tell(user)

    def tell(self, user: str) -> None:
        """Everybody hears that somebody's keys are others."""
        for client in self.clients:
            if client.online:
                client.machine.keys_changed(user)

    def answer(self, client: Client, kind: type[wire.Request], fields: dict[str, Any]) -> wire.Ok | wire.Error:
        """What the server says."""
        self.asked.append(kind.__name__)
        mine = self.devices[folded(client.user)].get(client.device)
        if kind in self.refused:
            return self.refused[kind]
        if mine is None:
            return wire.Error(code="unknown-device", text="revoked")
        result = getattr(self, f"_{kind.__name__}")(client, mine, **fields)
        return result if isinstance(result, wire.Error) else wire.Ok(id=1, result=result)

    def _QueryKeys(self, client: Client, mine: Published, conversation: str, users: list[str]) -> wire.KeyList:
        found = [self._keys_of(folded(user)) for user in users if folded(user) in self.names]
        return wire.KeyList(users=[self.lie(keys) if self.lie else keys for keys in found])

    def _keys_of(self, user: str) -> wire.UserKeys:
        devices = [each.keys for each in self.devices[user].values() if each.keys is not None]
        return wire.UserKeys(user=self.names[user], identities=list(self.identities[user]), devices=devices)

    def _PublishIdentity(
        self, client: Client, mine: Published, identity: wire.Identity, vouches: list[wire.Vouch]
    ) -> wire.Error | None:
        chain = self.identities[folded(client.user)]
        if chain and chain[-1] == identity:
            return None
        if identity.number != len(chain) + 1:
            return wire.Error(code="refused", text="not the next")
        chain.append(identity)
        for vouch in vouches:
            device = self.device(client.user, vouch.device)
            if device.keys is not None:
                device.keys = wire_replace(device.keys, vouch=vouch.vouch)
        self.tell(client.user)
        return None

    def _UploadKeys(
        self,
        client: Client,
        mine: Published,
        generation: int,
        keys: wire.DeviceKeys | None = None,
        one_time: tuple[wire.SignedKey, ...] = (),
        fallback: wire.SignedKey | None = None,
        replace: bool = False,
    ) -> wire.KeyCount:
        before, changed = mine.generation, keys is not None and keys != mine.keys
        mine.generation = max(before, generation)
        mine.keys = keys or mine.keys
        if replace:
            mine.one_time.clear()
            mine.fallback = None
        for key in one_time:
            mine.one_time.setdefault(key.id, key)
        if fallback is not None:
            mine.fallback, mine.fallback_used = fallback, False
        if changed:
            self.tell(client.user)
        return wire.KeyCount(one_time=mine.left, fallback_used=mine.fallback_used, generation=before)

    def _ClaimKeys(
        self, client: Client, mine: Published, conversation: str, devices: list[wire.DeviceAddress]
    ) -> wire.ClaimedKeys:
        keys = [self._claimed(each.user, each.device) for each in devices]
        return wire.ClaimedKeys(keys=[self.lie_of_key(key) if self.lie_of_key else key for key in keys if key])

    def _claimed(self, user: str, device: str) -> wire.ClaimedKey | None:
        found = self.devices[folded(user)].get(device)
        if found is None:
            return None
        self.claims.append(f"{user}/{device}")
        for id, key in found.one_time.items():
            if key is not None:
                found.one_time[id] = None
                return wire.ClaimedKey(user=user, device=device, key=key)
        found.fallback_used = True
        return wire.ClaimedKey(user=user, device=device, key=found.fallback)

    def _SendParcels(
        self, client: Client, mine: Published, conversation: str, ulid: str, parcels: list[wire.Parcel]
    ) -> None:
        if (client.user, ulid) in self.batches:
            return
        self.batches.add((client.user, ulid))
        for parcel in parcels:
            self.put(parcel.user, parcel.device, client.user, client.device, parcel.body)

    def put(self, user: str, device: str, sender: str, sender_device: str, body: str) -> None:
        """Something into an inbox, and on to whoever is connected."""
        to = self.devices[folded(user)].get(device)
        if to is None:
            return
        to.seq += 1
        to.inbox.append(wire.InboxItem(seq=to.seq, sender=sender, device=sender_device, body=body))
        for client in self.clients:
            if client.online and (folded(client.user), client.device) == (folded(user), device):
                client.machine.receive(to.inbox[-1])

    def _Inbox(self, client: Client, mine: Published, after: int) -> wire.InboxPage:
        left = [item for item in mine.inbox if item.seq > after]
        return wire.InboxPage(items=left[:100], more=len(left) > 100)

    def _AckInbox(self, client: Client, mine: Published, seq: int) -> None:
        mine.inbox = [item for item in mine.inbox if item.seq > seq]

    def _PutBackup(self, client: Client, mine: Published, entries: list[wire.BackupEntry]) -> None:
        self.backups[folded(client.user)] |= {entry.name: entry for entry in entries}

    def _GetBackup(
        self, client: Client, mine: Published, after: str | None = None, name: str | None = None
    ) -> wire.BackupPage:
        kept = self.backups[folded(client.user)]
        names = [name] if name is not None else sorted(each for each in kept if each > (after or ""))
        found = [kept[each] for each in names if each in kept]
        return wire.BackupPage(entries=found[:100], more=len(found) > 100)


@define(eq=False)
class Store:
    """A client's store: what was committed, and what was put since."""

    rows: dict[tuple[str, str], bytes] = field(factory=dict)
    changes: dict[tuple[str, str], bytes | None] = field(factory=dict)

    def get(self, kind: str, name: str) -> bytes | None:
        """With what is not committed yet."""
        return self.changes[kind, name] if (kind, name) in self.changes else self.rows.get((kind, name))

    def put(self, kind: str, name: str, value: bytes | None) -> None:
        """Committed with the turn."""
        self.changes[kind, name] = value

    def all(self, kind: str) -> dict[str, bytes]:
        """As `get`."""
        found = {**self.rows, **self.changes}
        return {name: value for (of, name), value in found.items() if of == kind and value is not None}

    def commit(self) -> None:
        """What was put is on the disk now."""
        for key, value in self.changes.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        self.changes.clear()


@define(eq=False)
class Client:
    """One device's core, reduced to what concerns the machine: commits before it sends, works while there is work."""

    directory: Directory
    user: str
    device: str
    store: Store = field(factory=Store)
    seed: int = 0
    now: float = START
    online: bool = False
    ulid: UlidMaker = field(init=False)
    machine: Machine = field(init=False)
    told: list[Effect] = field(init=False, factory=list)
    asked: deque[tuple[type[wire.Request], Any, dict[str, Any]]] = field(init=False, factory=deque)
    hold: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        name = folded(self.user)
        self.directory.names.setdefault(name, self.user)
        for table in (self.directory.identities, self.directory.devices, self.directory.backups):
            table.setdefault(name, [] if table is self.directory.identities else {})  # type: ignore[arg-type]
        self.directory.devices[name].setdefault(self.device, Published(self.user, self.device))
        self.directory.clients.append(self)
        self.boot()

    def boot(self) -> None:
        """A new process over what was committed."""
        self.online = False
        self.asked.clear()
        self.store.changes.clear()
        self.seed += 1
        chance = random.Random(f"{self.user}/{self.device}/{self.seed}")  # noqa: S311  # the same run each time
        self.ulid = UlidMaker(lambda: self.now, chance.randbytes)
        self.machine = Machine(self.store, self._ask, self.told.append, lambda: self.now, chance.randbytes, self.ulid)

    def start(self) -> None:
        """Logged in."""
        self.online = True
        self.machine.start(self.user, self.device)
        self.run()

    def lose(self) -> None:
        """The connection is gone: everything asked is answered by that."""
        self.online = False
        waiting, self.asked = list(self.asked), deque()
        for _, done, _ in waiting:
            done(wire.Error(code="not-connected", text="gone"))
        self.machine.lost()
        self.store.commit()

    def _ask(self, kind: type[wire.Request], done: Any, **fields: Any) -> None:
        if self.online:
            self.asked.append((kind, done, fields))
        else:
            done(wire.Error(code="not-connected", text="gone"))

    def turn(self) -> bool:
        """One turn: work, commit, then what was asked reaches the server; whether anything was done."""
        busy = self.machine.work()
        self.store.commit()
        if not self.asked or self.hold:
            return busy
        kind, done, fields = self.asked.popleft()
        kind(id=1, **fields)
        done(self.directory.answer(self, kind, fields))
        self.store.commit()
        return True

    def run_until(self, kind: type[wire.Request]) -> dict[str, Any]:
        """Turns of this client until it asks that, which stays unanswered; its fields."""
        for _ in range(1_000):
            self.machine.work()
            self.store.commit()
            for asked, _, fields in self.asked:
                if asked is kind:
                    return fields
            self.turn()
        raise AssertionError(f"{kind.__name__} is never asked")

    def run(self) -> None:
        """Turns of everybody who is online, until nobody has anything to do."""
        for _ in range(10_000):
            busy = [client.turn() for client in self.directory.clients if client.online]
            if not any(busy):
                return
        raise AssertionError("they never come to rest")

    # What a test does ----------------------------------------------------------------------------
    def direct(self, other: str) -> Conversation:
        """What is said to somebody."""
        return Conversation(f"@{other}", direct_id(self.user, other), "direct", "megolm", (self.user, other))

    def call(self, other: str, session: str) -> Conversation:
        """What is said in a session with somebody."""
        return Conversation(f"@{other}", f"session:{session}", "session", "olm", (self.user, other))

    def prepared(self, where: Conversation) -> EncchatError | None:
        """Prepare; what prevented it."""
        results: list[EncchatError | None] = []
        self.machine.prepare(where, results.append)
        self.run()
        if len(results) != 1:
            raise AssertionError(f"done was called {len(results)} times")
        return results[0]

    def say(self, where: Conversation, text: str) -> wire.Message:
        """Prepare and encrypt: the message as it goes into the log."""
        error = self.prepared(where)
        if error is not None:
            raise error
        return self.sealed(where, text)

    def sealed(self, where: Conversation, text: str) -> wire.Message:
        """Encrypt and let everybody do what there is to do; needs to be prepared."""
        said = self.sealed_quietly(where, text)
        self.run()
        return said

    def sealed_quietly(self, where: Conversation, text: str) -> wire.Message:
        """Encrypt and commit; needs to be prepared."""
        ulid = self.ulid()
        scheme, body = self.machine.encrypt(where, Content(ulid, text))
        self.store.commit()
        return wire.Message(
            conversation=where.name,
            kind=where.kind,
            seq=1,
            sender=self.user,
            ulid=ulid,
            time=0,
            body=body,
            scheme=scheme,
        )

    def read(self, where: Conversation, said: wire.Message) -> Opened:
        """Open and commit."""
        try:
            return self.machine.open(where, said)
        finally:
            self.store.commit()

    def reason(self, where: Conversation, said: wire.Message) -> str:
        """Why a message cannot be opened."""
        try:
            opened = self.read(where, said)
        except UndecryptableError as error:
            self.run()
            return error.reason
        raise AssertionError(f"it was opened: {opened.text}")

    def codes(self) -> list[str]:
        """The codes of warnings."""
        return [getattr(effect, "code", "") for effect in self.told if hasattr(effect, "code")]

    def arrived(self) -> list[str]:
        """Sessions whose key has come."""
        return [effect.session for effect in self.told if isinstance(effect, KeyArrived)]


def wire_replace(keys: wire.DeviceKeys, **changes: Any) -> wire.DeviceKeys:
    """A copy with changes."""

    return msgspec.structs.replace(keys, **changes)
