"""Whether somebody is spoken to."""

from __future__ import annotations

import string

from encchat.names import folded


def is_mention(text: str, user: str) -> bool:
    """Whether a word of ``text`` is the name ``user``, with or without ``@``, upper and lower case alike."""
    name, text = folded(user), folded(text)
    if not name or name not in text:
        return False
    return any(word.strip(string.punctuation) == name for word in text.split())
