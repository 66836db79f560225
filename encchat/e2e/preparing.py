"""What has to happen before a conversation can be encrypted for, step by step, each from the answer to the one before.

Theory of operation. The login is through; the members' device lists are up to date; all members may be trusted under
the policy; one-time keys are claimed for devices there is no Olm session with; the scheme has shared its key. A
conversation stays prepared until somebody's keys or trust change (`DeviceLists.epoch`), it is another than it was (a
member more or less), or the connection goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal, Protocol

from attrs import define, field

from encchat.e2e.claims import Claims
from encchat.e2e.devices import DeviceLists
from encchat.e2e.interfaces import Conversation, Device, Done, Step
from encchat.e2e.login import Login
from encchat.e2e.own import Own
from encchat.e2e.trust import TrustStore
from encchat.envelopes import OLM
from encchat.errors import EncchatError, IdentityMissingError, NoKeysError, NotConnectedError
from encchat.names import folded

Stage = Literal["login", "asking", "stepping", "waiting", "over"]


class Stepping(Protocol):
    """What is asked of the machine."""

    def devices_of(self, conversation: Conversation) -> Sequence[Device]:
        """All that are to read it."""

    def by_olm(self, conversation: Conversation) -> bool:
        """Whether its scheme sends parcels."""

    def prepare_step(self, conversation: Conversation) -> Step:
        """The scheme's next slice."""


@define(eq=False)
class _Preparation:
    conversation: Conversation
    done: Done
    stage: Stage = "login"


@define
class Preparations:
    """All that are under way, and which conversations are prepared."""

    _machine: Stepping
    _login: Login
    _own: Own
    _lists: DeviceLists
    _trust: TrustStore
    _claims: Claims
    _begin_login: Callable[[], None]
    _running: list[_Preparation] = field(init=False, factory=list)
    _prepared: dict[str, tuple[Conversation, int]] = field(init=False, factory=dict)
    _tried: set[str] = field(init=False, factory=set)
    """Witnesses the server has been asked about on this connection."""

    def prepare(self, conversation: Conversation, done: Done) -> None:
        """Begin; ``done`` is called exactly once, maybe at once."""
        if self._login.state == "offline":
            done(NotConnectedError("there is no connection"))
            return
        each = _Preparation(conversation, done)
        self._running.append(each)
        if self._login.state == "failed":
            self._begin_login()
        if self._login.state == "ready":
            self._ask(each)

    def is_prepared(self, conversation: Conversation) -> bool:
        """Whether nothing has changed since it was."""
        return self._prepared.get(conversation.id) == (conversation, self._lists.epoch)

    def has_tried(self, user: str) -> bool:
        """Whether the server was asked for the keys of a witness, whatever it said."""
        return folded(user) in self._tried

    @property
    def tried(self) -> int:
        """How many witnesses it was asked about."""
        return len(self._tried)

    def settled(self) -> None:
        """The login is through, or has failed."""
        for each in [each for each in self._running if each.stage == "login"]:
            if self._login.error is not None:
                self._end(each, self._login.error)
            else:
                self._ask(each)

    def resume(self, conversation: Conversation, error: EncchatError | None) -> None:
        """A scheme has got what it was waiting for, or cannot get it."""
        for each in [each for each in self._running if each.stage == "waiting"]:
            if each.conversation.id == conversation.id:
                each.stage = "stepping"
                if error is not None:
                    self._end(each, error)

    def lost(self) -> None:
        """The connection is gone."""
        self._prepared.clear()
        self._tried.clear()
        for each in list(self._running):
            self._end(each, NotConnectedError("the connection was lost"))

    def work(self) -> bool:
        """One step of one of them; whether more is left."""
        for each in self._running:
            if each.stage == "stepping":
                self._step(each)
                break
        return any(each.stage == "stepping" for each in self._running)

    def _ask(self, each: _Preparation) -> None:
        each.stage = "asking"
        if self._own.identity is None:
            self._end(each, IdentityMissingError(_UNVOUCHED))
            return
        conversation = each.conversation
        # Who is outside is nobody's business in the room: it is asked for as for a message to that one.
        witnesses = [user for user in conversation.witnesses if not self.has_tried(user)]
        self._witness(each, witnesses)

    def _witness(self, each: _Preparation, left: Sequence[str], error: EncchatError | None = None) -> None:
        """Ask for the keys of one after the other; what is refused is not known, and nobody can be judged by it."""
        if each.stage != "asking":
            return
        if not left:
            conversation = each.conversation
            self._lists.ensure(conversation.name, conversation.members, partial(self._listed, each))
            return
        self._tried.add(folded(left[0]))
        self._lists.ensure(f"@{left[0]}", [left[0]], partial(self._witness, each, left[1:]))

    def _listed(self, each: _Preparation, error: EncchatError | None) -> None:
        if each.stage != "asking":
            return
        conversation = each.conversation
        try:
            if error is not None:
                raise error
            self._may(conversation)
            devices = self._machine.devices_of(conversation) if self._machine.by_olm(conversation) else ()
        except EncchatError as refused:
            self._end(each, refused)
            return
        scope = conversation.id if conversation.scheme == OLM else ""
        self._claims.ensure(conversation.name, devices, partial(self._claimed, each), scope)

    def _may(self, conversation: Conversation) -> None:
        """Raise unless everybody there may be encrypted for, and somebody can."""
        others = [user for user in conversation.members if folded(user) != folded(self._own.user)]
        self._trust.check(others)
        if conversation.kind == "room" or not others:
            return
        if without := [user for user in others if not self._lists.of(user)]:
            raise NoKeysError(
                f"{without[0]} has no device with end-to-end keys yet: its owner has to log in once with a client that"
                " makes them; nothing was sent"
            )

    def _claimed(self, each: _Preparation, error: EncchatError | None) -> None:
        if each.stage != "asking":
            return
        if error is not None:
            self._end(each, error)
            return
        each.stage = "stepping"
        self._step(each)

    def _step(self, each: _Preparation) -> None:
        epoch = self._lists.epoch
        try:
            step = self._machine.prepare_step(each.conversation)
        except EncchatError as error:
            self._end(each, error)
            return
        if step == "waiting" and each.stage == "stepping":
            each.stage = "waiting"
        elif step == "ready":
            self._prepared[each.conversation.id] = (each.conversation, epoch)
            self._end(each, None)

    def _end(self, each: _Preparation, error: EncchatError | None) -> None:
        if each.stage != "over":
            each.stage = "over"
            self._running.remove(each)
            each.done(error)


_UNVOUCHED: Final = (
    "this device does not have the account's identity key, so nothing can be encrypted here: /recover PHRASE, or, on"
    " another device, /approve and the code this one has shown after its login"
)
