"""The plain face: a line in, a line out, for pipes, simple terminals and screen readers."""

from __future__ import annotations

import sys
from typing import Any

from encchat.client.events import ScreenEvent
from encchat.client.faces.lines import Encode, LineFace
from encchat.client.render import render


def plain_face(reactor: Any, stdin: int = 0, stdout: int = 1, encoding: str | None = None) -> LineFace:
    """The plain face on two file descriptors; ``encoding`` is Python's for standard output unless given."""
    encoding = encoding or (sys.stdout.encoding if sys.stdout else "utf-8")
    return LineFace(reactor, _encoder(encoding), encoding, stdin=stdin, stdout=stdout)


def _encoder(encoding: str) -> Encode:
    def encode(event: ScreenEvent) -> bytes | None:
        paragraph = render(event)
        # What the encoding lacks is spelled out: UTF-8 sent to an 8-bit terminal would carry C1 controls.
        return None if paragraph is None else "\n".join(paragraph.rows()).encode(encoding, "backslashreplace")

    return encode
