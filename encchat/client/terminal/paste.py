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
    """What goes into the line; ``refusal`` instead says why nothing does."""

    text: str = ""
    refusal: str = ""

    @property
    def lines(self) -> int:
        """How many there are."""
        return self.text.count("\n") + 1


def pasted(data: str, before: str) -> Paste:
    """What a terminal has pasted behind ``before``, which stands left of the cursor."""
    text = data.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    if len(text) > MAX_PASTE:
        return Paste(refusal=f"not taken: {len(text):,} characters pasted, {MAX_BODY:,} can be sent at once")
    if "\n" in text and text.startswith("/") and not before:
        text = f"/{text}"
    return Paste(text)


def answer_pasted(data: str) -> str:
    """A paste as the answer to a question: one line, for no answer has more (a phrase may come broken)."""
    return " ".join(data.split("\n")) if "\n" in (data := data.replace("\r", "\n").strip("\n")) else data


def asked(text: str, conversation: str, *, escaped: bool) -> str:
    """What is asked of the person before several pasted lines, ``text`` now, go out."""
    count = text.count("\n") + 1
    rule = ", as text and not as commands" if escaped else ""
    if len(text) > MAX_BODY:
        return f"{count} lines pasted, {len(text):,} characters: {MAX_BODY:,} can be sent at once; Ctrl+C drops them"
    return f"{count} lines pasted: Enter sends them to {conversation} as one message{rule}, Ctrl+C drops them"
