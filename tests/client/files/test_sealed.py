"""What a message says of a file, and its sealed pieces."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.files import sealed as sealed_files
from encchat.client.files.sealed import ChunkSeal, Descriptor, clean_name, described, description, kept_name
from encchat.client.text import printable
from encchat.errors import FileRefusedError
from encchat.limits import FILE_CHUNK, MAX_FILE_NAME, MAX_FILE_TAKEN, TAG_LENGTH

FILE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAW"
KEY = bytes(range(32))
COUNT = 5

places = st.integers(0, COUNT - 1)


class Pieces(SynchronousTestCase):
    """`ChunkSeal`: a piece opens where it belongs and nowhere else."""

    seal = ChunkSeal(FILE, COUNT, KEY)

    @given(st.binary(min_size=1, max_size=200), places)
    def test_what_is_sealed_is_opened(self, plain: bytes, number: int) -> None:
        """In its place, by who has the key; the tag is all that it grows by."""
        sealed = self.seal.seal(number, plain)
        self.assertEqual(plain, ChunkSeal(FILE, COUNT, KEY).open(number, sealed))
        self.assertEqual(len(plain) + TAG_LENGTH, len(sealed))

    def test_every_flipped_bit_is_refused(self) -> None:
        """Each single one of a piece, those of the tag included."""
        sealed = self.seal.seal(1, b"what is in it")
        for bit in range(8 * len(sealed)):
            flipped = bytearray(sealed)
            flipped[bit // 8] ^= 1 << bit % 8
            self.refused(self.seal, 1, bytes(flipped))

    @given(places, places)
    def test_a_swapped_piece_is_refused(self, one: int, other: int) -> None:
        """One piece in the place of another."""
        sealed = self.seal.seal(one, b"what is in it")
        if one != other:
            self.refused(self.seal, other, sealed)

    def test_a_repeated_piece_is_refused(self) -> None:
        """The first piece is not the second as well."""
        self.refused(self.seal, 1, self.seal.seal(0, b"x" * 64))

    def test_a_truncated_piece_is_refused(self) -> None:
        """However short, and however long what is put behind it."""
        sealed = self.seal.seal(1, b"what is in it")
        for length in range(len(sealed)):
            self.refused(self.seal, 1, sealed[:length])
        self.refused(self.seal, 1, sealed + b"\0")

    def test_a_truncated_file_is_refused(self) -> None:
        """The pieces of a file that is said to have fewer of them do not open."""
        sealed = self.seal.seal(0, b"what is in it")
        for count in (COUNT - 1, COUNT + 1):
            self.refused(ChunkSeal(FILE, count, KEY), 0, sealed)

    def test_a_piece_of_another_file_is_refused(self) -> None:
        """Even under the same key."""
        self.refused(ChunkSeal(OTHER, COUNT, KEY), 0, self.seal.seal(0, b"what is in it"))

    def test_a_piece_under_another_key_is_refused(self) -> None:
        """Nobody opens it without the message about it."""
        self.refused(ChunkSeal(FILE, COUNT, KEY[::-1]), 0, self.seal.seal(0, b"what is in it"))

    def test_the_key_is_not_shown(self) -> None:
        """Neither by who prints a seal nor by who prints a description."""
        self.assertNotIn(repr(KEY)[2:-1], repr(self.seal))
        self.assertNotIn("AAECAwQF", repr(described(said())))

    def refused(self, seal: ChunkSeal, number: int, sealed: bytes) -> None:
        error = self.assertRaises(FileRefusedError, seal.open, number, sealed)
        self.assertIn(f"piece {number + 1} of", error.text)


def said(**changes: Any) -> str:
    """A message's text about a file, with changes no client of ours would make."""
    fields = msgspec.json.decode(description(FILE, "garden.png", 70_000, "image/png", KEY, KEY[::-1]))
    return msgspec.json.encode({**fields, **changes}).decode()


class Descriptions(SynchronousTestCase):
    """`described`: what others say of a file is believed as far as it can be."""

    def test_what_is_said_is_understood(self) -> None:
        """All of it."""
        file = described(said())
        self.assertEqual((FILE, "garden.png", 70_000, "image/png"), (file.file, file.name, file.size, file.type))
        self.assertEqual((3, KEY[::-1]), (file.count, file.digest))
        self.assertEqual(b"x", file.seal().open(2, ChunkSeal(FILE, 3, KEY).seal(2, b"x")))

    def test_a_newer_client_may_say_more(self) -> None:
        """Fields nobody knows here are passed over."""
        self.assertEqual(70_000, described(said(width=640)).size)

    def test_hostile_names_are_refused(self) -> None:
        """Slashes, dots, controls, what is absolute, hidden, reserved, an option, or not shown as it is."""
        hostile = (
            "../up", "/etc/passwd", "a/b", "a\\b", "..", ".", "", ".bashrc", "trailing.", "trailing ", " leading",
            "new\nline", "tab\tstop", "nul\0", "\x1b[31mred", "\u202egnp.exe", "zero\u200bwidth", "con", "NUL.txt",
            "Com1", "lpt9.tar.gz", "-rf", "a:b", "a*b", "what?", 'quo"te', "pi|pe", "<in", ">out", "e\u0301",
        )  # fmt: skip
        for name in hostile:
            self.assertIn("its name is none", self.refused(name=name), name)

    def test_a_name_has_a_limit(self) -> None:
        """In bytes, as file systems count."""
        for length in (MAX_FILE_NAME - 1, MAX_FILE_NAME):
            self.assertEqual("n" * length, described(said(name="n" * length)).name)
        self.assertIn("its name is none", self.refused(name="n" * (MAX_FILE_NAME + 1)))
        self.assertIn("its name is none", self.refused(name="é" * (MAX_FILE_NAME // 2 + 1)))

    def test_a_size_has_a_limit(self) -> None:
        """Up to what any client takes; none is less than nothing."""
        for size in (0, 1, MAX_FILE_TAKEN - 1, MAX_FILE_TAKEN):
            self.assertEqual(size, described(said(size=size)).size)
        for size in (-1, MAX_FILE_TAKEN + 1, 10**30):
            self.refused(size=size)

    def test_pieces_of_another_length_are_refused(self) -> None:
        """A million pieces of a byte each would be a flood."""
        for chunk in (0, 1, FILE_CHUNK - 1, FILE_CHUNK + 1):
            self.assertIn("in pieces of", self.refused(chunk=chunk))

    def test_a_key_of_another_length_is_refused(self) -> None:
        """And one that is no base64 of ours."""
        for key in ("", "AAAA", "A" * 42, "A" * 44, "=" * 43, "é" * 43):
            self.assertIn("its key", self.refused(key=key))

    def test_a_hash_of_another_length_is_refused(self) -> None:
        """As a key is."""
        for digest in ("", "AAAA", "A" * 42, "A" * 44):
            self.assertIn("its SHA-256", self.refused(sha256=digest))

    def test_a_media_type_is_one(self) -> None:
        """It stands on screens, and decides whether a picture is tried."""
        self.assertEqual("", described(said(type="")).type)
        for media in ("image", "image/png\n", "image/\x1b[2J", "x/" + "y" * 99, "Image/PNG; a=b"):
            self.refused(type=media)

    @given(st.text(max_size=200))
    def test_anything_else_is_refused(self, text: str) -> None:
        """And nothing but that happens."""
        self.assertRaises(FileRefusedError, described, text)

    def test_only_a_name_can_be_found_of_a_file(self) -> None:
        """Nobody finds keys by looking for their letters."""
        self.assertEqual("garden.png", kept_name(said()))
        self.assertEqual("", kept_name(said(name="../x")))

    def refused(self, **changes: Any) -> str:
        return self.assertRaises(FileRefusedError, described, said(**changes)).text  # type: ignore[no-any-return]


class Names(SynchronousTestCase):
    """`clean_name`: a name every system takes."""

    def test_usual_names_stay(self) -> None:
        """Spaces, dots inside, letters of all scripts and emoji."""
        for name in (
            "garden.png",
            "My Garden (2).tar.gz",
            "Gärten.txt",
            "сад.txt",
            "庭.jpg",
            "🌱.gif",
            "a" * MAX_FILE_NAME,
        ):
            self.assertEqual(name, clean_name(name))

    def test_what_is_cut_keeps_its_ending(self) -> None:
        """So that a picture stays one."""
        self.assertTrue(clean_name("a" * 300 + ".png").endswith("a.png"))
        self.assertEqual(MAX_FILE_NAME, len(clean_name("a" * 300 + ".png")))
        self.assertEqual(MAX_FILE_NAME, len(clean_name("a." + "b" * 300)))

    @given(st.text(max_size=60) | st.text(alphabet="./\\-~ ac\u0301on1\u202e:\0", max_size=12))
    def test_every_name_becomes_a_harmless_one(self, name: str) -> None:
        """Whatever it was; and a harmless one stays."""
        clean = clean_name(name)
        self.assertEqual(clean, clean_name(clean))
        self.assertEqual(clean, printable(clean))
        self.assertFalse(set("/\\:\0") & set(clean))
        self.assertFalse(clean.startswith((".", "-", " ")) or clean.endswith((".", " ")))
        self.assertTrue(1 <= len(clean.encode()) <= MAX_FILE_NAME)
        self.assertNotIn(clean.partition(".")[0].casefold(), sealed_files._RESERVED)
        self.assertEqual(clean, described(said(name=clean)).name)


class OldClients(SynchronousTestCase):
    """The form of a description, which clients of other versions read."""

    def test_its_fields_stay(self) -> None:
        """As docs/protocol.md has them."""
        self.assertEqual({"file", "name", "size", "type", "key", "sha256", "chunk"}, set(Descriptor.__struct_fields__))
