"""ULIDs: form, order, and clocks that misbehave."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.ulids import UlidMaker


class Ulids(SynchronousTestCase):
    """github.com/ulid/spec."""

    def test_the_first_ten_characters_are_the_time(self) -> None:
        """The example of the specification: 1469918176385 ms are 01ARYZ6S41."""
        self.assertEqual(UlidMaker(lambda: 1_469_918_176.385, bytes)(), "01ARYZ6S41" + "0" * 16)

    @given(st.lists(st.floats(0, 2**47 / 1000), min_size=1, max_size=20), st.binary(min_size=10, max_size=10))
    def test_ulids_only_grow_and_are_well_formed(self, times: list[float], noise: bytes) -> None:
        """Whatever the clock does, also with the largest random part."""
        clock = iter(times)
        make = UlidMaker(lambda: next(clock), lambda _: noise)
        made = [make() for _ in times]
        self.assertEqual(made, sorted(set(made)))
        for ulid in made:
            self.assertTrue(re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", ulid))
            wire.RequestDecoder(wire.BUILT_IN).decode(
                wire.encode(wire.Send(id=0, conversation="lobby", ulid=ulid, body="x"))
            )
