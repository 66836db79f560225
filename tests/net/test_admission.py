"""Promises of admission: how many connections of an address, how fast, and that it forgets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from encchat import limits
from encchat.net.admission import Admission, address_key

ALICE, BOB = "192.0.2.1", "192.0.2.2"


class AdmissionCase(SynchronousTestCase):
    """Three connections at once, two new ones a second, five in a burst."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.admission = Admission(3, 2.0, 5.0, self.clock.seconds)

    def visit(self, times: int, host: str = ALICE) -> list[bool]:
        """``times`` connections, one after the other, each closed at once."""
        answers = []
        for _ in range(times):
            answers.append(self.admission.admit(host))
            if answers[-1]:
                self.admission.released(host)
        return answers


class ConnectionsPerAddressTests(AdmissionCase):
    """How many at once."""

    def test_connections_up_to_the_limit_are_admitted_and_no_more(self) -> None:
        """The third connection of an address is its last."""
        self.assertEqual([self.admission.admit(ALICE) for _ in range(4)], [True, True, True, False])

    def test_closed_connection_makes_room(self) -> None:
        """One that ends lets another in."""
        for _ in range(3):
            self.admission.admit(ALICE)
        self.admission.released(ALICE)
        self.assertEqual([self.admission.admit(ALICE) for _ in range(2)], [True, False])

    def test_one_address_takes_nothing_from_another(self) -> None:
        """An address over its limit leaves everybody else alone."""
        for _ in range(9):
            self.admission.admit(ALICE)
        self.assertTrue(self.admission.admit(BOB))

    def test_refused_connection_does_not_count(self) -> None:
        """Being refused costs nothing: after the others close there is room at once."""
        for _ in range(5):
            self.admission.admit(ALICE)
        for _ in range(3):
            self.admission.released(ALICE)
        self.assertTrue(self.admission.admit(ALICE))

    def test_release_of_an_unknown_address_is_nothing(self) -> None:
        """Releasing what was never admitted gives nobody credit."""
        self.admission.released(ALICE)
        self.assertEqual([self.admission.admit(ALICE) for _ in range(4)], [True, True, True, False])


class HandshakesPerSecondTests(AdmissionCase):
    """How fast."""

    def test_burst_is_admitted_and_no_more(self) -> None:
        """Five connections may come at once, the sixth may not."""
        self.assertEqual(self.visit(6), [True] * 5 + [False])

    def test_time_earns_new_connections_at_the_rate(self) -> None:
        """Half a second earns one connection at two a second, and not a moment earlier."""
        self.visit(5)
        self.clock.advance(0.49)
        self.assertEqual(self.visit(1), [False])
        self.clock.advance(0.02)
        self.assertEqual(self.visit(2), [True, False])

    def test_quiet_address_saves_up_one_burst_and_no_more(self) -> None:
        """However long it was quiet, a burst is a burst."""
        self.visit(5)
        self.clock.advance(3600)
        self.assertEqual(self.visit(6), [True] * 5 + [False])

    def test_clock_that_jumps_back_takes_nothing_away(self) -> None:
        """When the machine's time is set back nobody is locked out for it."""
        self.visit(4)
        self.clock.rightNow -= 3600
        self.assertEqual(self.visit(2), [True, False])
        self.clock.advance(0.5)
        self.assertEqual(self.visit(1), [True])


class MemoryTests(AdmissionCase):
    """What is remembered."""

    def test_quiet_addresses_are_forgotten(self) -> None:
        """A million addresses that come once do not stay: memory is bounded by those that are busy."""
        most = 0
        for number in range(20_000):
            self.clock.advance(0.01)
            self.visit(1, f"10.0.{number // 256}.{number % 256}")
            most = max(most, len(self.admission))
        self.assertLessEqual(most, 1_024)

    def test_open_connection_is_not_forgotten(self) -> None:
        """An address with connections open keeps its count through every forgetting."""
        for _ in range(3):
            self.admission.admit(ALICE)
        for number in range(5_000):
            self.clock.advance(1)
            self.visit(1, f"10.0.{number // 256}.{number % 256}")
        self.assertFalse(self.admission.admit(ALICE))

    def test_spent_burst_is_not_forgotten(self) -> None:
        """An address does not get a new burst by making others come in between."""
        self.visit(5)
        for number in range(5_000):
            self.visit(1, f"10.0.{number // 256}.{number % 256}")
        self.assertEqual(self.visit(1), [False])


class AddressTests(SynchronousTestCase):
    """What counts as one address."""

    def test_ipv6_is_counted_by_its_64(self) -> None:
        """All addresses of one /64 are one visitor, those of the next are another."""
        self.assertEqual(address_key("2001:db8:0:1::1"), address_key("2001:db8:0:1:ffff:ffff:ffff:ffff"))
        self.assertNotEqual(address_key("2001:db8:0:1::1"), address_key("2001:db8:0:2::1"))

    def test_ipv4_is_counted_whole_also_when_mapped_into_ipv6(self) -> None:
        """A listener on :: sees IPv4 visitors as ::ffff:a.b.c.d; they stay themselves."""
        self.assertEqual(address_key("::ffff:192.0.2.1"), address_key("192.0.2.1"))
        self.assertNotEqual(address_key("::ffff:192.0.2.1"), address_key("::ffff:192.0.2.2"))

    def test_interface_of_a_link_local_address_does_not_matter(self) -> None:
        """fe80::1%eth0 is an address too."""
        self.assertEqual(address_key("fe80::1%eth0"), address_key("fe80::2"))

    @settings(deadline=None)
    @given(st.text(max_size=40))
    def test_any_text_has_a_key(self, host: str) -> None:
        """Whatever a transport calls its peer can be counted."""
        self.assertIsInstance(address_key(host), str)

    def test_standard_limits_are_those_of_the_limits_module(self) -> None:
        """A burst as large as `encchat.limits` says is admitted, and then the rate holds."""
        admission = Admission.standard(Clock().seconds)
        burst = int(limits.HANDSHAKES_PER_ADDRESS_BURST)
        self.assertEqual([admission.admit(ALICE) for _ in range(burst + 1)], [True] * burst + [False])


class BarredTests(SynchronousTestCase):
    """Who may not come whatever it counts."""

    def test_a_barred_address_is_refused_and_not_counted(self) -> None:
        """When it is not barred any more, all is as if it had never tried."""
        barred = {ALICE}
        admission = Admission(3, 2.0, 5.0, Clock().seconds, barred.__contains__)
        self.assertEqual([admission.admit(ALICE) for _ in range(9)], [False] * 9)
        self.assertEqual((admission.admit(BOB), len(admission)), (True, 1))
        barred.clear()
        self.assertEqual([admission.admit(ALICE) for _ in range(4)], [True, True, True, False])


class ChangeTests(AdmissionCase):
    """Other limits while people are here."""

    def test_open_connections_stay_counted(self) -> None:
        """A reload gives nobody a second helping."""
        for _ in range(3):
            self.admission.admit(ALICE)
        self.admission.change(4, 2.0, 50.0)
        self.assertEqual([self.admission.admit(ALICE) for _ in range(2)], [True, False])
        self.admission.released(ALICE)
        self.assertTrue(self.admission.admit(ALICE))

    def test_what_was_spent_of_the_burst_stays_spent(self) -> None:
        """Of a burst of five all; a burst of seven leaves two."""
        self.visit(5)
        self.admission.change(3, 2.0, 7.0)
        self.assertEqual(self.visit(3), [True, True, False])
        self.admission.change(3, 4.0, 7.0)
        self.clock.advance(0.25)
        self.assertEqual(self.visit(2), [True, False])
