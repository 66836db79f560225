"""What the two bots of a demo say: a small play that goes on with what the newcomer does; knows no sockets, no clock.

Theory of operation. The play has lessons (`LESSONS`), each something to try. Ada and bob say how the first open one
is tried; what the newcomer does (`Play.heard`) closes the lesson it belongs to, whether it is its turn or not, and the
next open one is said, where the newcomer last was. Lessons that the bots do not see the end of are closed by whatever
is said next, or by time. Who does nothing for a while is reminded once (`Play.waited`). All a bot does is a line as a
person types it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from encchat.client import events
from encchat.e2e.emoji import GLYPHS

ADA: Final = "ada"
BOB: Final = "bob"
BOTS: Final = (ADA, BOB)
ROOM: Final = "#garden"


@frozen
class Line:
    """Something a bot types."""

    bot: str
    text: str
    hint: bool = False
    """It says what is here or can be tried next, so that it is out of date once the next hint follows."""

    @property
    def spoken(self) -> str:
        """What of it is there to read."""
        words = self.text.split(" ", 2 if self.text.startswith("/msg ") else 1)
        return words[-1] if words[0] in ("/all", "/msg") else ""


@frozen
class Lesson:
    """Something to try, and what is said about it; ``seen``: the bots see it being done."""

    name: str
    said: str
    seen: bool = True


LESSONS: Final = (
    Lesson("hello", "try it: type  hello  and press Enter. Everybody in the lobby reads it."),
    Lesson("direct", "now something for one of us alone: type  /msg bob can you hear me?"),
    Lesson(
        "verify", "who is it really that writes? Type  /verify {bot}  : seven emoji are to be the same on both sides."
    ),
    Lesson("call", "calls: type  /connect {bot}  (or say: call me). You two are BUSY then for everybody else."),
    Lesson("room", "a room for the three of us: I open one and invite you. Type  /join #garden"),
    Lesson(
        "look",
        "text can be *slanted*, **bold** or `code`, and emoji have names: type  :wave  and press Tab. Now you!\n"
        "```python\nprint('hello, {guest}')\n```",
    ),
    Lesson("file", "here is a small file for you: type  /accept  to fetch it.", seen=False),
    Lesson("search", "what was said is kept on your own disk, sealed: try  /search hello  or  /history", seen=False),
    Lesson("set", "/set  lists what can be changed, such as  /set theme light ; Tab completes everything.", seen=False),
    Lesson(
        "end",
        "that was the tour. Stay and talk with us, or type  /quit : this server and all that was said are gone then."
        " For your own,  twistd -n encchat --port 5000  prints a link, and  encchat-client  asks for it.",
        seen=False,
    ),
)
_ANSWERS: Final = (
    "nicely said. We are small programs and do not understand much; say  next  for something to try.",
    "aha! Say  call me ,  verify ,  room  or  next  and I do something.",
    "I can only nod to that.  /help  lists all there is.",
    "noted. Not really: nothing of this is kept when you leave.",
)


@define(eq=False)
class Play:
    """The play for one newcomer; ``gift`` is the file there is to send, None where files cannot be sent."""

    _guest: str
    _gift: Path | None = None
    _open: list[Lesson] = field(init=False)
    _where: str = field(init=False, default="lobby")
    """The conversation the newcomer was last seen in, as the bots name it."""
    _host: str = field(init=False, default=ADA)
    """Who speaks there."""
    _in_call: bool = field(init=False, default=False)
    _room_open: bool = field(init=False, default=False)
    _reminded: bool = field(init=False, default=False)
    _answered: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._open = [lesson for lesson in LESSONS if lesson.name != "file" or self._gift is not None]

    def began(self) -> list[Line]:
        """The newcomer is there."""
        guest = self._guest
        about = "small programs on a server of your own"
        lobby = (
            "this is the lobby: everybody reads what is said here, the server too. All else is encrypted end to end."
        )
        alone = "this comes to you alone. The bar below counts it:  /go @bob  brings you to me,  /go lobby  back."
        return [
            Line(ADA, f"/all hello {guest}, welcome! I am ada, and that is bob: two {about}."),
            Line(BOB, f"/msg {guest} psst, {alone}"),
            Line(BOB, f"/all hi {guest}! {lobby}", hint=True),
            *self._next(),
        ]

    def heard(self, bot: str, event: events.ScreenEvent) -> list[Line]:
        """What the two do about what ``bot`` sees."""
        match event:
            case events.Message(sender=sender) if sender == self._guest:
                return self._said(bot, event)
            case events.File(sender=sender) if sender == self._guest and not event.conversation.startswith("#"):
                self._where, self._host = f"@{self._guest}", bot
                return [self._tell(f"thank you for {event.name}! I cannot open it, but I am moved.")]
            case events.Session(partner=partner) if partner == self._guest:
                return self._called(bot, event)
            case events.Verification(user=user) if user == self._guest:
                return self._compared(bot, event)
            case events.Room():
                return self._changed(bot, event)
        return []

    def waited(self) -> list[Line]:
        """Nothing has happened for a while: a lesson is said again, once; one that nobody sees done is over."""
        if self._open and not self._open[0].seen and not self._in_call:
            return self._skip()
        if self._reminded:
            return []
        lines = [self._tell("still there?  /goodbye  ends the call.")] if self._in_call else self._next()
        self._reminded = True
        return lines

    # What the newcomer does ---------------------------------------------------------------------
    def _said(self, bot: str, said: events.Message) -> list[Line]:
        if said.kind in ("lobby", "room"):
            if bot != ADA:  # both hear it, one answers
                return []
            self._where, self._host = said.conversation, ADA
        else:
            self._where, self._host = f"@{self._guest}", bot
        wish = self._wish(said.text.casefold())
        return self._answer(said) if wish is None else wish

    def _wish(self, text: str) -> list[Line] | None:
        """What is done if it was asked for something."""
        bot = self._host
        if self._in_call:
            return None
        if "call me" in text:
            return [self._tell("with pleasure, here I come."), Line(bot, f"/connect {self._guest}")]
        if "verify" in text and self._where.startswith("@"):
            return [Line(bot, f"/verify {self._guest}"), self._tell(f"type  /verify {bot}  too, then we compare.")]
        if "room" in text or "invite" in text:
            return [*self._invite(), self._tell(f"type  /join {ROOM}")]
        if "file" in text and self._gift is not None:
            return [*self._send(), self._tell("type  /accept  to fetch it.")]
        if text.strip(" .!?") in ("next", "help", "what now"):
            return self._skip() or [self._tell("there is nothing left to show: talk to us, or type  /quit")]
        return None

    def _skip(self) -> list[Line]:
        """The lesson after the present one."""
        return self._close(self._open[0].name) if self._open else []

    def _answer(self, said: events.Message) -> list[Line]:
        if self._in_call:
            return [self._tell("I hear you, and nobody else does.  /goodbye  ends the call.")]
        if said.kind == "lobby" and self._is_open("hello"):
            return [Line(BOB, f"/all hello {self._guest}, I read you; and so does the server."), *self._close("hello")]
        if said.kind == "direct" and self._is_open("direct"):
            heard = "I can, and nobody else: it was encrypted on your device for mine, and signed by you."
            return [self._tell(heard), *self._close("hello", "direct")]
        first = self._open[0] if self._open else None
        if first is not None and (first.name == "look" or not first.seen):
            return [self._tell("very good."), *self._close(first.name)]
        self._answered += 1
        return [self._tell(_ANSWERS[(self._answered - 1) % len(_ANSWERS)])]

    def _called(self, bot: str, session: events.Session) -> list[Line]:
        self._where, self._host = f"@{self._guest}", bot
        was, self._in_call = self._in_call, session.event_ == "started"
        if self._in_call:
            return [
                self._tell("this is a call. Just type: it goes to me alone, under keys made for this call."),
                self._tell("a minute after it they are gone on both sides.  /goodbye  ends it."),
            ]
        if not was:
            return []
        return [self._tell("good call! What anybody recorded of it nobody can open any more."), *self._close("call")]

    def _compared(self, bot: str, step: events.Verification) -> list[Line]:
        self._where, self._host = f"@{self._guest}", bot
        match step.step:
            case "asked":
                return [Line(bot, f"/verify {self._guest}")]
            case "compare":
                seen = ", ".join(f"{GLYPHS.get(name, '')} {name}".strip() for name in step.emoji)
                return [
                    self._tell(f"I see {seen}. You too? Then type  /verified {bot}"),
                    Line(bot, f"/verified {self._guest}"),
                ]
            case "done":
                done = "now you know that it is me: the lock in the bar says so. (Friends compare by telephone.)"
                return [self._tell(done), *self._close("verify")]
        return []

    def _changed(self, bot: str, room: events.Room) -> list[Line]:
        if room.event_ == "invited" and room.user == bot:
            return [Line(bot, f"/join {room.room}")]
        if bot != ADA or room.event_ != "joined" or room.user != self._guest:
            return []
        self._where, self._host = room.room, ADA
        return [
            self._tell(f"welcome to {room.room}. Only the three of us read this;  /who  shows who that is."),
            Line(BOB, f"/msg {room.room} and whoever leaves reads nothing of what comes after: the keys are changed."),
            *self._close("room"),
        ]

    # What the two say and do --------------------------------------------------------------------
    def _is_open(self, name: str) -> bool:
        return any(lesson.name == name for lesson in self._open)

    def _close(self, *names: str) -> list[Line]:
        """These lessons are over: go on with the first open one, unless that was said already."""
        first = self._open[0].name if self._open else ""
        self._open = [lesson for lesson in self._open if lesson.name not in names]
        return self._next() if first in names else []

    def _next(self) -> list[Line]:
        """How the first open lesson is tried."""
        self._reminded = False
        if not self._open:
            return []
        lesson = self._open[0]
        bot = self._host if self._where.startswith("@") else BOB
        line = self._tell(lesson.said.format(bot=bot, guest=self._guest), hint=True)
        match lesson.name:
            case "room":
                return [line, *self._invite()]
            case "file":
                return [*self._send(), line]
            case "end":
                self._open = []
        return [line]

    def _invite(self) -> list[Line]:
        """The room, opened by ada the first time; then the newcomer is invited again."""
        if self._room_open:
            return [Line(ADA, f"/invite {ROOM} {self._guest}")]
        self._room_open = True
        return [Line(ADA, f"/chat {ROOM} {self._guest} {BOB}")]

    def _send(self) -> list[Line]:
        return [Line(self._host, f"/send @{self._guest} {self._gift}")]

    def _tell(self, text: str, *, hint: bool = False) -> Line:
        """Said where the newcomer is."""
        if self._where == "lobby":
            return Line(ADA, f"/all {text}", hint)
        return Line(self._host, f"/msg {self._where.removeprefix('@')} {text}", hint)
