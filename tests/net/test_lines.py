"""Promises of the line receiver: Twisted's contract, whatever the segmentation, without copying the rest."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.protocols import basic
from twisted.trial.unittest import SynchronousTestCase

from encchat.limits import MAX_LINE
from encchat.net.lines import LineReceiver

LIMIT = 8
"""Bytes of a line in most of these tests, so that lines over it are found quickly."""


class Recorder(LineReceiver):
    """Notes what it receives and does what a line says."""

    MAX_LENGTH = LIMIT

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []

    def lineReceived(self, line: bytes) -> None:
        self.seen.append(("line", line))
        match line:
            case b"close":
                self.transport.loseConnection()
            case b"pause":
                self.pauseProducing()
            case b"raw":
                self.setRawMode()
            case b"again":
                self.dataReceived(b"\n")

    def rawDataReceived(self, data: bytes) -> None:
        before, end, after = data.partition(b"!")
        self.seen.append(("raw", before + end))
        if end:
            self.setLineMode(after)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.seen.append(("long", line))


class StockRecorder(basic.LineReceiver):
    """Twisted's own receiver with our delimiter and limit."""

    delimiter = b"\n"
    MAX_LENGTH = LIMIT

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []

    lineReceived = Recorder.lineReceived
    rawDataReceived = Recorder.rawDataReceived


class HangingUpRecorder(Recorder):
    """Leaves an oversize line to the default, which is to hang up."""

    lineLengthExceeded = LineReceiver.lineLengthExceeded


class GivingUpRecorder(Recorder):
    """Takes everything raw once a line was too long."""

    def lineLengthExceeded(self, line: bytes) -> None:
        super().lineLengthExceeded(line)
        self.setRawMode()


class CrLfRecorder(Recorder):
    """Lines as the old protocols end them."""

    delimiter = b"\r\n"


def connected(kind: type[Recorder] = Recorder) -> Recorder:
    receiver = kind()
    receiver.makeConnection(StringTransport())
    return receiver


def fed(receiver, pieces: list[bytes]):
    """``receiver`` after all ``pieces``, fed as a TCP transport does: not while paused, not when closing."""
    for piece in pieces:
        while receiver.paused:
            receiver.resumeProducing()
        if receiver.transport.disconnecting:
            break
        receiver.dataReceived(piece)
    while receiver.paused:
        receiver.resumeProducing()
    return receiver


def lines_seen(receiver) -> list[bytes]:
    return [data for kind, data in receiver.seen if kind == "line"]


def raw_seen(receiver) -> bytes:
    return b"".join(data for kind, data in receiver.seen if kind == "raw")


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """``data`` in pieces that end at ``cuts``."""
    places = sorted({place % (len(data) + 1) for place in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


short_lines = st.lists(
    st.one_of(
        st.sampled_from([b"", b"a", b"close", b"pause", b"again", b"x" * LIMIT]),
        st.binary(max_size=LIMIT).map(lambda line: line.replace(b"\n", b".")),
    ),
    max_size=12,
)
any_lines = st.lists(
    st.one_of(st.sampled_from([b"", b"a", b"pause"]), st.integers(0, 4 * LIMIT).map(lambda size: b"y" * size)),
    max_size=12,
)
cuts = st.lists(st.integers(0, 2**16), max_size=12)


class SegmentationTests(SynchronousTestCase):
    """What is received does not depend on how the network cut it."""

    @settings(deadline=None)
    @given(short_lines, st.binary(max_size=LIMIT - 1).map(lambda tail: tail.replace(b"\n", b".")), cuts)
    def test_same_lines_as_twisteds_own_receiver(self, lines: list[bytes], tail: bytes, places: list[int]) -> None:
        """Lines within the limit arrive exactly as `twisted.protocols.basic.LineReceiver` delivers them."""
        pieces = cut(b"".join(line + b"\n" for line in lines) + tail, places)
        stock = StockRecorder()
        stock.makeConnection(StringTransport())
        self.assertEqual(fed(connected(), pieces).seen, fed(stock, pieces).seen)

    @settings(deadline=None)
    @given(any_lines, cuts)
    def test_same_lines_until_one_is_too_long(self, lines: list[bytes], places: list[int]) -> None:
        """Where an oversize line hangs up, the lines before it arrive as Twisted's own receiver delivers them."""
        pieces = cut(b"".join(line + b"\n" for line in lines), places)
        stock = StockRecorder()
        stock.makeConnection(StringTransport())
        ours = fed(connected(HangingUpRecorder), pieces)
        self.assertEqual(ours.seen, fed(stock, pieces).seen)
        self.assertEqual(ours.transport.disconnecting, stock.transport.disconnecting)

    @settings(deadline=None)
    @given(any_lines, cuts)
    @example([b"y" * (LIMIT + 1), b"a"], [LIMIT + 1])
    @example([b"y" * 3 * LIMIT, b"a"], [LIMIT + 1, 2 * LIMIT])
    def test_each_oversize_line_is_reported_once_and_skipped(self, lines: list[bytes], places: list[int]) -> None:
        """Every line over the limit is reported once, in its place, and all others arrive."""
        receiver = fed(connected(), cut(b"".join(line + b"\n" for line in lines), places))
        expected = [("long" if len(line) > LIMIT else "line", line) for line in lines]
        self.assertEqual([kind for kind, _ in receiver.seen], [kind for kind, _ in expected])
        self.assertEqual(lines_seen(receiver), [line for kind, line in expected if kind == "line"])

    @settings(deadline=None)
    @given(any_lines, cuts)
    def test_delimiters_of_two_bytes_may_be_cut_anywhere(self, lines: list[bytes], places: list[int]) -> None:
        """A longer delimiter is found across segments too, also at the end of a skipped line."""
        receiver = fed(connected(CrLfRecorder), cut(b"".join(line + b"\r\n" for line in lines), places))
        self.assertEqual(lines_seen(receiver), [line for line in lines if len(line) <= LIMIT])
        self.assertEqual(len(receiver.seen), len(lines))

    @settings(deadline=None)
    @given(st.lists(st.sampled_from([b"a\n", b"raw\n", b"!", b"pause\n", b"bc"]), max_size=16), cuts)
    def test_raw_mode_gets_every_byte_after_its_line(self, parts: list[bytes], places: list[int]) -> None:
        """Switching between lines and raw data loses and reorders nothing, however it was cut."""
        whole, pieces = fed(connected(), [b"".join(parts)]), fed(connected(), cut(b"".join(parts), places))
        self.assertEqual(lines_seen(whole), lines_seen(pieces))
        self.assertEqual(raw_seen(whole), raw_seen(pieces))


class LimitTests(SynchronousTestCase):
    """Where a line becomes too long."""

    def _kinds(self, size: int, end: bytes = b"\n") -> list[str]:
        return [kind for kind, _ in fed(connected(), [b"x" * size + end]).seen]

    def test_line_one_under_and_at_the_limit_arrives(self) -> None:
        """A line of up to MAX_LENGTH bytes, without its delimiter, is a line."""
        self.assertEqual(self._kinds(LIMIT - 1) + self._kinds(LIMIT), ["line", "line"])

    def test_line_one_over_the_limit_is_reported(self) -> None:
        """One byte more is too long, finished or not."""
        self.assertEqual(self._kinds(LIMIT + 1), ["long"])
        self.assertEqual(self._kinds(LIMIT + 1, b""), ["long"])

    def test_unfinished_line_at_the_limit_waits(self) -> None:
        """A line that has reached the limit exactly may still end there."""
        self.assertEqual(self._kinds(LIMIT, b""), [])

    def test_endless_line_costs_no_memory(self) -> None:
        """Of a line that never ends nothing is kept once it has been reported."""
        receiver = fed(connected(), [b"x" * LIMIT] * 1000)
        self.assertEqual(receiver.seen, [("long", b"x" * 2 * LIMIT)])
        self.assertEqual(receiver.clearLineBuffer(), b"")

    def test_raw_mode_ends_the_skipping(self) -> None:
        """A protocol that goes raw at an oversize line gets the rest of it raw, and its next line whole."""
        receiver = fed(connected(GivingUpRecorder), [b"x" * (LIMIT + 1), b"xx\n!", b"a\n"])
        self.assertEqual((raw_seen(receiver), lines_seen(receiver)), (b"xx\n!", [b"a"]))

    def test_limit_is_the_wires(self) -> None:
        """The limit is `encchat.limits.MAX_LINE` unless a protocol sets another, and going over it hangs up."""
        receiver = LineReceiver()
        receiver.makeConnection(StringTransport())
        receiver.dataReceived(b"x" * MAX_LINE)
        self.assertFalse(receiver.transport.disconnecting)
        receiver.dataReceived(b"x")
        self.assertTrue(receiver.transport.disconnecting)

    def test_burst_costs_its_length_and_not_its_square(self) -> None:
        """A burst of lines is split without copying its rest for each line, also when each line pauses."""
        receiver = connected()
        receiver.dataReceived(b"a\n" * 200_000)
        receiver.dataReceived(b"pause\n" * 200_000)
        while receiver.paused:
            receiver.resumeProducing()
        self.assertEqual(len(receiver.seen), 400_000)


class ClosingTests(SynchronousTestCase):
    """Lines behind the end of a session."""

    def test_no_line_is_handled_after_the_session_asked_to_close(self) -> None:
        """The lines behind the one that closed are not delivered, in the same segment or later."""
        receiver = connected()
        receiver.dataReceived(b"a\nclose\nb\nc")
        receiver.dataReceived(b"d\ne\n")
        self.assertEqual(lines_seen(receiver), [b"a", b"close"])

    def test_nothing_is_kept_after_closing(self) -> None:
        """What arrives after closing is dropped, so that a closing connection cannot fill memory."""
        receiver = connected()
        receiver.dataReceived(b"close\nb\nc")
        receiver.dataReceived(b"d")
        self.assertEqual(receiver.clearLineBuffer(), b"")

    def test_raw_data_is_not_handled_after_closing_either(self) -> None:
        """Raw mode follows the same rule."""
        receiver = connected()
        receiver.dataReceived(b"raw\n")
        receiver.transport.loseConnection()
        receiver.dataReceived(b"data")
        self.assertEqual(receiver.seen, [("line", b"raw")])


class PausingTests(SynchronousTestCase):
    """Pausing in the middle of a buffer."""

    def test_paused_receiver_delivers_nothing_and_pauses_its_transport(self) -> None:
        """From the line that pauses on nothing arrives, and the transport is asked to stop reading."""
        receiver = connected()
        receiver.dataReceived(b"a\npause\nb\n")
        self.assertEqual(lines_seen(receiver), [b"a", b"pause"])
        self.assertEqual(receiver.transport.producerState, "paused")

    def test_resuming_goes_on_with_the_next_line(self) -> None:
        """Nothing is lost or repeated over a pause, also not what arrived during it."""
        receiver = connected()
        receiver.dataReceived(b"pause\nb\nc")
        receiver.dataReceived(b"d\n")
        receiver.resumeProducing()
        self.assertEqual(lines_seen(receiver), [b"pause", b"b", b"cd"])
        self.assertEqual(receiver.transport.producerState, "producing")

    def test_waiting_bytes_can_be_taken(self) -> None:
        """`clearLineBuffer` gives what was not delivered, byte for byte, and it is not delivered later."""
        receiver = connected()
        receiver.dataReceived(b"pause\nb\nc\nd")
        self.assertEqual(receiver.clearLineBuffer(), b"b\nc\nd")
        receiver.resumeProducing()
        self.assertEqual(lines_seen(receiver), [b"pause"])

    def test_data_received_inside_a_line_comes_after_the_lines_that_wait(self) -> None:
        """A nested `dataReceived` keeps the order of arrival."""
        receiver = connected()
        receiver.dataReceived(b"again\nb\n")
        self.assertEqual(lines_seen(receiver), [b"again", b"b", b""])

    def test_receiver_without_a_transport_receives(self) -> None:
        """Lines can be fed to a receiver that has no connection, as in a test or behind another protocol."""
        receiver = Recorder()
        receiver.dataReceived(b"a\nb\n")
        self.assertEqual(lines_seen(receiver), [b"a", b"b"])
