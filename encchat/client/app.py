"""The client as a program: joins a face, the core and a runner, and turns how it ended into an exit code."""

from __future__ import annotations

import os
import platform
import time
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from encchat import names
from encchat.client import events
from encchat.client.connection import Server
from encchat.client.core import ClientCore, Question, State
from encchat.client.exits import Exit, exit_for
from encchat.client.faces import Completion, Face, FaceName, Status
from encchat.client.files.disk import Files, LocalFiles
from encchat.client.first_run import FirstRun, new_password
from encchat.client.login import Credentials
from encchat.client.options import Options
from encchat.client.preferences import Preferences
from encchat.client.runner import Runner
from encchat.client.schemes import find_schemes
from encchat.client.store.keyring import NoKeyring, find_keyring
from encchat.errors import (
    ConfigurationError,
    EncchatError,
    KickedError,
    LoginRefusedError,
    PinMismatchError,
    StoreError,
    UsageError,
)
from encchat.limits import GATHER_SECONDS, MAX_DEVICE_NAME
from encchat.net.outbox import TurnEnd
from encchat.secure import fingerprint

_CONNECTIONS = {
    State.STARTING: "connecting",
    State.READY: "connected",
    State.AWAY_FROM_SERVER: "reconnecting",
    State.LEAVING: "leaving",
}


@define
class App:
    """One run of the client; the runner's front. ``given`` is the password, None if it is to be asked for."""

    _reactor: Any
    _options: Options
    _face: Face
    _face_name: FaceName
    _given: str | None
    _files: Files = field(init=False, factory=LocalFiles)
    _core: ClientCore = field(init=False)
    _runner: Runner | None = field(init=False, default=None)
    _face_started: bool = field(init=False, default=False)
    _over: Deferred[Exit] | None = field(init=False, default=None)
    _turn: TurnEnd = field(init=False)
    _held: bool = field(init=False, default=False)
    _first_run: FirstRun | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._turn = TurnEnd(self._reactor)
        self._core = ClientCore(
            time.time,
            os.urandom,
            classic=self._options.classic,
            interactive=self._on_terminal,
            files=self._files,
            schemes=lambda: find_schemes(self._options.insecure_teaching_scheme),
            settings=self._options.settings,
        )
        self._core.unread = self._face.unread
        self._face.attach(self)

    # What the face asks for (encchat.client.faces.Source) --------------------------------------------
    @property
    def user(self) -> str:
        """The name this client is logged in under, empty before."""
        return self._core.user

    @property
    def preferences(self) -> Preferences:
        """What the person has chosen."""
        return self._core.settings.now

    def complete(self, typed: str) -> list[Completion]:
        """The words that fit at the end of ``typed``."""
        return [Completion(row.word, row.help) for row in self._core.complete(typed)]

    def past(self, conversation: str, count: int) -> list[events.Said]:
        """The newest messages of a conversation there are here, oldest first."""
        try:
            return self._core.past(conversation, count)
        except StoreError:  # comes again at the next commit, which ends the client
            return []

    def typed_before(self) -> list[str]:
        """Lines entered in this run and those before, oldest first."""
        try:
            return self._core.typed_before()
        except StoreError:  # as above
            return []

    # ----------------------------------------------------------------------------------------------
    @property
    def _on_terminal(self) -> bool:
        return self._face_name == "tty"

    def run(self) -> Deferred[Exit]:
        """Run until the end; fires with the exit code."""
        self._over = ensureDeferred(self._run())
        return self._over

    def shut_down(self) -> Deferred[Exit] | None:
        """The process is told to end: leave without waiting."""
        if self._over is None or self._over.called:
            return None
        self._core.leave()
        self._core.leave()
        if self._runner is None:
            self._over.cancel()
        else:
            self._runner.pump()
        return self._over

    async def _run(self) -> Exit:
        try:
            await self._live()
            return Exit.PEER_KEY_CHANGED if self._core.distrusted else Exit.FINE
        except CancelledError:
            return Exit.FINE
        except EncchatError as error:
            self._show_end(error)
            return exit_for(error)
        finally:
            await self._face.stop()

    async def _live(self) -> None:
        if not self._on_terminal:
            self._start_face()
        if self._is_first_run():
            self._first_run = FirstRun(self._face, self._options)
        while self._first_run is not None:
            self._options = await self._first_run.ask()
            try:
                await self._log_in_and_stay()
                return
            except EncchatError as error:
                if self._core.user or not self._first_run.again(error):
                    raise
        await self._log_in_and_stay()

    def _is_first_run(self) -> bool:
        """Whether everything is asked for: nobody has said where, or somebody at a terminal comes by a new link."""
        options = self._options
        if options.address is None:
            return True
        if options.link is None or options.demo or self._given is not None or not self._on_terminal:
            return False
        return options.home.last_user(fingerprint(options.link.identity)) is None

    async def _log_in_and_stay(self) -> None:
        server = self._options.server()
        who = Credentials(
            user=await self._user(server),
            invite="" if self._options.link is None else self._options.link.invite,
            register=self._options.register,
            device_name=platform.node()[:MAX_DEVICE_NAME],
        )
        self._runner = Runner(
            self._reactor,
            self._options.home,
            server,
            who,
            self._core,
            self,
            self._options.patience(self._on_terminal),
            password=self._given,
            forget_device=self._options.forget_device,
            keyring=NoKeyring() if self._options.demo else find_keyring(),
        )
        if self._asks_nothing(server, who.user):
            self._face.set_status(self._status())
            self._start_face()
            # First the prompt: unlocking the store takes a seventh of a second, on purpose and in this thread.
            await deferLater(self._reactor, GATHER_SECONDS)
        await self._runner.run()

    def _asks_nothing(self, server: Server, user: str) -> bool:
        """Whether a person may type already, while the client gets ready: what is typed waits until then."""
        if not self._on_terminal or self._face_started or self._given is None or server.pin is None:
            return False
        return not self._options.forget_device and self._options.home.device_key(server.pin, user) is not None

    def _start_face(self) -> None:
        self._face_started = True
        self._face.start(self._line_typed, self._input_ended)

    def _line_typed(self, line: str) -> None:
        """What one turn brings goes into the outbox, and out, together."""
        self._core.typed(line)
        if self._core.full and not self._held:
            self._held = True
            self._face.hold()
        self._turn.call(self._pump)

    def _pump(self) -> None:
        if self._runner is not None:
            self._runner.pump()

    def _input_ended(self) -> None:
        if not self._options.follow:
            self._core.end_of_input()
        if self._runner is not None:
            self._runner.pump()

    async def _user(self, server: Server) -> str:
        last = None if server.pin is None else self._options.home.last_user(server.pin)
        known = self._options.user or last
        if known is not None:
            return known
        try:
            return names.account_name((await self._face.ask("User name: ")).strip())
        except ConfigurationError:
            raise UsageError("no user name: give --user NAME") from None

    # What the runner calls (encchat.client.runner.Front) ------------------------------------------
    def show(self, event: events.ScreenEvent) -> None:
        """Show an event on the face; a recovery phrase goes into its file, if one was named."""
        if isinstance(event, events.Recovery) and self._options.recovery_file is not None:
            try:
                self._files.write(self._options.recovery_file, f"{event.phrase}\n".encode())
            except UsageError as error:  # shown below, for it is shown once only
                self._face.show(events.Error(code=error.code, text=error.text))
            else:
                event = events.Notice(text=f"the recovery phrase is in {self._options.recovery_file}")
        elif isinstance(event, events.Recovery) and self._options.demo:
            event = events.Notice(text="your recovery phrase would stand here: write it down when it is not a demo")
        elif isinstance(event, events.Recovery) and self._first_run is not None:
            self._first_run.remember(event.phrase)
            return
        elif isinstance(event, events.LoggedIn):
            self._remember_server()
        self._face.show(event)

    def _remember_server(self) -> None:
        if self._options.address is not None and not self._options.forget_device:
            self._options.home.remember_server(self._options.address)

    def changed(self) -> None:
        """Bring the face up to date with the core."""
        if self._on_terminal:
            self._face.set_status(self._status())
        if self._core.state is State.READY and not self._face_started:
            self._start_face()
        if self._first_run is not None and self._core.state is State.READY and self._core.idle:
            first_run, self._first_run = self._first_run, None
            ensureDeferred(first_run.finish()).addErrback(_left, first_run)
        if self._held and not self._core.full:
            self._held = False
            self._face.read_on()

    def _status(self) -> Status:
        core, here = self._core, self._core.conversation
        lock = core.trust_actions.lock(here) if core.user else ""
        room = core.rooms.known(here)
        topic = "" if room is None else room.header.topic
        rooms = tuple(core.rooms.names())
        connection, ready = _CONNECTIONS[core.state], core.state is not State.STARTING
        return Status(here, core.presence, connection, core.waiting, lock, topic, rooms, ready)

    def password(self, *, new: bool) -> Deferred[str]:
        """The password that was given, or one the person types."""
        return ensureDeferred(self._ask_password(new))

    def unlock(self, prompt: str) -> Deferred[str]:
        """What the person types; empty where nobody can be asked."""
        return self._face.ask_secret(prompt).addErrback(_nobody)

    def answer(self, question: Question) -> None:
        """Ask the person; where nobody can be asked, say so."""
        ensureDeferred(self._ask(question))

    async def _ask(self, question: Question) -> None:
        try:
            question.then(await self._face.ask_secret(question.prompt))
        except ConfigurationError:
            self._core.show_error(UsageError.code, question.otherwise, question.label)
        except CancelledError:
            return
        if self._runner is not None:
            self._runner.pump()

    async def _ask_password(self, new: bool) -> str:
        if self._given is not None:
            return self._given
        try:
            if self._first_run is not None:
                return await self._first_run.password(new=new)
            if not new:
                return await self._face.ask_secret("Password: ")
            return await new_password(self._face, (self._options.user or "", "encchat"))
        except ConfigurationError:
            raise UsageError(
                "no password: give --password-file FILE, set ENCCHAT_PASSWORD, or type it at a terminal"
            ) from None

    # The end ------------------------------------------------------------------------------------
    def _show_end(self, error: EncchatError) -> None:
        if isinstance(error, KickedError):
            return
        text = error.text
        if isinstance(error, PinMismatchError):
            text = _loud(error, self._options)
        elif isinstance(error, LoginRefusedError) and not self._options.register and self._options.link is None:
            text = f"{text} (--register makes an account on an open server)"
        self._face.show(events.Error(code=error.code, text=text))


def _left(failure: Failure, first_run: FirstRun) -> None:
    """Ctrl+C instead of an answer, or the input has ended."""
    failure.trap(CancelledError, ConfigurationError)
    first_run.leave_it()


def _nobody(failure: Failure) -> str:
    failure.trap(ConfigurationError)
    return ""


def _loud(error: PinMismatchError, options: Options) -> str:
    if options.fingerprint is not None:
        headline, pinned, advice = "IS NOT THE ONE --fingerprint NAMES", "--fingerprint", "Compare it, sign by sign."
    elif options.link is not None and error.shown == fingerprint(options.link.identity):
        headline, pinned = "IS PINNED, AND THE LINK NAMES ANOTHER", "pinned"
        advice = f"If it is the link's, connect with --fingerprint {error.shown}"
    else:
        headline, pinned = "HAS CHANGED", "pinned"
        advice = f"If it is the one shown, connect with --fingerprint {error.shown}"
    return (
        f"WARNING: THE IDENTITY OF {options.address} {headline}. Nothing was sent to it.\n"
        f"  {pinned}: {error.expected}\n"
        f"  shown: {error.shown}\n"
        "Somebody may be listening in, or the server was set up anew. Ask whoever runs it, by another way than this"
        f" chat, for its fingerprint. {advice}"
    )
