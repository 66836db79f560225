"""What this client knows of the world beyond its messages: itself, its session, the names met, the server's commands.

The server's events and results go in; they are remembered here and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attrs import define, field

from encchat import names, wire
from encchat.client import events, screen
from encchat.client.commands import typed_commands
from encchat.client.place import KnownNames, Place
from encchat.client.requests import Answer


@define(eq=False)
class World:
    """``show`` takes what is to be shown; ``closing_reason`` is why the server says it ends the connection."""

    _show: Callable[[events.ScreenEvent], None]
    user: str = field(init=False, default="")
    presence: wire.Presence = field(init=False, default="OFFLINE")
    kicked: wire.Kicked | None = field(init=False, default=None)
    ringing: str = field(init=False, default="")
    """Who calls and waits for an answer."""
    closing_reason: str = field(init=False, default="")
    server_commands: dict[str, wire.CommandEntry] = field(init=False, factory=dict)
    _resuming: bool = field(init=False, default=False)
    _place: Place = field(init=False, factory=Place)
    _names: KnownNames = field(init=False, factory=KnownNames)

    @property
    def conversation(self) -> str:
        """Where a bare line goes."""
        return self._place.conversation

    @property
    def known_names(self) -> Iterable[str]:
        """Every name met, the latest last."""
        return self._names.all()

    def go(self, conversation: str) -> None:
        """Bare lines go to ``conversation`` from now on."""
        self._place.conversation = conversation
        self._show(events.Went(conversation=conversation))

    def meet(self, name: str) -> None:
        """Remember an account name or the name of a direct conversation."""
        self._names.meet(name)

    def logged_in(self, result: wire.LoggedIn) -> None:
        """The server knows this client now."""
        self.user, self.presence = result.user, result.presence
        self._show(events.LoggedIn(user=result.user, device=result.device, role=result.role))

    def lost(self) -> None:
        """The connection is gone; the session waits for this client for a while (protocol, Sessions)."""
        self._resuming = bool(self._place.partner)
        self.presence, self.ringing = "OFFLINE", ""

    def resumed_or_not(self) -> None:
        """What follows a login has come: a session that was not taken up again is over."""
        if self._resuming:
            self._resuming = False
            self.session_over(self._place.partner, "lost", hanging_up=False)

    # What is answered ---------------------------------------------------------------------------
    def done(self, label: str, kind: type[wire.Request] | None, fields: Mapping[str, Any]) -> None:
        """A request was done that has no result; ``label`` is the command that made it."""
        if kind is wire.SetPresence:
            self.presence = fields["presence"]
            self._notice(f"you are {self.presence} now")
        elif kind is wire.Connect:
            self._place.enter_session(fields["user"])
            self.presence = "BUSY"
        elif kind is wire.Goodbye:
            self._hung_up()
        elif kind is wire.Calls:
            self._notice(_CALLS[fields["policy"]])
        elif kind is wire.Answer:
            pass  # the session that starts, or the end of the ringing, says it
        else:
            self._notice(f"{label}: done")

    def take_result(self, result: wire.Result) -> None:
        """Show the result of a request, and remember what it says."""
        match result:
            case wire.UserList():
                self._meet_all(result)
                self._show(events.Users(users=result.users))
            case wire.UserStatus():
                self._know_presence(result.user, result.presence)
                self._show(screen.status(result))
            case wire.AdminGranted():
                self._notice(f"admin commands work for the next {result.seconds / 60:.0f} minutes")
            case wire.Notice():
                self._notice(result.text)
            case wire.CommandList():
                self.server_commands = typed_commands(result.commands)
            case wire.Listing():
                self._show(events.Listing(title=result.title, columns=result.columns, rows=result.rows))
            case _:
                pass  # asked for by the client itself, which takes it elsewhere

    def learn_names(self, answer: Answer) -> None:
        """Remember who is there, without showing it."""
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.UserList):
            self._meet_all(answer.result)

    def call_refused(self, partner: str, reason: str) -> None:
        """A session that was asked for did not begin."""
        self._show(events.Session(partner=partner, event_="refused", reason=reason))

    def _meet_all(self, result: wire.UserList) -> None:
        for entry in result.users:
            self._names.meet(entry.user)

    # What is said unasked -----------------------------------------------------------------------
    def hear(self, said: wire.ServerLine) -> None:
        """Show what the server says, other than answers, messages and the end of a session."""
        match said:
            case wire.PresenceChanged():
                self._know_presence(said.user, said.presence)
                self._show(events.PresenceChanged(user=said.user, presence=said.presence))
            case wire.SessionStarted():
                self._session_started(said.partner)
            case wire.Ringing():
                self._names.meet(said.sender)
                self.ringing = "" if said.over else said.sender
                self._show(events.Ringing(sender=said.sender, over=said.over))
            case wire.Notice():
                self._notice(said.text)
            case wire.Welcome():
                if said.motd:
                    self._notice(said.motd)
            case wire.Kicked():
                self.kicked = said
                self.closing_reason = f"kicked by {said.by}"
                self._show(events.Kicked(by=said.by, reason=said.reason))
            case wire.Closing():
                self.closing_reason = said.reason

    def session_over(self, partner: str, reason: str, *, hanging_up: bool) -> None:
        """The session has ended; ``hanging_up``: this client has asked for that."""
        self._show(events.Session(partner=partner, event_="ended", reason=reason))
        if hanging_up:
            self._hung_up()
            return
        if self._place.partner:
            self.presence = "FREE"
        if self._place.session_lost(partner):
            self._notice(f"what you type still goes to {partner}, as a direct message; /go lobby for everybody")

    def _session_started(self, partner: str) -> None:
        again = self._resuming and names.folded(self._place.partner) == names.folded(partner)
        self._names.meet(partner)
        self._place.enter_session(partner)
        self.presence, self.ringing, self._resuming = "BUSY", "", False
        if again:
            self._notice(f"the session with {partner} goes on")
        else:
            self._show(events.Session(partner=partner, event_="started"))

    def _hung_up(self) -> None:
        if self._place.partner:
            self._place.leave_session()
            self.presence = "FREE"

    def _know_presence(self, user: str, presence: wire.Presence) -> None:
        self._names.meet(user)
        if user == self.user:
            self.presence = presence

    def _notice(self, text: str) -> None:
        self._show(events.Notice(text=text))


_CALLS: Final = {
    "auto": "calls are taken from now on",
    "ask": "you are asked about calls from now on: /answer or /refuse",
    "never": "calls are refused from now on",
}
