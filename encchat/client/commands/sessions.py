"""Commands about who is here, and calls between two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from encchat import wire
from encchat.client.commands.actor import Actor
from encchat.client.commands.parsing import another, nothing, one_of, only_account
from encchat.client.commands.table import Command
from encchat.errors import UsageError

_POLICIES: Final = ("auto", "ask", "never")


def _users(actor: Actor, arguments: str) -> None:
    nothing(arguments, "/users")
    actor.ask("/users", wire.Users)


def _status(actor: Actor, arguments: str) -> None:
    name = only_account(arguments, "/status [NAME]") if arguments else actor.user
    actor.ask(f"/status {name}", wire.Status, user=name)


def _presence(verb: str, presence: str) -> Callable[[Actor, str], None]:
    def run(actor: Actor, arguments: str) -> None:
        nothing(arguments, verb)
        actor.ask(verb, wire.SetPresence, presence=presence)

    return run


def _connect(actor: Actor, arguments: str) -> None:
    name = another(only_account(arguments, "/connect NAME"), actor.user, "call somebody else")
    actor.ask(f"/connect {name}", wire.Connect, user=name)


def _goodbye(actor: Actor, arguments: str) -> None:
    nothing(arguments, "/goodbye")
    actor.ask("/goodbye", wire.Goodbye)


def _calls(actor: Actor, arguments: str) -> None:
    policy = one_of(arguments, _POLICIES, "/calls auto|ask|never")
    actor.ask(f"/calls {policy}", wire.Calls, policy=policy)


def _answer(verb: str, accept: bool) -> Callable[[Actor, str], None]:
    def run(actor: Actor, arguments: str) -> None:
        name = only_account(arguments, f"{verb} [NAME]") if arguments else actor.ringing
        if not name:
            raise UsageError(f"nobody calls: {verb} NAME, once somebody does")
        actor.ask(f"{verb} {name}", wire.Answer, user=name, accept=accept)

    return run


SESSIONS: Final = (
    Command("users", "/users", "list everybody who is FREE, BUSY or AWAY", _users),
    Command("status", "/status [NAME]", "say whether NAME (or you) is here, or when last seen", _status, "user"),
    Command("connect", "/connect NAME", "call NAME: a session makes both of you BUSY", _connect, "user"),
    Command("goodbye", "/goodbye", "end the session, stay connected", _goodbye),
    Command(
        "calls",
        "/calls auto|ask|never",
        "say what becomes of calls: taken, asked about, refused",
        _calls,
        "word",
        _POLICIES,
    ),
    Command("answer", "/answer [NAME]", "take the call", _answer("/answer", True), "user"),
    Command("refuse", "/refuse [NAME]", "refuse the call", _answer("/refuse", False), "user"),
    Command("free", "/free", "be FREE: you can be called", _presence("/free", "FREE")),
    Command("busy", "/busy", "be BUSY: you cannot be called", _presence("/busy", "BUSY")),
    Command("away", "/away", "be AWAY from the keyboard", _presence("/away", "AWAY")),
)
