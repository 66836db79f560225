"""Names of accounts and conversations: what they may look like and which of them look alike."""

from __future__ import annotations

import re
from typing import Final

from encchat.errors import NameRefusedError, UnknownConversationError
from encchat.limits import MAX_NAME

LOBBY: Final = "lobby"
RESERVED: Final = frozenset({"lobby", "server", "encchat", "all", "everyone", "here", "system"})

_NAME: Final = re.compile(rf"[A-Za-z0-9](?:[A-Za-z0-9._-]{{0,{MAX_NAME - 2}}}[A-Za-z0-9])?", re.ASCII)
_LOOK_ALIKE: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "_": "-", ".": "-"})


def account_name(text: str) -> str:
    """Return ``text`` if an account may have it as its name, else raise `NameRefusedError`.

    1 to `MAX_NAME` ASCII letters, digits, and inside also ``. _ -``; ASCII, so that two names that
    differ look different in every font and can be typed on every keyboard.
    """
    if not _NAME.fullmatch(text):
        raise NameRefusedError(f"a name has 1 to {MAX_NAME} letters a-z, digits, and between them also . _ or -")
    if skeleton(text) in _RESERVED_SKELETONS:
        raise NameRefusedError(f"the name {text} is kept for the server")
    return text


def folded(name: str) -> str:
    """The form under which a name is looked up: case does not matter."""
    return name.casefold()


def skeleton(name: str) -> str:
    """What ``name`` looks like (after UTS 39 section 4): two accounts never share a skeleton."""
    return folded(name).translate(_LOOK_ALIKE).replace("rn", "m").replace("vv", "w")


_RESERVED_SKELETONS: Final = frozenset(skeleton(name) for name in RESERVED)


def direct_with(conversation: str) -> str:
    """The other person's name in a direct conversation's name ``@NAME``; else `UnknownConversationError`."""
    if not conversation.startswith("@") or len(conversation) < 2:
        raise UnknownConversationError(f"{conversation[:MAX_NAME] or 'that'} is no conversation: lobby, @NAME or #ROOM")
    return conversation[1:]
