"""Envelopes: what a client makes a server passes and another client reads, and nothing else passes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import envelopes
from encchat.envelopes import MegolmEnvelope, OlmEnvelope, OlmPart, OtherEnvelope, ServerKeyEnvelope
from encchat.errors import MalformedRequestError
from tests.envelopes import sealed

devices = st.from_regex(r"[A-Za-z0-9]{1,32}", fullmatch=True)
some_bytes = st.binary(min_size=1, max_size=200)
base64s = some_bytes.map(envelopes.encoded)
megolm = st.builds(
    MegolmEnvelope,
    devices,
    st.binary(min_size=32, max_size=32).map(envelopes.encoded),
    some_bytes.map(lambda data: envelopes.encoded(b"\x03" + data)),
)
parts = st.builds(OlmPart, devices, st.sampled_from((0, 1)), base64s)
olm = st.builds(OlmEnvelope, devices, st.lists(parts, min_size=1, max_size=5).map(tuple))
server_key = st.builds(
    ServerKeyEnvelope,
    devices,
    st.integers(1, 2**53 - 1),
    st.binary(min_size=12, max_size=12),
    st.binary(min_size=16, max_size=200),
)
other = st.builds(OtherEnvelope, devices, some_bytes)
SESSION = "s" * 43


class Envelopes(SynchronousTestCase):
    """Protocol, section "Envelopes"."""

    @given(megolm)
    def test_a_megolm_envelope_comes_back_as_it_was_made(self, made: MegolmEnvelope) -> None:
        """Sender's device, session and ciphertext."""
        self.assertEqual(envelopes.split_megolm(made.body), made)

    @given(olm)
    def test_an_olm_envelope_comes_back_as_it_was_made(self, made: OlmEnvelope) -> None:
        """With a part for each device."""
        self.assertEqual(envelopes.split_olm(made.body), made)
        self.assertIn(made.part_for(made.parts[-1].device), made.parts)

    @given(server_key)
    def test_a_server_key_envelope_comes_back_as_it_was_made(self, made: ServerKeyEnvelope) -> None:
        """With the version of its key."""
        self.assertEqual(envelopes.split_server_key(made.body), made)

    @given(other)
    def test_the_envelope_of_a_plugins_scheme_comes_back_as_it_was_made(self, made: OtherEnvelope) -> None:
        """A device and bytes."""
        self.assertEqual(envelopes.split("pigeon", made.body), made)

    @given(st.text(max_size=60), st.sampled_from([*envelopes.SCHEMES, "pigeon"]))
    def test_any_text_is_an_envelope_or_refused(self, text: str, scheme: str) -> None:
        """And what passes can be taken apart."""
        try:
            envelopes.check(scheme, text)
        except MalformedRequestError as refused:
            self.assertIn(scheme, refused.text)
        else:
            self.assertEqual(envelopes.split(scheme, text).device, text.partition(".")[0])

    def test_what_people_type_is_no_envelope(self) -> None:
        """Of no scheme: a client that forgot to encrypt is refused."""
        for text in ("hello", "hello there.", "see you at 10.30", "a.b", "ok.yes, really", "D.hello there", ""):
            for scheme in (*envelopes.SCHEMES, "pigeon"):
                self.assertRaises(MalformedRequestError, envelopes.check, scheme, text)

    def test_plaintext_and_the_servers_own_scheme_are_refused_by_name(self) -> None:
        """Whatever the body."""
        for scheme in ("none", "event"):
            refused = self.assertRaises(MalformedRequestError, envelopes.check, scheme, sealed("hello")[1])
            self.assertIn("encrypted end to end", refused.text)

    def test_each_part_of_each_form_is_asked_for(self) -> None:
        """One mistake is enough."""
        good = {
            "megolm": (f"DEV.{SESSION}.Awab", f"{'d' * 32}.{SESSION}.Aw"),
            "olm": ("DEV.R1:0:abcd", "DEV.R1:0:abcd,R2:1:ab"),
            "server-key": (f"DEV.1.{'n' * 16}.{'c' * 22}", f"DEV.{'9' * 16}.{'n' * 16}.{'c' * 24}"),
            "pigeon": ("DEV.ab", "DEV.abcd"),
        }
        bad = {
            "megolm": (
                f"DEV.{SESSION}.Bwab",
                f"DEV.{SESSION}.Avab",
                f"DEV.{SESSION}.Awabc",
                f"DEV.{SESSION}.Awab=",
                f"DEV.{SESSION}.Awa-",
                f"DEV.{SESSION[1:]}.Awab",
                f"DEV.{SESSION}s.Awab",
                f".{SESSION}.Awab",
                f"{'d' * 33}.{SESSION}.Awab",
                f"DEV.{SESSION}.Awab\n",
                f"DEV.{SESSION}.Awab.more",
            ),
            "olm": ("DEV.", "DEV.R1:2:abcd", "DEV.R1:0:abcde", "DEV.R1:0:", "DEV.R1:0:abcd,", "DEV.R1:1:ab,R2:0:abcde"),
            "server-key": (
                f"DEV.0.{'n' * 16}.{'c' * 22}",
                f"DEV.01.{'n' * 16}.{'c' * 22}",
                f"DEV.{'9' * 17}.{'n' * 16}.{'c' * 22}",
                f"DEV.1.{'n' * 15}.{'c' * 22}",
                f"DEV.1.{'n' * 17}.{'c' * 22}",
                f"DEV.1.{'n' * 16}.{'c' * 21}",
                f"DEV.1.{'n' * 16}.{'c' * 25}",
            ),
            "pigeon": ("DEV.", "DEV.a", "DEV.abcde", "DEV", "DEV.ab.cd"),
        }
        for scheme, bodies in good.items():
            for body in bodies:
                envelopes.check(scheme, body)
        for scheme, bodies in bad.items():
            for body in bodies:
                self.assertRaises(MalformedRequestError, envelopes.check, scheme, body)
