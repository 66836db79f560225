"""The schemes a machine has if it is given no others; what a scheme is stands in `encchat.e2e.interfaces`."""

from __future__ import annotations

from encchat.e2e.interfaces import Scheme
from encchat.e2e.megolm import Megolm
from encchat.e2e.server_key import ServerKey


def default_schemes() -> tuple[Scheme, ...]:
    """New ones, for one machine."""
    return (Megolm(), ServerKey())
