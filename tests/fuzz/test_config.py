"""The server's configuration: any file, any word is taken whole and valid, or refused in words."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.durations import seconds, split_terms
from encchat.errors import ConfigurationError, MalformedRequestError
from encchat.limits import MAX_DURATION, MAX_LINE, MAX_OPTION_SECONDS
from encchat.net.networks import parse_network
from encchat.server.config import KEYS, Configuration, configuration, from_file, from_words

NAMES = st.sampled_from([key.name for key in KEYS])
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(-10, 70_000),
    st.floats(),
    st.text(max_size=80),
    st.sampled_from(["open", "text", "json", "noise", "30", "-1", "0x10", "1_000", "1e3", "\x1b[31m"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("k"), inner), max_leaves=4
)


def as_toml(value: Any) -> str:
    """One value in TOML; JSON's strings are TOML's, but for the escape of what is beyond U+FFFF."""
    if isinstance(value, str):
        return json.dumps(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else f"{'+-'[value < 0]}inf"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {as_toml(one)}' for name, one in value.items())}}}"
    return json.dumps(value)


class FileFuzz(SynchronousTestCase):
    """`from_file`."""

    def loaded(self, content: bytes) -> Configuration | None:
        """What a file of that content configures, None if it is refused by our own error."""
        path = Path(self.mktemp())
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        try:
            return configuration(from_file(path))
        except ConfigurationError as error:
            self.assertIn(str(path), error.text)
            return None

    @given(st.binary(max_size=200))
    @example(b"port = " + b"9" * 5_000)
    @example(b"port = " + b"[" * 5_000)
    @example(b"port = " + b"{a=" * 5_000)
    @example(b"\xef\xbb\xbfport = 1")
    @example(b"port = 2024-01-01")
    @settings(max_examples=200, deadline=None)
    def test_any_bytes_are_a_configuration_or_refused_by_name(self, content: bytes) -> None:
        """No file makes the server's start, or SIGHUP, end in anything but an error that names the file."""
        self.loaded(content)

    @given(st.dictionaries(NAMES, VALUES, max_size=4))
    @settings(max_examples=300, deadline=None)
    def test_any_value_is_within_its_limits_or_refused(self, table: dict[str, Any]) -> None:
        """What is taken can be worked with: nothing infinite, nothing below zero, no line too long to be sent."""
        content = "".join(f"{name} = {as_toml(value)}\n" for name, value in table.items())
        made = self.loaded(content.encode("utf-8", "replace"))
        if made is not None:
            within_limits(self, made)


class WordFuzz(SynchronousTestCase):
    """What is typed: options, durations, networks."""

    @given(st.dictionaries(NAMES, st.text(max_size=60) | st.lists(st.text(max_size=20), max_size=3), max_size=3))
    @settings(max_examples=300, deadline=None)
    def test_any_option_is_within_its_limits_or_refused(self, words: dict[str, str | list[str]]) -> None:
        """The error names an option that was typed."""
        try:
            made = configuration(from_words(words))
        except ConfigurationError as error:
            self.assertTrue(any(f"--{name.replace('_', '-')}" in error.text for name in words), error.text)
        else:
            within_limits(self, made)

    @given(st.text(max_size=60) | st.from_regex(r"\d{1,12}[mhdwMHDW](\s.*)?", fullmatch=True))
    @example("9" * 5_000 + "d")
    @example("\u0661d")
    def test_any_terms_are_a_duration_and_a_reason_or_refused(self, terms: str) -> None:
        """A ban is never shorter than a minute by mistake, longer than a hundred years, or made of odd digits."""
        try:
            duration, reason = split_terms(terms)
        except MalformedRequestError:
            self.assertTrue(terms.strip()[:1].isdigit())
            return
        self.assertIn(reason, terms)
        self.assertTrue(duration is None or 60 <= duration <= MAX_DURATION)
        self.assertTrue(seconds(terms) is None or terms.isascii())

    @given(st.text(max_size=60) | st.ip_addresses().map(str) | st.ip_addresses(v=4).map(lambda one: f"{one}/24"))
    @example("0/0")
    @example("1" * 5_000 + ".0.0.0")
    @example("::/" + "9" * 5_000)
    @example("fe80::1%eth0")
    def test_any_text_is_a_network_or_none(self, text: str) -> None:
        """A network's own text means the same network again."""
        try:
            network = parse_network(text)
        except MalformedRequestError:
            return
        if network is not None:
            self.assertEqual(parse_network(str(network)), network)


def within_limits(test: SynchronousTestCase, made: Configuration) -> None:
    """Every number of ``made`` is one that a server can run with."""
    test.assertTrue(0 <= made.port <= 65_535)
    now = made.settings
    for duration in (now.keepalive, now.handshake_seconds, now.unauthenticated_seconds, now.stop_seconds):
        test.assertTrue(0 < duration <= MAX_OPTION_SECONDS)
    for rate in (now.request_rate, now.request_burst, now.handshakes_per_second, now.handshakes_burst):
        test.assertTrue(0 < rate < math.inf)
    test.assertGreaterEqual(now.max_unsent, MAX_LINE)
    test.assertGreaterEqual(min(now.lobby_history, now.retain_lobby_count, now.retain_direct_days), 0)
    test.assertTrue(now.server_name.isprintable() or "\x7f" not in now.server_name)
