"""Base64 has one spelling only for the same bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.e2e.base64s import from_base64, to_base64


class Spelling(SynchronousTestCase):
    """`encchat.e2e.base64s`."""

    @given(st.binary(max_size=70))
    def test_what_was_written_is_read(self, data: bytes) -> None:
        """Whatever its length."""
        self.assertEqual(from_base64(to_base64(data)), data)

    @given(st.text(st.sampled_from("AQZaz09+/-_= \n\0é٣"), max_size=12))
    def test_nothing_else_is_read(self, text: str) -> None:
        """What is read is written the same way again."""
        data = from_base64(text)
        self.assertTrue(data is None or to_base64(data) == text)

    def test_other_spellings_of_the_same_bytes_are_refused(self) -> None:
        """Padding, spaces, line ends, the alphabet for addresses, bits that say nothing, digits of other scripts."""
        for text in ("AA==", "AA ", " AA", "A\nA", "-_8", "AB", "A", "A===", "٣A", "AA\0"):
            self.assertIsNone(from_base64(text), text)
        self.assertEqual((from_base64("AA"), from_base64("+/8"), from_base64("")), (b"\0", b"\xfb\xff", b""))
