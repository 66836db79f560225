"""Invite links and addresses: what is printed can be typed back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import ConfigurationError
from encchat.limits import MAX_INVITE
from encchat.links import DEFAULT_PORT, Address, InviteLink, parse_address, parse_link

GOOD = f"encchat://localhost:5000/?key={'A' * 43}&invite=abc"


class Addresses(SynchronousTestCase):
    """`parse_address`."""

    def test_forms_people_type(self) -> None:
        """A host alone has the default port; IPv6 works with and without brackets."""
        for text, expected in (
            ("localhost", Address("localhost", DEFAULT_PORT)),
            ("chat.example.org:7000", Address("chat.example.org", 7000)),
            ("127.0.0.1:0", Address("127.0.0.1", 0)),
            ("::1", Address("::1", DEFAULT_PORT)),
            ("[::1]:7000", Address("::1", 7000)),
        ):
            self.assertEqual(parse_address(text), expected)
            self.assertEqual(parse_address(str(expected)), expected)

    def test_what_is_no_address_is_refused_with_an_example(self) -> None:
        """The text shows the form."""
        for text in (
            "",
            ":5000",
            "host:port",
            "host:99999",
            "host/path",
            "http://host",
            "user@host",
            "two words",
            "[::1",
            "host:-1",
        ):
            error = self.assertRaises(ConfigurationError, parse_address, text)
            self.assertIn("HOST", error.text)

    @given(st.text(max_size=40))
    def test_any_text_is_an_address_or_refused(self, text: str) -> None:
        """No text makes the parser raise anything else."""
        try:
            self.assertTrue(parse_address(text).host)
        except ConfigurationError as error:
            self.assertTrue(error.text)


class Links(SynchronousTestCase):
    """`parse_link` and ``str(InviteLink)``."""

    @given(
        st.binary(min_size=32, max_size=32),
        st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
        st.integers(0, 65_535),
    )
    def test_a_link_survives_being_copied(self, identity: bytes, invite: str, port: int) -> None:
        """Printed and parsed again it is the same link."""
        link = InviteLink(Address("chat.example.org", port), identity, invite)
        self.assertEqual(parse_link(str(link)), link)

    def test_a_damaged_link_is_refused_with_what_is_wrong(self) -> None:
        """Half a link, another scheme or a shortened key never pins anything."""
        for text in (
            "",
            "http://localhost/?key=a&invite=b",
            "encchat://localhost:5000",
            "encchat://localhost/?invite=b",
            f"encchat://localhost/?key={'A' * 43}",
            GOOD.replace("A" * 43, "A" * 42),
            GOOD.replace("A" * 43, "!" * 43),
            GOOD + "&invite=twice",
            GOOD + "x" * MAX_INVITE,
            GOOD.replace("localhost:5000", ""),
            GOOD.replace("AAAA", "\u00e4\u00e4\u00e4\u00e4"),
        ):
            self.assertTrue(self.assertRaises(ConfigurationError, parse_link, text).text)

    def test_the_longest_invite_passes(self) -> None:
        """The limit is exact."""
        for length in (MAX_INVITE - 1, MAX_INVITE):
            self.assertEqual(len(parse_link(GOOD.replace("abc", "x" * length)).invite), length)
        self.assertRaises(ConfigurationError, parse_link, GOOD.replace("abc", "x" * (MAX_INVITE + 1)))

    @given(st.text(max_size=80).map(lambda text: f"encchat://{text}"))
    def test_any_text_is_a_link_or_refused(self, text: str) -> None:
        """No text makes the parser raise anything else."""
        try:
            self.assertEqual(len(parse_link(text).identity), 32)
        except ConfigurationError as error:
            self.assertTrue(error.text)
