"""Why a message cannot be read, in words for people."""

from __future__ import annotations

from typing import Final

_REASONS: Final = {
    "no-key": "its key has not come here yet",
    "replayed": "it is a copy of an earlier message: somebody, perhaps the server, has sent that again",
    "wrong-conversation": "it was written for another conversation; somebody, perhaps the server, has put it here",
    "wrong-sender": "it was not written by whom the server says",
    "broken": "it was damaged, or forged, on its way",
    "not-for-this-device": "it was written without knowing of this device",
    "session-over": "it was said in a session that is over, whose keys are gone so that nobody can read it any more",
    "not-encrypted": "it is not encrypted, so that anybody, the server too, could have made it",
    "on-record": "the server has stored it, though this room is off the record: do not trust this server",
    "not-stored": "the server says that it has not stored it, though this room is not off the record: do not trust this"
    " server",
    "bad-file": "it offers a file in a way that none can be",
    "newer": "only a newer encchat knows what it is",
    "locked": "the keys kept here are locked; the password opens them at the next start",
}


def reason_text(reason: str) -> str:
    """A reason word of `encchat.errors.UndecryptableError` as a part of a sentence; a new one as it is."""
    return _REASONS.get(reason, reason)
