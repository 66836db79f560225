"""How messages of a conversation hang together: what the server leaves out, moves or shows twice is seen here.

Theory of operation. Inside the encryption each message names the one its device said before it (``previous``) and the
newest one its client had, with its seq (``after``). A receiver remembers what it heard last of each device: another
``previous`` than that means that something between was held back. The message at the seq of ``after`` must be the one
that is named: else the server tells its members different orders. What is said off the record is in no log, and whoever
was away has missed some of it: there the message before is not asked about.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from encchat import names
from encchat.client.ledger import Ledger
from encchat.client.store.interface import StoredMessage
from encchat.e2e.interfaces import Opened, Warned

_SAID: Final = "chain-said"
_HEARD: Final = "chain-heard"


@frozen
class Chain:
    """Over what ``ledger`` remembers."""

    _ledger: Ledger

    def last_said(self, conversation: str) -> str:
        """The ULID of this device's last accepted message there, empty if there is none."""
        return (self._ledger.get(_SAID, names.folded(conversation)) or b"").decode()

    def said(self, conversation: str, ulid: str) -> None:
        """The server has accepted this device's message."""
        self._ledger.put(_SAID, names.folded(conversation), ulid.encode())

    def heard(self, message: StoredMessage) -> str:
        """Remember a message, opened or not, as its device's latest; returns the ULID of the one before, if any."""
        device = message.body.partition(".")[0]  # protocol, Envelopes: all begin with the sender's device
        name = "/".join((names.folded(message.conversation), names.folded(message.sender), device))
        before = (self._ledger.get(_HEARD, name) or b"").decode()
        self._ledger.put(_HEARD, name, message.ulid.encode())
        return before

    def warnings(self, message: StoredMessage, opened: Opened, heard: str) -> list[Warned]:
        """What is wrong with the place of ``message``; ``heard``: its device's message before it, as `heard` told."""
        found = []
        if heard and opened.previous and opened.previous != heard:
            found.append(Warned("gap", _GAP.format(message.sender, message.conversation)))
        if opened.after is not None and self._disagrees(message, *opened.after):
            found.append(Warned("order", _ORDER.format(message.sender, message.conversation)))
        return found

    def _disagrees(self, message: StoredMessage, seq: int, ulid: str) -> bool:
        if 0 < message.seq <= seq:  # what is said off the record has no seq
            return True
        kept = self._ledger.at(message.conversation, seq)
        return kept is not None and kept.ulid != ulid


_GAP: Final = (
    "something {} said in {} before this is missing here, or came in another order: the server has removed it, or holds"
    " it back"
)
_ORDER: Final = (
    "{} saw the messages of {} in another order than they have here: the server does not tell everybody the same"
)
