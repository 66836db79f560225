"""The Noise engine's own rules: turns, what a protocol name may say, missing keys, the counter."""

from __future__ import annotations

from weakref import ref

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import CounterExhaustedError, HandshakeError, RecordError
from encchat.limits import MAX_FRAME, MAX_READY_CIPHERS
from encchat.secure.noise import CipherState, HandshakeState, NoiseProtocol, x25519_pair
from encchat.secure.noise.functions import CIPHERS, HASHES, Aead, Cipher
from encchat.secure.noise.patterns import PATTERNS, pattern_of
from encchat.secure.noise.symmetric_state import SymmetricState
from tests.secure.pairs import static

XX = "Noise_XX_25519_ChaChaPoly_SHA256"
NN = "Noise_NN_25519_ChaChaPoly_SHA256"


def state(name: str, initiator: bool, psks: tuple[bytes, ...] = ()) -> HandshakeState:
    """A handshake with a static key of ours and none of the peer."""
    return HandshakeState.initialize(NoiseProtocol.named(name), initiator, b"", x25519_pair(static(6)), None, psks)


class TurnTests(SynchronousTestCase):
    """Handshake messages out of order."""

    def test_writing_or_reading_out_of_turn(self) -> None:
        """Who is not next may not write, who is next may not read."""
        with self.assertRaisesRegex(HandshakeError, "out of order"):
            state(XX, False).write_message(b"")
        with self.assertRaisesRegex(HandshakeError, "out of order"):
            state(XX, True).read_message(bytes(32))
        begun = state(XX, True)
        begun.write_message(b"")
        with self.assertRaisesRegex(HandshakeError, "out of order"):
            begun.write_message(b"")

    def test_after_the_last_message(self) -> None:
        """A finished handshake takes no message, an unfinished one does not split."""
        ours, theirs = state(NN, True), state(NN, False)
        theirs.read_message(ours.write_message(b""))
        with self.assertRaisesRegex(HandshakeError, "not finished"):
            theirs.split()
        ours.read_message(theirs.write_message(b""))
        with self.assertRaisesRegex(HandshakeError, "out of order"):
            ours.write_message(b"")
        with self.assertRaisesRegex(HandshakeError, "out of order"):
            theirs.read_message(b"")

    def test_messages_of_65535_bytes(self) -> None:
        """A message of 65,534 or 65,535 bytes is written and read, one of 65,536 neither."""
        for length in (MAX_FRAME - 1, MAX_FRAME):
            payload = bytes(length - 32)
            message = state(NN, True).write_message(payload)
            self.assertEqual(len(message), length)
            self.assertEqual(state(NN, False).read_message(message), payload)
        with self.assertRaisesRegex(HandshakeError, "at most 65535"):
            state(NN, True).write_message(bytes(MAX_FRAME - 31))
        with self.assertRaisesRegex(HandshakeError, "at most 65535"):
            state(NN, False).read_message(bytes(MAX_FRAME + 1))


class KeyTests(SynchronousTestCase):
    """Keys a pattern needs."""

    def test_a_static_key_that_is_missing(self) -> None:
        """A pattern that knows a key beforehand refuses to begin without it."""
        for name, needed in (("NK", "rs"), ("KN", "s")):
            protocol = NoiseProtocol.named(f"Noise_{name}_25519_ChaChaPoly_SHA256")
            with self.assertRaisesRegex(HandshakeError, f"needs {needed},"):
                HandshakeState.initialize(protocol, True)

    def test_a_static_key_of_ours_that_is_missing_later(self) -> None:
        """A pattern that sends our static key refuses when there is none."""
        protocol = NoiseProtocol.named("Noise_IN_25519_ChaChaPoly_SHA256")
        with self.assertRaisesRegex(HandshakeError, "needs s,"):
            HandshakeState.initialize(protocol, True).write_message(b"")

    def test_a_pre_shared_key_that_is_missing_or_short(self) -> None:
        """A psk pattern needs a key of exactly 32 bytes."""
        name = "Noise_NNpsk0_25519_ChaChaPoly_SHA256"
        for psks in ((), (bytes(31),), (bytes(33),)):
            with self.assertRaisesRegex(HandshakeError, "pre-shared key of 32 bytes"):
                state(name, True, psks).write_message(b"")
        state(name, True, (bytes(32),)).write_message(b"")

    def test_different_pre_shared_keys(self) -> None:
        """Who has another pre-shared key cannot read the first message."""
        name = "Noise_NNpsk0_25519_ChaChaPoly_SHA256"
        message = state(name, True, (bytes(32),)).write_message(b"secret")
        with self.assertRaisesRegex(HandshakeError, "does not authenticate"):
            state(name, False, (b"\1" * 32,)).read_message(message)

    def test_different_prologues(self) -> None:
        """Two who do not agree on the prologue cannot finish."""
        protocol = NoiseProtocol.named(NN)
        ours, theirs = HandshakeState.initialize(protocol, True, b"a"), HandshakeState.initialize(protocol, False, b"b")
        theirs.read_message(ours.write_message(b""))
        with self.assertRaisesRegex(HandshakeError, "does not authenticate"):
            ours.read_message(theirs.write_message(b""))


class NameTests(SynchronousTestCase):
    """What a protocol name may say."""

    def test_names_that_are_unknown(self) -> None:
        """A name with an unknown or missing part is a ValueError that repeats it."""
        for name in (
            "",
            "Noise_XX_25519_ChaChaPoly",
            "Noise_XX_25519_ChaChaPoly_MD5",
            "Noise_XX_25519_RC4_SHA256",
            "Noise_XX_P256_ChaChaPoly_SHA256",
            "Noise_XXhfs_25519+Kyber_ChaChaPoly_SHA256",
            "Noise_XXhfs_25519_ChaChaPoly_SHA256",
            "Noise_XX_25519+MLKEM768_ChaChaPoly_SHA256",
            "Pink_XX_25519_ChaChaPoly_SHA256",
        ):
            with self.assertRaisesRegex(ValueError, "no Noise protocol"):
                NoiseProtocol.named(name)

    def test_patterns_that_are_unknown(self) -> None:
        """A pattern that is not in the tables, or a modifier that does not fit it, is a ValueError."""
        for name in ("ZZ", "XXpskA", "XX+psk1", "XXfallback", "xx"):
            with self.assertRaisesRegex(ValueError, "no handshake pattern"):
                pattern_of(name)
        with self.assertRaisesRegex(ValueError, "only 2 messages"):
            pattern_of("NNpsk3")
        with self.assertRaisesRegex(ValueError, "has no ee"):
            pattern_of("Nhfs")

    def test_modifiers(self) -> None:
        """pskN and hfs put their tokens where the specification has them, several at once too."""
        tokens = [message.tokens for message in pattern_of("XXhfs").messages]
        self.assertEqual(tokens, [("e", "e1"), ("e", "ee", "ekem1", "s", "es"), ("s", "se")])
        tokens = [message.tokens for message in pattern_of("NNpsk0+psk2").messages]
        self.assertEqual(tokens, [("psk", "e"), ("e", "ee", "psk")])

    def test_every_pattern_is_valid(self) -> None:
        """Section 7.3: every pattern's messages take turns, and nobody says a key twice or uses one not there yet."""
        for name, pattern in PATTERNS.items():
            known = {("s", True)} if pattern.initiator_known else set()
            known |= {("s", False)} if pattern.responder_known else set()
            turns = [message.from_initiator for message in pattern.messages]
            self.assertEqual(turns, [number % 2 == 0 for number in range(len(turns))], name)
            for message in pattern.messages:
                for token in message.tokens:
                    if len(token) == 1:
                        self.assertNotIn((token, message.from_initiator), known, name)
                        known.add((token, message.from_initiator))
                    else:
                        self.assertLessEqual({(token[0], True), (token[1], False)}, known, name)


class CipherStateTests(SynchronousTestCase):
    """One key, one counter."""

    def test_without_a_key_nothing_is_encrypted(self) -> None:
        """Section 5.1: without k both directions give back what they got, and Rekey does nothing."""
        cipher_state = CipherState(CIPHERS["AESGCM"])
        self.assertFalse(cipher_state.has_key())
        self.assertEqual(cipher_state.encrypt_with_ad(b"", b"x"), b"x")
        self.assertEqual(cipher_state.decrypt_with_ad(b"", b"x"), b"x")
        cipher_state.rekey()
        self.assertFalse(cipher_state.has_key())

    def test_the_last_nonce(self) -> None:
        """2^64-2 is the last nonce; with 2^64-1 both directions raise."""
        for name in CIPHERS:
            ours, theirs = CipherState(CIPHERS[name], bytes(32)), CipherState(CIPHERS[name], bytes(32))
            for nonce in (2**64 - 3, 2**64 - 2):
                ours.set_nonce(nonce)
                theirs.set_nonce(nonce)
                self.assertEqual(theirs.decrypt_with_ad(b"a", ours.encrypt_with_ad(b"a", b"x")), b"x")
            for deed in (ours.encrypt_with_ad, ours.decrypt_with_ad):
                with self.assertRaises(CounterExhaustedError):
                    deed(b"", bytes(16))

    def test_associated_data(self) -> None:
        """Other associated data is a forgery, and the nonce stays."""
        ours, theirs = CipherState(CIPHERS["AESGCM"], bytes(32)), CipherState(CIPHERS["AESGCM"], bytes(32))
        ciphertext = ours.encrypt_with_ad(b"a", b"x")
        with self.assertRaises(RecordError):
            theirs.decrypt_with_ad(b"b", ciphertext)
        self.assertEqual(theirs.n, 0)
        self.assertEqual(theirs.decrypt_with_ad(b"a", ciphertext), b"x")

    def test_as_many_ciphers_are_kept_ready_and_no_more(self) -> None:
        """With one state more than the limit each has to make its own anew when its turn comes; all work on."""
        made: list[bytes] = []

        def under(key: bytes) -> Aead:
            made.append(key)
            return AESGCM(key)

        for count, again in ((MAX_READY_CIPHERS - 1, 0), (MAX_READY_CIPHERS, 0), (MAX_READY_CIPHERS + 1, 1)):
            states = [CipherState(Cipher(under, CIPHERS["AESGCM"].nonce), bytes(32)) for _ in range(count)]
            first = {state.encrypt_with_ad(b"", b"text") for state in states}
            made.clear()
            second = {state.encrypt_with_ad(b"", b"text") for state in states}
            self.assertEqual(len(made), again * count)
            self.assertEqual((len(first), len(second), len(first | second)), (1, 1, 2))

    def test_newcomers_take_no_ready_cipher_from_those_who_talk(self) -> None:
        """However many handshakes are computed, who has sent something does not make a cipher anew for it."""
        made: list[bytes] = []

        def under(key: bytes) -> Aead:
            made.append(key)
            return AESGCM(key)

        talker = CipherState(Cipher(under, CIPHERS["AESGCM"].nonce), bytes(32))
        talker.encrypt_with_ad(b"", b"text")
        handshake = SymmetricState.initialize(b"name", CIPHERS["AESGCM"], HASHES["SHA256"])
        for _ in range(MAX_READY_CIPHERS + 1):
            handshake.mix_key(bytes(32))
            handshake.encrypt_and_hash(b"")
        talker.encrypt_with_ad(b"", b"text")
        self.assertEqual(len(made), 1)

    def test_nothing_is_kept_of_a_state_that_is_gone(self) -> None:
        """Its key neither."""
        gone = CipherState(CIPHERS["AESGCM"], bytes(32))
        gone.encrypt_with_ad(b"", b"text")
        remembered = ref(gone)
        del gone
        self.assertIs(remembered(), None)
