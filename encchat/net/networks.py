"""Sets of IP networks that tell in a few dictionary look-ups whether an address is inside."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED_BITS = 96
"""IPv4 addresses stand behind this many bits of ::ffff:0:0/96 (RFC 4291 section 2.5.5.2)."""


def parse_host(host: str) -> Address | None:
    """``host`` as an address, IPv4 also when it is mapped into IPv6; None if it is none, as on a unix socket."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def parse_network(text: str) -> Network | None:
    """``ADDRESS`` or ``ADDRESS/PREFIX`` as a network; None if ``text`` is neither.

    A single IPv6 address stands for its /64: a subscriber line owns at least that (RFC 6177).
    """
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= _MAPPED_BITS:
            return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS), strict=False)
        return network if "/" in text else network.supernet(new_prefix=64)
    return network


class NetworkSet:
    """Networks that do not change; ``host in`` it for text of any kind, which is outside if it is no address."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._by_size: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            numbers = self._by_size.setdefault((network.version, shift), set())
            numbers.add(int(network.network_address) >> shift)

    def __contains__(self, host: str) -> bool:
        if not self._by_size:
            return False
        address = parse_host(host)
        if address is None:
            return False
        number, version = int(address), address.version
        return any(kind == version and number >> shift in known for (kind, shift), known in self._by_size.items())
