"""Whatever bytes come, whenever, however cut: events, or the end by an error of our own."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import ChannelError
from encchat.secure import Channel, Event, Plaintext, Secured
from tests.secure.pairs import SUITES, before_last, flights, frame, initiator, responder, secured

STAGES = ("greeting", "asking", "client shaking", "server shaking", "client open", "server open")

DEEDS = ("probe 0", "probe 1", "send 0", "send 1", "deliver 0", "deliver 1")
REST = ("deliver 0", "deliver 1") * 4


def channel_at(stage: str, name: str) -> Channel:
    """A channel of the suite called ``name`` that has come as far as ``stage``."""
    match stage:
        case "greeting":
            return responder(name)
        case "asking":
            return initiator(name)
        case "client shaking":
            client = initiator(name)
            client.receive_data(frame(b""))
            return client
        case "server shaking":
            return before_last(name)
        case "client open":
            return secured(name)[0]
        case _:
            return secured(name)[1]


def good_bytes(stage: str, name: str) -> bytes:
    """What a well-behaved peer sends a channel at ``stage`` (of another connection, once it is open)."""
    match stage:
        case "greeting":
            return flights(name).first
        case "asking":
            return flights(name).second
        case "client shaking":
            return flights(name).second[2:]
        case "server shaking":
            return flights(name).third
        case _:
            client, _ = secured(name)
            client.send(b"hello")
            return client.data_to_send()


@st.composite
def nearly_good(draw: st.DrawFn, stage: str, name: str) -> bytes:
    """Good bytes with a piece replaced by another one."""
    data = good_bytes(stage, name)
    start = draw(st.integers(0, len(data)))
    stop = draw(st.integers(start, min(len(data), start + 40)))
    return data[:start] + draw(st.binary(max_size=40)) + data[stop:]


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    """Frames of anything."""
    return b"".join(frame(body) for body in draw(st.lists(st.binary(max_size=300), max_size=4)))


@st.composite
def situations(draw: st.DrawFn) -> tuple[Channel, list[bytes]]:
    """A channel at any stage of any suite, and bytes for it in pieces."""
    stage, name = draw(st.sampled_from(STAGES)), draw(st.sampled_from(SUITES))
    data = draw(st.one_of(st.binary(max_size=600), framed(), nearly_good(stage, name)))
    return channel_at(stage, name), draw(pieces_of(data))


@st.composite
def pieces_of(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """``data`` cut at any places."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]


class ByteTests(SynchronousTestCase):
    """Any byte string at any point."""

    @settings(max_examples=400, deadline=None)
    @given(situations())
    def test_any_bytes_yield_events_or_our_own_error(self, situation: tuple[Channel, list[bytes]]) -> None:
        """No other exception ever comes out, and after an error the channel is dead and silent."""
        channel, pieces = situation
        was_refusing = False
        for piece in pieces:
            try:
                events = channel.receive_data(piece)
            except ChannelError:
                was_refusing = True
                break
            self.assertTrue(all(isinstance(event, Secured | Plaintext) for event in events))
        if was_refusing:
            self.assertFalse(channel.secured)
            self.assertLess(len(channel.data_to_send()), 100)
            with self.assertRaises(ChannelError):
                channel.receive_data(b"")

    @settings(max_examples=100, deadline=None)
    @given(st.data(), st.sampled_from(SUITES))
    def test_where_the_network_cuts_does_not_matter(self, data: st.DataObject, name: str) -> None:
        """The same bytes cut anywhere give the same events in the end."""
        server, client = responder(name), initiator(name)
        server.receive_data(flights(name).first)
        client.receive_data(server.data_to_send())
        texts = data.draw(st.lists(st.binary(max_size=200), max_size=5))
        for text in texts:
            client.send(text)
        events: list[Event] = []
        for piece in data.draw(pieces_of(client.data_to_send())):
            events += server.receive_data(piece)
        self.assertIsInstance(events[0], Secured)
        received = b"".join(event.data for event in events[1:] if isinstance(event, Plaintext))
        self.assertEqual(received, b"".join(texts))


class LifeTests(SynchronousTestCase):
    """Probes and data, however they cross on the way."""

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.sampled_from(DEEDS), max_size=30))
    def test_probes_always_come_to_rest(self, deeds: list[str]) -> None:
        """When all is delivered nobody is still probing, and the two do not go on answering each other."""
        sides = secured("noise")
        wires = [b"", b""]
        for deed in [*deeds, *REST]:
            self.do(deed, sides, wires)
        self.assertEqual([side.probing for side in sides], [False, False])
        self.assertEqual([side.data_to_send() for side in sides], [b"", b""])
        self.assertEqual(wires, [b"", b""])

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.sampled_from(DEEDS), max_size=30))
    def test_a_living_peer_always_answers(self, deeds: list[str]) -> None:
        """After any history a probe brings something back."""
        sides = secured("noise")
        wires = [b"", b""]
        for deed in [*deeds, *REST]:
            self.do(deed, sides, wires)
        for side in (0, 1):
            sides[side].probe()
            sides[1 - side].receive_data(sides[side].data_to_send())
            sides[side].receive_data(sides[1 - side].data_to_send())
            self.assertFalse(sides[side].probing)

    def do(self, deed: str, sides: tuple[Channel, Channel], wires: list[bytes]) -> None:
        """One deed of one side; ``wires`` hold what each side has sent and the other has not received."""
        what, number = deed.split()
        side = int(number)
        match what:
            case "probe":
                sides[side].probe()
            case "send":
                sides[side].send(b"x")
            case _:
                data, wires[1 - side] = wires[1 - side], b""
                sides[side].receive_data(data)
        wires[side] += sides[side].data_to_send()
