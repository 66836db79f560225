"""The encrypted channel as a machine without a transport: bytes in, events out; what to send is asked for.

A `Channel` is one side of one connection. Feed it what the network brought with `receive_data`, hand on the events it
returns, and write what `data_to_send` returns after every call. It never waits and never writes.

Every frame is a length (2 bytes, big endian) and as many bytes. The client's first frame, the preamble, names the
protocol version and the one suite it wants; the frame's bytes are the handshake's prologue, so that changing them
breaks it. The server's first frame answers: empty accepts, otherwise it lists the suites it does offer, and that is
all there is. Then come the suite's handshake messages, one a frame, then its records.

::

    side        state       frame             next state
    responder   _Greeting   preamble          _Shaking, an empty answer queued
    responder   _Greeting   unknown suite     _Failed by `SuiteRefusedError`, the answer is still handed out
    initiator   _Asking     empty             _Shaking (message 1 went out with the preamble)
    initiator   _Asking     names of suites   _Failed by `SuiteRefusedError`
    both        _Shaking    message           _Shaking, or _Open once the suite gives a session (`Secured`)
    both        _Open       record            _Open (`Plaintext`)
    both        any         anything else     _Failed by a `ChannelError`

A failure raises a `ChannelError` and is for ever; the error wins: nothing of the bytes that brought it is delivered,
not even what was decrypted before it, and nothing more is sent. An empty record is a sign of life: the peer's probe,
or the answer to ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from struct import Struct as Layout
from typing import Final

from attrs import define, field, frozen
from msgspec import Struct

from encchat.errors import (
    ChannelError,
    ConfigurationError,
    FrameError,
    HandshakeError,
    SuiteRefusedError,
)
from encchat.limits import MAX_EMPTY_RECORDS, MAX_HANDSHAKE_MESSAGE, MAX_PREAMBLE
from encchat.secure.identity import ClientKeys, Peer, ServerKeys
from encchat.secure.interfaces import Handshake, Session, Suite

PREAMBLE: Final = b"encchat/1 "
_LENGTH: Final = Layout(">H")
LENGTH_BYTES: Final = _LENGTH.size
_pack_length: Final = _LENGTH.pack

_SUITE_NAME: Final = re.compile(rf"[A-Za-z0-9._+-]{{1,{MAX_PREAMBLE - len(PREAMBLE)}}}", re.ASCII)


class Secured(Struct, frozen=True):
    """The handshake is finished; ``peer`` is proven."""

    peer: Peer


class Plaintext(Struct, frozen=True):
    """Bytes the peer sent, in order; borders between records mean nothing."""

    data: bytes


Event = Secured | Plaintext


@frozen
class _Greeting:
    suites: Mapping[str, Suite]
    keys: ServerKeys


@frozen
class _Asking:
    wanted: str
    handshake: Handshake


@frozen
class _Shaking:
    handshake: Handshake


@frozen
class _Open:
    session: Session


@frozen
class _Failed:
    text: str


_SETTLED: Final = (_Open, _Failed)


class _Life(Enum):
    """Whether the peer was probed. An answer may come after other data: then the next empty record is still it."""

    HEARD = "nothing is asked"
    PROBED = "a probe is out and nothing has come since"
    HEARD_SINCE = "a probe is out, other data has come, its answer not yet"


@define
class Channel:
    """One side of a connection; make it with `initiator` or `responder`."""

    _state: _Greeting | _Asking | _Shaking | _Open | _Failed
    _life: _Life = _Life.HEARD
    _incoming: bytearray = field(factory=bytearray, repr=False)
    _needed: int = LENGTH_BYTES
    _outgoing: list[bytes] = field(factory=list, repr=False)

    @classmethod
    def initiator(cls, suite: Suite, keys: ClientKeys) -> Channel:
        """The client's side; the preamble and message 1 are at once in `data_to_send`."""
        _check_names((suite.name,))
        preamble = _frame(PREAMBLE + suite.name.encode("ascii"))
        handshake = suite.initiate(preamble, keys)
        channel = cls(_Asking(suite.name, handshake))
        channel._outgoing.append(preamble)
        channel._advance(handshake, None)
        return channel

    @classmethod
    def responder(cls, suites: Mapping[str, Suite], keys: ServerKeys) -> Channel:
        """The server's side; ``suites`` by name are those it offers, at least one."""
        _check_names(tuple(suites))
        return cls(_Greeting(suites, keys))

    @property
    def secured(self) -> bool:
        """Whether the handshake is finished and the channel has not failed."""
        return isinstance(self._state, _Open)

    @property
    def probing(self) -> bool:
        """Whether `probe` was called and nothing has come since."""
        return self._life is _Life.PROBED

    def receive_data(self, data: bytes) -> list[Event]:
        """Take bytes from the network, any number; what happened: at most one `Secured`, then at most one `Plaintext`.

        Raises a `ChannelError` and is dead from then on; `data_to_send` may still hold a refusal to write.
        """
        self._check_alive()
        if data and self._life is _Life.PROBED:
            self._life = _Life.HEARD_SINCE
        if self._incoming:
            self._incoming += data
            if len(self._incoming) < self._needed:
                return []
            data = bytes(self._incoming)
            self._incoming.clear()
        try:
            return self._receive(data)
        except ChannelError as error:
            self._fail(error)
            raise

    def send(self, plaintext: bytes) -> None:
        """Queue ``plaintext`` as records; `HandshakeError` before `Secured`."""
        session = self._session()
        size = session.max_plaintext
        for start in range(0, len(plaintext), size):
            self._seal(plaintext[start : start + size], session)

    def probe(self) -> None:
        """Ask for a sign of life: `probing` until something comes; `HandshakeError` before `Secured`.

        While an earlier answer is still to come no second probe is sent: that answer will do.
        """
        session = self._session()
        if self._life is _Life.HEARD:
            self._seal(b"", session)
        self._life = _Life.PROBED

    def data_to_send(self) -> bytes:
        """Take all that is queued for the network. Never raises; after a failure only a server's refusal is left."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def _receive(self, buffer: bytes) -> list[Event]:
        events: list[Event] = []
        place = 0
        while not isinstance(state := self._state, _SETTLED):
            end = self._end_of_frame(buffer, place)
            if end > len(buffer):
                return self._wait(buffer, events, place, end)
            self._take_frame(state, buffer[place + LENGTH_BYTES : end], events)
            place = end
        records, place, end = _open_records(self._session(), buffer, place)
        if empty := records.count(b""):
            self._notice_life(empty)
        if plaintext := b"".join(records):
            events.append(Plaintext(plaintext))
        return events if place == len(buffer) else self._wait(buffer, events, place, end)

    def _wait(self, buffer: bytes, events: list[Event], place: int, end: int) -> list[Event]:
        """Keep what is not a whole frame: it begins at ``place`` and will end at ``end``."""
        self._incoming += buffer[place:]
        self._needed = end - place
        return events

    def _end_of_frame(self, buffer: bytes, place: int) -> int:
        """Where the handshake frame at ``place`` ends, or its length if that is not there yet.

        The length is checked before the frame's bytes are waited for.
        """
        start = place + LENGTH_BYTES
        if len(buffer) < start:
            return start
        length: int = _LENGTH.unpack_from(buffer, place)[0]
        limit = MAX_PREAMBLE if isinstance(self._state, _Greeting) else MAX_HANDSHAKE_MESSAGE
        if length > limit:
            raise FrameError(f"a frame of {length} bytes came where at most {limit} are allowed")
        return start + length

    def _take_frame(self, state: _Greeting | _Asking | _Shaking, frame: bytes, events: list[Event]) -> None:
        match state:
            case _Greeting():
                self._take_preamble(state, frame)
            case _Asking():
                self._take_answer(state, frame)
            case _:
                events.extend(self._advance(state.handshake, frame))

    def _take_preamble(self, state: _Greeting, frame: bytes) -> None:
        name = frame.removeprefix(PREAMBLE).decode("ascii", "replace")
        if not frame.startswith(PREAMBLE) or not _SUITE_NAME.fullmatch(name):
            raise HandshakeError("the connection does not begin with the preamble of encchat/1")
        suite = state.suites.get(name)
        if suite is None:
            raise SuiteRefusedError(name, tuple(state.suites))
        try:
            self._state = _Shaking(suite.respond(_frame(frame), state.keys))
        except ConfigurationError as error:
            raise HandshakeError(f"the suite {name} cannot be used: {error.text}") from error
        self._outgoing.append(_frame(b""))

    def _take_answer(self, state: _Asking, frame: bytes) -> None:
        if frame:
            offered = tuple(frame.decode("ascii", "replace").split(","))
            if not all(map(_SUITE_NAME.fullmatch, offered)):
                raise HandshakeError("the server's answer is neither empty nor a list of suites")
            raise SuiteRefusedError(state.wanted, offered)
        self._state = _Shaking(state.handshake)

    def _advance(self, handshake: Handshake, message: bytes | None) -> list[Event]:
        reply, session = handshake.advance(message)
        if reply is not None:
            self._outgoing.append(_frame(reply))
        if session is None:
            return []
        self._state = _Open(session)
        return [Secured(session.peer)]

    def _notice_life(self, empty_records: int) -> None:
        """The first empty record after a probe of ours is its answer; any other is a probe, answered once for all."""
        if empty_records > MAX_EMPTY_RECORDS:
            raise FrameError(
                f"{empty_records} empty records came at once where at most {MAX_EMPTY_RECORDS} are allowed"
            )
        if empty_records and self._life is not _Life.HEARD:
            self._life = _Life.HEARD
            empty_records -= 1
        if empty_records:
            self._seal(b"", self._session())

    def _seal(self, plaintext: bytes, session: Session) -> None:
        try:
            self._outgoing.append(_frame(session.seal(plaintext)))
        except ChannelError as error:
            self._fail(error)
            raise

    def _session(self) -> Session:
        state = self._state
        if type(state) is _Open:
            return state.session
        self._check_alive()
        raise HandshakeError("nothing can be sent before the handshake is finished")

    def _check_alive(self) -> None:
        if isinstance(self._state, _Failed):
            raise ChannelError(f"the channel has failed: {self._state.text}")

    def _fail(self, error: ChannelError) -> None:
        greeting = isinstance(self._state, _Greeting)
        self._state, self._life = _Failed(error.text), _Life.HEARD
        self._incoming.clear()
        self._outgoing.clear()
        if greeting and isinstance(error, SuiteRefusedError):
            self._outgoing.append(_frame(",".join(error.offered).encode("ascii")))


def _frame(body: bytes) -> bytes:
    return _pack_length(len(body)) + body


def _open_records(session: Session, buffer: bytes, place: int) -> tuple[list[bytes], int, int]:
    """Open all whole records from ``place`` on: their plaintexts, where the rest begins, where its frame ends."""
    plaintexts = []
    size = len(buffer)
    while (end := place + LENGTH_BYTES) <= size:
        start = end
        end += buffer[place] << 8 | buffer[place + 1]
        if end > size:
            break
        plaintexts.append(session.open(buffer[start:end]))
        place = end
    return plaintexts, place, end


def _check_names(names: tuple[str, ...]) -> None:
    if not names or not all(map(_SUITE_NAME.fullmatch, names)):
        raise ConfigurationError(
            f"a channel needs suites, each with a name of letters, digits and . _ + -, not {names!r}"
        )
