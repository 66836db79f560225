"""Both sides of a channel: keys, suites whose randomness is fixed, and the bytes of a whole handshake."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from unittest import SkipTest

from attrs import evolve, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from encchat.secure import Channel, ClientKeys, Event, Secured, ServerKeys, Session, Suite, default_suites, fingerprint
from encchat.secure.noise import x25519_pair
from encchat.secure.noise.functions import mlkem768_pair
from encchat.secure.noise_suite import NoiseSuite
from encchat.secure.rsa_suite import RsaSuite

SUITES = ("noise-hybrid", "noise", "rsa-aes128gcm")


def static(byte: int) -> X25519PrivateKey:
    """The X25519 key whose private bytes are all ``byte``."""
    return X25519PrivateKey.from_private_bytes(bytes([byte]) * 32)


@cache
def rsa_key() -> RSAPrivateKey:
    """One RSA key for all tests."""
    return generate_private_key(65_537, 2048)


@cache
def server_keys() -> ServerKeys:
    """The keys of the server in these tests."""
    return ServerKeys(Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32), static(2), rsa_key())


def identity() -> bytes:
    """The server's identity, raw."""
    return server_keys().identity.public_key().public_bytes_raw()


def client_keys() -> ClientKeys:
    """The keys of the client in these tests; the server is pinned."""
    return ClientKeys(static(3), fingerprint(identity()))


@cache
def fixed(name: str, byte: int) -> Suite:
    """The suite called ``name``, but all it makes at random comes from ``byte`` (save RSA-OAEP's own padding)."""
    suite = default_suites()[name]
    if isinstance(suite, RsaSuite):
        return RsaSuite(lambda length: bytes([byte]) * length)
    assert isinstance(suite, NoiseSuite)
    pair = x25519_pair(static(byte))
    protocol = evolve(suite.protocol, dh=evolve(suite.protocol.dh, generate=lambda: pair))
    if protocol.kem is not None:
        kem_pair = mlkem768_pair(MLKEM768PrivateKey.from_seed_bytes(bytes([byte]) * 64))
        kem = evolve(protocol.kem, generate=lambda: kem_pair, encapsulate=cache(_encapsulate))
        protocol = evolve(protocol, kem=kem)
    return evolve(suite, protocol=protocol)


def _encapsulate(public: bytes) -> tuple[bytes, bytes]:
    return MLKEM768PublicKey.from_public_bytes(public).encapsulate()


def initiator(name: str) -> Channel:
    """A client's channel that says the same every time; its first flight is taken already."""
    channel = Channel.initiator(fixed(name, 4), client_keys())
    channel.data_to_send()
    return channel


def responder(name: str) -> Channel:
    """A server's channel that answers the same every time."""
    return Channel.responder({name: fixed(name, 5)}, server_keys())


@frozen
class Flights:
    """What goes over the network in one handshake: client, server, client."""

    first: bytes
    second: bytes
    third: bytes


@cache
def flights(name: str) -> Flights:
    """The flights of `initiator` and `responder` of the suite called ``name``."""
    client = Channel.initiator(fixed(name, 4), client_keys())
    server = responder(name)
    first = client.data_to_send()
    server.receive_data(first)
    second = server.data_to_send()
    client.receive_data(second)
    return Flights(first, second, client.data_to_send())


def before_last(name: str) -> Channel:
    """A server's channel that waits for the third flight only."""
    channel = responder(name)
    channel.receive_data(flights(name).first)
    channel.data_to_send()
    return channel


def secured(name: str) -> tuple[Channel, Channel]:
    """Client and server with their handshake done."""
    client, server = initiator(name), responder(name)
    server.receive_data(flights(name).first)
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    return client, server


def session_and_server(name: str) -> tuple[Session, Channel]:
    """A client's bare session, which can say what a channel would not, and the server's channel."""
    preamble = frame(b"encchat/1 " + name.encode())
    handshake, server = fixed(name, 4).initiate(preamble, client_keys()), responder(name)
    first, _ = handshake.advance(None)
    assert first is not None
    server.receive_data(preamble + frame(first))
    last, session = handshake.advance(frames(server.data_to_send())[1])
    assert last is not None
    assert session is not None
    server.receive_data(frame(last))
    return session, server


def frame(body: bytes) -> bytes:
    """``body`` with its length before it."""
    return len(body).to_bytes(2, "big") + body


def frames(data: bytes) -> list[bytes]:
    """The bodies of the frames in ``data``."""
    bodies = []
    while data:
        end = 2 + int.from_bytes(data[:2], "big")
        bodies.append(data[2:end])
        data = data[end:]
    return bodies


def is_secured(events: list[Event]) -> bool:
    """Whether the handshake was finished."""
    return any(isinstance(event, Secured) for event in events)


@cache
def vectors(name: str) -> Any:
    """A file of vectors that somebody else published, read as JSON; skips the test where it is not."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "vectors"
    path = Path(os.environ.get("ENCCHAT_VECTORS", beside)) / name
    if not path.exists():
        raise SkipTest(f"there is no {name}; name its directory in ENCCHAT_VECTORS")
    return json.loads(path.read_bytes())
