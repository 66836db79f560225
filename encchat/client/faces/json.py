"""The json face: one JSON object a line, in UTF-8; nobody is asked anything."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from encchat.client.events import ScreenEvent, json_line
from encchat.client.faces.lines import LineFace


def json_face(reactor: Any, stdin: int = 0, stdout: int = 1) -> LineFace:
    """The json face on two file descriptors."""
    return LineFace(reactor, encode, asks=False, stdin=stdin, stdout=stdout)


def encode(event: ScreenEvent) -> bytes:
    """The line of ``event``; a lone surrogate (an argument of the command line can hold one) becomes ``?``."""
    try:
        return json_line(event)
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(event), ensure_ascii=False)
        clean: ScreenEvent = msgspec.json.decode(text.encode("utf-8", "replace"), type=type(event))
        return json_line(clean)
