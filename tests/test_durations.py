"""Durations as people type them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.durations import seconds, split_terms
from encchat.errors import MalformedRequestError
from encchat.limits import MAX_DURATION


class Durations(SynchronousTestCase):
    """``30m`` and its like."""

    def test_minutes_hours_days_and_weeks(self) -> None:
        """In seconds."""
        self.assertEqual([seconds(text) for text in ("30m", "12h", "7d", "2w")], [1_800, 43_200, 604_800, 1_209_600])

    def test_what_is_no_duration_is_none(self) -> None:
        """Units are named, numbers are whole and above nothing."""
        for text in ("", "0m", "m", "30", "30s", "-1d", "1.5h", "1 d", "٣d", "forever", "7D"):
            self.assertIsNone(seconds(text), text)

    def test_a_hundred_years_is_the_most(self) -> None:
        """One day more is a mistake, and never a number no calendar holds."""
        days = MAX_DURATION // 86_400
        self.assertEqual(seconds(f"{days - 1}d"), MAX_DURATION - 86_400)
        self.assertEqual(seconds(f"{days}d"), MAX_DURATION)
        self.assertIsNone(seconds(f"{days + 1}d"))

    def test_terms_are_a_duration_and_a_reason_either_of_which_may_be_missing(self) -> None:
        """Without a duration it is for ever."""
        for terms, expected in {
            "": (None, ""),
            "2h": (7_200, ""),
            "2H  caps lock": (7_200, "caps lock"),
            "spam again": (None, "spam again"),
            "forever": (None, ""),
            "Forever 3 strikes": (None, "3 strikes"),
            "  forever young": (None, "young"),
        }.items():
            self.assertEqual(split_terms(terms), expected)

    def test_a_mistyped_duration_is_refused_and_not_taken_for_a_reason(self) -> None:
        """It would be for ever."""
        for terms in ("30min spam", "0h", "7days", "3 strikes", "99999999w"):
            error = self.assertRaises(MalformedRequestError, split_terms, terms)
            self.assertTrue(error.text.startswith(terms.split()[0] + " is no duration such as 30m"), error.text)

    @settings(deadline=None)
    @given(st.text(max_size=60))
    def test_any_text_is_terms_or_refused(self, text: str) -> None:
        """Nothing else is raised."""
        try:
            value, reason = split_terms(text)
        except MalformedRequestError:
            return
        self.assertTrue(value is None or 0 < value <= MAX_DURATION)
        self.assertIn(reason, text)
