"""The hub: each event is encoded once, and no receiver costs another its line."""

from __future__ import annotations

from attrs import define, field
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from encchat.server.chat import Delivery
from encchat.server.hub import Hub
from encchat.server.model import Device
from encchat.wire import Message, PresenceChanged, ServerLine, encode

EVENT = PresenceChanged(user="alice", presence="AWAY")
MESSAGE = Message(conversation="lobby", kind="lobby", seq=1, sender="eve", ulid="0" * 26, time=1, body="hi")
DEVICE = Device(id="d", account_id=1, key=bytes(32), name="")


@define(eq=False)
class Listener:
    """A receiver that remembers, or breaks."""

    breaks: bool = False
    lines: list[bytes] = field(factory=list)
    hung_up: bool = False
    device: Device = DEVICE

    def write_line(self, line: bytes) -> None:
        """Keep the object itself."""
        if self.breaks:
            raise OSError("canary")
        self.lines.append(line)

    def leave(self, last: ServerLine | None = None) -> None:
        """Not used here."""

    def break_off(self) -> None:
        """Remember it."""
        self.hung_up = True


class Delivering(SynchronousTestCase):
    """Who gets the line."""

    def setUp(self) -> None:
        """Alice has two connections, bob one."""
        self.hub = Hub()
        self.laptop, self.phone, self.bob = Listener(), Listener(), Listener()
        self.assertTrue(self.hub.add("alice", self.laptop))
        self.assertFalse(self.hub.add("alice", self.phone))
        self.assertTrue(self.hub.add("bob", self.bob))

    def test_all_receivers_share_one_encoded_line(self) -> None:
        """The same bytes object, however many there are."""
        self.hub.deliver(Delivery(None, EVENT))
        (line,), (second,), (third,) = self.laptop.lines, self.phone.lines, self.bob.lines
        self.assertEqual(line, encode(EVENT))
        self.assertTrue(line is second is third)

    def test_only_the_named_accounts_receive_on_all_their_devices(self) -> None:
        """A name that is not connected is no error."""
        self.hub.deliver(Delivery(("alice", "nobody"), EVENT))
        self.assertEqual([len(each.lines) for each in (self.laptop, self.phone, self.bob)], [1, 1, 0])

    def test_the_skipped_connection_receives_nothing(self) -> None:
        """It has an answer instead; its account's other devices receive."""
        self.hub.deliver(Delivery(("alice",), EVENT), skip=self.laptop)
        self.hub.deliver(Delivery(("bob",), EVENT), skip=self.bob)
        self.assertEqual([len(each.lines) for each in (self.laptop, self.phone, self.bob)], [0, 1, 0])

    def test_a_broken_receiver_is_hung_up_and_the_others_receive(self) -> None:
        """The log says where it broke, not over what."""
        events: list[LogEvent] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        self.laptop.breaks = True
        self.hub.deliver(Delivery(None, EVENT))
        self.assertEqual([len(each.lines) for each in (self.phone, self.bob)], [1, 1])
        self.assertEqual([each.hung_up for each in (self.laptop, self.phone, self.bob)], [True, False, False])
        self.assertEqual([event["event"] for event in events], ["receiver_broke"])
        self.assertNotIn("canary", repr(events))

    def test_who_was_removed_receives_nothing(self) -> None:
        """The last one of an account says so; removing twice changes nothing."""
        self.assertFalse(self.hub.remove("alice", self.laptop))
        self.assertFalse(self.hub.remove("alice", self.laptop))
        self.assertTrue(self.hub.remove("alice", self.phone))
        self.assertFalse(self.hub.remove("alice", self.phone))
        self.hub.deliver(Delivery(None, EVENT))
        self.assertEqual([len(each.lines) for each in (self.laptop, self.phone, self.bob)], [0, 0, 1])
        self.assertEqual((self.hub.of("alice"), self.hub.of("bob")), ((), (self.bob,)))

    def test_who_is_behind_is_passed_by_with_messages_and_nothing_else(self) -> None:
        """Until it is followed again, which says whether it missed one."""
        self.hub.pass_by(self.phone)
        self.hub.deliver(Delivery(None, EVENT))
        self.hub.deliver(Delivery(None, MESSAGE))
        self.assertEqual([len(each.lines) for each in (self.laptop, self.phone, self.bob)], [2, 1, 2])
        self.assertTrue(self.hub.follow(self.phone))
        self.hub.deliver(Delivery(("alice",), MESSAGE))
        self.assertEqual(self.phone.lines, [encode(EVENT), encode(MESSAGE)])

    def test_what_concerned_others_or_was_ones_own_was_not_missed(self) -> None:
        """Nor is anything missed by who was never passed by."""
        self.hub.pass_by(self.phone)
        self.hub.deliver(Delivery(("bob",), MESSAGE))
        self.hub.deliver(Delivery(None, MESSAGE), skip=self.phone)
        self.hub.pass_by(self.phone)
        self.assertFalse(self.hub.follow(self.phone))
        self.assertFalse(self.hub.follow(self.bob))

    def test_being_passed_by_twice_does_not_forget_what_was_missed(self) -> None:
        """It was missed all the same."""
        self.hub.pass_by(self.bob)
        self.hub.deliver(Delivery(None, MESSAGE))
        self.hub.pass_by(self.bob)
        self.assertTrue(self.hub.follow(self.bob))

    def test_a_receiver_may_leave_while_it_is_told(self) -> None:
        """The round goes on with the others."""
        hub = self.hub

        class Leaver(Listener):
            def write_line(self, line: bytes) -> None:
                hub.remove("eve", self)

        hub.add("eve", Leaver())
        late = Listener()
        hub.add("late", late)
        hub.deliver(Delivery(None, EVENT))
        self.assertEqual((hub.of("eve"), len(late.lines)), ((), 1))

    def test_one_of_an_accounts_devices_may_leave_while_it_is_told(self) -> None:
        """The account's others are told all the same, now and later."""
        hub = self.hub

        class Leaver(Listener):
            def write_line(self, line: bytes) -> None:
                hub.remove("eve", self)

        left, stays = Leaver(), Listener()
        hub.add("eve", left)
        hub.add("eve", stays)
        for count in (1, 2):
            hub.deliver(Delivery(("eve",), EVENT))
            self.assertEqual((hub.of("eve"), len(stays.lines)), ((stays,), count))
