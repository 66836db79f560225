"""Handshake patterns (Noise sections 7 and 18) as data, and the modifiers ``pskN`` and ``hfs``."""

from __future__ import annotations

import re
from typing import Final

from attrs import evolve, frozen

# Sections 7.4 (one-way), 7.5 (fundamental) and 18.1 (deferred), in the specification's notation on one line each:
# pre-messages before the dots, ";" between messages.
_NOTATION: Final = """
N:    <- s ... -> e, es
K:    -> s; <- s ... -> e, es, ss
X:    <- s ... -> e, es, s, ss

NN:   -> e; <- e, ee
KN:   -> s ... -> e; <- e, ee, se
NK:   <- s ... -> e, es; <- e, ee
KK:   -> s; <- s ... -> e, es, ss; <- e, ee, se
NX:   -> e; <- e, ee, s, es
KX:   -> s ... -> e; <- e, ee, se, s, es
XN:   -> e; <- e, ee; -> s, se
IN:   -> e, s; <- e, ee, se
XK:   <- s ... -> e, es; <- e, ee; -> s, se
IK:   <- s ... -> e, es, s, ss; <- e, ee, se
XX:   -> e; <- e, ee, s, es; -> s, se
IX:   -> e, s; <- e, ee, se, s, es

NK1:  <- s ... -> e; <- e, ee, es
NX1:  -> e; <- e, ee, s; -> es
X1N:  -> e; <- e, ee; -> s; <- se
X1K:  <- s ... -> e, es; <- e, ee; -> s; <- se
XK1:  <- s ... -> e; <- e, ee, es; -> s, se
X1K1: <- s ... -> e; <- e, ee, es; -> s; <- se
X1X:  -> e; <- e, ee, s, es; -> s; <- se
XX1:  -> e; <- e, ee, s; -> es, s, se
X1X1: -> e; <- e, ee, s; -> es, s; <- se
K1N:  -> s ... -> e; <- e, ee; -> se
K1K:  -> s; <- s ... -> e, es; <- e, ee; -> se
KK1:  -> s; <- s ... -> e; <- e, ee, se, es
K1K1: -> s; <- s ... -> e; <- e, ee, es; -> se
K1X:  -> s ... -> e; <- e, ee, s, es; -> se
KX1:  -> s ... -> e; <- e, ee, se, s; -> es
K1X1: -> s ... -> e; <- e, ee, s; -> se, es
I1N:  -> e, s; <- e, ee; -> se
I1K:  <- s ... -> e, es, s; <- e, ee; -> se
IK1:  <- s ... -> e, s; <- e, ee, se, es
I1K1: <- s ... -> e, s; <- e, ee, es; -> se
I1X:  -> e, s; <- e, ee, s, es; -> se
IX1:  -> e, s; <- e, ee, se, s; -> es
I1X1: -> e, s; <- e, ee, s; -> se, es
"""

Tokens = tuple[str, ...]


@frozen
class Message:
    """The tokens of one message pattern, and which party sends it."""

    from_initiator: bool
    tokens: Tokens


@frozen
class Pattern:
    """A handshake pattern; ``initiator_known`` and ``responder_known`` say whose static key is a pre-message."""

    initiator_known: bool
    responder_known: bool
    messages: tuple[Message, ...]

    @property
    def one_way(self) -> bool:
        """Whether only the initiator may send, then and afterwards (section 7.4)."""
        return len(self.messages) == 1

    @property
    def has_psk(self) -> bool:
        """Whether a pre-shared key is used, so that ``e`` is mixed into the key too (section 9.2)."""
        return any("psk" in message.tokens for message in self.messages)

    def with_psk(self, place: int) -> Pattern:
        """Modifier ``psk0`` begins the first message with ``psk``, ``pskN`` ends the N-th with it (section 9.4)."""
        index = max(place - 1, 0)
        if index >= len(self.messages):
            raise ValueError(f"psk{place}: the pattern has only {len(self.messages)} messages")
        tokens = self.messages[index].tokens
        return self._with_tokens(index, (*tokens, "psk") if place else ("psk", *tokens))

    def with_hfs(self) -> Pattern:
        """Modifier ``hfs``: ``e1`` follows the initiator's ``e``, ``ekem1`` follows ``ee`` (Noise HFS section 3)."""
        pattern = self
        for after, added in (("e", "e1"), ("ee", "ekem1")):
            for index, message in enumerate(pattern.messages):
                if after in message.tokens:
                    place = message.tokens.index(after) + 1
                    tokens = (*message.tokens[:place], added, *message.tokens[place:])
                    pattern = pattern._with_tokens(index, tokens)
                    break
            else:
                raise ValueError(f"hfs: the pattern has no {after}")
        return pattern

    def _with_tokens(self, index: int, tokens: Tokens) -> Pattern:
        messages = list(self.messages)
        messages[index] = evolve(messages[index], tokens=tokens)
        return evolve(self, messages=tuple(messages))


def _message(text: str) -> Message:
    arrow, _, tokens = text.strip().partition(" ")
    return Message(arrow == "->", tuple(tokens.split(", ")))


def _pattern(text: str) -> Pattern:
    before, _, after = text.rpartition(" ... ")
    return Pattern("-> s" in before, "<- s" in before, tuple(_message(part) for part in after.split(";")))


PATTERNS: Final = {
    name: _pattern(text.strip()) for name, _, text in (line.partition(":") for line in _NOTATION.splitlines() if line)
}

_NAME: Final = re.compile(r"([A-Z1]+)((?:psk[0-9]|hfs)(?:\+(?:psk[0-9]|hfs))*)?")


def pattern_of(name: str) -> Pattern:
    """The pattern that ``name`` says, like ``XX``, ``XXpsk3``, ``NNpsk0+psk2``, ``XXhfs``; ValueError if unknown."""
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in PATTERNS:
        raise ValueError(f"{name} is no handshake pattern this engine knows")
    pattern = PATTERNS[match[1]]
    for modifier in (match[2] or "").split("+"):
        if modifier == "hfs":
            pattern = pattern.with_hfs()
        elif modifier:
            pattern = pattern.with_psk(int(modifier.removeprefix("psk")))
    return pattern
