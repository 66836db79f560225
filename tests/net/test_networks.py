"""Networks: what is one, and who is inside."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.net.networks import NetworkSet, parse_host, parse_network


def networks(*texts: str) -> NetworkSet:
    """A set of these."""
    return NetworkSet(network for text in texts if (network := parse_network(text)) is not None)


class Parsing(SynchronousTestCase):
    """From text."""

    def test_an_ipv4_address_is_itself_and_a_network_begins_where_it_begins(self) -> None:
        """Bits behind the prefix do not matter."""
        self.assertEqual(str(parse_network("192.0.2.7")), "192.0.2.7/32")
        self.assertEqual(str(parse_network("192.0.2.7/24")), "192.0.2.0/24")

    def test_a_single_ipv6_address_is_its_64(self) -> None:
        """Its owner has all of it; a named prefix is taken as it is."""
        self.assertEqual(str(parse_network("2001:db8::1")), "2001:db8::/64")
        self.assertEqual(str(parse_network("2001:db8::1/128")), "2001:db8::1/128")

    def test_ipv4_mapped_into_ipv6_is_ipv4(self) -> None:
        """A listener on :: shows it so."""
        self.assertEqual(str(parse_network("::ffff:192.0.2.0/120")), "192.0.2.0/24")
        self.assertEqual(str(parse_network("::ffff:192.0.2.1")), "192.0.2.1/32")

    def test_what_is_no_network_is_none(self) -> None:
        """Names, above all."""
        for text in ("alice", "", "192.0.2", "192.0.2.0/33", "1.2.3.4.5", "localhost", "2001:db8::g"):
            self.assertIsNone(parse_network(text), text)

    @settings(deadline=None)
    @given(st.text(max_size=50))
    def test_any_text_is_a_network_or_none(self, text: str) -> None:
        """Nothing is raised, and a network's own text is that network."""
        network = parse_network(text)
        if network is not None:
            self.assertEqual(parse_network(str(network)), network)
        parse_host(text)


class Sets(SynchronousTestCase):
    """Who is inside."""

    def test_the_first_and_last_address_are_inside_and_their_neighbours_are_not(self) -> None:
        """Of a network of four."""
        found = [f"192.0.2.{number}" in networks("192.0.2.4/30") for number in range(3, 9)]
        self.assertEqual(found, [False, True, True, True, True, False])

    def test_mapped_and_scoped_addresses_are_found(self) -> None:
        """However the socket writes them."""
        inside = networks("192.0.2.0/24", "fe80::/10")
        self.assertIn("::ffff:192.0.2.9", inside)
        self.assertIn("fe80::1%eth0", inside)
        self.assertNotIn("::192.0.2.9", inside)

    def test_ipv4_and_ipv6_are_not_mixed_up(self) -> None:
        """Though both are numbers."""
        self.assertNotIn("::1", networks("0.0.0.0/0"))
        self.assertNotIn("0.0.0.1", networks("::/0"))

    def test_what_is_no_address_is_outside(self) -> None:
        """A unix socket has none."""
        self.assertNotIn("localhost", networks("0.0.0.0/0", "::/0"))

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=5),
        st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5),
    )
    def test_it_agrees_with_ipaddress(self, some: list[tuple[int, int]], hosts: list[int]) -> None:
        """For any networks and addresses."""
        known = [ip_network((number, size), strict=False) for number, size in some]
        for host in map(ip_address, [*hosts, *(number for number, _ in some)]):
            self.assertEqual(str(host) in NetworkSet(known), any(host in network for network in known))
