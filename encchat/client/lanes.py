"""Messages on their way out: one lane a conversation, in which keys are prepared, then messages encrypted and sent.

Theory of operation. A lane holds what waits, in order. While its keys are prepared (`Machine.prepare`: asked for, trust
checked, shared) nothing of it is sent; then it is encrypted `SEAL_SLICE` messages at a time. The ratchet's step is
committed before the line is on the wire, as `encchat.client.core` commits before it gives lines away.

Messages go out without waiting for answers, and each names the one before it, which must not be one that nobody ever
gets: a receiver would take it for held back. So each is `chained` to the one in flight before it, and the server
refuses it with that one (protocol, Chains). At a refusal the lane sends no more until all answers have come, and then
goes on, in order, from the last message that was accepted.

A refusal that will pass (`TRANSIENT`) leaves the message in the outbox and stops the lane until `retry`; every other is
the message's end, one of the preparation that of all that wait in the lane: they were meant for the same people.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from attrs import define, field

from encchat import names, wire
from encchat.client.privacy import Privacy
from encchat.client.requests import Answer, Done, Requests
from encchat.client.store import Outgoing
from encchat.e2e.interfaces import Content, Conversation, Signature
from encchat.errors import (
    BrokenChainError,
    EncchatError,
    ForbiddenError,
    InternalError,
    NoKeysError,
    NotConnectedError,
    NotPreparedError,
    OverloadedError,
    StaleKeyError,
    ThrottledError,
    UnknownUserError,
)
from encchat.limits import MAX_KEY_LOOKS, MAX_STALE, SEAL_SLICE

TRANSIENT: Final = frozenset(
    error.code
    for error in (InternalError, OverloadedError, ThrottledError, NotPreparedError, StaleKeyError, BrokenChainError)
)

_TOLD: Final = frozenset(error.code for error in (InternalError, OverloadedError, ThrottledError))
"""Those of them that are the server's trouble, and may last."""


@define(eq=False)
class Pending:
    """A message that is not accepted yet; ``label`` names its command, ``done`` takes the answer.

    ``scheme`` and ``signature`` are how it was sent last. ``ephemeral``: said off the record, so that it is not kept
    here and goes over this connection or none.
    """

    label: str
    message: Outgoing
    done: Done | None
    ephemeral: bool = False
    scheme: str = "none"
    signature: Signature = "none"
    chained: bool = False
    stale: int = 0
    """How often it came under a key that was replaced meanwhile."""


@define(eq=False)
class Lane:
    """One conversation's; ``last`` is the ULID of the message before the next one.

    ``sent`` are those not accepted yet, by ULID; ``flying`` of them have no answer yet, ``broken``: one was refused.
    """

    name: str
    waiting: deque[Pending] = field(factory=deque)
    sent: dict[str, Pending] = field(factory=dict)
    flying: int = 0
    broken: bool = False
    preparing: bool = False
    prepared: Conversation | None = None
    stuck: bool = False
    told: bool = False
    """Whether the person knows that the server takes nothing for now."""
    keyless: bool = False
    """Whether it waits for somebody to have keys; ``looks`` is how often they were looked for."""
    looks: int = 0
    last: str = ""
    refused: int = -1
    """The version of the room for whose members the server refused keys."""


@define(eq=False)
class Lanes:
    """See the module's theory of operation.

    ``newest(conversation)`` is the (seq, ulid) up to where it is complete here; ``answered`` takes what becomes of a
    message that was sent or could not be; ``delayed`` is told of the first that has to wait because of the server;
    ``may_start(conversation)`` says whether messages may go there yet.
    """

    _privacy: Privacy
    _requests: Requests
    _newest: Callable[[str], tuple[int, str] | None]
    _answered: Callable[[Pending, Answer], None]
    _delayed: Callable[[wire.Error], None]
    _may_start: Callable[[str], bool]
    _lanes: dict[str, Lane] = field(init=False, factory=dict)

    @property
    def stuck(self) -> bool:
        """Whether something waits for `retry`."""
        return any(lane.stuck for lane in self._lanes.values())

    @property
    def busy(self) -> bool:
        """Whether `work` has something to do."""
        return any(lane.prepared is not None for lane in self._lanes.values())

    @property
    def unsent(self) -> bool:
        """Whether a message waits for its keys."""
        return any(lane.waiting for lane in self._lanes.values())

    def send(self, pending: Pending) -> None:
        """Send it after all that waits in its lane."""
        lane = self._lane(pending.message.conversation)
        lane.waiting.append(pending)
        self._start(lane)

    def wake(self) -> None:
        """Messages may go now that could not before."""
        for lane in list(self._lanes.values()):
            self._start(lane)

    def lost(self) -> None:
        """The connection is gone: nothing is on its way."""
        self._lanes.clear()

    def retry(self) -> None:
        """Send again what was refused for a while."""
        for lane in list(self._lanes.values()):
            if lane.stuck:
                lane.stuck = False
                self._start(lane)

    def work(self) -> None:
        """Encrypt and send a slice of what waits."""
        for lane in list(self._lanes.values()):
            if lane.prepared is not None:
                self._seal(lane, lane.prepared, fresh=False)
                return

    def _lane(self, name: str) -> Lane:
        lane = self._lanes.get(names.folded(name))
        if lane is None:
            lane = self._lanes[names.folded(name)] = Lane(name, last=self._privacy.chain.last_said(name))
        return lane

    def _start(self, lane: Lane) -> None:
        if lane.preparing or lane.stuck or lane.broken or lane.prepared is not None or not lane.waiting:
            return
        if lane.name == names.LOBBY:
            while lane.waiting:
                pending = lane.waiting.popleft()
                self._transmit(lane, pending, "none", pending.message.body)
            return
        if not self._may_start(lane.name):
            return
        try:
            where = self._privacy.conversation(lane.name)
        except EncchatError as error:
            self._refuse(lane, error)
            return
        machine = self._privacy.machine
        if machine is not None:
            lane.preparing = self._privacy.busy = True
            machine.prepare(where, partial(self._prepared, lane, where))

    def _prepared(self, lane: Lane, where: Conversation, error: EncchatError | None) -> None:
        if self._lanes.get(names.folded(lane.name)) is not lane:
            return  # of an earlier connection
        lane.preparing = False
        if lane.broken and error is None:
            return  # once all answers have come it is prepared anew
        if error is None:
            lane.prepared, lane.looks = where, 0
            self._seal(lane, where, fresh=True)
        elif isinstance(error, NotConnectedError):
            lane.waiting.clear()  # they are in the outbox, and sent again after the next login
        elif not self._still(lane, where):
            self._start(lane)  # the keys that came on the way have shown that the room is another
        elif self._is_changing(lane, where, error):
            lane.stuck = True
        elif isinstance(error, NoKeysError) and lane.name.startswith("@"):
            self._ask_who(lane, error)
        else:
            self._refuse(lane, error)

    def _ask_who(self, lane: Lane, error: NoKeysError) -> None:
        """Nobody to encrypt for: because there is no such account, or one that has been made just now?"""

        def answered(answer: Answer) -> None:
            if self._lanes.get(names.folded(lane.name)) is not lane:
                return  # of an earlier connection
            if isinstance(answer, wire.Error) and answer.code == UnknownUserError.code:
                lane.preparing = False
                self._refuse(lane, UnknownUserError(f"there is no account {lane.name[1:]}"))
            else:
                lane.keyless = True

        lane.looks += 1
        if lane.looks > MAX_KEY_LOOKS:
            lane.looks = 0
            self._refuse(lane, error)
            return
        lane.preparing = True
        if lane.looks == 1:
            self._requests.send_quietly(wire.Status, answered, user=lane.name[1:])
        else:
            lane.keyless = True

    @property
    def keyless(self) -> bool:
        """Whether something waits for `look_again`."""
        return any(lane.keyless for lane in self._lanes.values())

    def look_again(self) -> None:
        """See whether those who had no keys have any now."""
        for lane in list(self._lanes.values()):
            if lane.keyless:
                lane.keyless = lane.preparing = False
                self._privacy.keys_changed(lane.name[1:])
                self._start(lane)

    @staticmethod
    def _is_changing(lane: Lane, where: Conversation, error: EncchatError) -> bool:
        """Whether somebody is leaving the room just now: the server knows it, and this client is about to hear it."""
        again, lane.refused = lane.refused == where.version, where.version
        return where.kind == "room" and isinstance(error, ForbiddenError) and not again

    def _refuse(self, lane: Lane, error: EncchatError) -> None:
        if error.code in TRANSIENT:
            self._delay(lane, wire.Error(code=error.code, text=error.text))
            return
        waiting, lane.waiting = lane.waiting, deque()
        for pending in waiting:
            self._answered(pending, wire.Error(code=error.code, text=error.text))

    def _seal(self, lane: Lane, where: Conversation, *, fresh: bool) -> None:
        """A slice; ``fresh``: the keys were prepared just now."""
        if not self._still(lane, where):
            lane.prepared = None
            self._start(lane)
            return
        for _ in range(SEAL_SLICE):
            if not lane.waiting:
                break
            try:
                scheme, body = self._sealed(lane, where, lane.waiting[0])
            except NotPreparedError as error:
                lane.prepared = None
                if fresh:
                    self._refuse(lane, error)
                else:
                    self._start(lane)
                return
            except EncchatError as error:
                self._answered(lane.waiting.popleft(), wire.Error(code=error.code, text=error.text))
            else:
                fresh = False
                self._transmit(lane, lane.waiting.popleft(), scheme, body)
        if not lane.waiting:
            lane.prepared = None

    def _still(self, lane: Lane, where: Conversation) -> bool:
        """Whether nobody has come or gone since ``where``."""
        try:
            return self._privacy.conversation(lane.name) == where
        except EncchatError:
            return False

    def _sealed(self, lane: Lane, where: Conversation, pending: Pending) -> tuple[str, str]:
        machine, message = self._privacy.machine, pending.message
        if machine is None:
            raise NotPreparedError("there are no keys")
        after = self._newest(lane.name)
        sealed = machine.encrypt(where, Content(message.ulid, message.body, message.content, after, lane.last))
        lane.last, pending.signature = message.ulid, self._privacy.own_signature(lane.name)
        return sealed

    def _transmit(self, lane: Lane, pending: Pending, scheme: str, body: str) -> None:
        message = pending.message
        pending.scheme, pending.chained = scheme, lane.flying > 0
        lane.sent[message.ulid] = pending
        lane.flying += 1
        self._requests.send(
            wire.Send,
            partial(self._landed, lane, pending),
            conversation=message.conversation,
            ulid=message.ulid,
            body=body,
            scheme=scheme,
            chained=pending.chained,
        )

    def _landed(self, lane: Lane, pending: Pending, answer: Answer) -> None:
        if isinstance(answer, wire.Error):
            if answer.code == NotConnectedError.code:
                return  # it is in the outbox, and sent again after the next login
            lane.broken, lane.prepared = True, None
        lane.flying -= 1
        if isinstance(answer, wire.Error) and answer.code in TRANSIENT:
            if self._has_to_wait(pending, answer.code):
                self._delay(lane, answer)
        else:
            del lane.sent[pending.message.ulid]
            lane.told = False
            self._answered(pending, answer)
        if lane.broken and not lane.flying:
            self._mend(lane)

    def _delay(self, lane: Lane, answer: wire.Error) -> None:
        """The lane waits; the person hears of it once, however many messages and attempts it concerns."""
        lane.stuck = True
        if not lane.told and answer.code in _TOLD:
            lane.told = True
            self._delayed(answer)

    @staticmethod
    def _has_to_wait(pending: Pending, code: str) -> bool:
        """Whether it cannot go again at once: under the key of now it can, unless that happens again and again."""
        if code == StaleKeyError.code:
            pending.stale += 1
            return pending.stale > MAX_STALE
        return code != BrokenChainError.code or not pending.chained

    def _mend(self, lane: Lane) -> None:
        """All answers have come: what is to be sent still goes before what waits, after what was accepted."""
        lane.waiting.extendleft(reversed(lane.sent.values()))
        lane.sent.clear()
        lane.broken, lane.last = False, self._privacy.chain.last_said(lane.name)
        self._start(lane)
