"""A real ``encchat-client --face json`` with a home of its own, which can be killed and started again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from encchat.limits import MAX_PAST
from tests.faults.bench import PASSWORD, Bench
from tests.faults.checker import Entry, Told, canonical
from tests.processes import CLIENT_CODE, JsonProcess, directory, spawn

_REFUSED = "not sent"
_DELAYED = "not accepted yet"
"""How the text of an error about a message begins, behind the command it is about."""


@define(eq=False, slots=False)
class _Life(JsonProcess):
    """One process of a device; its lines go to the device as they come."""

    on_line: Callable[[dict[str, Any]], None] = lambda line: None

    def _line(self, line: bytes) -> None:
        before = len(self.seen)
        super()._line(line)
        for value in self.seen[before:]:
            self.on_line(value)


@define(eq=False)
class Device:
    """One device of an account over all its lives."""

    test: Any
    told: Told
    port: int
    home: Path
    environ: dict[str, str] = field(factory=dict)
    options: Sequence[str] = ()
    on_told: Callable[[], None] = lambda: None
    refusals: list[str] = field(factory=list)
    life: _Life = field(init=False)
    lives: int = 0

    def __str__(self) -> str:
        seen = [line for line in self.life.seen if line.get("event") not in ("sent", "message", "presence")]
        return (
            f"{self.told.device}: life {self.lives}, exit code {self.life.exit_code}, sent {len(self.told.sent)},"
            f" shown {len(self.told.shown)}, last lines {seen[-4:]}, stderr {self.life.errors[-1500:]!r}"
        )

    @property
    def speaks(self) -> bool:
        """Whether there is a process."""
        return self.life.exit_code is None

    def start(self, *options: str) -> None:
        """Begin a life."""
        self.life = _Life(on_line=self._heard)
        self.lives += 1
        arguments = [f"127.0.0.1:{self.port}", "--face=json", f"--home={self.home}", f"--user={self.told.account}"]
        environ = {"ENCCHAT_PASSWORD": PASSWORD, **self.environ}
        spawn(self.test, self.life, CLIENT_CODE, [*arguments, "--follow", "--retry=120", *options], self.home, environ)

    async def kill(self) -> None:
        """End this life as the kernel does."""
        self.told.killed = True
        self.life.signal("KILL")
        await self.life.exits()

    def say(self, conversation: str, text: str) -> None:
        """Type it."""
        command = "/all" if conversation == "lobby" else f"/msg {conversation.removeprefix('@')}"
        self.life.type(f"{command} {text}")

    async def tells_what_it_keeps(self, conversations: Sequence[str]) -> None:
        """Ask its store for the newest messages of these conversations."""
        for conversation in conversations:
            self.life.type(f"/history {conversation} {MAX_PAST}")
        for conversation in conversations:
            await self.life.wait_for("history", conversation=conversation)

    def _heard(self, line: dict[str, Any]) -> None:
        match line.get("type"):
            case "sent":
                name = canonical(self.told.account, line["conversation"])
                self.told.was_sent(name, line["seq"], line["ulid"])
            case "waiting":
                self.told.was_queued(canonical(self.told.account, line["conversation"]), line["ulid"])
            case "message":
                name = canonical(self.told.account, line["conversation"])
                self.told.was_shown(name, _entry(line))
            case "undecryptable":
                self.told.announced.add((canonical(self.told.account, line["conversation"]), line["seq"]))
            case "history":
                name = canonical(self.told.account, line["conversation"])
                self.told.keeps(name, map(_entry, line["messages"]))
            case "error" if _REFUSED in line["text"]:
                self.told.refused += 1
                self.refusals.append(line["code"])
            case "warning" if _DELAYED in line["text"]:
                self.refusals.append(line["code"])
        self.on_told()


def _entry(line: dict[str, Any]) -> Entry:
    return Entry(line["seq"], line["ulid"], line["from"], line["text"])


async def add_devices(
    bench: Bench,
    devices: Sequence[tuple[str, int]],
    port: int = 0,
    environ: dict[str, str] | None = None,
) -> list[Device]:
    """Start ``(account, number of devices)`` clients and wait until each is logged in and has its account's keys."""
    made: list[Device] = []
    phrases: dict[str, str] = {}
    for number in range(1, max(count for _, count in devices) + 1):
        together = [_started(bench, account, number, port, environ) for account, count in devices if number <= count]
        for device in together:
            await device.life.wait_for("logged_in")
            await _has_keys(device, phrases)
        made += together
    return made


async def _has_keys(device: Device, phrases: dict[str, str]) -> None:
    """The first device of an account makes them, and the phrase that brings them to the others."""
    account = device.told.account
    if account not in phrases:
        phrases[account] = (await device.life.wait_for("recovery"))["phrase"]
    else:
        await device.life.wait_for("warning", code="unvouched")
        device.life.type(f"/recover {phrases[account]}")
        await device.life.wait_for("warning", code="vouched")
        device.life.type(f"/status {account}")  # is answered after its keys were taken
        await device.life.wait_for("status")


def _started(bench: Bench, account: str, number: int, port: int, environ: dict[str, str] | None) -> Device:
    told = Told(f"{account}-{number}", account)
    device = Device(bench.test, told, port or bench.port, directory(bench.test), environ or {})
    device.start(*(["--register"] if number == 1 else []))
    bench.add(device)
    return device
