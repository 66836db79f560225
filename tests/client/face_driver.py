"""A small program on a face, for the tests: repeats what is typed and obeys the commands below.

Arguments: the face (``auto``: what fits), and a mode. ``password`` asks for one before it starts the face, ``follow``
stays when the input ends.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred

from encchat.client import events
from encchat.client.faces import Completion, Face, NoSource, Status, choose_face, install_reactor, make_face
from encchat.client.preferences import Preferences
from encchat.errors import EncchatError

WORDS = (
    Completion("/flood", "many messages"),
    Completion("/secret", "asks"),
    Completion("alice"),
    Completion("bob"),
    Completion("boris"),
)


def message(text: str, sender: str = "alice", seq: int = 1) -> events.Message:
    """What a lobby message looks like."""
    return events.Message(
        conversation="lobby",
        kind="lobby",
        seq=seq,
        sender=sender,
        text=text,
        time="2026-11-21T12:00:00.000Z",
        ulid="01HZZZZZZZZZZZZZZZZZZZZZZZ",
        encryption="none",
        signature="none",
        trust="none",
    )


_WRITE = "import sys; print(sys.argv[1:], file=open('notified', 'w'))"
PREFERENCES = {
    "kitty": Preferences(images="kitty"),
    "notify": Preferences(notify=shlex.join([sys.executable, "-c", _WRITE]), notify_text=True),
    "bad-notify": Preferences(notify="/nowhere/notify", bell="never"),
}
"""What the person has chosen, by mode."""


class Words(NoSource):
    """Completes with `WORDS`."""

    def complete(self, typed: str) -> list[Completion]:
        return [word for word in WORDS if word.word.startswith(typed.split(" ")[-1])]


class Driver:
    """What the commands do."""

    def __init__(self, reactor: Any, face: Face, mode: str) -> None:
        self.reactor, self.face, self.mode = reactor, face, mode

    def begin(self) -> None:
        self.face.attach(Words(preferences=PREFERENCES.get(self.mode, Preferences(images="never"))))
        self.face.set_status(Status("lobby", "FREE", "connected"))
        if self.mode == "password":
            self.ask(self.face.ask_secret("Password: ")).addCallback(lambda _: self.face.start(self.typed, self.ended))
        else:
            self.face.start(self.typed, self.ended)
        self.face.show(events.Notice(text="ready"))

    def typed(self, line: str) -> None:
        command, _, rest = line.partition(" ")
        handler = getattr(self, f"do_{command[1:]}", None) if command.startswith("/") else None
        if handler is None:
            self.face.show(message(line))
        else:
            handler(rest)

    def do_flood(self, rest: str) -> None:
        count = int(rest)
        for number in range(count):
            self.face.show(message(f"flood {number} of {count}", seq=number))

    def do_stream(self, rest: str) -> None:
        """As many messages as said, 300 a second."""
        for number in range(int(rest)):
            self.reactor.callLater(number / 300, self.face.show, message(f"stream {number}", seq=number))

    def do_secret(self, rest: str) -> None:
        self.ask(self.face.ask_secret("Password: "))

    def do_later(self, rest: str) -> None:
        self.reactor.callLater(0.5, self.do_secret, rest)

    def do_question(self, rest: str) -> None:
        self.ask(self.face.ask("Name: "))

    def do_withdraw(self, rest: str) -> None:
        """Two questions, taken back before they are answered, the one that waits first."""
        first, second = self.ask(self.face.ask("Name: ")), self.ask(self.face.ask("Town: "))
        self.reactor.callLater(0.1, second.cancel)
        self.reactor.callLater(0.2, first.cancel)

    def do_twice(self, rest: str) -> None:
        self.do_question(rest)
        self.do_secret(rest)

    def do_go(self, rest: str) -> None:
        """As the core does: a little later, in the order of what is typed."""
        self.face.set_status(Status(rest, "FREE", "connected"))

    def do_chat(self, rest: str) -> None:
        """A command that is answered only after a while."""
        self.reactor.callLater(0.5, self.do_go, rest)

    def do_direct(self, rest: str) -> None:
        """Bob says something to this person alone."""
        said = msgspec.structs.replace(message(rest, sender="bob"), conversation="@bob", kind="direct")
        self.face.show(msgspec.structs.replace(said, encryption="olm", signed="valid", trust="verified"))

    def do_picture(self, rest: str) -> None:
        """A file has come, a picture perhaps."""
        self.face.show(
            events.Transfer(
                ulid="1",
                conversation="@bob",
                name="photo.png",
                media="image/png",
                direction="in",
                done=1,
                size=1,
                state="done",
                path=rest,
            )
        )

    def do_status(self, rest: str) -> None:
        self.face.set_status(Status("@bob", rest, "reconnecting"))

    def do_move(self, rest: str) -> None:
        """Be elsewhere, a little later; a file ``moved`` says when."""

        def move() -> None:
            self.do_go(rest)
            Path("moved").touch()

        self.reactor.callLater(0.3, move)

    def do_print(self, rest: str) -> None:
        print(rest)

    def do_crash(self, rest: str) -> None:
        raise RuntimeError("as asked")

    def do_quit(self, rest: str) -> None:
        self.face.show(events.Notice(text="quitting"))
        self.end()

    def ask(self, answer: Deferred[str]) -> Deferred[Any]:
        return answer.addCallbacks(
            lambda text: self.face.show(events.Notice(text=f"answer {text!r}")),
            lambda failure: self.face.show(
                events.Error(
                    code=failure.type.__name__,
                    text=failure.value.text if failure.check(EncchatError) else "left",
                )
            ),
        )

    def ended(self) -> None:
        self.face.show(events.Notice(text="input ended"))
        if self.mode != "follow":
            self.end()

    def end(self) -> None:
        self.face.stop().addCallback(lambda _: self.reactor.callLater(0, self.reactor.stop))


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] != "auto" else None
    mode = sys.argv[2] if len(sys.argv) > 2 else ""
    face_name = choose_face(name, sys.stdin, sys.stdout)
    install_reactor(face_name)
    from twisted.internet import reactor

    driver = Driver(reactor, make_face(face_name, reactor), mode)
    reactor.callWhenRunning(driver.begin)  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
