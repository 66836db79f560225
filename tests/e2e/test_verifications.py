"""Verifications between accounts with several devices, both asking, one leaving, one lying."""

from __future__ import annotations

from collections import deque

from attrs import define, evolve, field
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.e2e.interfaces import Effect, Verification
from encchat.e2e.sas import Party
from encchat.e2e.verifications import Verifications
from encchat.errors import KeyChangedError, NoKeysError
from encchat.limits import MAX_VERIFICATIONS, VERIFY_SECONDS
from tests.e2e.people import device, identity


def ulid(number: int) -> str:
    """A ULID of that number."""
    return f"{number:026}"


@define
class World:
    """Devices that verify, what is on its way between them, and the time."""

    now: float = 0.0
    made: int = 0
    mail: deque[tuple[Party, Party, bytes]] = field(factory=deque)
    people: dict[tuple[str, str], Person] = field(factory=dict)

    def person(self, user: str, name: str = "D1") -> Person:
        """A device of ``user``."""
        person = Person(self, Party(user, name, device(user, name).ed25519, identity(user).public))
        self.people[user, name] = person
        return person

    def ulid(self) -> str:
        self.made += 1
        return ulid(self.made)

    def settle(self) -> None:
        """Deliver all that is on its way."""
        while self.mail:
            sender, to, payload = self.mail.popleft()
            self.people[to.user, to.device].verifications.receive(sender, payload)


@define
class Person:
    """One device; ``steps`` are what was told of each user, ``believed`` who was verified."""

    world: World
    party: Party
    told: list[Verification] = field(factory=list)
    believed: list[tuple[str, wire.Identity]] = field(factory=list)
    changed: bool = False
    verifications: Verifications = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.verifications = Verifications(
            lambda: self.party,
            lambda to, payload: self.world.mail.append((self.party, to, payload)),
            self.tell,
            self.believe,
            lambda: self.world.now,
            self.world.ulid,
        )

    def tell(self, effect: Effect) -> None:
        assert isinstance(effect, Verification)
        self.told.append(effect)

    def believe(self, user: str, key: wire.Identity) -> None:
        if self.changed:
            raise KeyChangedError("changed meanwhile")
        self.believed.append((user, key))

    @property
    def steps(self) -> list[str]:
        return [effect.step for effect in self.told]


class Verifying(SynchronousTestCase):
    """`Verifications`."""

    def setUp(self) -> None:
        self.world = World()
        self.alice, self.bob, self.bobs_other = (
            self.world.person("alice"),
            self.world.person("bob"),
            self.world.person("bob", "D2"),
        )

    def ask(self) -> None:
        """Alice asks both devices of bob."""
        self.alice.verifications.begin([self.bob.party, self.bobs_other.party])
        self.world.settle()

    def confirm(self, *people: Person) -> None:
        for person, other in zip(people, reversed(people), strict=True):
            self.assertTrue(person.verifications.confirm(other.party.user))
            self.world.settle()

    def test_the_device_that_agrees_goes_on_and_the_others_are_called_off(self) -> None:
        """From asking to both being verified."""
        self.ask()
        self.assertEqual((self.bob.steps, self.bobs_other.steps), (["asked"], ["asked"]))
        self.bobs_other.verifications.begin([self.alice.party])
        self.world.settle()
        self.assertEqual(self.alice.steps, ["waiting", "compare"])
        self.assertEqual(self.bobs_other.steps, ["asked", "waiting", "compare"])
        self.assertEqual((self.bob.steps, self.bob.told[-1].reason), (["asked", "cancelled"], "elsewhere"))
        self.assertEqual(self.alice.told[-1].emoji, self.bobs_other.told[-1].emoji)
        self.assertEqual(len(self.alice.told[-1].decimals), 3)
        self.confirm(self.alice, self.bobs_other)
        self.assertEqual(self.alice.believed, [("bob", identity("bob").public)])
        self.assertEqual(self.bobs_other.believed, [("alice", identity("alice").public)])
        self.assertEqual((self.alice.steps[-1], self.bobs_other.steps[-1]), ("done", "done"))

    def test_both_asking_at_once_is_one_verification(self) -> None:
        """The one whose name comes first goes on; nobody has to agree twice."""
        self.alice.verifications.begin([self.bob.party, self.bobs_other.party])
        self.bob.verifications.begin([self.alice.party])
        self.world.settle()
        self.assertEqual((self.alice.steps[-1], self.bob.steps[-1]), ("compare", "compare"))
        self.assertEqual(self.alice.told[-1].decimals, self.bob.told[-1].decimals)
        self.confirm(self.bob, self.alice)
        self.assertEqual((len(self.alice.believed), len(self.bob.believed)), (1, 1))

    def test_one_device_refusing_leaves_the_others_asked(self) -> None:
        """The last one's refusal ends it."""
        self.ask()
        self.assertTrue(self.bob.verifications.cancel("alice"))
        self.world.settle()
        self.assertEqual(self.alice.steps, ["waiting"])
        self.bobs_other.verifications.cancel("ALICE")
        self.world.settle()
        self.assertEqual((self.alice.steps, self.alice.told[-1].reason), (["waiting", "cancelled"], "refused"))
        self.assertFalse(self.alice.verifications.cancel("bob"))

    def test_nothing_is_confirmed_that_nobody_can_compare(self) -> None:
        """Before it has come so far, and with somebody else."""
        self.ask()
        self.assertFalse(self.alice.verifications.confirm("bob"))
        self.assertFalse(self.bob.verifications.confirm("carol"))

    def test_asking_again_begins_anew(self) -> None:
        """The other side sees the new one only."""
        self.ask()
        self.ask()
        self.assertEqual(self.bob.steps[-1], "asked")
        self.bob.verifications.begin([self.alice.party])
        self.world.settle()
        self.assertEqual((self.alice.steps[-1], self.bob.steps[-1]), ("compare", "compare"))

    def test_it_waits_no_longer_than_its_limit(self) -> None:
        """Just before it is still there, at it it is over, for both."""
        self.ask()
        self.world.now = VERIFY_SECONDS - 1
        self.alice.verifications.expire()
        self.assertEqual(self.alice.steps, ["waiting"])
        self.world.now = VERIFY_SECONDS
        self.alice.verifications.expire()
        self.assertEqual((self.alice.steps[-1], self.alice.told[-1].reason), ("cancelled", "too-late"))
        self.world.settle()
        self.assertEqual(self.bob.steps[-1], "cancelled")

    def test_a_key_that_changed_meanwhile_is_not_verified(self) -> None:
        """What the store refuses is told as a verification that failed."""
        self.ask()
        self.bob.verifications.begin([self.alice.party])
        self.world.settle()
        self.alice.changed = True
        self.confirm(self.alice, self.bob)
        self.assertEqual((self.alice.steps[-1], self.alice.told[-1].reason), ("cancelled", "key-changed"))
        self.assertEqual(self.alice.believed, [])

    def test_a_device_whose_keys_changed_in_between_ends_it(self) -> None:
        """The same name and device, another identity key."""
        self.ask()
        swapped = evolve(self.bob.party, identity=identity("mallory").public)
        self.bob.verifications.begin([self.alice.party])
        (_, _, accept) = self.world.mail.popleft()
        self.alice.verifications.receive(swapped, accept)
        self.world.settle()
        self.assertNotIn("compare", self.alice.steps)
        self.assertEqual(self.alice.believed, [])

    def test_messages_of_strangers_and_garbage_are_dropped(self) -> None:
        """Another device cannot speak in a verification that is not its own."""
        self.ask()
        mallory = self.world.person("mallory")
        self.bob.verifications.begin([self.alice.party])
        (_, _, accept) = self.world.mail.popleft()
        self.alice.verifications.receive(mallory.party, accept)
        self.alice.verifications.receive(self.bob.party, b"{}")
        self.alice.verifications.receive(self.bob.party, b"\xff" * 50)
        self.assertEqual(self.alice.steps, ["waiting"])
        self.assertEqual(len(self.world.mail), 0)

    def test_so_many_are_under_way_at_most(self) -> None:
        """One more is not heard."""
        for number in range(MAX_VERIFICATIONS + 1):
            asker = self.world.person(f"user{number}")
            asker.verifications.begin([self.alice.party])
            self.world.settle()
            self.assertEqual(len(self.alice.told), min(number + 1, MAX_VERIFICATIONS))

    def test_an_account_without_devices_cannot_be_verified(self) -> None:
        """It says so."""
        self.assertEqual(self.assertRaises(NoKeysError, self.alice.verifications.begin, []).code, "no-keys")
