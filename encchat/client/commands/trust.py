"""Commands about keys: whose they are, whether to trust them, and how to bring one's own to another device."""

from __future__ import annotations

from typing import Final

from encchat import wire
from encchat.client.commands.actor import Actor
from encchat.client.commands.parsing import account, another, nothing, one_of, only_account
from encchat.client.commands.table import Command
from encchat.errors import UsageError

_POLICIES: Final = ("first-use", "verified-only", "always")
_ALGORITHMS: Final = ("ed25519", "rsa", "dsa")
_KEYS: Final = "/keys export|import FILE [PASSPHRASE]"
_DEVICES: Final = "/devices [NAME], /devices revoke DEVICE"


def _other(actor: Actor, arguments: str, usage: str) -> str:
    return another(only_account(arguments, usage), actor.user, f"name somebody else: {usage}")


def _verify(actor: Actor, arguments: str) -> None:
    word, _, rest = arguments.partition(" ")
    usage = "/verify NAME [stop]"
    name = another(account(word, usage), actor.user, f"name somebody else: {usage}")
    if rest.strip():
        one_of(rest.strip(), ("stop",), usage)
        actor.trust_actions.stop_verifying(name)
    else:
        actor.trust_actions.verify(name)


def _verified(actor: Actor, arguments: str) -> None:
    actor.trust_actions.verified(_other(actor, arguments, "/verified NAME"))


def _trust(actor: Actor, arguments: str) -> None:
    actor.trust_actions.trust(_other(actor, arguments, "/trust NAME"))


def _policy(actor: Actor, arguments: str) -> None:
    usage = "/policy first-use|verified-only|always"
    actor.trust_actions.policy(one_of(arguments, _POLICIES, usage) if arguments else "")


def _fingerprint(actor: Actor, arguments: str) -> None:
    actor.trust_actions.fingerprint(only_account(arguments, "/fingerprint [NAME]") if arguments else "")


def _devices(actor: Actor, arguments: str) -> None:
    word, _, rest = arguments.partition(" ")
    if word in ("", "list"):
        nothing(rest.strip(), _DEVICES)
        actor.ask("/devices", wire.Devices)
    elif word == "revoke":
        if not rest.strip():
            raise UsageError(f"DEVICE is missing: {_DEVICES}")
        actor.ask(f"/devices revoke {rest.strip()}", wire.Devices, action="revoke", device=rest.strip())
    else:
        actor.trust_actions.devices(only_account(arguments, _DEVICES))


def _approve(actor: Actor, arguments: str) -> None:
    if not arguments or " " in arguments:
        raise UsageError("one CODE, as the other device shows it after its login: /approve CODE")
    actor.trust_actions.approve(arguments)


def _recover(actor: Actor, arguments: str) -> None:
    actor.trust_actions.recover(arguments)


def _recovery(actor: Actor, arguments: str) -> None:
    nothing(arguments, "/recovery")
    actor.trust_actions.recovery()


def _sign(actor: Actor, arguments: str) -> None:
    actor.trust_actions.sign_with(one_of(arguments, _ALGORITHMS, "/sign ed25519|rsa|dsa"))


def _why(actor: Actor, arguments: str) -> None:
    actor.trust_actions.why(arguments.upper())


def _keys(actor: Actor, arguments: str) -> None:
    action, _, rest = arguments.partition(" ")
    path, _, passphrase = rest.strip().partition(" ")
    one_of(action, ("export", "import"), _KEYS)
    if not path:
        raise UsageError(f"FILE is missing: {_KEYS}")
    if action.casefold() == "export":
        actor.trust_actions.export_keys(path, passphrase.strip())
    else:
        actor.trust_actions.import_keys(path, passphrase.strip())


TRUST: Final = (
    Command(
        "verify",
        "/verify NAME [stop]",
        "compare keys with NAME: a safety number, then seven emoji",
        _verify,
        "user",
        then=(("stop",),),
    ),
    Command("verified", "/verified NAME", "say that the number or the emoji were the same", _verified, "user"),
    Command("trust", "/trust NAME", "accept NAME's changed key", _trust, "user"),
    Command(
        "policy",
        "/policy [first-use|verified-only|always]",
        "show or choose whose keys are written to",
        _policy,
        "word",
        _POLICIES,
    ),
    Command("fingerprint", "/fingerprint [NAME]", "show NAME's (or your) identity key in short", _fingerprint, "user"),
    Command(
        "devices",
        _DEVICES,
        "list your devices, NAME's with their keys, or end one of yours",
        _devices,
        "user",
        ("revoke",),
    ),
    Command(
        "approve", "/approve CODE", "give your identity key to your other device that shows CODE", _approve, secret=True
    ),
    Command(
        "recover", "/recover [PHRASE]", "bring your keys to this device by the recovery phrase", _recover, secret=True
    ),
    Command("recovery", "/recovery", "show the recovery phrase", _recovery),
    Command("sign", "/sign ed25519|rsa|dsa", "make a new identity key of that kind", _sign, "word", _ALGORITHMS),
    Command("why", "/why [ULID]", "say why a message (the last such) cannot be read", _why),
    Command(
        "keys",
        _KEYS,
        "write or read the keys of past messages",
        _keys,
        "word",
        ("export", "import"),
        then=("file",),
        secret=True,
    ),
)
