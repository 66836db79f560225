"""What `MemoryStore` keeps, and every operation on it: plain, without threads, for simulations and tests.

Each operation checks first and changes afterwards, so one that raises has changed nothing.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Final, get_args

from attrs import Factory, asdict, define, evolve

from encchat.errors import LoginRefusedError, NameRefusedError, RegistrationRefusedError, StoreError
from encchat.limits import REMEMBER_REMOVED_DAYS
from encchat.names import account_name, folded, skeleton
from encchat.server.model import (
    LOBBY_KEY,
    Account,
    AuditEntry,
    ConversationState,
    Device,
    NewMessage,
    Sanction,
    SanctionKind,
    Stored,
    Tail,
)
from encchat.server.store.accounts import EPOCH
from encchat.server.store.devices import device_id
from encchat.server.store.interface import PastMessage
from encchat.server.store.messages import DIRECT, EPOCH_BITS
from encchat.server.store.retention import DAY
from encchat.wire import Kind, Role

_INT64: Final = range(-(2**63), 2**63)
_ULID_LENGTH: Final = 26


@define
class Person:
    """An account's row."""

    account: Account
    password_hash: str | None
    created: int
    deleted: int | None = None


@define
class Invite:
    """An invite's row."""

    role: Role
    uses_left: int
    expires: int | None


@define
class Log:
    """A conversation: its messages in the order of their seqs, and the places of those that were removed."""

    kind: Kind
    people: tuple[int, ...]
    last_seq: int
    messages: list[tuple[int, NewMessage]] = Factory(list)
    places: dict[tuple[int, str], Stored] = Factory(dict)
    removed: dict[tuple[int, str], Stored] = Factory(dict)

    @property
    def oldest(self) -> int:
        return self.messages[0][0] if self.messages else 0

    def remove(self, count: int) -> None:
        """Take away the first ``count`` messages, keeping their places."""
        for _, message in self.messages[:count]:
            place = (message.sender_id, message.ulid)
            self.removed[place] = self.places.pop(place)
        del self.messages[:count]


@define
class Tables:
    """One store's contents; `copy.deepcopy` of it is a backup."""

    people: dict[int, Person] = Factory(dict)
    devices: dict[bytes, Device] = Factory(dict)
    cursors: dict[tuple[bytes, str], int] = Factory(dict)
    invites: dict[bytes, Invite] = Factory(dict)
    logs: dict[str, Log] = Factory(dict)
    sanctions_: dict[tuple[SanctionKind, str], Sanction] = Factory(dict)
    entries: list[AuditEntry] = Factory(list)
    meta: dict[str, str] = Factory(dict)

    # Accounts
    def create_account(
        self, name: str, password_hash: str | None, role: Role, now: int, invite: str | None = None
    ) -> Account:
        account_name(name)
        if invite is not None:
            given = self.invite_role(invite, now)
            if given is None:
                raise RegistrationRefusedError("the invite is unknown, used up or has expired: ask for a new one")
            role = given
        self._refuse_known(name)
        if invite is not None:
            self.invites[_token_hash(invite)].uses_left -= 1
        account = Account(len(self.people) + 1, name, _role(role))
        self.people[account.id] = Person(account, password_hash, now)
        return account

    def _refuse_known(self, name: str) -> None:
        for person in self.people.values():
            known = person.account.name
            if folded(known) == folded(name):
                raise NameRefusedError(f"the name {name} is taken: choose another")
            if skeleton(known) == skeleton(name):
                raise NameRefusedError(f"the name {name} looks like {known}, which is taken: choose another")

    def delete_account(self, account_id: int, now: int) -> None:
        person = self.people.get(account_id)
        if person is None or person.deleted is not None:
            return
        for device in self.devices_of(account_id):
            self.forget_device(device.key)
        for kind in get_args(SanctionKind):
            self.sanctions_.pop((kind, folded(person.account.name)), None)
        person.account, person.password_hash = Account(account_id, person.account.name, "user"), None
        person.deleted = now

    def account(self, name: str) -> Account | None:
        return next((one.account for one in self._living() if folded(one.account.name) == folded(name)), None)

    def _person(self, account_id: int) -> Person | None:
        person = self.people.get(account_id)
        return person if person and person.deleted is None else None

    def _living(self) -> Iterator[Person]:
        return (one for one in self.people.values() if one.deleted is None)

    def password_hash(self, account_id: int) -> str | None:
        person = self.people.get(account_id)
        return person.password_hash if person else None

    def mark_seen(self, account_id: int, now: int) -> None:
        person = self._person(account_id)
        if person and now > (person.account.last_seen or 0):
            person.account = evolve(person.account, last_seen=now)

    def set_role(self, account_id: int, role: Role) -> None:
        person = self._person(account_id)
        if person:
            person.account = evolve(person.account, role=_role(role))

    # Devices
    def add_device(self, account_id: int, key: bytes, name: str, now: int, lobby_history: int) -> Device:
        if self._person(account_id) is None:
            raise LoginRefusedError("the account was deleted just now")
        known = self.devices.get(key)
        if known is None:
            known = self.devices[key] = Device(device_id(key), account_id, key, name, now)
            if lobby := self.logs.get(LOBBY_KEY):
                given = lobby.messages[max(0, len(lobby.messages) - lobby_history) :]
                self.cursors[key, LOBBY_KEY] = given[0][0] - 1 if given else lobby.last_seq
        if known.account_id != account_id:
            raise LoginRefusedError("this device's key belongs to another account: use another --home for each")
        return known

    def device(self, key: bytes) -> tuple[Account, Device] | None:
        device = self.devices.get(key)
        return (self.people[device.account_id].account, device) if device else None

    def devices_of(self, account_id: int) -> list[Device]:
        mine = [device for device in self.devices.values() if device.account_id == account_id]
        return sorted(mine, key=lambda device: (device.created, device.key))

    def revoke_device(self, account_id: int, device_id: str) -> Device | None:
        found = next((device for device in self.devices_of(account_id) if device.id == device_id), None)
        if found:
            self.forget_device(found.key)
        return found

    def forget_device(self, key: bytes) -> None:
        self.devices.pop(key, None)
        for place in [place for place in self.cursors if place[0] == key]:
            del self.cursors[place]

    def mark_device_seen(self, key: bytes, now: int) -> bool:
        device = self.devices.get(key)
        if device:
            self.devices[key] = evolve(device, last_seen=max(now, device.last_seen or now))
        return device is not None

    def move_cursor(self, device_key: bytes, key: str, seq: int) -> None:
        log = self.logs.get(key)
        if log and device_key in self.devices:
            place = (device_key, key)
            self.cursors[place] = max(self.cursors.get(place, 0), min(seq, log.last_seq))

    # Invites and values
    def add_invite(self, token: str, role: Role, uses: int, expires: int | None) -> None:
        self.invites[_token_hash(token)] = Invite(_role(role), uses, expires)

    def invite_role(self, token: str, now: int) -> Role | None:
        invite = self.invites.get(_token_hash(token))
        if invite is None or not invite.uses_left or (invite.expires is not None and invite.expires <= now):
            return None
        return invite.role

    def is_new(self) -> bool:
        return not self.people and not self.invites

    def set_meta(self, key: str, value: str) -> None:
        self.meta[key] = value

    # Sanctions and the audit log
    def add_sanction(self, sanction: Sanction) -> None:
        self.sanctions_[sanction.kind, sanction.target] = sanction

    def remove_sanction(self, kind: SanctionKind, target: str) -> bool:
        return self.sanctions_.pop((kind, target), None) is not None

    def sanctions(self, now: int) -> list[Sanction]:
        for place, one in list(self.sanctions_.items()):
            if one.until is not None and one.until <= now:
                del self.sanctions_[place]
        return [self.sanctions_[place] for place in sorted(self.sanctions_)]

    def audit_log(self, limit: int) -> list[AuditEntry]:
        return self.entries[::-1][:limit]

    # Messages
    def append(self, message: NewMessage) -> Stored:
        self._check(message)
        log = self.logs.get(message.conversation) or self._begin(message.conversation)
        place = (message.sender_id, message.ulid)
        first = log.places.get(place) or log.removed.get(place)
        if first:
            return evolve(first, duplicate=True)
        log.last_seq += 1
        log.messages.append((log.last_seq, message))
        stored = log.places[place] = Stored(log.last_seq, message.time, duplicate=False)
        return stored

    def _check(self, message: NewMessage) -> None:
        fine = (
            message.sender_id in self.people
            and len(message.ulid) == _ULID_LENGTH
            and message.kind in get_args(Kind)
            and _fits(message.time)
        )
        if not fine:
            raise StoreError("the store could not do it: the message has a value it cannot hold")
        try:
            message.body.encode()
        except UnicodeEncodeError as error:
            raise StoreError(f"the store could not do it: {error}") from error

    def _begin(self, key: str) -> Log:
        direct = DIRECT.fullmatch(key)
        people = tuple(int(person) for person in direct.groups()) if direct else ()
        start = int(self.meta.get(EPOCH, 0)) << EPOCH_BITS
        log = self.logs[key] = Log("lobby" if key == LOBBY_KEY else "direct", people, start)
        return log

    def contacts(self, account_id: int) -> list[str]:
        others = {person for log in self._logs_of(account_id).values() for person in log.people} - {account_id}
        living = (one.account.name for one in self._living() if one.account.id in others)
        return sorted(living, key=folded)

    def _logs_of(self, account_id: int) -> dict[str, Log]:
        return {key: log for key, log in self.logs.items() if account_id in log.people}

    def history(self, conversation: str, after_seq: int, limit: int) -> list[PastMessage]:
        if not _fits(after_seq):
            raise StoreError(f"the store could not do it: {after_seq} is no seq")
        log = self.logs.get(conversation)
        if log is None:
            return []
        start = bisect_right(log.messages, after_seq, key=lambda item: item[0])
        return [self._past(*item) for item in log.messages[start : start + limit]]

    def _past(self, seq: int, message: NewMessage) -> PastMessage:
        sender = self.people[message.sender_id].account.name
        return PastMessage(seq, message.kind, sender, message.ulid, message.time, message.body, message.scheme)

    def conversation(self, key: str) -> Tail | None:
        log = self.logs.get(key)
        return Tail(log.last_seq, log.oldest) if log else None

    def conversations(self, account_id: int, device_key: bytes) -> list[ConversationState]:
        lobby = {LOBBY_KEY: self.logs[LOBBY_KEY]} if LOBBY_KEY in self.logs else {}
        return [
            ConversationState(
                key,
                log.kind,
                self._partner(log, account_id),
                log.last_seq,
                log.oldest,
                self.cursors.get((device_key, key), 0),
            )
            for key, log in (lobby | self._logs_of(account_id)).items()
        ]

    def _partner(self, log: Log, account_id: int) -> str | None:
        if not log.people:
            return None
        other = next((person for person in log.people if person != account_id), account_id)
        return self.people[other].account.name

    def retain(self, kind: Kind, keep: int | None, before: int | None, slice: int) -> int:
        left = slice
        for log in self.logs.values():
            if log.kind == kind:
                count = min(_surplus(log, keep, before), left)
                log.remove(count)
                left -= count
        return slice - left

    def forget_removed(self, now: int) -> None:
        for log in self.logs.values():
            for place, stored in list(log.removed.items()):
                if stored.time < now - REMEMBER_REMOVED_DAYS * DAY:
                    del log.removed[place]

    # All of it
    def dossier(self, account_id: int) -> dict[str, Any]:
        person = self.people.get(account_id)
        if person is None:
            return {}
        name = person.account.name
        devices = self.devices_of(account_id)
        return {
            "account": _account_row(person),
            "devices": [_device_row(device) for device in devices],
            "cursors": [
                {
                    "device": device.id,
                    "key": device.key.hex(),
                    "conversation": key,
                    "seq": self.cursors[device.key, key],
                }
                for device in devices
                for key in self.logs
                if (device.key, key) in self.cursors
            ],
            "conversations": [
                {"key": key, "partner": None if len(set(log.people)) == 1 else self._partner(log, account_id)}
                for key, log in self._logs_of(account_id).items()
            ],
            "sanctions": [
                asdict(one)
                for _, one in sorted(self.sanctions_.items())
                if one.target == folded(name) or one.by == name
            ],
            "audit": [asdict(one) for one in self.entries if folded(one.target) == folded(name) or one.actor == name],
            "messages": [
                _message_row(key, seq, message)
                for key, log in self.logs.items()
                for seq, message in log.messages
                if message.sender_id == account_id
            ],
            "removed_messages": [
                {"conversation": key, "seq": stored.seq, "ulid": ulid, "time": stored.time}
                for key, log in self.logs.items()
                for (sender, ulid), stored in log.removed.items()
                if sender == account_id
            ],
        }


def _surplus(log: Log, keep: int | None, before: int | None) -> int:
    """How many messages at the front of ``log`` need not be kept."""
    many = 0 if keep is None else max(0, len(log.messages) - keep)
    is_old: Callable[[NewMessage], bool] = lambda message: before is not None and message.time < before  # noqa: E731
    for number, (_, message) in enumerate(log.messages):
        if number >= many and not is_old(message):
            return number
    return len(log.messages)


def _account_row(person: Person) -> dict[str, Any]:
    account = person.account
    return {
        "id": account.id,
        "name": account.name,
        "folded": folded(account.name),
        "skeleton": skeleton(account.name),
        "role": account.role,
        "has_password": person.password_hash is not None,
        "created": person.created,
        "last_seen": account.last_seen,
        "deleted": person.deleted,
    }


def _device_row(device: Device) -> dict[str, Any]:
    return {
        "device": device.id,
        "key": device.key.hex(),
        "name": device.name,
        "created": device.created,
        "last_seen": device.last_seen,
    }


def _cursor_row(device: Device, key: str, seq: int) -> dict[str, Any]:
    return {"device": device.id, "key": device.key.hex(), "conversation": key, "seq": seq}


def _message_row(key: str, seq: int, message: NewMessage) -> dict[str, Any]:
    return {
        "conversation": key,
        "seq": seq,
        "kind": message.kind,
        "ulid": message.ulid,
        "time": message.time,
        "scheme": message.scheme,
        "body": message.body,
    }


def _fits(number: int) -> bool:
    return number in _INT64


def _role(role: Role) -> Role:
    if role not in get_args(Role):
        raise StoreError(f"the store could not do it: there is no role {role}")
    return role


def _token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
