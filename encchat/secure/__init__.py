"""The encrypted channel: suites, handshakes and records as machines without a transport."""

from encchat.secure.channel import Channel, Event, Plaintext, Secured
from encchat.secure.identity import ClientKeys, Peer, ServerKeys, fingerprint
from encchat.secure.interfaces import Handshake, Session, Suite
from encchat.secure.suites import DEFAULT_OFFER, DEFAULT_SUITE, default_suites

__all__ = [
    "DEFAULT_OFFER",
    "DEFAULT_SUITE",
    "Channel",
    "ClientKeys",
    "Event",
    "Handshake",
    "Peer",
    "Plaintext",
    "Secured",
    "ServerKeys",
    "Session",
    "Suite",
    "default_suites",
    "fingerprint",
]
