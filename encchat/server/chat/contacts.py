"""Who shares a conversation with whom, as far as it concerns somebody who is here."""

from __future__ import annotations

from collections.abc import Container

from attrs import define, field


@define(eq=False)
class Contacts:
    """A symmetric relation of folded names; a pair is kept as long as one of the two is here."""

    _of: dict[str, set[str]] = field(init=False, factory=dict)

    def of(self, name: str) -> frozenset[str]:
        """The contacts of ``name``, here or not."""
        return frozenset(self._of.get(name, ()))

    def add(self, one: str, other: str) -> None:
        """The two are contacts; nobody is one's own."""
        if one != other and other not in self._of.get(one, ()):
            self._of.setdefault(one, set()).add(other)
            self._of.setdefault(other, set()).add(one)

    def forget_absent(self, name: str, here: Container[str]) -> None:
        """``name`` is gone: drop its pairs with others who are not ``here`` either."""
        for other in self.of(name):
            if other not in here:
                self._remove(name, other)
                self._remove(other, name)

    def _remove(self, one: str, other: str) -> None:
        self._of[one].discard(other)
        if not self._of[one]:
            del self._of[one]
