"""Every error encchat raises on purpose, each class with its stable wire code.

Three families: `ChannelError` (what a peer's bytes did to the connection; it ends it and the peer
is told nothing of it), `RequestError` (what a peer asked that it may not or cannot have; it becomes an
``error`` answer), `LocalError` (what is wrong on this side: configuration, store, a pin).
"""

from __future__ import annotations

from typing import ClassVar


class EncchatError(Exception):
    """Base of all; ``text`` is a sentence a user may read, ``code`` never changes between releases."""

    code: ClassVar[str] = "internal"

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class ChannelError(EncchatError):
    """The encrypted channel cannot go on; both sides drop the connection."""

    code = "channel"


class FrameError(ChannelError):
    """A frame's length is over what is allowed where it stands."""

    code = "frame"


class HandshakeError(ChannelError):
    """A handshake message is malformed, forged, out of order or too late."""

    code = "handshake"


class SuiteRefusedError(ChannelError):
    """The server does not offer the suite that was asked for; ``offered`` are those it does."""

    code = "suite-refused"

    def __init__(self, wanted: str, offered: tuple[str, ...]) -> None:
        super().__init__(f"the server does not offer the suite {wanted}; it offers {', '.join(offered) or 'none'}")
        self.wanted = wanted
        self.offered = offered


class PinMismatchError(ChannelError):
    """The server showed another identity than the pinned one; fingerprints of both."""

    code = "pin-mismatch"

    def __init__(self, expected: str, shown: str) -> None:
        super().__init__(
            f"the server's identity is {shown}, but {expected} is pinned:"
            " somebody may be listening in, or the server was set up anew"
        )
        self.expected = expected
        self.shown = shown


class RecordError(ChannelError):
    """A record does not authenticate: forged, replayed, dropped or reordered."""

    code = "record"


class CounterExhaustedError(ChannelError):
    """A cipher state has used its last nonce (Noise 5.1: nonces up to 2^64-2)."""

    code = "counter"


class RequestError(EncchatError):
    """A request was refused; the connection goes on."""

    code = "refused"


class MalformedRequestError(RequestError):
    """The line is not a request: not JSON, a field missing or of the wrong type or over its limit."""

    code = "malformed"


class UnknownCommandError(RequestError):
    """There is no command of that name here."""

    code = "unknown-command"


class LineTooLongError(RequestError):
    """The line is longer than `encchat.limits.MAX_LINE`."""

    code = "line-too-long"


class NotLoggedInError(RequestError):
    """The command needs a login."""

    code = "not-logged-in"


class AlreadyLoggedInError(RequestError):
    """This connection has logged in before."""

    code = "already-logged-in"


class LoginRefusedError(RequestError):
    """Wrong password, unknown name or unknown device: one answer for all of them."""

    code = "login-refused"


class ThrottledError(RequestError):
    """Too many failures; the text says when to try again."""

    code = "throttled"


class RegistrationRefusedError(RequestError):
    """No account can be made that way: policy, invite or name."""

    code = "registration-refused"


class NameRefusedError(RegistrationRefusedError):
    """The name breaks the rules of `encchat.names`, is taken, or looks like one that is."""

    code = "name-refused"


class ForbiddenError(RequestError):
    """The account's role, or the age of its `admin` confirmation, does not allow it."""

    code = "forbidden"


class BannedError(RequestError):
    """The account or address may not be here; the text says for how long and why."""

    code = "banned"


class MutedError(RequestError):
    """The account may read but not send; the text says for how long and why."""

    code = "muted"


class UnknownDeviceError(RequestError):
    """The account has no such device."""

    code = "unknown-device"


class UnknownUserError(RequestError):
    """There is no account of that name."""

    code = "unknown-user"


class UnknownConversationError(RequestError):
    """There is no such conversation, or it is not this account's."""

    code = "unknown-conversation"


class UnknownFileError(RequestError):
    """There is no such file, it is not whole yet or no more there, or it is not for this account."""

    code = "unknown-file"


class FileNotTakenError(RequestError):
    """The server does not take the file, or the chunk: too large, too much already, no place for it, out of order."""

    code = "file-not-taken"


class StaleKeyError(RequestError):
    """The message is encrypted under a key that is in force no more: ask for the latest and encrypt it again."""

    code = "stale-key"


class BrokenChainError(RequestError):
    """Nothing is wrong with the message, but the one it says it follows was refused: encrypt it again."""

    code = "broken-chain"


class UnavailableError(RequestError):
    """The person asked for is OFFLINE or BUSY, or there is no session to speak in."""

    code = "unavailable"


class OverloadedError(RequestError):
    """The server is too busy for this right now."""

    code = "overloaded"


class InternalError(RequestError):
    """Something broke on the server; the log there says what, the peer is told nothing of it."""

    code = "internal"


class LocalError(EncchatError):
    """Something on this side is wrong; the person at the keyboard or the administrator can mend it."""

    code = "local"


class ConfigurationError(LocalError):
    """An option or a line of the configuration file cannot be used."""

    code = "configuration"


class StoreError(LocalError):
    """The store cannot be opened, read or written."""

    code = "store"


class StoreLockedError(StoreError):
    """Another process has the store open."""

    code = "store-locked"


class UsageError(LocalError):
    """A command or option was given in a way it cannot be understood; the text shows the right way."""

    code = "usage"


class CannotConnectError(LocalError):
    """No connection to the server, or it was lost and nobody wants to wait for the next."""

    code = "cannot-connect"


class NotConnectedError(LocalError):
    """There is no connection at the moment, so this cannot be asked."""

    code = "not-connected"


class KickedError(LocalError):
    """Somebody on the server ended this account's connections."""

    code = "kicked"


class NotEncryptedError(LocalError):
    """End-to-end encryption was asked for where there is none; nothing was sent."""

    code = "not-encrypted"


class UntrustedError(LocalError):
    """The trust policy allows encrypting for verified people only, and somebody there is not; nothing was sent."""

    code = "untrusted"


class KeyChangedError(LocalError):
    """Somebody there has another identity key than the pinned one; nothing is sent until the person accepts it."""

    code = "key-changed"


class UndecryptableError(LocalError):
    """A message cannot be opened; ``reason`` is a word, ``session`` names the key that would open it, if that is known.

    The reasons: ``no-key``, ``replayed``, ``wrong-conversation``, ``wrong-sender``, ``broken``, ``locked``,
    ``not-for-this-device``, ``session-over``, ``not-encrypted``.
    """

    code = "undecryptable"

    def __init__(self, reason: str, session: str = "") -> None:
        super().__init__(f"the message cannot be decrypted: {reason}")
        self.reason = reason
        self.session = session


class FileRefusedError(LocalError):
    """A file that somebody sends, or a piece of it, is not what its message says, or cannot be taken here."""

    code = "file-refused"


class NotPreparedError(LocalError):
    """Keys must be fetched or shared before this conversation can be encrypted for."""

    code = "not-prepared"


class NoKeysError(LocalError):
    """Nobody one could encrypt for: the account has no device that its identity key vouches for."""

    code = "no-keys"


class IdentityMissingError(LocalError):
    """This device lacks the account's identity key; the text says how it can get it."""

    code = "not-vouched"


class RecoveryError(LocalError):
    """These words, this passphrase or this file do not bring the keys back; the text says what is wrong with them."""

    code = "recovery"
