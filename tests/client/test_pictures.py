"""Pictures on terminals that can show them."""

import base64
import io
import re
import struct
import zlib
from typing import Any, cast
from unittest import SkipTest

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.preferences import Images
from encchat.client.terminal.pictures import CELL, capability, preview, webp_pixels
from encchat.limits import MAX_PICTURE_BYTES, MAX_PICTURE_PIXELS

try:
    from PIL import Image, PngImagePlugin
except ImportError:
    raise SkipTest("Pillow, the extra images, is not installed") from None

CANARY = b"canary-of-the-peer"
KITTY = re.compile(r"(?:\x1b_G[a-zA-Z0-9=,]+;[A-Za-z0-9+/=]{1,4096}\x1b\\)+")
SIXEL = re.compile(r'\x1bP0;1;0q"1;1;(\d+);(\d+)(?:#\d+;2;\d+;\d+;\d+)+(?:#\d+|!\d+|[?-~]|[$-])+\x1b\\')


def picture(form: str = "PNG", size: tuple[int, int] = (64, 48), **more: Any) -> bytes:
    """A file with stripes."""
    drawn = Image.new("RGB", size, (200, 30, 30))
    drawn.paste((20, 20, 220), (0, 0, max(size[0] // 2, 1), size[1]))
    out = io.BytesIO()
    drawn.save(out, form, **more)
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says to be that large, and is empty."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def shown(text: str | None) -> Any:
    """The picture in what goes to a terminal of kitty's kind."""
    assert text is not None
    assert KITTY.fullmatch(text), text[:80]
    return Image.open(io.BytesIO(base64.b64decode("".join(re.findall(";([^\x1b]*)\x1b", text)))))


def draw(sixels: str) -> list[list[Any]]:
    """The pixels that ``sixels`` draw."""
    found = SIXEL.fullmatch(sixels)
    assert found is not None
    drawn: list[list[Any]] = [[None] * int(found[1]) for _ in range(int(found[2]))]
    palette: dict[str, tuple[int, ...]] = {}
    x = y = 0
    colour: tuple[int, ...] = ()
    for sign in re.finditer(r"#(\d+)((?:;\d+)*)|(!\d+)?([?-~])|[$-]", sixels[sixels.index("#") : -2]):
        if sign[1]:
            if sign[2]:
                palette[sign[1]] = tuple(int(level) * 255 // 100 for level in sign[2].split(";")[2:])
            colour = palette[sign[1]]
        elif sign[4]:
            for _ in range(int((sign[3] or "!1")[1:])):
                for bit in range(6):
                    if (ord(sign[4]) - 63) >> bit & 1:
                        drawn[y + bit][x] = colour
                x += 1
        else:
            x, y = 0, y + 6 * (sign[0] == "-")
    return drawn


class Capability(SynchronousTestCase):
    """`capability`."""

    def test_what_the_person_says_counts(self) -> None:
        """Whatever the terminal calls itself."""
        self.assertEqual(capability({}, "sixel"), "sixel")
        self.assertEqual(capability({"TMUX": "x"}, "kitty"), "kitty")
        self.assertIsNone(capability({"TERM": "xterm-kitty"}, "never"))

    def test_else_the_terminals_name(self) -> None:
        """Not within a multiplexer, which does not pass pictures on."""
        for environ, expected in (
            ({"TERM": "xterm-kitty"}, "kitty"),
            ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
            ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, "kitty"),
            ({"TERM": "foot"}, "sixel"),
            ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "sixel"),
            ({"TERM": "xterm-256color"}, None),
            ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, None),
            ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, None),
            ({}, None),
        ):
            self.assertEqual(capability(environ, cast(Images, "auto")), expected, environ)


class Preview(SynchronousTestCase):
    """`preview`."""

    def test_every_known_form(self) -> None:
        """PNG, JPEG, GIF and WebP, for both kinds of terminals."""
        for form in ("PNG", "JPEG", "GIF", "WEBP"):
            self.assertEqual(shown(preview(picture(form), "kitty", 40, 10)).size, (64, 48))
            self.assertRegex(preview(picture(form), "sixel", 40, 10) or "", SIXEL)

    def test_no_larger_than_it_may(self) -> None:
        """It keeps its proportions within the cells it is given."""
        for size in ((2000, 150), (150, 2000), (1, 1), (800, 800)):
            width, height = shown(preview(picture(size=size), "kitty", 30, 10)).size
            self.assertTrue(width <= 30 * CELL[0] and height <= 10 * CELL[1])
            found = SIXEL.fullmatch(preview(picture(size=size), "sixel", 30, 10) or "")
            assert found is not None
            self.assertEqual((int(found[1]), int(found[2])), (width, height))
        self.assertIn(",c=30,", preview(picture(size=(2000, 150)), "kitty", 30, 10) or "")

    def test_nothing_of_the_file_but_its_pixels_gets_out(self) -> None:
        """No comments, profiles or other bytes of the peer's."""
        notes = PngImagePlugin.PngInfo()
        notes.add_text("Comment", CANARY.decode())
        for content in (
            picture("PNG", pnginfo=notes),
            picture("PNG", icc_profile=CANARY),
            picture("JPEG", comment=CANARY, exif=b"Exif\0\0" + CANARY),
            picture("PNG") + CANARY,
        ):
            self.assertIn(CANARY[:6], content + CANARY)
            text = preview(content, "kitty", 40, 10)
            again = io.BytesIO(base64.b64decode("".join(re.findall(";([^\x1b]*)\x1b", text or ""))))
            self.assertEqual({again.getvalue()[place : place + 4] for place in (12,)}, {b"IHDR"})
            self.assertEqual(
                set(re.findall(rb"(?:IHDR|IDAT|IEND|tEXt|iCCP|eXIf|zTXt|iTXt)", again.getvalue())),
                {b"IHDR", b"IDAT", b"IEND"},
            )
            self.assertNotIn(CANARY, again.getvalue())

    def test_sixels_are_the_picture(self) -> None:
        """As a terminal draws them they are its pixels, bands of six rows below each other."""
        source = Image.new("RGB", (23, 15), (255, 0, 0))
        source.paste((0, 0, 255), (3, 4, 19, 13))
        source.paste((0, 255, 0), (0, 14, 23, 15))
        file = io.BytesIO()
        source.save(file, "PNG")
        drawn = draw(preview(file.getvalue(), "sixel", 40, 10) or "")
        self.assertEqual(drawn, [[source.getpixel((x, y)) for x in range(23)] for y in range(15)])

    def test_too_many_bytes_are_not_looked_at(self) -> None:
        """At the limit and around it."""
        for size, seen in ((MAX_PICTURE_BYTES - 1, True), (MAX_PICTURE_BYTES, True), (MAX_PICTURE_BYTES + 1, False)):
            self.assertEqual(preview(picture().ljust(size, b"\0"), "kitty", 4, 2) is not None, seen, size)

    def test_a_decompression_bomb_is_refused_before_it_is_decoded(self) -> None:
        """By the size it says to have, in every form, at the limit and around it."""
        for size, seen in (((5_000, 4_999), True), ((5_000, 5_000), True), ((5_000, 5_001), False)):
            self.assertEqual(5_000 * size[1] <= MAX_PICTURE_PIXELS, seen)
            self.assertEqual(preview(picture("JPEG", size), "kitty", 4, 2) is not None, seen, size)
        huge = b"VP8X" + struct.pack("<IB3x", 10, 0) + b"\xff\x3f\x00" * 2
        bombs = [png_header(60_000, 60_000), b"RIFF" + struct.pack("<I", 22) + b"WEBP" + huge]
        bombs.append(
            b"GIF89a"
            + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0)
            + b","
            + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0)
            + b"\x02\x00;"
        )
        for bomb in bombs:
            self.assertIsNone(preview(bomb, "kitty", 4, 2))

    def test_the_size_of_a_webp_is_known_without_its_decoder(self) -> None:
        """Which takes the memory as soon as it sees the file; simple, lossless and extended ones, no others."""
        for more in ({}, {"lossless": True}, {"exif": b"Exif\0\0"}, {"lossless": True, "icc_profile": CANARY}):
            self.assertEqual(webp_pixels(picture("WEBP", (301, 47), **more)), 301 * 47, more)
        for content in (picture("PNG"), b"RIFF", b"RIFF____WEBPVP8X", b""):
            self.assertEqual(webp_pixels(content), 0)

    def test_other_forms_are_not_decoded(self) -> None:
        """Fewer decoders, fewer mistakes in them."""
        for form in ("BMP", "TIFF", "PPM"):
            self.assertIsNone(preview(picture(form), "kitty", 4, 2))

    @given(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP"]), st.data())
    def test_damaged_files_are_no_pictures_or_small_ones(self, form: str, data: st.DataObject) -> None:
        """Whatever bytes come, nothing but None or our own sequences comes out, and nothing breaks."""
        content = bytearray(picture(form, (20, 14)))
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        del content[data.draw(st.integers(0, len(content))) :]
        text = preview(bytes(content), "kitty", 10, 5)
        self.assertTrue(text is None or KITTY.fullmatch(text))

    @given(st.binary(max_size=200))
    def test_what_is_no_picture(self, content: bytes) -> None:
        """Is none."""
        self.assertIsNone(preview(content, "sixel", 10, 5))
