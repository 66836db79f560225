"""Everything people can do, done once with real processes, and what the server could have seen of it.

Each text is a canary of its own. Memory is searched after every chapter, since what was only passing through is
overwritten soon; everything else is searched at the end, while the server still runs.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import define, field
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from mnemonic import Mnemonic
from twisted.trial.unittest import TestCase

from encchat import envelopes
from encchat.server.datadir import STORE
from encchat.teaching.scheme import NAME as TEACHING
from tests.blindness.canaries import Canaries, Kind
from tests.blindness.page import columns
from tests.blindness.places import Capture, files, memory
from tests.processes import JsonProcess, ServerProcess, directory, start_client, start_server

SCHEMES = ("megolm", "olm", "server-key", TEACHING)
_WORDS_IN_A_ROW = 3


@define
class Evidence:
    """What was found, each as ``NAME (SPELLING)``; None where the kernel lets nobody look."""

    canaries: Canaries = field(factory=Canaries)
    memory: set[str] | None = field(factory=set)
    files: set[str] = field(factory=set)
    log: set[str] = field(factory=set)
    homes: set[str] = field(factory=set)
    """What the clients keep on their own disks."""
    wire: list[bytes] = field(factory=list)
    """What each side of each connection has said."""
    stored: dict[str, list[Any]] = field(factory=dict)
    """Every value in the store, by ``table.column``; a list is as long as its table, in its order."""
    glass: str = ""
    """What the store's server-key room says to who has the store and nothing else."""
    phrases: list[str] = field(factory=list)
    memory_size: int = 0


@define(eq=False)
class Story:
    """`tell` it for the `Evidence`."""

    _test: TestCase
    evidence: Evidence = field(factory=Evidence)
    _server: ServerProcess = field(init=False)
    _line: Capture = field(init=False)
    _homes: dict[str, Path] = field(factory=dict)
    ann: JsonProcess = field(init=False)
    bob: JsonProcess = field(init=False)
    cat: JsonProcess = field(init=False)
    dan: JsonProcess = field(init=False)

    async def tell(self) -> Evidence:
        """Play every chapter, then look everywhere."""
        options = [word for scheme in SCHEMES for word in ("--schemes", scheme)]
        self._server = await start_server(self._test, "--registration", "open", "--log-level", "debug", *options)
        self._line = Capture(self._server.port)
        self._line.end_with(self._test)
        self.ann, self.bob, self.cat = [await self._arrives(who) for who in ("ann", "bob", "cat")]
        for chapter in (
            self._lobby,
            self._direct,
            self._not_sent,
            self._session,
            self._room,
            self._newcomer,
            self._expelled,
            self._deniable,
            self._teaching,
            self._verification,
            self._past,
            self._offline,
            self._reconnected,
            self._other_device,
            self._signed_otherwise,
            self._server_key,
            self._moderation,
        ):
            await chapter()
            self._look_into_memory("secret")
        self._look_into_memory("public")
        self._look_everywhere()
        return self.evidence

    # People -----------------------------------------------------------------------------------------
    async def _arrives(self, who: str, *, register: bool = True, home: str = "") -> JsonProcess:
        """Somebody on a device with a ``home`` of its own."""
        canaries, place = self.evidence.canaries, home or who
        if register:
            canaries.texts[f"name of {who}"] = who + canaries.word(f"half of the name of {who}", "name")
            canaries.kinds[f"name of {who}"] = "name"
            canaries.word(f"password of {who}", "password")
        self._homes.setdefault(place, directory(self._test))
        client = start_client(
            self._test,
            self._line.address,
            *("--user", self._name(who), "--follow", "--insecure-teaching-scheme"),
            *(["--register"] if register else []),
            home=self._homes[place],
            environ={"ENCCHAT_PASSWORD": canaries.texts[f"password of {who}"]},
        )
        await client.wait_for("logged_in", user=self._name(who))
        if register:
            self.evidence.phrases.append((await client.wait_for("recovery"))["phrase"])
        return client

    def _name(self, who: str) -> str:
        return self.evidence.canaries.texts[f"name of {who}"]

    def _text(self, name: str, public: bool = False) -> str:
        return self.evidence.canaries.text(name, "public" if public else "secret")

    async def _says(self, name: str, speaker: JsonProcess, *hearers: JsonProcess, to: str = "", how: str = "") -> str:
        """One canary from somebody to others; ``to`` begins the line, ``how`` is the encryption they shall see."""
        text = self._text(name)
        speaker.type(f"{to} {text}".strip())
        for hearer in hearers:
            message = await hearer.wait_for("message", text=text)
            self._test.assertEqual(message["encryption"], how or "megolm", message)
        return text

    async def _is_told(self, client: JsonProcess, line: str) -> None:
        """What a line does is told by a notice."""
        client.lines[:] = [line for line in client.lines if line["event"] != "notice"]
        client.type(line)
        await client.wait_for("notice")

    async def _opens(self, room: str, options: str, *guests: JsonProcess) -> None:
        """Ann opens a room, and the others (named by their order) join."""
        names = [self._name(who) for who in ("bob", "cat")][: len(guests)]
        self.ann.type(f"/chat {room} {' '.join(names)} {options}")
        for guest, name in zip(guests, names, strict=True):
            await guest.wait_for("invited", room=room, user=name)
            guest.type(f"/join {room}")
            await self.ann.wait_for("joined", room=room, user=name)

    # Chapters ---------------------------------------------------------------------------------------
    async def _lobby(self) -> None:
        text = self._text("lobby", public=True)
        self.ann.type(text)
        await self.bob.wait_for("message", text=text, encryption="none")
        self._look_into_memory("public")

    async def _direct(self) -> None:
        await self._says("direct message", self.ann, self.bob, to=f"/msg {self._name('bob')}")
        await self._says("answer", self.bob, self.ann, to=f"/msg {self._name('ann')}")

    async def _not_sent(self) -> None:
        """What is refused on this side does not leave it."""
        for name, words in (
            ("message to oneself", f"/msg {self._name('ann')}"),
            ("message to nobody", "/msg nobody"),
            ("unknown command", "/nonsense"),
            ("wrong recovery phrase", "/recover"),
            ("secure: in the lobby", "secure:"),
            ("passphrase of a file that is not there", "/keys import nothing.keys"),
        ):
            self.ann.type("/go lobby", f"{words} {self._text(name)}")
            await self.ann.wait_for("error")

    async def _session(self) -> None:
        await self._is_told(self.bob, "/calls ask")
        self.ann.type(f"/connect {self._name('bob')}")
        await self.bob.wait_for("ringing")
        self.bob.type("/answer")
        for side in (self.ann, self.bob):
            await side.wait_for("started", type="session")
        await self._says("session message", self.ann, self.bob, how="olm")
        await self._says("secure: in a session", self.ann, self.bob, to="secure:", how="olm")
        self.bob.type("/goodbye")
        for side in (self.ann, self.bob):
            await side.wait_for("ended", type="session")

    async def _room(self) -> None:
        await self._opens("#garden", "--history all", self.bob, self.cat)
        await self._says("room message", self.ann, self.bob, self.cat)
        self.bob.type("/go #garden")
        await self._says("another's room message", self.bob, self.ann, self.cat)
        topic = self._text("topic")
        self.ann.type(f"/topic {topic}")
        await self.bob.wait_for("topic", type="room", text=topic)
        self.ann.type("/who #garden", "/rooms")
        await self.ann.wait_for("who")
        await self.ann.wait_for("rooms")

    async def _newcomer(self) -> None:
        """Reads what was said before, since the room promises it."""
        dan = await self._arrives("dan")
        self.ann.type(f"/invite #garden {self._name('dan')}")
        await dan.wait_for("invited", room="#garden", user=self._name("dan"))
        dan.type("/join #garden")
        await dan.wait_for("message", text=self.evidence.canaries.texts["room message"])
        await self._says("message after a joining", self.ann, self.bob, dan)
        self.dan = dan

    async def _expelled(self) -> None:
        self.ann.type(f"/expel #garden {self._name('cat')}")
        await self.cat.wait_for("expelled", type="room", user=self._name("cat"))
        await self._says("message after an expulsion", self.ann, self.bob, self.dan)

    async def _deniable(self) -> None:
        await self._opens("#whisper", "--deniable", self.bob)
        text = await self._says("deniable message", self.ann)
        message = await self.bob.wait_for("message", text=text)
        self._test.assertEqual(message["signature"], "none")

    async def _teaching(self) -> None:
        await self._opens("#lesson", f"--scheme {TEACHING}", self.bob)
        await self._says("message in the teaching scheme", self.ann, self.bob, to="/msg #lesson", how=TEACHING)

    async def _verification(self) -> None:
        ann, bob = self._name("ann"), self._name("bob")
        self.ann.type(f"/verify {bob}")
        await self.bob.wait_for("verification", user=ann, step="asked")
        self.bob.type(f"/verify {ann}")
        shown = [await side.wait_for("verification", step="compare") for side in (self.ann, self.bob)]
        self._test.assertEqual(shown[0]["emoji"], shown[1]["emoji"])
        self.ann.type(f"/verified {bob}")
        self.bob.type(f"/verified {ann}")
        for side in (self.ann, self.bob):
            await side.wait_for("verification", step="done")
        await self._says("message to a verified friend", self.ann, self.bob, to=f"/msg {bob}")

    async def _past(self) -> None:
        """What is looked up is on the client's own disk; keys are carried in a file."""
        canaries = self.evidence.canaries
        self.bob.type(f"/history @{self._name('ann')}", f"/search {canaries.texts['direct message']}")
        found = await self.bob.wait_for("found")
        self._test.assertEqual([one["text"] for one in found["messages"]], [canaries.texts["direct message"]])
        self.bob.type(f"/search {self._text('searched for and not found')}")
        await self.bob.wait_for("found", messages=[])
        passphrase, path = self._text("passphrase of a file of keys"), canaries.word("name of a file of keys", "secret")
        await self._is_told(self.bob, f"/keys export {path} {passphrase}")
        await self._is_told(self.bob, f"/keys import {path} {passphrase}")

    async def _offline(self) -> None:
        """Who is away finds it later; nobody but the keys' owner can open what waits."""
        self.dan.type("/quit")
        await self.dan.exits()
        text = await self._says("message to somebody offline", self.ann, to=f"/msg {self._name('dan')}")
        await self.ann.wait_for("sent", conversation=f"@{self._name('dan')}")
        self._look_into_memory("secret")
        self.dan = await self._arrives("dan", register=False)
        await self.dan.wait_for("message", text=text, missed=True)

    async def _reconnected(self) -> None:
        """What is typed without a connection waits, and is sent with the next one."""
        await self._line.close()
        await self.ann.wait_for("disconnected")
        text = await self._says("message typed without a connection", self.ann, to=f"/msg {self._name('bob')}")
        await self.ann.wait_for("waiting")
        self._line.reopen()
        await self.bob.wait_for("message", text=text)

    async def _other_device(self) -> None:
        """A new device can read nothing until it has the phrase; then also what was said before."""
        second = await self._arrives("bob", register=False, home="bob's second")
        await second.wait_for("warning", code="unvouched")
        # This one was said while the device had no keys that anybody trusts.
        text = await self._says("message before the phrase", self.ann, self.bob, to=f"/msg {self._name('bob')}")
        await second.wait_for("undecryptable", conversation=f"@{self._name('ann')}")
        second.type(f"/recover {self.evidence.phrases[1]}")
        await second.wait_for("message", text=text)
        await self._says("message to two devices", self.ann, self.bob, second, to=f"/msg {self._name('bob')}")
        third = await self._arrives("bob", register=False, home="bob's third")
        code = (await third.wait_for("warning", code="unvouched"))["text"].rpartition("/approve ")[2]
        second.type(f"/approve {code}")
        await third.wait_for("warning", code="vouched")
        hearers = (self.bob, second, third)
        await self._says("message to three devices", self.ann, *hearers, to=f"/msg {self._name('bob')}")

    async def _signed_otherwise(self) -> None:
        self.bob.type("/sign rsa")
        await self.ann.wait_for("key_changed", user=self._name("bob"), announced=True)
        text = await self._says("message signed with RSA", self.bob, to=f"/msg {self._name('ann')}")
        message = await self.ann.wait_for("message", text=text)
        self._test.assertEqual((message["signature"], message["signed"]), ("rsa-pss", "valid"))

    async def _server_key(self) -> None:
        await self._opens("#glass", "--scheme server-key", self.bob)
        text = self._text("message under the server's key", public=True)
        self.ann.type(f"/msg #glass {text}")
        await self.bob.wait_for("message", text=text, encryption="server-key")

    async def _moderation(self) -> None:
        """What is said of somebody to everybody is the server's, as docs/security.md tells."""
        link = await self._server.invite()
        token = link.partition("?")[2]
        canaries = self.evidence.canaries
        password = canaries.word("password of root", "password")
        root = start_client(
            self._test,
            f"encchat://{self._line.address}/?{token}",
            *("--user", "root", "--follow"),
            environ={"ENCCHAT_PASSWORD": password},
        )
        await root.wait_for("logged_in", role="admin")
        root.type(f"/admin {canaries.word('password mistyped', 'password')}", f"/admin {password}")
        await root.wait_for("notice", text="admin commands work for the next 10 minutes")
        root.type(f"/kick {self._name('cat')} {self._text('reason of a kick', public=True)}")
        await self.cat.wait_for("kicked")

    # Looking ----------------------------------------------------------------------------------------
    def _look_into_memory(self, kind: Kind) -> None:
        """Not for passwords: they come to the server to be hashed, and Python cannot wipe what it has freed."""
        evidence = self.evidence
        transport: Any = self._server.transport
        if evidence.memory is None:
            return
        try:
            size = 0
            for piece in memory(transport.pid):
                size += len(piece)
                evidence.memory |= evidence.canaries.search(piece, kind)
                if kind == "public":  # less often: phrases are many to look for, and go nowhere
                    evidence.memory |= self._phrases_in(piece)
            evidence.memory_size = max(size, evidence.memory_size)
        except (PermissionError, FileNotFoundError):  # ptrace is forbidden, or there is no /proc
            evidence.memory = None

    def _phrases_in(self, image: bytes) -> set[str]:
        """Pieces of recovery phrases, or the secret that they spell."""
        found = set()
        for phrase in self.evidence.phrases:
            words = phrase.split()
            rows = [" ".join(words[at : at + _WORDS_IN_A_ROW]) for at in range(0, len(words), _WORDS_IN_A_ROW)]
            secret = bytes(Mnemonic("english").to_entropy(phrase))
            needles = [*(row.encode() for row in rows), secret, secret.hex().encode()]
            found |= {"recovery phrase" for needle in needles if needle in image}
        return found

    def _look_everywhere(self) -> None:
        evidence, server = self.evidence, self._server
        for piece in files(server.data_dir):
            evidence.files |= evidence.canaries.search(piece, "secret", "public", "password") | self._phrases_in(piece)
        log = "\n".join((json.dumps(server.seen, ensure_ascii=False), server.other, server.errors)).encode()
        evidence.log = evidence.canaries.search(log, "secret", "public", "password") | self._phrases_in(log)
        for piece in files(*self._homes.values()):
            evidence.homes |= evidence.canaries.search(piece, "secret", "public", "password")
            evidence.homes |= self._phrases_in(piece)
        evidence.wire = self._line.directions
        with closing(sqlite3.connect(f"{(server.data_dir / STORE).as_uri()}?mode=ro", uri=True)) as connection:
            evidence.stored = {
                name: [value for (value,) in connection.execute("SELECT {1} FROM {0}".format(*name.split(".")))]  # noqa: S608 - names of the schema
                for name in columns()
            }
            evidence.glass = _read_by_a_thief(connection)


def _read_by_a_thief(connection: sqlite3.Connection) -> str:
    """All that was said in server-key rooms, by the keys that lie beside it; AES-GCM is AES-CTR to who only reads."""
    keys = dict(connection.execute("SELECT version, key FROM room_key"))
    said = b""
    for (body,) in connection.execute("SELECT body FROM message WHERE scheme = 'server-key'"):
        envelope = envelopes.split_server_key(body)
        first_block = envelope.nonce + (2).to_bytes(4, "big")  # NIST SP 800-38D section 7.1: 1 is the tag's
        said += Cipher(AES(keys[envelope.version]), CTR(first_block)).decryptor().update(envelope.ciphertext)
    return said.decode("utf-8", "replace")
