"""Fuzz targets: functions of any bytes that raise only where encchat does what it must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from encchat import wire
from encchat.errors import ChannelError, MalformedRequestError, UnknownCommandError
from encchat.secure import Channel, ClientKeys, Plaintext, Secured, ServerKeys, default_suites
from tests.fuzz.choices import Choices
from tests.fuzz.core import check, play

_SUITES: Final = default_suites()
_SERVER: Final = ServerKeys(
    Ed25519PrivateKey.from_private_bytes(bytes(32)), X25519PrivateKey.from_private_bytes(bytes(32))
)
_CLIENT: Final = ClientKeys(X25519PrivateKey.from_private_bytes(b"c" * 32), None)
_decode: Final = wire.RequestDecoder(wire.BUILT_IN).decode


def fuzz_channel(data: bytes) -> None:
    """Both sides at some stage of a handshake, or after it; then the bytes, in pieces, for one of them."""
    choices = Choices(data)
    suite = _SUITES["noise"]
    client, server = Channel.initiator(suite, _CLIENT), Channel.responder({suite.name: suite}, _SERVER)
    for _ in range(choices.number(4)):
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
    victim = choices.pick((client, server))
    heard = 0
    try:
        while not choices.over:
            events = victim.receive_data(choices.take(255))
            heard += sum(isinstance(event, Plaintext | Secured) for event in events)
            victim.data_to_send()
    except ChannelError:
        check(heard == 0, "a peer without the keys was heard")
        return
    check(heard == 0, "a peer without the keys was heard")


def fuzz_wire(data: bytes) -> None:
    """A request, an event, neither or both; what is one is the same when it is written and read again."""
    try:
        request = _decode(data)
    except (MalformedRequestError, UnknownCommandError):
        wire.request_id(data)
    else:
        check(_decode(wire.encode(request)) == request, "a request changes on its way")
    try:
        event = wire.decode_event(data)
    except MalformedRequestError:
        return
    check(wire.decode_event(wire.encode(event)) == event, "an event changes on its way")


def fuzz_core(data: bytes) -> None:
    """See `tests.fuzz.core`."""
    play(data)


HARNESSES: Final[dict[str, Callable[[bytes], None]]] = {
    "channel": fuzz_channel,
    "wire": fuzz_wire,
    "core": fuzz_core,
}
