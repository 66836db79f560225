"""The client's command table: the one list for parsing, ``/help``, completion and docs/client.md."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, Protocol

from attrs import frozen

from encchat import names, wire
from encchat.client import generic
from encchat.errors import NotEncryptedError, UnknownCommandError, UsageError
from encchat.limits import DEFAULT_PAST, MAX_NAME, MAX_PAST


class Actor(Protocol):
    """What a command can do; `encchat.client.core.ClientCore` is the one that does it."""

    @property
    def user(self) -> str:
        """The name this client is logged in under."""

    @property
    def conversation(self) -> str:
        """Where a bare line goes."""

    @property
    def server_commands(self) -> Mapping[str, wire.CommandEntry]:
        """The server's commands that are not in `COMMANDS`, by verb."""

    def ask(self, label: str, kind: type[wire.Request], **fields: Any) -> None:
        """Send a request; its answer is shown, an error with ``label`` before it."""

    def ask_server(self, verb: str, fields: Mapping[str, generic.Value]) -> None:
        """Send a command that only the server knows."""

    def say(self, label: str, conversation: str, body: str) -> object:
        """Send a message, now or as soon as there is a connection."""

    def show_past(self, conversation: str, count: int) -> None:
        """Show the newest messages of a conversation that are kept here."""

    def find(self, text: str) -> None:
        """Show the newest messages kept here that have all words of ``text``."""

    def notice(self, text: str) -> None:
        """Show ``text``."""

    def go(self, conversation: str) -> None:
        """Bare lines go to ``conversation`` from now on."""

    def confirm_admin(self, password: str) -> None:
        """Confirm the password for admin commands; an empty one is asked for."""

    def leave(self) -> None:
        """End this client once everything sent has been accepted."""


Arguments = Literal["", "user", "conversation", "command"]


@frozen
class Command:
    """A row of the table: ``run(actor, rest of the line)``; ``completes`` says what the first argument is."""

    verb: str
    usage: str
    help: str
    run: Callable[[Actor, str], None]
    completes: Arguments = ""


@frozen
class Suggestion:
    """A word that fits at the end of what was typed, and one line about it."""

    word: str
    help: str = ""


def _nothing(usage: str, arguments: str) -> None:
    if arguments:
        raise UsageError(f"{arguments.split()[0]} is too much: {usage}")


def _name(word: str, usage: str) -> str:
    """An account name, with or without ``@`` before it."""
    if not word:
        raise UsageError(f"NAME is missing: {usage}")
    return names.account_name(word.removeprefix("@"))


def _only_name(arguments: str, usage: str) -> str:
    word, _, rest = arguments.partition(" ")
    _nothing(usage, rest)
    return _name(word, usage)


def _message(actor: Actor, arguments: str) -> None:
    usage = "/msg NAME TEXT"
    word, _, text = arguments.partition(" ")
    name = _name(word, usage)
    if not text.strip():
        raise UsageError(f"TEXT is missing: {usage}")
    if names.folded(name) == names.folded(actor.user):
        raise UsageError(f"{name} is you: name somebody else")
    actor.say(f"/msg {name}", f"@{name}", text)


def _all(actor: Actor, arguments: str) -> None:
    if not arguments.strip():
        raise UsageError("TEXT is missing: /all TEXT")
    actor.say("/all", names.LOBBY, arguments)


def _users(actor: Actor, arguments: str) -> None:
    _nothing("/users", arguments)
    actor.ask("/users", wire.Users)


def _status(actor: Actor, arguments: str) -> None:
    name = _only_name(arguments, "/status [NAME]") if arguments else actor.user
    actor.ask(f"/status {name}", wire.Status, user=name)


def _presence(verb: str, presence: str) -> Callable[[Actor, str], None]:
    def run(actor: Actor, arguments: str) -> None:
        _nothing(verb, arguments)
        actor.ask(verb, wire.SetPresence, presence=presence)

    return run


def _connect(actor: Actor, arguments: str) -> None:
    name = _only_name(arguments, "/connect NAME")
    if names.folded(name) == names.folded(actor.user):
        raise UsageError(f"{name} is you: call somebody else")
    actor.ask(f"/connect {name}", wire.Connect, user=name)


def _goodbye(actor: Actor, arguments: str) -> None:
    _nothing("/goodbye", arguments)
    actor.ask("/goodbye", wire.Goodbye)


def _secure(_actor: Actor, _arguments: str) -> None:
    raise NotEncryptedError(
        "nothing was sent: this version of encchat has no end-to-end encryption yet, the server could read the"
        " text; without secure: it goes through the encrypted connection only"
    )


def _go(actor: Actor, arguments: str) -> None:
    if not arguments:
        actor.notice(f"what you type goes to {actor.conversation}")
    elif arguments == names.LOBBY:
        actor.go(names.LOBBY)
    elif arguments.startswith("#"):
        raise UsageError(f"{_HINTS['join']}: /go lobby or /go @NAME")
    else:
        actor.go("@" + _only_name(arguments, "/go lobby or /go @NAME"))


def _history(actor: Actor, arguments: str) -> None:
    usage = f"/history [lobby or @NAME] [N], N from 1 to {MAX_PAST}"
    words = arguments.split()
    number = words.pop() if words and words[-1].isdecimal() else str(DEFAULT_PAST)
    name = words.pop(0) if words else actor.conversation
    _nothing(usage, " ".join(words))
    if name != names.LOBBY:
        if not name.startswith("@"):
            raise UsageError(f"{name} is no conversation: {usage}")
        name = f"@{_name(name, usage)}"
    if len(number) > len(str(MAX_PAST)) or not 1 <= int(number) <= MAX_PAST:
        raise UsageError(f"N is from 1 to {MAX_PAST}, not {number[:MAX_NAME]}: {usage}")
    actor.show_past(name, int(number))


def _search(actor: Actor, arguments: str) -> None:
    if not arguments:
        raise UsageError("TEXT is missing: /search TEXT")
    actor.find(arguments)


def _admin(actor: Actor, arguments: str) -> None:
    actor.confirm_admin(arguments)


def _kick(actor: Actor, arguments: str) -> None:
    word, _, reason = arguments.partition(" ")
    name = _name(word, "/kick NAME [REASON]")
    actor.ask(f"/kick {name}", wire.Kick, user=name, reason=reason.strip())


def _help(actor: Actor, arguments: str) -> None:
    actor.notice(help_text(arguments.removeprefix("/"), actor.server_commands))


def _quit(actor: Actor, arguments: str) -> None:
    _nothing("/quit", arguments)
    actor.leave()


COMMANDS: Final[tuple[Command, ...]] = (
    Command("users", "/users", "list everybody who is FREE, BUSY or AWAY", _users),
    Command("status", "/status [NAME]", "say whether NAME (or you) is here, or when last seen", _status, "user"),
    Command("msg", "/msg NAME TEXT", "send TEXT to NAME alone", _message, "user"),
    Command("all", "/all TEXT", "send TEXT to everybody, in the lobby", _all),
    Command("go", "/go [CONVERSATION]", "let bare lines go to lobby or @NAME", _go, "conversation"),
    Command(
        "history", "/history [CONVERSATION] [N]", "show the last N messages kept here (20)", _history, "conversation"
    ),
    Command("search", "/search TEXT", "show the messages kept here that have these words", _search),
    Command("connect", "/connect NAME", "call NAME: a session makes both of you BUSY", _connect, "user"),
    Command("goodbye", "/goodbye", "end the session, stay connected", _goodbye),
    Command("secure", "/secure TEXT", "send TEXT only if it is encrypted end to end", _secure),
    Command("free", "/free", "be FREE: you can be called", _presence("/free", "FREE")),
    Command("busy", "/busy", "be BUSY: you cannot be called", _presence("/busy", "BUSY")),
    Command("away", "/away", "be AWAY from the keyboard", _presence("/away", "AWAY")),
    Command("admin", "/admin [PASSWORD]", "confirm your password for admin commands", _admin),
    Command("kick", "/kick NAME [REASON]", "end all of NAME's connections", _kick, "user"),
    Command("help", "/help [COMMAND]", "list the commands, or explain one", _help, "command"),
    Command("quit", "/quit", "leave", _quit),
)

_NOT_TYPED: Final = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (
        wire.Register,
        wire.Login,
        wire.LoginDevice,
        wire.ForgetDevice,
        wire.Commands,
        wire.SetPresence,
        wire.Send,
        wire.Conversations,
        wire.Sync,
        wire.Ack,
    )
)
"""Requests the client makes by itself, or under other words."""

BY_VERB: Final = {command.verb: command for command in COMMANDS}

_NO_ROOMS: Final = "rooms are not in this version"
_HINTS: Final = dict.fromkeys(("chat", "join", "invite", "decline", "who", "leave"), _NO_ROOMS)


def run_command(actor: Actor, line: str) -> None:
    """Do what ``line``, which begins with ``/``, says; raise `encchat.errors.EncchatError` if it cannot be done."""
    verb, _, arguments = line[1:].partition(" ")
    verb = verb.casefold()
    command = BY_VERB.get(verb)
    if command is not None:
        command.run(actor, arguments.strip())
        return
    entry = actor.server_commands.get(generic.typed_verb(verb))
    if entry is None:
        raise UnknownCommandError(_unknown(verb, actor.server_commands))
    actor.ask_server(entry.verb, generic.fields(entry, arguments))


def typed_commands(entries: Iterable[wire.CommandEntry]) -> dict[str, wire.CommandEntry]:
    """The server's commands that are not in `COMMANDS`, by how they are typed."""
    known = _NOT_TYPED | BY_VERB.keys()
    return {generic.typed_verb(entry.verb): entry for entry in entries if entry.verb not in known}


def label_of(line: str) -> str:
    """The command word of a line, for its errors; never an argument, which may be a password."""
    return line.partition(" ")[0] if line.startswith("/") else ""


def _unknown(verb: str, server_commands: Iterable[str]) -> str:
    known = [*BY_VERB, *server_commands]
    near = difflib.get_close_matches(verb, known, n=1)
    hint = _HINTS.get(verb) or (f"did you mean /{near[0]}?" if near else "")
    begin = f"there is no command /{verb[:MAX_NAME]}"
    return f"{begin}: {hint}" if hint else f"{begin}: /help lists the commands, //text sends a text with a slash"


def help_text(verb: str, server_commands: Mapping[str, wire.CommandEntry]) -> str:
    """What ``/help`` or ``/help VERB`` shows; raise `UnknownCommandError` for a verb that is none."""
    rows = [(command.verb, command.usage, command.help) for command in COMMANDS]
    rows += [(verb, generic.usage(entry), entry.help) for verb, entry in server_commands.items()]
    if verb:
        rows = [row for row in rows if row[0] == generic.typed_verb(verb.casefold())]
        if not rows:
            raise UnknownCommandError(_unknown(verb, server_commands))
    width = max(len(usage) for _, usage, _ in rows)
    lines = [f"{usage.ljust(width)}  {text}" for _, usage, text in rows]
    return "\n".join(lines if verb else [*lines, f"{'TEXT'.ljust(width)}  {_BARE}"])


_BARE: Final = "goes to the current conversation; //TEXT sends a text that begins with a slash"


def complete(
    typed: str, known_names: Iterable[str], server_commands: Mapping[str, wire.CommandEntry]
) -> list[Suggestion]:
    """The words that fit at the end of ``typed``, which is all that stands left of the cursor."""
    if not typed.startswith("/") or typed.startswith("//"):
        return []
    verb, space, argument = typed[1:].partition(" ")
    if not space:
        return [row for row in _verbs(server_commands) if row.word.startswith(typed)]
    command = BY_VERB.get(verb.casefold())
    if command is None or " " in argument:
        return []
    return [row for row in _arguments(command.completes, known_names, server_commands) if _fits(row.word, argument)]


def _fits(word: str, typed: str) -> bool:
    return names.folded(word.lstrip("@/")).startswith(names.folded(typed.lstrip("@/")))


def _verbs(server_commands: Mapping[str, wire.CommandEntry]) -> list[Suggestion]:
    ours = [Suggestion(f"/{command.verb}", command.help) for command in COMMANDS]
    return ours + [Suggestion(f"/{verb}", entry.help) for verb, entry in server_commands.items()]


def _arguments(
    kind: Arguments, known_names: Iterable[str], server_commands: Mapping[str, wire.CommandEntry]
) -> list[Suggestion]:
    if kind == "user":
        return [Suggestion(name) for name in known_names]
    if kind == "conversation":
        return [Suggestion(names.LOBBY), *(Suggestion(f"@{name}") for name in known_names)]
    if kind == "command":
        return [Suggestion(row.word[1:], row.help) for row in _verbs(server_commands)]
    return []
