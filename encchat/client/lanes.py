"""Messages on their way out: one lane a conversation, in which keys are prepared, then messages encrypted and sent.

Theory of operation. A lane holds what waits, in order. While its keys are prepared (`Machine.prepare`: asked for, trust
checked, shared) nothing of it is sent; then it is encrypted `SEAL_SLICE` messages at a time. The ratchet's step is
committed before the line is on the wire, as `encchat.client.core` commits before it gives lines away. A refusal that
will pass (`TRANSIENT`) leaves the messages in the outbox and stops the lane until `retry`; every other is the message's
end, one of the preparation that of all that wait in the lane: they were meant for the same people.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from attrs import define, field

from encchat import names, wire
from encchat.client.privacy import Privacy
from encchat.client.requests import Answer, Done, Requests
from encchat.client.store import Outgoing
from encchat.e2e.interfaces import Content, Conversation
from encchat.errors import (
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
    error.code for error in (InternalError, OverloadedError, ThrottledError, NotPreparedError, StaleKeyError)
)


@define(eq=False)
class Pending:
    """A message that is not accepted yet; ``label`` names its command, ``done`` takes the answer.

    ``scheme`` is how it was sent last; ``flying``: an answer is to come.
    """

    label: str
    message: Outgoing
    done: Done | None
    scheme: str = "none"
    flying: bool = False
    stale: int = 0
    """How often it came under a key that was replaced meanwhile."""


@define(eq=False)
class Lane:
    """One conversation's; ``last`` is the ULID of the message before the next one."""

    name: str
    waiting: deque[Pending] = field(factory=deque)
    preparing: bool = False
    prepared: Conversation | None = None
    stuck: bool = False
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
    message that was sent or could not be.
    """

    _privacy: Privacy
    _requests: Requests
    _newest: Callable[[str], tuple[int, str] | None]
    _answered: Callable[[Pending, Answer], None]
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
        if pending.message.conversation == names.LOBBY:
            self._transmit(pending, "none", pending.message.body)
            return
        lane = self._lane(pending.message.conversation)
        lane.waiting.append(pending)
        self._start(lane)

    def lost(self) -> None:
        """The connection is gone: nothing is on its way."""
        self._lanes.clear()

    def retry(self, outbox: Iterable[Pending]) -> None:
        """Send again, in the order of ``outbox``, what was refused for a while."""
        stuck = {key for key, lane in self._lanes.items() if lane.stuck}
        for key in stuck:
            self._lanes[key].stuck = False
            self._lanes[key].waiting.clear()
        for pending in outbox:
            if names.folded(pending.message.conversation) in stuck and not pending.flying:
                self.send(pending)

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
        if lane.preparing or lane.stuck or lane.prepared is not None or not lane.waiting:
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
        if error is None:
            lane.prepared, lane.looks = where, 0
            self._seal(lane, where, fresh=True)
        elif isinstance(error, NotConnectedError):
            lane.waiting.clear()  # they are in the outbox, and sent again after the next login
        elif self._is_changing(lane, where, error):
            lane.stuck = self._still(lane, where)
            self._start(lane)
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
            lane.stuck = True
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
                scheme, body = self._sealed(lane, where, lane.waiting[0].message)
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
                self._transmit(lane.waiting.popleft(), scheme, body)
        if not lane.waiting:
            lane.prepared = None

    def _still(self, lane: Lane, where: Conversation) -> bool:
        """Whether nobody has come or gone since ``where``."""
        try:
            return self._privacy.conversation(lane.name) == where
        except EncchatError:
            return False

    def _sealed(self, lane: Lane, where: Conversation, message: Outgoing) -> tuple[str, str]:
        machine = self._privacy.machine
        if machine is None:
            raise NotPreparedError("there are no keys")
        after = self._newest(lane.name)
        sealed = machine.encrypt(where, Content(message.ulid, message.body, message.content, after, lane.last))
        lane.last = message.ulid
        return sealed

    def _transmit(self, pending: Pending, scheme: str, body: str) -> None:
        message = pending.message
        pending.scheme, pending.flying = scheme, True
        self._requests.send(
            wire.Send,
            partial(self._landed, pending),
            conversation=message.conversation,
            ulid=message.ulid,
            body=body,
            scheme=scheme,
        )

    def _landed(self, pending: Pending, answer: Answer) -> None:
        pending.flying = False
        if isinstance(answer, wire.Error) and answer.code in TRANSIENT:
            self._put_back(pending, answer.code == StaleKeyError.code)
        else:
            self._answered(pending, answer)

    def _put_back(self, pending: Pending, stale: bool) -> None:
        """Refused for a while; under the key of now it can go at once, unless that happens again and again."""
        lane = self._lane(pending.message.conversation)
        pending.stale += stale
        if stale and pending.stale <= MAX_STALE and not lane.stuck:
            lane.waiting.append(pending)
            self._start(lane)
        else:
            lane.stuck = True
