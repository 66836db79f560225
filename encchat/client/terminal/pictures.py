"""Pictures on terminals that can show them: decoded within bounds, made small, and written anew.

What a peer sent never reaches the terminal: its pixels are taken out, and a picture of our own is made of them, without
anything else that was in the file. How large it is, is looked at before anything of it is decoded. Pillow, the extra
``images``, does the decoding; without it there are no pictures.

Kitty: https://sw.kovidgoyal.net/kitty/graphics-protocol/. Sixel: DEC STD 070, chapter 9.
"""

from __future__ import annotations

import base64
import io
import re
import struct
import warnings
import zlib
from collections.abc import Mapping
from typing import Any, Final, Literal

from encchat.client.preferences import Images
from encchat.limits import MAX_PICTURE_BYTES, MAX_PICTURE_COLUMNS, MAX_PICTURE_PIXELS, MAX_PICTURE_ROWS

Capability = Literal["kitty", "sixel"]

CELL: Final = (10, 20)
"""Pixels of a cell, as we reckon: few terminals have smaller ones, so a picture takes no more rows than it may."""

_FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP")
_KITTY_CHUNK: Final = 4_096
"""Characters of base64 in one escape sequence (graphics protocol: "chunks ... no larger than 4096 bytes")."""

_SIXEL_COLOURS: Final = 64
_SIXEL_ROWS: Final = 6
_BLANK: Final = 63
"""The sixel without a pixel; those with some follow it."""

_KITTY_PROGRAMS: Final = ("kitty", "ghostty")
_SIXEL_PROGRAMS: Final = ("WezTerm", "iTerm.app", "mlterm")
_SIXEL_TERMS: Final = ("foot", "mlterm", "yaft", "contour")

# What decoders of damaged files raise: Pillow wraps only part of it (its documentation of `Image.open` and
# `Image.load`), and a picture that is none is no reason to stop.
_DAMAGED: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    ArithmeticError,
    AttributeError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def capability(environ: Mapping[str, str], preference: Images) -> Capability | None:
    """How the terminal shows pictures: what the person says, else what its name tells; None: not at all."""
    if preference != "auto":
        return None if preference == "never" else preference
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if environ.get("TMUX") or term.startswith(("screen", "tmux")):
        return None  # they pass neither on unless told to
    if environ.get("KITTY_WINDOW_ID") or "kitty" in term or program in _KITTY_PROGRAMS:
        return "kitty"
    return "sixel" if program in _SIXEL_PROGRAMS or term.startswith(_SIXEL_TERMS) else None


def preview(content: bytes, capability: Capability, columns: int, rows: int) -> str | None:
    """What makes the terminal show the picture ``content`` in at most ``columns`` by ``rows`` cells.

    No more than `MAX_PICTURE_COLUMNS` by `MAX_PICTURE_ROWS` either: it is one message among others.
    None where it is no PNG, JPEG, GIF or WebP, damaged, over `MAX_PICTURE_BYTES` or `MAX_PICTURE_PIXELS`, or Pillow is
    absent. It takes some tenths of a second for the largest: call it in a thread.
    """
    if not 0 < len(content) <= MAX_PICTURE_BYTES or columns < 1 or rows < 1:
        return None
    try:
        from PIL import Image
    except ImportError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow has to say of damaged files would go to the terminal
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            picture = _small(
                content, min(columns, MAX_PICTURE_COLUMNS) * CELL[0], min(rows, MAX_PICTURE_ROWS) * CELL[1]
            )
        except (*_DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning):
            return None
    if picture is None:
        return None
    return _kitty(picture, -(-picture.width // CELL[0])) if capability == "kitty" else _sixel(picture)


def _small(content: bytes, width: int, height: int) -> Any:
    """The picture in ``content`` with nothing but its pixels, at most of that size; None if it is too large."""
    from PIL import GifImagePlugin, Image, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

    _ = GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # imported by name, `open` loads them all
    if webp_pixels(content) > MAX_PICTURE_PIXELS:  # its decoder takes the memory as soon as the file is opened
        return None
    with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
        if not 0 < opened.width * opened.height <= MAX_PICTURE_PIXELS:
            return None
        opened.draft("RGB", (width, height))  # a JPEG can be decoded small
        if opened.mode not in ("L", "LA", "RGB", "RGBA"):
            small = opened.convert("RGBA")
        else:  # made small first: a quarter of the memory
            opened.load()
            small = opened
        small.thumbnail((width, height), reducing_gap=2.0)
        picture = ImageOps.exif_transpose(small).convert("RGBA")
    picture.thumbnail((width, height))
    return Image.frombytes("RGBA", picture.size, picture.tobytes())


def webp_pixels(content: bytes) -> int:
    """How large a WebP is (RFC 9649, section 2.5 to 2.7); 0 for what is none."""
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:
        return 0
    match content[12:16]:
        case b"VP8X":
            return (int.from_bytes(content[24:27], "little") + 1) * (int.from_bytes(content[27:30], "little") + 1)
        case b"VP8L":
            bits = int.from_bytes(content[21:25], "little")
            return ((bits & 0x3FFF) + 1) * (((bits >> 14) & 0x3FFF) + 1)
        case _:
            wide, high = int.from_bytes(content[26:28], "little"), int.from_bytes(content[28:30], "little")
            return (wide & 0x3FFF) * (high & 0x3FFF)


def _kitty(picture: Any, columns: int) -> str:
    """``picture`` as PNG in escape sequences; the terminal scales it to ``columns`` and says nothing back."""
    png = io.BytesIO()
    picture.save(png, "PNG")
    text = base64.b64encode(png.getvalue()).decode()
    chunks = [text[place : place + _KITTY_CHUNK] for place in range(0, len(text), _KITTY_CHUNK)]
    keys = [f"a=T,f=100,q=2,c={columns},m=1", *["m=1"] * (len(chunks) - 1)]
    keys[-1] = f"{keys[-1][:-1]}0"
    return "".join(f"\x1b_G{key};{chunk}\x1b\\" for key, chunk in zip(keys, chunks, strict=True))


def _sixel(picture: Any) -> str:
    """``picture`` on a grey ground, in at most `_SIXEL_COLOURS` colours."""
    from PIL import Image

    ground = Image.new("RGBA", picture.size, (128, 128, 128, 255))
    few = Image.alpha_composite(ground, picture).convert("RGB").quantize(_SIXEL_COLOURS)
    levels = few.getpalette() or []
    pixels, (width, height) = few.tobytes(), few.size
    used = sorted(set(pixels))
    palette = "".join(
        f"#{colour};2;" + ";".join(str(level * 100 // 255) for level in levels[3 * colour : 3 * colour + 3])
        for colour in used
    )
    bands = "-".join(
        _band([pixels[width * row : width * (row + 1)] for row in range(top, min(top + _SIXEL_ROWS, height))])
        for top in range(0, height, _SIXEL_ROWS)
    )
    return f'\x1bP0;1;0q"1;1;{width};{height}{palette}{bands}\x1b\\'


def _band(rows: list[bytes]) -> str:
    """Six rows of pixels, one colour after the other."""
    return "$".join(f"#{colour}{_repeated(_sixels(rows, colour))}" for colour in sorted(set(b"".join(rows))))


def _sixels(rows: list[bytes], colour: int) -> str:
    """For each column of ``rows`` which of them have ``colour``: all columns at once, as one large number."""
    width = len(rows[0])
    total = int.from_bytes(bytes([_BLANK]) * width, "big")
    for bit, row in enumerate(rows):
        table = bytearray(256)
        table[colour] = 1 << bit
        total += int.from_bytes(row.translate(bytes(table)), "big")
    return total.to_bytes(width, "big").decode("ascii")


def _repeated(sixels: str) -> str:
    """``sixels`` with runs of the same counted."""
    return re.sub(r"(.)\1{3,}", lambda run: f"!{len(run[0])}{run[1]}", sixels)
