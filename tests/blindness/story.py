"""Everything people can do, done once with real processes.

Each text is a canary of its own. Memory is searched after every chapter, since what was only passing through is
overwritten soon; everything else is searched at the end, while the server still runs.
"""

from __future__ import annotations

from attrs import define

from encchat.teaching.scheme import NAME as TEACHING
from tests.blindness.company import Company
from tests.blindness.evidence import Evidence
from tests.processes import directory, start_client

SCHEMES = ("megolm", "olm", "server-key", TEACHING)


@define(eq=False, slots=False)
class Story(Company):
    """`tell` it for the `Evidence`."""

    async def tell(self) -> Evidence:
        """Play every chapter, then look everywhere."""
        options = [word for scheme in SCHEMES for word in ("--schemes", scheme)]
        await self.meets(*options)
        for chapter in (
            self._lobby,
            self._direct,
            self._not_sent,
            self._session,
            self._room,
            self._newcomer,
            self._expelled,
            self._deniable,
            self._ephemeral,
            self._files,
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
            self.look_into_memory("secret")
        self.look_into_memory("public")
        self.evidence.look_at(self.server, self.homes.values())
        self.evidence.wire = self.line.directions
        return self.evidence

    async def _lobby(self) -> None:
        text = self.text("lobby", public=True)
        self.ann.type(text)
        await self.bob.wait_for("message", text=text, encryption="none")
        self.look_into_memory("public")

    async def _direct(self) -> None:
        await self.says("direct message", self.ann, self.bob, to=f"/msg {self.name('bob')}")
        await self.says("answer", self.bob, self.ann, to=f"/msg {self.name('ann')}")

    async def _not_sent(self) -> None:
        """What is refused on this side does not leave it."""
        for name, words in (
            ("message to oneself", f"/msg {self.name('ann')}"),
            ("message to nobody", "/msg nobody"),
            ("unknown command", "/nonsense"),
            ("wrong recovery phrase", "/recover"),
            ("secure: in the lobby", "secure:"),
            ("passphrase of a file that is not there", "/keys import nothing.keys"),
        ):
            self.ann.type("/go lobby", f"{words} {self.text(name)}")
            await self.ann.wait_for("error")

    async def _session(self) -> None:
        await self.is_told(self.bob, "/calls ask")
        self.ann.type(f"/connect {self.name('bob')}")
        await self.bob.wait_for("ringing")
        self.bob.type("/answer")
        for side in (self.ann, self.bob):
            await side.wait_for("started", type="session")
        await self.says("session message", self.ann, self.bob, how="olm")
        await self.says("secure: in a session", self.ann, self.bob, to="secure:", how="olm")
        self.bob.type("/goodbye")
        for side in (self.ann, self.bob):
            await side.wait_for("ended", type="session")

    async def _room(self) -> None:
        await self.opens("#garden", "--history all", self.bob, self.cat)
        await self.says("room message", self.ann, self.bob, self.cat)
        self.bob.type("/go #garden")
        await self.says("another's room message", self.bob, self.ann, self.cat)
        topic = self.text("topic")
        self.ann.type(f"/topic {topic}")
        await self.bob.wait_for("topic", type="room", text=topic)
        self.ann.type("/who #garden", "/rooms")
        await self.ann.wait_for("who")
        await self.ann.wait_for("rooms")

    async def _newcomer(self) -> None:
        """Reads what was said before, since the room promises it."""
        dan = await self.arrives("dan")
        self.ann.type(f"/invite #garden {self.name('dan')}")
        await dan.wait_for("invited", room="#garden", user=self.name("dan"))
        dan.type("/join #garden")
        await dan.wait_for("message", text=self.evidence.canaries.texts["room message"])
        await self.says("message after a joining", self.ann, self.bob, dan)
        self.dan = dan

    async def _expelled(self) -> None:
        self.ann.type(f"/expel #garden {self.name('cat')}")
        await self.cat.wait_for("expelled", type="room", user=self.name("cat"))
        await self.says("message after an expulsion", self.ann, self.bob, self.dan)

    async def _deniable(self) -> None:
        await self.opens("#whisper", "--deniable", self.bob)
        text = await self.says("deniable message", self.ann)
        message = await self.bob.wait_for("message", text=text)
        self.test.assertEqual(message["signature"], "none")

    async def _ephemeral(self) -> None:
        """Off the record: of this not even the envelopes are where the server is."""
        await self.opens("#attic", "--ephemeral", self.bob)
        await self.says("message off the record", self.ann, self.bob)
        topic = self.text("topic off the record")
        self.ann.type(f"/topic {topic}")
        heard = await self.bob.wait_for("topic", type="room", room="#attic")
        self.test.assertEqual((heard["text"], heard["ephemeral"]), (topic, True))

    async def _files(self) -> None:
        """What is in a file and what it is called passes through the server, and it knows neither."""
        canaries, place = self.evidence.canaries, directory(self.test)
        path = place / canaries.word("name of a file", "secret")
        path.write_text(self.text("text in a file") * 2_000, "utf-8")
        self.ann.type(f"/send @{self.name('bob')} {path}")
        offered = await self.bob.wait_for("file", name=path.name)
        copy = place / canaries.word("name of a copy", "secret")
        self.bob.type(f"/save {offered['ulid']} {copy}")
        await self.bob.wait_for("transfer", ulid=offered["ulid"], state="done")
        self.test.assertEqual(copy.read_bytes(), path.read_bytes())

    async def _teaching(self) -> None:
        await self.opens("#lesson", f"--scheme {TEACHING}", self.bob)
        await self.says("message in the teaching scheme", self.ann, self.bob, to="/msg #lesson", how=TEACHING)

    async def _verification(self) -> None:
        ann, bob = self.name("ann"), self.name("bob")
        self.ann.type(f"/verify {bob}")
        await self.bob.wait_for("verification", user=ann, step="asked")
        self.bob.type(f"/verify {ann}")
        shown = [await side.wait_for("verification", step="compare") for side in (self.ann, self.bob)]
        self.test.assertEqual(shown[0]["emoji"], shown[1]["emoji"])
        self.ann.type(f"/verified {bob}")
        self.bob.type(f"/verified {ann}")
        for side in (self.ann, self.bob):
            await side.wait_for("verification", step="done")
        await self.says("message to a verified friend", self.ann, self.bob, to=f"/msg {bob}")

    async def _past(self) -> None:
        """What is looked up is on the client's own disk; keys are carried in a file."""
        canaries = self.evidence.canaries
        self.bob.type(f"/history @{self.name('ann')}", f"/search {canaries.texts['direct message']}")
        found = await self.bob.wait_for("found")
        self.test.assertEqual([one["text"] for one in found["messages"]], [canaries.texts["direct message"]])
        self.bob.type(f"/search {self.text('searched for and not found')}")
        await self.bob.wait_for("found", messages=[])
        passphrase, path = self.text("passphrase of a file of keys"), canaries.word("name of a file of keys", "secret")
        await self.is_told(self.bob, f"/keys export {path} {passphrase}")
        await self.is_told(self.bob, f"/keys import {path} {passphrase}")

    async def _offline(self) -> None:
        """Who is away finds it later; nobody but the keys' owner can open what waits."""
        self.dan.type("/quit")
        await self.dan.exits()
        text = await self.says("message to somebody offline", self.ann, to=f"/msg {self.name('dan')}")
        await self.ann.wait_for("sent", conversation=f"@{self.name('dan')}")
        self.look_into_memory("secret")
        self.dan = await self.arrives("dan", register=False)
        await self.dan.wait_for("message", text=text, missed=True)

    async def _reconnected(self) -> None:
        """What is typed without a connection waits, and is sent with the next one."""
        await self.line.close()
        await self.ann.wait_for("disconnected")
        text = await self.says("message typed without a connection", self.ann, to=f"/msg {self.name('bob')}")
        await self.ann.wait_for("waiting")
        self.line.reopen()
        await self.bob.wait_for("message", text=text)

    async def _other_device(self) -> None:
        """A new device can read nothing until it has the phrase; then also what was said before."""
        second = await self.arrives("bob", register=False, home="bob's second")
        await second.wait_for("warning", code="unvouched")
        # This one was said while the device had no keys that anybody trusts.
        text = await self.says("message before the phrase", self.ann, self.bob, to=f"/msg {self.name('bob')}")
        await second.wait_for("undecryptable", conversation=f"@{self.name('ann')}")
        second.type(f"/recover {self.evidence.phrases[1]}")
        await second.wait_for("message", text=text)
        await self.says("message to two devices", self.ann, self.bob, second, to=f"/msg {self.name('bob')}")
        third = await self.arrives("bob", register=False, home="bob's third")
        code = (await third.wait_for("warning", code="unvouched"))["text"].rpartition("/approve ")[2]
        second.type(f"/approve {code}")
        await third.wait_for("warning", code="vouched")
        hearers = (self.bob, second, third)
        await self.says("message to three devices", self.ann, *hearers, to=f"/msg {self.name('bob')}")

    async def _signed_otherwise(self) -> None:
        self.bob.type("/sign rsa")
        await self.ann.wait_for("key_changed", user=self.name("bob"), announced=True)
        text = await self.says("message signed with RSA", self.bob, to=f"/msg {self.name('ann')}")
        message = await self.ann.wait_for("message", text=text)
        self.test.assertEqual((message["signature"], message["signed"]), ("rsa-pss", "valid"))

    async def _server_key(self) -> None:
        await self.opens("#glass", "--scheme server-key", self.bob)
        text = self.text("message under the server's key", public=True)
        self.ann.type(f"/msg #glass {text}")
        await self.bob.wait_for("message", text=text, encryption="server-key")

    async def _moderation(self) -> None:
        """What is said of somebody to everybody is the server's, as docs/security.md tells."""
        link = await self.server.invite()
        token = link.partition("?")[2]
        canaries = self.evidence.canaries
        password = canaries.word("password of root", "password")
        root = start_client(
            self.test,
            f"encchat://{self.line.address}/?{token}",
            *("--user", "root", "--follow"),
            environ={"ENCCHAT_PASSWORD": password},
        )
        await root.wait_for("logged_in", role="admin")
        root.type(f"/admin {canaries.word('password mistyped', 'password')}", f"/admin {password}")
        await root.wait_for("notice", text="admin commands work for the next 10 minutes")
        root.type(f"/kick {self.name('cat')} {self.text('reason of a kick', public=True)}")
        await self.cat.wait_for("kicked")
