"""Devices in one conversation whose schemes stand on a host made for tests: parcels are handed over in the clear."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field

from encchat import wire
from encchat.e2e.identity import IdentityKey
from encchat.e2e.interfaces import Answered, Conversation, Decrypted, Device, Effect, KeyArrived, Scheme
from encchat.e2e.megolm import Megolm
from encchat.e2e.recovery import Backup
from encchat.errors import EncchatError
from encchat.names import folded

ROOM = "room:01ARZ3NDEKTSV4RRFFQ69G5FAV"
ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@define
class Kept:
    """`Keep` in memory, with a count of what was written."""

    rows: dict[tuple[str, str], bytes] = field(factory=dict)
    writes: int = 0

    def get(self, kind: str, name: str) -> bytes | None:
        return self.rows.get((kind, name))

    def put(self, kind: str, name: str, value: bytes | None) -> None:
        self.writes += 1
        if value is None:
            self.rows.pop((kind, name), None)
        else:
            self.rows[kind, name] = value

    def all(self, kind: str) -> dict[str, bytes]:
        return {name: value for (its, name), value in self.rows.items() if its == kind}


@define
class Parcel:
    """On its way; ``kind`` and ``payload`` as the scheme gave them."""

    sender: Device
    to: Device
    kind: str
    payload: bytes
    conversation: str


@define
class World:
    """Everybody's devices, who is in the room, what time it is, and what the server would do."""

    time: float = 1_700_000_000.0
    hosts: list[TestHost] = field(factory=list)
    members: list[str] = field(factory=list)
    revoked: set[Device] = field(factory=set)
    keyless: set[Device] = field(factory=set)
    history: str = "none"
    scheme: str = "megolm"
    mail: deque[Parcel] = field(factory=deque)
    log: list[wire.Message] = field(factory=list)
    answer: Callable[[TestHost, wire.Request, Answered], None] | None = None

    def device(self, user: str, device: str, scheme: Scheme | None = None) -> TestHost:
        """A new device in the room."""
        keys = "A" * 43
        host = TestHost(self, Device(user, device, keys, keys), scheme or Megolm())
        self.hosts.append(host)
        if user not in self.members:
            self.members.append(user)
        host.scheme.start(host)
        return host

    def conversation(self) -> Conversation:
        """The room as it is now."""
        return Conversation(
            name="#room",
            id=ROOM,
            kind="room",
            scheme=self.scheme,
            members=tuple(self.members),
            history=self.history,  # type: ignore[arg-type]
        )

    def deliver(self, only: TestHost | None = None) -> None:
        """Hand over what is on its way, and what comes of it; to ``only``: the rest stays."""
        stays: deque[Parcel] = deque()
        while self.mail:
            parcel = self.mail.popleft()
            host = next(each for each in self.hosts if each.me == parcel.to)
            if only is None or host is only:
                host.scheme.receive(parcel.kind, parcel.payload, parcel.sender, parcel.conversation)
            else:
                stays.append(parcel)
        self.mail = stays

    def work(self) -> None:
        """Everybody does what is left to do, until nothing is on its way."""
        for host in self.hosts:
            while host.scheme.work():
                pass
        self.deliver()


@define
class TestHost:
    """`Host` of one device."""

    __test__ = False

    world: World
    me: Device
    scheme: Scheme
    keep: Kept = field(factory=Kept)
    effects: list[Effect] = field(factory=list)
    sent: list[Parcel] = field(factory=list)
    slices: list[int] = field(factory=list)
    renewed: list[Device] = field(factory=list)
    learned: list[str] = field(factory=list)
    resumed: list[EncchatError | None] = field(factory=list)
    distrusted: set[str] = field(factory=set)
    rsa: str = ""
    identity: IdentityKey | None = None
    backup: Backup | None = None
    _rng: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rng = random.Random(f"{self.me.user} {self.me.device}")  # noqa: S311

    @property
    def user(self) -> str:
        return self.me.user

    @property
    def device(self) -> str:
        return self.me.device

    def clock(self) -> float:
        return self.world.time

    def random(self, count: int) -> bytes:
        return self._rng.randbytes(count)

    def ulid(self) -> str:
        return ULID[:18] + "".join(self._rng.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=8))

    def tell(self, effect: Effect) -> None:
        self.effects.append(effect)

    def ask(self, kind: type[wire.Request], done: Answered, **fields: Any) -> None:
        if self.world.answer is not None:
            self.world.answer(self, kind(id=1, **fields), done)

    def devices_of(self, conversation: Conversation) -> Sequence[Device]:
        there = {folded(name) for name in self.world.members}
        everybody = [host.me for host in self.world.hosts if folded(host.user) in there]
        return [each for each in everybody if each != self.me and each not in self.world.revoked]

    def device_of(self, user: str, device: str) -> Device | None:
        wanted = (folded(user), device)
        found = (host.me for host in self.world.hosts if (folded(host.user), host.device) == wanted)
        return next((each for each in found if each not in self.world.revoked), None)

    def may_give(self, user: str) -> bool:
        return folded(user) not in self.distrusted

    def conversation(self, id: str) -> Conversation | None:
        return self.world.conversation() if id == ROOM and self.user in self.world.members else None

    def send_parcels(
        self, conversation: Conversation, parcels: Sequence[tuple[Device, str, bytes]]
    ) -> Sequence[Device]:
        made = [Parcel(self.me, to, kind, payload, conversation.id) for to, kind, payload in parcels]
        went = [parcel for parcel in made if parcel.to not in self.world.keyless]
        self.world.mail.extend(went)
        self.sent.extend(went)
        self.slices.append(len(made))
        return [parcel.to for parcel in made if parcel.to in self.world.keyless]

    def learn(self, conversation: Conversation, user: str) -> None:
        self.learned.append(user)

    def renew_session(self, conversation: Conversation, device: Device) -> None:
        self.renewed.append(device)

    def resume(self, conversation: Conversation, error: EncchatError | None = None) -> None:
        self.resumed.append(error)

    def publish_rsa(self, key: str) -> None:
        self.rsa = key

    def identities_of(self, user: str) -> Sequence[wire.Identity]:
        keys = (host.identity for host in self.world.hosts if folded(host.user) == folded(user))
        return [key.public for key in keys if key is not None]

    # What the tests do -------------------------------------------------------------------------
    def prepare(self) -> int:
        """Prepare to the end; how many slices it took."""
        count = 1
        while self.scheme.prepare_step(self.world.conversation()) == "more":
            count += 1
        return count

    def say(self, text: str, ulid: str | None = None) -> wire.Message:
        """Prepare, encrypt; the message as the server gives it to the others."""
        self.prepare()
        return self.encrypt(text, ulid)

    def encrypt(self, text: str, ulid: str | None = None) -> wire.Message:
        """Encrypt without preparing."""
        ulid = ulid or self.ulid()
        body = self.scheme.encrypt(self.world.conversation(), ulid, text.encode())
        said = wire.Message(
            conversation="#room",
            kind="room",
            seq=len(self.world.log) + 1,
            sender=self.user,
            ulid=ulid,
            time=int(self.world.time * 1000),
            body=body,
            scheme=self.scheme.name,
        )
        self.world.log.append(said)
        return said

    def open(self, said: wire.Message) -> str:
        """The text, or `UndecryptableError`."""
        return self.opened(said).payload.decode()

    def opened(self, said: wire.Message) -> Decrypted:
        """All that opening it gives."""
        return self.scheme.open(self.world.conversation(), said)

    def arrived(self) -> list[str]:
        """The sessions whose keys came."""
        return [each.session for each in self.effects if isinstance(each, KeyArrived)]

    def restart(self) -> None:
        """The process ends and begins again, with what was kept."""
        self.scheme = type(self.scheme)()
        self.scheme.start(self)
