"""One world: people, their devices, a server, what they say and what befalls them, all from one seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from attrs import define, field, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet.protocol import Factory

from encchat.client import events
from encchat.net.secure import ConnectionLimits, SecureFactory
from encchat.secure import Channel, ClientKeys, ServerKeys, default_suites
from encchat.server.model import LOBBY_KEY, Account, direct_key
from encchat.server.store import accounts, devices, retention
from encchat.server.store.memory import MemoryStore
from encchat.wire import Kind
from tests.simulation.checker import Row, Told, check
from tests.simulation.device import Connection, Device
from tests.simulation.faults import FAULTS, Place
from tests.simulation.network import End, Weather, connect
from tests.simulation.server import ServerProcess
from tests.simulation.storage import Storage
from tests.simulation.tables import cursor, ends, kept
from tests.simulation.timing import START, SkewedClock, WorldClock

TROUBLE_SECONDS: Final = 20.0
"""How long things happen to a world."""

REST_SECONDS: Final = 120.0
"""How long it may take afterwards until everybody has everything; the longest wait for a new attempt fits twice."""

_SUITE: Final = default_suites()["noise"]
_SERVER_KEYS: Final = ServerKeys(
    Ed25519PrivateKey.from_private_bytes(bytes(32)), X25519PrivateKey.from_private_bytes(bytes(32))
)

_NAMES: Final = ("alice", "bob", "carol", "dave")


@frozen
class Options:
    """What a run is like besides its seed; ``lie`` names a broken store (`disk.LIES`, `storage.LIES`)."""

    messages: int = 30
    faults: int = 8
    lie: str = ""
    channel: bool = False


@frozen
class Outcome:
    """How a run went; ``recovery`` is the world's seconds from the last fault's end until all was well."""

    seed: int
    broken: tuple[str, ...]
    messages: int
    deliveries: int
    steps: int
    recovery: float
    faults: Counter[str]


@define(eq=False)
class World:
    """See the module."""

    seed: int
    options: Options = Options()
    clock: WorldClock = field(init=False, factory=WorldClock)
    random: Random = field(init=False)
    disk: MemoryStore = field(init=False)
    server: ServerProcess = field(init=False)
    accounts: dict[str, Account] = field(init=False, factory=dict)
    devices: list[Device] = field(init=False, factory=list)
    removed: dict[str, list[Row]] = field(init=False, factory=dict)
    noted: list[str] = field(init=False, factory=list)
    phrases: dict[str, str] = field(init=False, factory=dict)
    place: Place = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - a run has to be the same every time
        self.disk = MemoryStore(self.clock)
        self.disk.open()
        self.server = ServerProcess(self.disk, self.clock, self.random, self.options.lie)
        if self.options.channel:
            self.server.make_channel = lambda: Channel.responder({_SUITE.name: _SUITE}, _SERVER_KEYS)
        weather = Weather(self.random)
        self.place = Place(
            self.clock, self.random, weather, self.server, self.devices, self._make_device, self._remove_old
        )
        for name in _NAMES[: self.random.randint(2, len(_NAMES))]:
            self.accounts[name] = accounts.create_account(self.disk.tables, name, None, "user", 0)
        for name in self.accounts:
            for number in range(self.random.choice((1, 1, 2))):
                self._add_device(name, number)

    def _add_device(self, user: str, number: int, history: int = 0) -> Device:
        private = X25519PrivateKey.from_private_bytes(f"{user}.{number}".encode().ljust(32, b"."))
        first = dict.fromkeys(self._keys(user), 0)
        device = Device(
            user,
            number,
            private,
            first,
            Storage(self.random, self.options.lie),
            self.clock,
            self.random,
            self._reach,
            self._note_death,
        )
        device.phrases = self.phrases
        tables = self.disk.tables
        devices.add_device(tables, self.accounts[user].id, device.key, "", 0, history)
        first[LOBBY_KEY] = cursor(tables, device.key, LOBBY_KEY)
        self.devices.append(device)
        return device

    def _note_death(self, device: Device) -> None:
        """What a device has acknowledged it must not be able to lose."""
        cursors = self._keyed(device, device.storage.cursors())
        for key, first in device.first.items():
            acknowledged, own = cursor(self.disk.tables, device.key, key), max(first, cursors.get(key, 0))
            if acknowledged > own:
                self.noted.append(f"{device.name}: {key}: acknowledged {acknowledged}, and after a crash has {own}")

    def _make_device(self) -> None:
        user = self.random.choice(list(self.accounts))
        self._add_device(user, len(self.devices) + 2, self.random.randint(0, 10)).start()

    def _remove_old(self) -> bool:
        kind: Kind = self.random.choice(("lobby", "direct"))
        before = {(key, row) for key, rows in kept(self.disk.tables).items() for row in rows}
        retention.retain(self.disk.tables, kind, self.random.randint(0, 4), None, 10)
        gone = before - {(key, row) for key, rows in kept(self.disk.tables).items() for row in rows}
        for key, row in sorted(gone):
            self.removed.setdefault(key, []).append(row)
        return bool(gone)

    def _reach(self, device: Device, clock: SkewedClock, client: Connection) -> End | None:
        if self.server.factory is None:
            return None
        protocol: Any = client
        if self.options.channel:
            keys = ClientKeys(device.private_key, None)
            factory = SecureFactory(
                Factory.forProtocol(lambda: client),
                lambda: Channel.initiator(_SUITE, keys),
                ConnectionLimits(),
                clock,
            )
            protocol = factory.buildProtocol(None)
        return connect(self.clock, self.place.weather, protocol, self.server.accept, device.key)

    # Trouble -------------------------------------------------------------------------------------
    def run(self) -> Outcome:
        """Start everything, let it suffer, heal it, check."""
        self.server.start()
        for device in self.devices:
            device.start()
        self._plan()
        end = START + TROUBLE_SECONDS
        self.clock.run_until(end)
        self._heal()
        while not (well := self._is_well()) and self.clock.seconds() < end + REST_SECONDS:
            self.clock.run_until(self.clock.seconds() + 0.25)
        removed = {(key, row[0]) for key, rows in self.removed.items() for row in rows}
        broken = self.noted + check(self._logs(), removed, [self._told(device) for device in self.devices])
        if not well and not broken:
            broken = [f"not at rest after {REST_SECONDS:g} s, though nothing is missing"]
        return self.outcome(broken)

    def _plan(self) -> None:
        """What is said may be said at once or with pauses; what happens may happen during all of it."""
        random = self.random
        for number in range(self.options.messages):
            device = random.choice(self.devices)
            to = random.choice(["lobby", "lobby", *(f"@{name}" for name in self.accounts)])
            body = f"{number} by {device.name} {'x' * random.choice((0, 0, 10, 400))}"
            when = random.choice((random.uniform(0.0, TROUBLE_SECONDS), random.uniform(8.0, 9.0)))
            self.clock.callLater(when, device.type, to, body)
        for fault in random.choices(FAULTS, k=random.randint(min(1, self.options.faults), self.options.faults)):
            self.clock.callLater(random.uniform(0.5, TROUBLE_SECONDS), self._befall, fault)

    def _befall(self, fault: Any) -> None:
        if fault(self.place):
            self.place.counts[fault.__name__.replace("_", " ")] += 1

    def _heal(self) -> None:
        """From now on nothing new happens; what is broken is mended."""
        self.place.weather.delay, self.place.weather.splitting = 0.02, 0.2
        self.server.start()
        if self.server.store is not None:
            self.server.store.commit_seconds, self.server.store.full = 0.02, False
        for device in self.devices:
            device.storage.die_at(0)
            device.storage.fail_at(0)
            device.start()
            if device.end is not None:
                device.end.slow = 0.0

    # Rest ----------------------------------------------------------------------------------------
    def _is_well(self) -> bool:
        logs = ends(self.disk.tables)
        for device in self.devices:
            if device.core is None or device.waiting or not device.ready or device.unopened():
                return False
            cursors = self._keyed(device, device.storage.cursors())
            for key, first in device.first.items():
                end = logs.get(key, 0)
                acknowledged = cursor(self.disk.tables, device.key, key)
                if max(first, cursors.get(key, 0)) != end or max(first, acknowledged) != end:
                    return False
        return True

    def _keys(self, user: str) -> Iterator[str]:
        yield LOBBY_KEY
        for other in self.accounts.values():
            yield direct_key(self.accounts[user], other)

    def _key(self, device: Device, conversation: str) -> str:
        if not conversation.startswith("@"):
            return conversation
        return direct_key(self.accounts[device.user], self.accounts[conversation[1:]])

    def _keyed(self, device: Device, by_name: dict[str, Any]) -> dict[str, Any]:
        return {self._key(device, name): value for name, value in by_name.items()}

    def _logs(self) -> dict[str, list[Row]]:
        """All that was said, as it was typed: the server has ciphertexts."""
        texts = {one.ulid: one.body for device in self.devices for one in device.typed}
        return {
            key: [(seq, sender, ulid, texts.get(ulid, body)) for seq, sender, ulid, body in rows]
            for key, rows in ((key, self.removed.get(key, []) + rows) for key, rows in kept(self.disk.tables).items())
        }

    def _told(self, device: Device) -> Told:
        said = [
            event for event in device.shown if isinstance(event, events.Message | events.Sent | events.Undecryptable)
        ]
        refused = [event for event in device.shown if isinstance(event, events.Error) and "not sent" in event.text]
        past = [event for event in device.shown if isinstance(event, events.Recovered)]
        tables = self.disk.tables
        return Told(
            name=device.name,
            user=device.user,
            shown=[(self._key(device, event.conversation), event) for event in said],
            again={(self._key(device, one.conversation), message.seq) for one in past for message in one.messages},
            kept=self._keyed(device, device.storage.rows()),
            first=device.first,
            cursors=self._keyed(device, device.storage.cursors()),
            acknowledged={key: cursor(tables, device.key, key) for key in device.first},
            typed=[(self._key(device, one.conversation), one.body) for one in device.typed if one.kept],
            # The process may have died with the refusal in its hands: it is settled then, and nobody was told.
            refused=len(refused) + (device.crashes if self.place.counts["full disk"] else 0),
            waiting=device.waiting,
            unopened=device.unopened(),
        )

    def outcome(self, broken: list[str]) -> Outcome:
        """How it went so far."""
        counts = self.place.counts
        counts["split delivery"] = self.place.weather.splits
        return Outcome(
            seed=self.seed,
            broken=tuple(broken),
            messages=sum(map(len, self._logs().values())),
            deliveries=sum(isinstance(event, events.Message) for device in self.devices for event in device.shown),
            steps=self.clock.steps,
            recovery=max(0.0, self.clock.seconds() - START - TROUBLE_SECONDS),
            faults=counts,
        )
