"""Key files: made once, whole, for the owner alone; refused with a sentence that says what would be right."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from unittest import SkipTest

from attrs import evolve
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import ConfigurationError
from encchat.limits import MAX_KEY_FILE, MAX_RSA_BITS, MIN_RSA_BITS
from encchat.secure import Channel, Plaintext, ServerKeys, default_suites
from encchat.secure.keys import (
    load_or_make_identity,
    load_or_make_static,
    load_rsa,
    load_rsa_public,
    make_rsa,
)
from tests.secure.pairs import client_keys, rsa_key, server_keys


def pem_of(key: X25519PrivateKey) -> bytes:
    """A key as encchat writes it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class FileTestCase(SynchronousTestCase):
    """A directory with one file in it."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "key.pem"

    def write(self, data: bytes, mode: int = 0o600) -> Path:
        """A file with ``data``."""
        self.path.write_bytes(data)
        self.path.chmod(mode)
        return self.path

    def check_refused(self, load: Callable[[Path], object], text: str) -> None:
        """``load`` of the file ends in a ConfigurationError that names the file and says ``text``."""
        with self.assertRaisesRegex(ConfigurationError, text) as caught:
            load(self.path)
        self.assertIn(str(self.path), caught.exception.text)


class KeyFileTests(FileTestCase):
    """Files of one's own keys."""

    def test_made_once(self) -> None:
        """The first call makes the key, the next ones find it; the directory holds nothing else."""
        for load in (load_or_make_identity, load_or_make_static):
            first = load(self.path).public_key().public_bytes_raw()
            self.assertEqual(load(str(self.path)).public_key().public_bytes_raw(), first)
            self.assertEqual(os.listdir(self.directory), ["key.pem"])
            self.path.unlink()

    def test_made_for_the_owner_alone(self) -> None:
        """A new file has mode 0600, whatever the umask."""
        before = os.umask(0)
        try:
            load_or_make_identity(self.path)
        finally:
            os.umask(before)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_made_by_many_at_once(self) -> None:
        """Several who start together all get the key of the one who was first."""
        ready, keys = Barrier(8), list[bytes]()

        def make() -> None:
            ready.wait()
            keys.append(load_or_make_static(self.path).public_key().public_bytes_raw())

        threads = [Thread(target=make) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(keys), len(set(keys))), (8, 1))
        self.assertEqual(os.listdir(self.directory), ["key.pem"])

    def test_a_link_to_nowhere(self) -> None:
        """A name that is taken by a dangling link is not written over; what is missing is its target."""
        self.path.symlink_to(self.directory / "missing.pem")
        self.check_refused(load_or_make_static, "No such file")
        self.assertEqual(os.listdir(self.directory), ["key.pem"])

    def test_a_key_others_can_read_is_refused(self) -> None:
        """Any right of group or others is refused, with the command that mends it."""
        for mode in (0o640, 0o604, 0o660, 0o610, 0o601, 0o644):
            self.write(pem_of(X25519PrivateKey.generate()), mode)
            self.check_refused(load_or_make_static, f"chmod 600 {self.path}")
        for mode in (0o600, 0o400):
            self.path.chmod(mode)
            load_or_make_static(self.path)

    def test_no_key_in_the_file(self) -> None:
        """An empty, damaged or foreign file is refused, and stays as it is."""
        for data in (b"", b"hello\n", pem_of(X25519PrivateKey.generate())[:60], b"\0" * 100):
            self.write(data)
            for load in (load_or_make_identity, load_or_make_static, load_rsa):
                self.check_refused(load, "holds no private key in PEM")
            self.assertEqual(self.path.read_bytes(), data)

    def test_another_kind_of_key(self) -> None:
        """A key of the wrong kind is refused, with the kind that is needed."""
        self.write(generate_ec(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        for load, kind in ((load_or_make_identity, "Ed25519"), (load_or_make_static, "X25519"), (load_rsa, "RSA")):
            self.check_refused(load, f"another kind of key than {kind}")

    def test_a_key_under_a_password(self) -> None:
        """An encrypted file is refused, and said to be one."""
        key = X25519PrivateKey.generate()
        self.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
        self.check_refused(load_or_make_static, "protected by a password")

    def test_a_file_that_cannot_be_made_or_read(self) -> None:
        """A missing directory, or a directory in the file's place, is told as the system tells it."""
        self.path = self.directory / "missing" / "key.pem"
        self.check_refused(load_or_make_identity, "No such file")
        self.check_refused(load_rsa, "No such file")
        self.check_refused(make_rsa, "No such file")
        self.path = self.directory
        self.check_refused(load_or_make_identity, "Is a directory")

    def test_a_file_of_any_length(self) -> None:
        """At most MAX_KEY_FILE bytes are read: a key that ends there is found, one that ends a byte later is not."""
        pem = pem_of(X25519PrivateKey.generate())
        for length in (MAX_KEY_FILE - 1, MAX_KEY_FILE):
            self.write(pem.rjust(length, b"\n"))
            load_or_make_static(self.path)
        self.write(pem.rstrip(b"\n").rjust(MAX_KEY_FILE + 1, b"\n"))
        self.check_refused(load_or_make_static, "holds no private key in PEM")


class RsaFileTests(FileTestCase):
    """Files of RSA keys."""

    def test_make_rsa(self) -> None:
        """make_rsa writes a key load_rsa takes, 0600, and never over another file."""
        made = make_rsa(self.path)
        self.assertEqual(load_rsa(self.path).private_numbers(), made.private_numbers())
        self.assertEqual(made.key_size, 3072)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        before = self.path.read_bytes()
        self.check_refused(make_rsa, "File exists")
        self.assertEqual(self.path.read_bytes(), before)

    def test_a_short_key(self) -> None:
        """A key of 1,024 bits is refused with both numbers."""
        key = generate_private_key(65_537, 1024)  # noqa: S505 (refused here)
        self.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.check_refused(load_rsa, "1024 bits; it must have 2048 to 8192")

    def test_a_public_key_to_pin(self) -> None:
        """A public key anybody may read is loaded; its length is checked at both ends."""
        for bits in (MIN_RSA_BITS, MAX_RSA_BITS):
            self.write_public(bits)
            self.assertEqual(load_rsa_public(self.path).key_size, bits)
        for bits in (MIN_RSA_BITS - 1, MAX_RSA_BITS + 1):
            self.write_public(bits)
            self.check_refused(load_rsa_public, f"{bits} bits")

    def write_public(self, bits: int) -> None:
        """The file of a public key of ``bits``."""
        key = RSAPublicNumbers(65_537, (1 << bits) - 1).public_key()
        self.write(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)

    def test_a_public_key_that_is_none(self) -> None:
        """Something else in the file is refused."""
        self.write(b"hello")
        self.check_refused(load_rsa_public, "no public key in PEM")
        key = generate_ec(SECP256R1()).public_key()
        self.write(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        self.check_refused(load_rsa_public, "another kind of key than RSA")


class OpensslTests(SynchronousTestCase):
    """Keys the openssl program makes."""

    def openssl(self, *arguments: str) -> None:
        """Run openssl, or skip where it is not."""
        program = shutil.which("openssl")
        if program is None:
            raise SkipTest("there is no openssl program here")
        subprocess.run([program, *arguments], check=True, capture_output=True, timeout=60)

    def test_a_pem_made_by_openssl_genpkey_carries_a_channel(self) -> None:
        """The PEM of the README's openssl line is taken as it is, pinned as openssl prints it, and carries texts."""
        private, public = Path(self.mktemp()), Path(self.mktemp())
        bits = ("-pkeyopt", "rsa_keygen_bits:2048")
        self.openssl("genpkey", "-algorithm", "RSA", *bits, "-out", str(private))
        self.openssl("pkey", "-in", str(private), "-pubout", "-out", str(public))
        keys = ServerKeys(server_keys().identity, server_keys().static, load_rsa(private))
        mine = evolve(client_keys(), rsa_pin=load_rsa_public(public))
        client = Channel.initiator(default_suites()["rsa-aes128gcm"], mine)
        server = Channel.responder(default_suites(), keys)
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
        client.send(b"hello")
        self.assertEqual(server.receive_data(client.data_to_send())[1:], [Plaintext(b"hello")])

    def test_openssl_reads_what_make_rsa_wrote(self) -> None:
        """The other way round openssl finds our file in order."""
        path = Path(self.mktemp())
        make_rsa(path)
        self.openssl("rsa", "-in", str(path), "-check", "-noout")
        self.assertNotEqual(load_rsa(path).private_numbers(), rsa_key().private_numbers())
