"""The part of a server that hands out keys, whole and at once, for cores that talk to a test by hand."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
from attrs import define, field

from encchat import wire
from encchat.client.ledger import Ledger
from encchat.client.store import MemoryStore
from encchat.e2e.machine import Machine
from encchat.names import folded
from encchat.ulids import UlidMaker

Answer = wire.Ok | wire.Error


@define(eq=False)
class KeyServer:
    """Accounts of ``friends`` get a device with real keys as soon as they are asked for."""

    friends: tuple[str, ...] = ("bob", "carol")
    published: dict[str, wire.UserKeys] = field(factory=dict)
    one_time: dict[tuple[str, str], list[wire.keys.SignedKey]] = field(factory=dict)
    parcels: list[wire.SendParcels] = field(factory=list)
    _machines: list[Machine] = field(factory=list)
    _made: set[str] = field(factory=set)

    def answer(self, user: str, device: str, request: dict[str, Any]) -> Answer | None:
        """What a request about keys is answered; None for others."""
        kind = _KINDS.get(request["type"])
        if kind is None:
            return None
        asked: Any = msgspec.convert(request, kind)
        return wire.Ok(id=asked.id, result=self._result(folded(user), device, asked))

    def friend(self, user: str) -> Machine:
        """The keys of one of ``friends``."""
        self._asked(user)
        return next(machine for machine in self._machines if machine.user == user)

    def _result(self, user: str, device: str, asked: Any) -> wire.Result | None:
        match asked:
            case wire.UploadKeys():
                return self._upload(user, device, asked)
            case wire.PublishIdentity():
                keys = self._keys(user)
                self.published[user] = msgspec.structs.replace(keys, identities=[*keys.identities, asked.identity])
            case wire.QueryKeys():
                return wire.KeyList(users=[found for name in asked.users if (found := self._asked(name))])
            case wire.ClaimKeys():
                return wire.ClaimedKeys(keys=[self._claimed(row) for row in asked.devices])
            case wire.SendParcels():
                self.parcels.append(asked)
            case wire.Inbox():
                return wire.InboxPage(items=[])
            case wire.GetBackup():
                return wire.BackupPage(entries=[])
            case _:
                pass
        return None

    def _keys(self, user: str) -> wire.UserKeys:
        return self.published.get(user) or wire.UserKeys(user=user)

    def _upload(self, user: str, device: str, asked: wire.UploadKeys) -> wire.KeyCount:
        if asked.keys is not None:
            keys = self._keys(user)
            others = [row for row in keys.devices if row.device != device]
            self.published[user] = msgspec.structs.replace(keys, devices=[*others, asked.keys])
        there = self.one_time.setdefault((user, device), [])
        there += asked.one_time
        return wire.KeyCount(one_time=len(there), generation=0)

    def _asked(self, name: str) -> wire.UserKeys | None:
        if folded(name) in self.friends and folded(name) not in self._made:
            self._made.add(folded(name))
            self._befriend(folded(name))
        return self.published.get(folded(name))

    def _befriend(self, name: str) -> None:
        """Make a device of that account, with keys of its own."""
        chance = random.Random(name)  # noqa: S311 - repeatable
        ulid = UlidMaker(lambda: 1_700_000_000.0, chance.randbytes)

        def ask(kind: type[wire.Request], done: Callable[[Answer], None], **fields: Any) -> None:
            asked = kind(id=1, **fields)
            done(wire.Ok(id=1, result=self._result(name, f"{name}1", asked)))

        keep = Ledger(MemoryStore(durable=True))
        machine = Machine(keep, ask, lambda effect: None, lambda: 1_700_000_000.0, chance.randbytes, ulid)
        machine.start(name, f"{name}1")
        while machine.work():
            pass
        self._machines.append(machine)

    def _claimed(self, row: wire.keys.DeviceAddress) -> wire.keys.ClaimedKey:
        there = self.one_time.get((folded(row.user), row.device), [])
        return wire.keys.ClaimedKey(user=row.user, device=row.device, key=there.pop() if there else None)


_KINDS = {str(kind.__struct_config__.tag): kind for kind in wire.KEY_REQUESTS}
