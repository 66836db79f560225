"""All verifications under way: with which devices, who asked, which of several devices goes on.

Theory of operation. Whoever asks sends a start to every device of the other account; the first that accepts goes on,
the others are called off. When both people ask at the same time, the start of the one whose name comes first counts,
and the other side, having asked itself, agrees to it at once. Nothing of it outlives the program: it is begun anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from encchat import wire
from encchat.e2e.interfaces import Tell, Verification
from encchat.e2e.sas import Cancel, Exchange, Party, Reason, Start, decode
from encchat.errors import EncchatError, NoKeysError
from encchat.limits import MAX_VERIFICATIONS, VERIFY_SECONDS
from encchat.names import folded

Send = Callable[[Party, bytes], None]
Believe = Callable[[str, wire.Identity], None]


@frozen
class _Running:
    exchange: Exchange
    until: float


@define
class Verifications:
    """Of one device, ``me``; ``send`` takes a payload to a device, ``believe`` a user whose key was verified."""

    me: Callable[[], Party]
    _send: Send
    _tell: Tell
    _believe: Believe
    _clock: Callable[[], float]
    _ulid: Callable[[], str]
    _running: dict[tuple[str, str, str], _Running] = field(factory=dict)

    def begin(self, others: Sequence[Party]) -> None:
        """Ask all devices of an account, or agree if it has asked; `NoKeysError` if there is no device."""
        if not others:
            raise NoKeysError("there is no device to verify with: its owner has to log in once")
        self.expire()
        user = others[0].user
        if self._accept(user):
            return
        self.cancel(user, "restarted")
        for other in others:
            self._add(Exchange.begin(self.me(), other, self._ulid()))
        self._tell(Verification(user, "waiting"))

    def confirm(self, user: str) -> bool:
        """The person says that they match; False if there is nothing to compare with ``user``."""
        self.expire()
        return any(self._confirmed(running.exchange) for running in self._with(user))

    def cancel(self, user: str, reason: Reason = "refused") -> bool:
        """End what is under way with ``user``; False if there is nothing."""
        mine = self._with(user)
        for running in mine:
            running.exchange.cancel(reason)
            self._flush(running.exchange)
        if mine and reason != "restarted":
            self._tell(Verification(user, "cancelled", reason=reason))
        return bool(mine)

    def expire(self) -> None:
        """End what has waited longer than `VERIFY_SECONDS`."""
        now = self._clock()
        for user in sorted({running.exchange.other.user for running in self._running.values() if running.until <= now}):
            self.cancel(user, "too-late")

    def receive(self, sender: Party, payload: bytes) -> None:
        """Take the payload of a parcel from a vouched device; one that is no message of a verification is dropped."""
        self.expire()
        message = decode(payload)
        if message is None:
            return
        if isinstance(message, Start):
            self._asked(sender, message, payload)
            return
        running = self._running.get((folded(sender.user), sender.device, message.transaction))
        if running is None:
            return
        exchange = running.exchange
        if not exchange.other.same_as(sender):
            exchange.cancel("different-keys")
        before = exchange.step
        exchange.receive(message)
        self._after(exchange, before, isinstance(message, Cancel))

    def _asked(self, sender: Party, start: Start, payload: bytes) -> None:
        mine = [running.exchange for running in self._with(sender.user)]
        simultaneous = any(exchange.asking for exchange in mine)
        if simultaneous and folded(self.me().user) < folded(sender.user):
            return
        exchange = Exchange.asked(self.me(), sender, payload, start.transaction)
        if len(self._running) >= MAX_VERIFICATIONS or _key(exchange) in self._running:
            return
        self.cancel(sender.user, "restarted")
        self._add(exchange)
        if simultaneous:
            self._accept(sender.user)
        else:
            self._tell(Verification(sender.user, "asked"))

    def _accept(self, user: str) -> bool:
        asked = [running.exchange for running in self._with(user) if running.exchange.step == "asked"]
        for exchange in asked[:1]:
            exchange.accept()
            self._flush(exchange)
            self._tell(Verification(user, "waiting"))
        return bool(asked)

    def _after(self, exchange: Exchange, before: str, called_off: bool) -> None:
        """Others are called off once one device has gone on; a start that one device refuses may go on at another."""
        self._flush(exchange)
        user = exchange.other.user
        if exchange.step == "cancelled" and called_off and before == "waiting" and self._with(user):
            return
        if exchange.asking and exchange.step in ("waiting", "compare"):
            for other in self._with(user):
                if other.exchange is not exchange:
                    other.exchange.cancel("elsewhere")
                    self._flush(other.exchange)
        if exchange.step != before:
            self._report(exchange)

    def _confirmed(self, exchange: Exchange) -> bool:
        if not exchange.confirm():
            return False
        self._flush(exchange)
        self._report(exchange)
        return True

    def _report(self, exchange: Exchange) -> None:
        step, reason = exchange.step, str(exchange.reason or "")
        if step == "done":
            try:
                self._believe(exchange.other.user, exchange.other.identity)
            except EncchatError as error:
                step, reason = "cancelled", error.code
        self._tell(Verification(exchange.other.user, step, exchange.emoji, exchange.decimals, reason))

    def _with(self, user: str) -> list[_Running]:
        return [running for key, running in self._running.items() if key[0] == folded(user)]

    def _add(self, exchange: Exchange) -> None:
        self._running[_key(exchange)] = _Running(exchange, self._clock() + VERIFY_SECONDS)
        self._flush(exchange)

    def _flush(self, exchange: Exchange) -> None:
        for payload in exchange.take():
            self._send(exchange.other, payload)
        if exchange.step in ("done", "cancelled"):
            self._running.pop(_key(exchange), None)


def _key(exchange: Exchange) -> tuple[str, str, str]:
    return folded(exchange.other.user), exchange.other.device, exchange.transaction
