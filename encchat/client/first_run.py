"""The first run as a conversation: which server, who, which password, the recovery phrase; then the first steps.

`FirstRun.ask` asks for whatever is not known yet; `FirstRun.again` takes what the server said against an answer, so
that the next `FirstRun.ask` asks for that one anew; `FirstRun.finish` is for somebody who is in. Knows no Twisted: what
it waits for is given by a face. The functions below it serve who came by a link on the command line as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from secrets import SystemRandom
from typing import Final, Protocol

from attrs import define, evolve, field, frozen

from encchat import names
from encchat.client import events
from encchat.client.options import Options, read_place
from encchat.errors import (
    CannotConnectError,
    ChannelError,
    EncchatError,
    LoginRefusedError,
    NameRefusedError,
    NotConnectedError,
    PinMismatchError,
    RegistrationRefusedError,
    ThrottledError,
)
from encchat.limits import MAX_JUDGED_PASSWORD, MAX_PASSWORD, MIN_PASSWORD

ASKED_WORDS: Final = 2
"""Words of the recovery phrase that are asked for: enough to show that it was written down."""
WEAK: Final = 2
"""Passwords of a lower score (zxcvbn's, 0 to 4) are taken only when the person insists."""

_WELCOME: Final = (
    "welcome to encchat. Somebody who is there already gives you a link, encchat://...; on a server that is open to"
    " all its address is enough. Ctrl+C leaves; encchat-client --demo is for looking around first"
)
_STEPS: Final = (
    "first steps:",
    "  hello            what you type goes to everybody in the lobby",
    "  /msg NAME hello  to one person alone, encrypted; /go @NAME to stay there",
    "  /users           who is here; /chat #ROOM NAME opens a room",
    "  /verify NAME     are these really NAME's keys?",
    "  /help            everything else; Tab completes, /quit leaves",
)
_KEPT: Final = "good, the recovery phrase is written down; /recovery shows it again as long as you have this device"
_UNCHECKED: Final = (
    "the recovery phrase is NOT checked: if this device is lost, nobody can read your messages again, you neither."
    " /recovery shows the phrase again"
)


class Talks(Protocol):
    """What the conversation needs of a face (`encchat.client.faces.Face`)."""

    def show(self, event: events.ScreenEvent) -> None:
        """Show something."""

    def ask(self, prompt: str, *, vanishes: bool = False) -> Awaitable[str]:
        """Ask a question; ``vanishes``: where the face can, it leaves the screen with its answer."""

    def ask_secret(self, prompt: str) -> Awaitable[str]:
        """Ask for a password."""


@frozen
class Judgement:
    """How good a password is: ``score`` 0 to 4, and that in words."""

    score: int
    words: str


_SCORES: Final = ("very weak", "weak", "fair", "good", "strong")


def judge(password: str, known: Sequence[str] = ()) -> Judgement:
    """How long it takes to guess; ``known`` are words that whoever guesses knows, such as the user's name."""
    from zxcvbn import zxcvbn  # here: it reads its dictionaries, which only who makes a password needs

    found = zxcvbn(password[:MAX_JUDGED_PASSWORD], [word for word in known if word])
    score = int(found["score"])
    time = found["crack_times_display"]["offline_slow_hashing_1e4_per_second"]
    words = f"{_SCORES[score]}: whoever steals the server's disk guesses it in {time}"
    hints = [found["feedback"]["warning"], *found["feedback"]["suggestions"]] if score < WEAK else []
    hint = " ".join(hint.rstrip(".") + "." for hint in hints if hint)
    return Judgement(score, f"{words}. {hint}" if hint else words)


async def new_password(face: Talks, known: Sequence[str] = ()) -> str:
    """A password that was typed twice alike; a weak one because the person wants it so."""
    prompt = begin = f"Choose a password, {MIN_PASSWORD} characters or more: "
    while True:
        password = await face.ask_secret(prompt)
        prompt = begin
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            what = "short" if len(password) < MIN_PASSWORD else "long"
            face.show(_refusal(f"that is too {what}: a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters"))
            continue
        found = judge(password, known)
        face.show(events.Notice(text=f"this password is {found.words}"))
        again = "The same again: "
        if found.score < WEAK:
            again = "The same again to take it all the same, or Enter for a better one: "
        repeated = await face.ask_secret(again)
        if repeated == password:
            return password
        if repeated:
            prompt = "They differ. Choose a password: "


async def check_phrase(face: Talks, phrase: str, positions: Sequence[int] | None = None) -> bool:
    """Show a recovery phrase, then ask for the words at ``positions`` (from 0); whether the person had them."""
    words = phrase.split()
    if positions is None:
        positions = sorted(SystemRandom().sample(range(len(words)), min(ASKED_WORDS, len(words))))
    wrong = ""
    while True:
        await face.ask(_sheet(words, wrong), vanishes=True)
        for position in positions:
            word = await _word(face, position)
            if not word:
                return False
            if word != words[position].casefold():
                wrong = f"Word {position + 1} is another one. Once more:\n"
                break
        else:
            return True


async def _word(face: Talks, position: int) -> str:
    """The word that was typed, empty if Enter was pressed twice."""
    word = await face.ask(f"What is word {position + 1}? ", vanishes=True)
    if not word.strip():
        word = await face.ask(f"Word {position + 1}, or Enter again to go on without it: ", vanishes=True)
    return word.strip().casefold()


def _sheet(words: Sequence[str], begin: str) -> str:
    """The phrase with numbers, for paper; a few short rows, for a screen cuts off what does not fit."""
    cells = [f"{number:>2} {word:<10}" for number, word in enumerate(words, 1)]
    rows = ["   " + "".join(cells[place : place + 2]).rstrip() for place in range(0, len(cells), 2)]
    return (
        f"{begin}Your recovery phrase brings your keys to a new device if you\n"
        "lose this one. Nobody else has it: write it down, on paper, away\n"
        "from this computer. Whoever finds it can read what you can.\n\n"
        + "\n".join(rows)
        + "\n\nThen press Enter; two of the words are asked for: "
    )


def first_steps() -> events.Notice:
    """What to type first."""
    return events.Notice(text="\n".join(_STEPS))


@define(eq=False)
class FirstRun:
    """What is known so far, of the command line and of the answers; None: still to be asked."""

    _face: Talks
    _options: Options
    _password: str | None = field(init=False, default=None)
    _phrase: str = field(init=False, default="")
    _begun: bool = field(init=False, default=False)

    async def ask(self) -> Options:
        """Ask for what is missing; returns all there is to know."""
        if not self._begun:
            self._begun = True
            self._welcome()
        if self._options.address is None:
            await self._ask_place()
        if self._options.user is None:
            await self._ask_name()
        return self._options

    async def password(self, *, new: bool) -> str:
        """The password, asked for once the server has shown who it is; the same again if it only disliked the name."""
        if self._password is None:
            options = self._options
            known = (options.user or "", "" if options.address is None else options.address.host, "encchat")
            self._password = await (new_password(self._face, known) if new else self._face.ask_secret("Password: "))
        return self._password

    def again(self, error: EncchatError) -> bool:
        """Whether ``error`` is about an answer that can be given anew; the person is told what it was."""
        match error:
            case PinMismatchError():
                return False
            case NameRefusedError():
                self._forget(user=True)
            case RegistrationRefusedError():
                self._forget(place=True)
                self._password = None
            case LoginRefusedError():
                self._forget(user=True)
                self._password = None
            case CannotConnectError() | NotConnectedError() | ChannelError():
                self._forget(place=True)
            case ThrottledError():
                self._password = None
            case _:
                return False
        self._face.show(events.Error(code=error.code, text=error.text))
        return True

    def _forget(self, *, place: bool = False, user: bool = False) -> None:
        if place:
            self._options = evolve(self._options, address=None, link=None)
        if user:
            self._options = evolve(self._options, user=None)

    def remember(self, phrase: str) -> None:
        """The recovery phrase, for `finish`."""
        self._phrase = phrase

    async def finish(self) -> None:
        """They are in: see to the recovery phrase if there is a new one, then say how to go on."""
        if self._phrase:
            if not await check_phrase(self._face, self._phrase):
                self.leave_it()
                return
            self._phrase = ""
            self._face.show(events.Notice(text=_KEPT))
        self._face.show(first_steps())

    def leave_it(self) -> None:
        """They do not want to be asked for the phrase, and are told what that means."""
        if self._phrase:
            self._phrase = ""
            self._face.show(events.Warned(code="unchecked", text=_UNCHECKED))
        self._face.show(first_steps())

    def _welcome(self) -> None:
        address = self._options.address
        text = _WELCOME if address is None else f"welcome to encchat. Your link leads to {address}; Ctrl+C leaves"
        self._face.show(events.Notice(text=text))

    async def _ask_place(self) -> None:
        while self._options.address is None:
            text = (await self._face.ask("Paste the link, or type the server's address: ")).strip().strip("'\"")
            try:
                address, link = read_place(text)
            except EncchatError as error:
                self._face.show(_refusal(error.text))
            else:
                self._options = evolve(self._options, address=address, link=link)
        if self._options.link is None:
            register = not await self._yes("Do you have an account there? [y/n] ")
            self._options = evolve(self._options, register=register)

    async def _ask_name(self) -> None:
        new = self._options.register or self._options.link is not None
        prompt = "Choose a name: " if new else "Your name there: "
        while self._options.user is None:
            try:
                user = names.account_name((await self._face.ask(prompt)).strip())
            except EncchatError as error:
                self._face.show(_refusal(error.text))
            else:
                self._options = evolve(self._options, user=user)

    async def _yes(self, prompt: str) -> bool:
        while (answer := (await self._face.ask(prompt)).strip().casefold()) not in _ANSWERS:
            self._face.show(_refusal("y for yes, n for no"))
        return _ANSWERS[answer]


_ANSWERS: Final = {"y": True, "yes": True, "n": False, "no": False}


def _refusal(text: str) -> events.Error:
    return events.Error(code="usage", text=text)
