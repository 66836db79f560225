"""People on real clients, whose every word is a canary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.trial.unittest import TestCase

from tests.blindness.canaries import Kind
from tests.blindness.evidence import Evidence
from tests.blindness.places import Capture
from tests.processes import JsonProcess, ServerProcess, directory, start_client, start_server


@define(eq=False, slots=False)
class Company:
    """Ann, bob, cat and later dan, on one server."""

    test: TestCase
    evidence: Evidence = field(factory=Evidence)
    server: ServerProcess = field(init=False)
    line: Capture = field(init=False)
    homes: dict[str, Path] = field(factory=dict)
    ann: JsonProcess = field(init=False)
    bob: JsonProcess = field(init=False)
    cat: JsonProcess = field(init=False)
    dan: JsonProcess = field(init=False)

    async def meets(self, *options: str) -> None:
        """Start a server that logs all it can, and three clients behind the line that is recorded."""
        self.server = await start_server(self.test, "--registration", "open", "--log-level", "debug", *options)
        self.line = Capture(self.server.port)
        self.line.end_with(self.test)
        self.ann, self.bob, self.cat = [await self.arrives(who) for who in ("ann", "bob", "cat")]

    def look_into_memory(self, kind: Kind) -> None:
        """Search the server's memory now."""
        transport: Any = self.server.transport
        self.evidence.look_into_memory(transport.pid, kind)

    async def arrives(self, who: str, *, register: bool = True, home: str = "") -> JsonProcess:
        """Somebody on a device with a ``home`` of its own."""
        canaries, place = self.evidence.canaries, home or who
        if register:
            canaries.texts[f"name of {who}"] = who + canaries.word(f"half of the name of {who}", "name")
            canaries.kinds[f"name of {who}"] = "name"
            canaries.word(f"password of {who}", "password")
        self.homes.setdefault(place, directory(self.test))
        client = start_client(
            self.test,
            self.line.address,
            *("--user", self.name(who), "--follow", "--insecure-teaching-scheme"),
            *(["--register"] if register else []),
            home=self.homes[place],
            environ={"ENCCHAT_PASSWORD": canaries.texts[f"password of {who}"]},
        )
        await client.wait_for("logged_in", user=self.name(who))
        if register:
            self.evidence.phrases.append((await client.wait_for("recovery"))["phrase"])
        return client

    def name(self, who: str) -> str:
        return self.evidence.canaries.texts[f"name of {who}"]

    def text(self, name: str, public: bool = False) -> str:
        return self.evidence.canaries.text(name, "public" if public else "secret")

    async def says(self, name: str, speaker: JsonProcess, *hearers: JsonProcess, to: str = "", how: str = "") -> str:
        """One canary from somebody to others; ``to`` begins the line, ``how`` is the encryption they shall see."""
        text = self.text(name)
        speaker.type(f"{to} {text}".strip())
        for hearer in hearers:
            message = await hearer.wait_for("message", text=text)
            self.test.assertEqual(message["encryption"], how or "megolm", message)
        return text

    async def is_told(self, client: JsonProcess, line: str) -> None:
        """What a line does is told by a notice."""
        client.lines[:] = [line for line in client.lines if line["event"] != "notice"]
        client.type(line)
        await client.wait_for("notice")

    async def opens(self, room: str, options: str, *guests: JsonProcess) -> None:
        """Ann opens a room, and the others (named by their order) join."""
        names = [self.name(who) for who in ("bob", "cat")][: len(guests)]
        self.ann.type(f"/chat {room} {' '.join(names)} {options}")
        for guest, name in zip(guests, names, strict=True):
            await guest.wait_for("invited", room=room, user=name)
            guest.type(f"/join {room}")
            await self.ann.wait_for("joined", room=room, user=name)
