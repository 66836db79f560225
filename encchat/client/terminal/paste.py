"""What becomes of a paste: one line is as if typed, several are one message that waits for one Enter.

The rule for several lines: they are text and nothing else. They never run as commands, however they begin; where they
would begin the line with a slash, another one is put before it, by which `encchat.client.typed` knows a text. What was
typed before the paste counts: behind ``/msg bob `` all lines go to bob, as one message.
"""

from __future__ import annotations

from attrs import frozen

from encchat.limits import MAX_BODY, MAX_PASTE


@frozen
class Paste:
    """What goes into the line; ``refusal`` instead says why nothing does. ``escaped``: a slash was put before it."""

    text: str = ""
    refusal: str = ""
    escaped: bool = False

    @property
    def lines(self) -> int:
        """How many there are."""
        return self.text.count("\n") + 1


def pasted(data: str, before: str) -> Paste:
    """What a terminal has pasted behind ``before``, which stands left of the cursor."""
    text = _lines(data)
    if len(text) > MAX_PASTE:
        return Paste(refusal=f"not taken: {len(text):,} characters were pasted, {MAX_BODY:,} can be sent at once")
    if "\n" in text and text.startswith("/") and not before:
        return Paste(f"/{text}", escaped=True)
    return Paste(text)


def answer_pasted(data: str) -> str:
    """A paste as the answer to a question: one line, for no answer has more, though a phrase may come broken."""
    return _lines(data).strip("\n").replace("\n", " ")


def _lines(data: str) -> str:
    """What was pasted, its lines ended by LF, the last one by nothing."""
    return data.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def asked(text: str, *, escaped: bool) -> str:
    """What is asked of the person before several pasted lines, ``text`` now, go out."""
    count = f"{text.count(chr(10)) + 1} lines pasted"
    if len(text) > MAX_BODY:
        return f"{count}, {len(text):,} characters, and {MAX_BODY:,} can be sent at once: Ctrl+C drops them"
    kind = "as one message, a text and no command" if escaped else "as one message"
    return f"{count}: Enter sends them {kind}, Ctrl+C drops them"


def dropped(text: str, paste: Paste) -> str:
    """``text`` without ``paste``; nothing at all if that was changed meanwhile."""
    before, found, behind = text.partition(paste.text)
    return before + behind if found else ""
