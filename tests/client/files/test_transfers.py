"""Files from core to core over a real server: what arrives, what goes on after a cut, what is refused."""

from __future__ import annotations

import hashlib
import os
import random
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from encchat import wire
from encchat.client import events
from encchat.client.files.disk import LocalFiles
from encchat.client.files.sealed import ChunkSeal, description
from encchat.client.preferences import Preferences
from encchat.client.settings import Settings
from encchat.client.store import MemoryStore
from encchat.errors import UnknownFileError
from encchat.limits import FILE_CHUNK, FILE_HASH_SLICE, FILE_WINDOW
from tests.client.people import PeopleTestCase, Person
from tests.server.harness import Line

PIECES = 12
CONTENT = random.Random(6).randbytes(PIECES * FILE_CHUNK - 1_000)  # noqa: S311 - repeatable
KEY = bytes(range(32))


class FilesTestCase(PeopleTestCase):
    """People with files."""

    def setUp(self) -> None:
        super().setUp()
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()
        self.source = self.place / "garden.png"
        self.source.write_bytes(CONTENT)

    async def keeper(self, name: str, device: int, **options: Any) -> Person:
        """Somebody arrives who has a folder of downloads."""
        settings = Settings(now=Preferences(downloads=str(self.downloads(name, device))))
        return await self.person(name, device, files=LocalFiles(), settings=settings, **options)

    def downloads(self, name: str, device: int = 0) -> Path:
        return self.place / f"{name}{device or ''}"

    async def two(self, **options: Any) -> tuple[Person, Person]:
        """Alice and Bob, who have talked."""
        self.server = await self.serve()
        alice, bob = await self.keeper("alice", 1, **options), await self.keeper("bob", 2)
        return alice, bob

    async def sent(self, alice: Person, bob: Person) -> events.File:
        """Alice sends the garden to Bob; what Bob sees of it."""
        alice.type(f"/send @bob {self.source}")
        file: events.File = await bob.sees(events.File, name="garden.png")
        return file

    async def over(self, person: Person, state: str = "done", direction: str = "in") -> events.Transfer:
        """The end of a transfer."""
        found: events.Transfer = await person.sees(events.Transfer, state=state, direction=direction)
        return found

    def kept(self, name: str, device: int = 0) -> dict[str, bytes]:
        """What is in somebody's folder of downloads."""
        folder = self.downloads(name, device)
        return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}

    @staticmethod
    def chunks(person: Person) -> list[Line]:
        """The pieces somebody has uploaded."""
        return [line for line in person.sent if line["type"] == "put_chunk"]


class TwoPeople(FilesTestCase):
    """Alice sends a file to Bob."""

    async def test_what_is_sent_is_fetched(self) -> None:
        """Byte for byte, for its owner's eyes, under its name; both are told."""
        alice, bob = await self.two()
        file = await self.sent(alice, bob)
        self.assertEqual((len(CONTENT), "image/png", "@alice"), (file.size, file.media, file.conversation))
        self.assertEqual(("megolm", "valid"), (file.encryption, file.signed))
        await self.over(alice, direction="out")
        bob.type("/accept")
        done = await self.over(bob)
        self.assertEqual(str(self.downloads("bob", 2) / "garden.png"), done.path)
        self.assertEqual({"garden.png": CONTENT}, self.kept("bob", 2))
        self.assertEqual(0o600, os.stat(done.path).st_mode & 0o777)
        self.assertEqual([], alice.seen(events.Error) + bob.seen(events.Error))

    async def test_the_server_learns_nothing_of_a_file(self) -> None:
        """Neither its name nor its type, key or a byte of it; only how long it is."""
        alice, bob = await self.two()
        await self.sent(alice, bob)
        said = "".join(map(str, alice.sent))
        for secret in ("garden", "image/png"):
            self.assertNotIn(secret, said)
        sealed = b"".join(b64decode(line["data"]) for line in self.chunks(alice))
        for begin in range(0, len(CONTENT), FILE_CHUNK):
            self.assertNotIn(CONTENT[begin : begin + 16], sealed)

    async def test_an_empty_file_is_a_file(self) -> None:
        """It has a name."""
        alice, bob = await self.two()
        self.source.write_bytes(b"")
        await self.sent(alice, bob)
        bob.type("/accept")
        await self.over(bob)
        self.assertEqual({"garden.png": b""}, self.kept("bob", 2))

    async def test_a_path_may_be_as_a_terminal_writes_it(self) -> None:
        """Files that are dropped on it come in quotation marks or with backslashes; what is there counts before."""
        alice, bob = await self.two()
        typed = {"a b": "'{}/a b'", "c d": "{}/c\\ d", "e's": '"{}/e\'s"', "'f'": "{}/'f'", "g h": "{}/g h"}
        for name, path in typed.items():
            (self.place / name).write_text(name)
            alice.type(f"/send @bob {path.format(self.place)}")
            await bob.sees(events.File, name=name)
        alice.type("/send @bob 'nowhere", "/send @bob 'nowhere'")
        self.assertEqual(2, len(alice.seen(events.Error)))

    async def test_every_length_arrives(self) -> None:
        """A byte less and more than whole pieces, and than one reading."""
        alice, bob = await self.two()
        for number, edge in enumerate((FILE_CHUNK, FILE_HASH_SLICE)):
            for length in (edge - 1, edge, edge + 1):
                path = self.place / f"{number}-{length}"
                path.write_bytes(CONTENT[:length])
                alice.type(f"/send @bob {path}")
                file = await bob.sees(events.File, name=path.name)
                bob.type(f"/accept {file.ulid}")
                await bob.sees(events.Transfer, state="done", ulid=file.ulid)
                self.assertEqual(CONTENT[:length], self.kept("bob", 2)[path.name])

    async def test_a_file_goes_where_one_says(self) -> None:
        """To a path or into a folder, by its ULID or as the last that was sent."""
        alice, bob = await self.two()
        file = await self.sent(alice, bob)
        bob.type(f"/save {file.ulid} {self.place}/a flower.png", f"/save {file.ulid.lower()} {self.place}")
        refusal = await bob.sees(events.Error)
        self.assertIn("is being fetched already", refusal.text)
        await self.over(bob)
        bob.type(f"/save {self.place}/folder/")
        await bob.until(lambda: len(bob.seen(events.Transfer, state="done")) == 2)
        self.assertEqual(CONTENT, (self.place / "a flower.png").read_bytes())
        self.assertEqual(CONTENT, (self.place / "folder" / "garden.png").read_bytes())

    async def test_a_file_is_written_over_nothing(self) -> None:
        """In the folder of downloads it gets a number; a path that is taken is refused."""
        alice, bob = await self.two()
        await self.sent(alice, bob)
        self.downloads("bob", 2).mkdir()
        (self.downloads("bob", 2) / "garden.png").write_bytes(b"precious")
        bob.type(f"/save {self.source}", "/accept")
        await self.over(bob)
        self.assertIn("is there already", bob.seen(events.Error)[0].text)
        self.assertEqual({"garden.png": b"precious", "garden (2).png": CONTENT}, self.kept("bob", 2))

    async def test_history_and_search_show_files(self) -> None:
        """With the ULID by which they are fetched, also by the next process."""
        alice, bob = await self.two()
        file = await self.sent(alice, bob)
        await bob.settled()
        bob.leave()
        bob.start()
        await bob.arrive()
        bob.type("/history @alice", "/search garden", f"/accept {file.ulid}")
        await self.over(bob)
        history, found = bob.seen(events.History)[0], bob.seen(events.Found)[0]
        self.assertEqual([file.ulid], [one.ulid for one in history.messages if isinstance(one, events.File)])
        self.assertEqual([file.ulid], [one.ulid for one in found.messages])
        self.assertEqual({"garden.png": CONTENT}, self.kept("bob", 2))

    async def test_a_file_whose_key_comes_late_is_a_file_then(self) -> None:
        """Listed, and fetched, like every other."""
        alice, bob = await self.two()
        bob.lie = lambda line: None if line["type"] == "inbox_item" else line
        alice.type(f"/send @bob {self.source}")
        await bob.sees(events.Undecryptable)
        bob.die()
        bob.lie = lambda line: line
        await bob.arrive()
        await bob.sees(events.File, name="garden.png")
        await bob.settled()
        bob.type("/accept")
        await self.over(bob)
        self.assertEqual({"garden.png": CONTENT}, self.kept("bob", 2))

    async def test_nobody_finds_keys_by_searching(self) -> None:
        """What stands beside the name in the message is not searched."""
        alice, bob = await self.two()
        await self.sent(alice, bob)
        bob.type("/search sha256", "/search chunk")
        self.assertEqual([[], []], [found.messages for found in bob.seen(events.Found)])

    async def test_files_are_listed(self) -> None:
        """On both sides; and offered to be completed to who may want to fetch them."""
        alice, bob = await self.two()
        file = await self.sent(alice, bob)
        await self.over(alice, direction="out")
        alice.type("/files")
        bob.type("/files")
        for person, by in ((alice, "you"), (bob, "alice")):
            row = person.seen(events.Listing, title="files")[0].rows[0]
            self.assertEqual([file.ulid, "garden.png", str(len(CONTENT))], row[:3])
            self.assertEqual(by, row[4])
        self.assertEqual([file.ulid], [row.word for row in bob.core.complete("/accept ")])
        self.assertEqual([], alice.core.complete("/accept "))

    async def test_a_file_can_be_taken_back(self) -> None:
        """By who sent it alone; then nobody can fetch it."""
        alice, bob = await self.two()
        file = await self.sent(alice, bob)
        await self.over(alice, direction="out")
        bob.type(f"/files drop {file.ulid}")
        self.assertIn("only who sent it", bob.seen(events.Error)[0].text)
        alice.type(f"/files drop {file.ulid}")
        await alice.settled()
        bob.type("/accept")
        await self.over(bob, "failed")
        self.assertEqual({}, self.kept("bob", 2))

    async def test_two_files_take_turns(self) -> None:
        """One after the other, whichever way; both arrive."""
        alice, bob = await self.two()
        other = self.place / "other.txt"
        other.write_bytes(CONTENT[::-1])
        alice.type(f"/send @bob {self.source}", f"/send @bob {other}")
        await bob.sees(events.File, name="other.txt")
        files = [line["file"] for line in self.chunks(alice)]
        self.assertEqual(files, sorted(files, key=files.index))
        for file in bob.seen(events.File):
            bob.type(f"/accept {file.ulid}")
        await bob.until(lambda: len(bob.seen(events.Transfer, state="done")) == 2)
        self.assertEqual({"garden.png": CONTENT, "other.txt": CONTENT[::-1]}, self.kept("bob", 2))

    async def test_few_pieces_are_under_way(self) -> None:
        """What people say meanwhile waits for those and no more."""
        alice, bob = await self.two()
        answered, most = 0, 0

        def lie(line: Line) -> Line:
            nonlocal answered, most
            most = max(most, len(self.chunks(alice)) - answered)
            answered += line["type"] == "ok" and line.get("result") is None and bool(self.chunks(alice))
            return line

        alice.lie = lie
        await self.sent(alice, bob)
        self.assertTrue(1 <= most <= FILE_WINDOW, most)

    async def test_what_cannot_be_sent_is_said(self) -> None:
        """What is no file, or nobody's, and what is missing."""
        alice, _ = await self.two()
        alice.type(f"/send @bob {self.place}", "/send @bob nowhere.txt", "/send", "/send @alice x", "/accept", "/save")
        alice.type("/accept soon", f"/accept {'0' * 26}", "/files forget", "/files drop", "/send #nowhere x")
        texts = [error.text for error in alice.seen(events.Error)]
        for wanted in (
            "is no file", "cannot be read: No such file", "FILE is missing", "name somebody else", "nobody has sent",
            "nobody has sent", "no ULID of a file", "no file of that ULID", "there are drop", "ULID is missing",
        ):  # fmt: skip
            self.assertIn(wanted, texts.pop(0))
        self.assertEqual(1, len(texts))


class Places(FilesTestCase):
    """Where files can be sent."""

    async def test_not_to_everybody(self) -> None:
        """The lobby is not encrypted."""
        alice, _ = await self.two()
        alice.type(f"/send {self.source}")
        self.assertIn("the lobby is everybody's", alice.seen(events.Error)[0].text)
        self.assertEqual([], self.chunks(alice))

    async def test_not_off_the_record(self) -> None:
        """The server would keep what is said to be kept nowhere."""
        alice, bob = await self.two()
        alice.type("/chat #quiet bob --ephemeral")
        await bob.sees(events.Room, event_="invited")
        bob.type("/join #quiet")
        await alice.sees(events.Room, event_="joined")
        alice.type(f"/send #quiet {self.source}")
        self.assertIn("off the record", alice.seen(events.Error)[0].text)
        self.assertEqual([], self.chunks(alice))

    async def test_not_without_keys(self) -> None:
        """Who keeps nothing has no keys."""
        self.server = await self.serve()
        alice = await self.keeper("alice", 1, store=MemoryStore())
        alice.type(f"/send @bob {self.source}")
        self.assertIn("no end-to-end keys here", alice.seen(events.Error)[0].text)

    async def test_to_rooms(self) -> None:
        """Of both schemes, for everybody in them, and for nobody else."""
        alice, bob = await self.two()
        carol = await self.keeper("carol", 3)
        for room, scheme in (("#plot", "megolm"), ("#open", "server-key")):
            alice.type(f"/chat {room} bob --scheme {scheme}")
            await bob.sees(events.Room, event_="invited", room=room)
            bob.type(f"/join {room}")
            await alice.sees(events.Room, event_="joined", user="bob", room=room)
            alice.type(f"/send {room} {self.source}")
            file = await bob.sees(events.File, conversation=room)
            self.assertEqual(scheme, file.encryption)
            bob.type(f"/accept {file.ulid}")
            await bob.sees(events.Transfer, ulid=file.ulid, state="done")
        refused: list[wire.Ok | wire.Error] = []
        carol.core.request(wire.GetChunk, refused.append, file=file.ulid, number=0)
        carol.pump()
        await carol.until(lambda: refused)
        self.assertEqual(UnknownFileError.code, getattr(refused[0], "code", ""))
        self.assertEqual({"garden.png": CONTENT, "garden (2).png": CONTENT}, self.kept("bob", 2))

    async def test_in_a_session(self) -> None:
        """Under the session's own keys."""
        alice, bob = await self.two()
        alice.type("/connect bob")
        await bob.sees(events.Session, event_="started")
        await alice.sees(events.Session, event_="started")
        alice.type(f"/send {self.source}")
        file = await bob.sees(events.File)
        self.assertEqual("olm", file.encryption)
        bob.type("/accept")
        await self.over(bob)
        self.assertEqual({"garden.png": CONTENT}, self.kept("bob", 2))

    async def test_to_ones_own_other_devices(self) -> None:
        """They see what was sent, and can fetch it as well."""
        alice, bob = await self.two()
        phone = await self.keeper("alice", 4)
        (code,) = [event for event in phone.shown if isinstance(event, events.Warned) and "/approve" in event.text]
        alice.type(f"/approve {code.text.split('/approve ')[1].split()[0]}")
        await phone.sees(events.Warned, code="vouched")
        await phone.settled()
        await self.sent(alice, bob)
        file = await phone.sees(events.File)
        self.assertEqual(("alice", "@bob"), (file.sender, file.conversation))
        phone.type(f"/accept {file.ulid}")
        await self.over(phone)
        self.assertEqual({"garden.png": CONTENT}, self.kept("alice", 4))


class Cuts(FilesTestCase):
    """The connection is lost, or the process killed, in the middle."""

    async def halfway_up(self, alice: Person) -> None:
        alice.type(f"/send @bob {self.source}")
        await alice.until(lambda: len(self.chunks(alice)) >= PIECES // 2)

    async def test_an_upload_goes_on_after_a_cut(self) -> None:
        """From where the server is; little is sent again, and the message once."""
        alice, bob = await self.two()
        await self.halfway_up(alice)
        alice.leave()
        self.assertEqual("waiting", alice.seen(events.Transfer)[-1].state)
        alice.type("/files")
        self.assertRegex(alice.seen(events.Listing)[0].rows[0][5], r"waits, \d\d%")
        await alice.arrive()
        await self.arrives(bob)
        self.assertLessEqual(len(self.chunks(alice)), PIECES + FILE_WINDOW)

    async def test_an_upload_goes_on_after_a_kill(self) -> None:
        """The next process knows the file, its key, and that it has not changed."""
        alice, bob = await self.two()
        await self.halfway_up(alice)
        alice.die()
        await alice.arrive()
        await self.arrives(bob)
        self.assertLessEqual(len(self.chunks(alice)), PIECES + FILE_WINDOW)

    async def test_no_piece_is_sealed_in_two_versions(self) -> None:
        """A file that is changed while it is sent is refused: two texts under one nonce would give both away."""
        alice, bob = await self.two()
        await self.halfway_up(alice)
        alice.die()
        self.source.write_bytes(bytes(len(CONTENT)))
        await alice.arrive()
        failed = await self.over(alice, "failed", "out")
        self.assertIn("was changed while it was being sent", failed.reason)
        sealed: dict[int, str] = {}
        for line in self.chunks(alice):
            self.assertEqual(line["data"], sealed.setdefault(line["number"], line["data"]))
        self.assertEqual([], bob.seen(events.File))
        self.assertEqual({}, alice.core._ledger.all("file-out"))

    async def test_a_file_that_becomes_shorter_is_refused(self) -> None:
        """While it is read, and while it is sent."""
        alice, _ = await self.two()
        alice.core.typed(f"/send @bob {self.source}")
        self.source.write_bytes(CONTENT[:-1])
        alice.pump()
        failed = await self.over(alice, "failed", "out")
        self.assertIn("was changed", failed.reason)

    async def test_a_download_goes_on_after_a_cut(self) -> None:
        """Only what is missing is asked for."""
        _, bob = await self.halfway_down()
        bob.leave()
        self.assertEqual("waiting", bob.seen(events.Transfer)[-1].state)
        await bob.arrive()
        await self.over(bob)
        self.assertEqual({"garden.png": CONTENT}, self.kept("bob", 2))
        self.assertLessEqual(len(self.asked(bob)), PIECES + FILE_WINDOW)

    async def test_a_download_goes_on_after_a_kill(self) -> None:
        """What is in the part is read again, and counts."""
        _, bob = await self.halfway_down()
        bob.die()
        self.assertEqual(["garden.png.part"], list(self.kept("bob", 2)))
        await bob.arrive()
        await self.over(bob)
        self.assertEqual({"garden.png": CONTENT}, self.kept("bob", 2))
        self.assertLessEqual(len(self.asked(bob)), PIECES + FILE_WINDOW)

    async def test_a_part_the_disk_has_damaged_is_fetched_again(self) -> None:
        """All of it, once."""
        _, bob = await self.halfway_down()
        bob.die()
        part = self.downloads("bob", 2) / "garden.png.part"
        part.write_bytes(bytes(part.stat().st_size))
        await bob.arrive()
        await self.over(bob)
        self.assertEqual({"garden.png": CONTENT}, self.kept("bob", 2))

    async def test_a_part_that_is_torn_or_gone_is_mended(self) -> None:
        """Half a piece does not count, more than the file neither."""
        for damage in (
            lambda part: os.truncate(part, FILE_CHUNK + 5),
            lambda part: part.write_bytes(bytes(2 * len(CONTENT))),
            lambda part: part.unlink(),
        ):
            _, bob = await self.halfway_down()
            bob.die()
            damage(self.downloads("bob", 2) / "garden.png.part")
            await bob.arrive()
            done = await self.over(bob)
            self.assertEqual(CONTENT, Path(done.path).read_bytes())
            self.assertLessEqual(len(self.asked(bob)), 2 * PIECES + FILE_WINDOW)
            bob.leave()
            Path(done.path).unlink()

    async def test_who_is_killed_after_the_last_byte_is_done(self) -> None:
        """Whether the part had its name already, and whether it had its old one besides."""
        for damage in (lambda part, path: part.rename(path), lambda part, path: os.link(part, path)):
            _, bob = await self.halfway_down()
            bob.die()
            path = self.downloads("bob", 2) / "garden.png"
            part = Path(f"{path}.part")
            part.write_bytes(CONTENT)
            damage(part, path)
            await bob.arrive()
            await self.over(bob)
            self.assertEqual({"garden.png": CONTENT}, self.kept("bob", 2))
            self.assertLessEqual(len(self.asked(bob)), PIECES // 2 + 2 * FILE_WINDOW)
            bob.leave()
            path.unlink()

    async def test_another_file_that_has_the_name_meanwhile_stays(self) -> None:
        """Even one of the same size, where the part is gone."""
        _, bob = await self.halfway_down()
        bob.die()
        path = self.downloads("bob", 2) / "garden.png"
        Path(f"{path}.part").unlink()
        path.write_bytes(bytes(len(CONTENT)))
        await bob.arrive()
        self.assertIn("is there already", (await self.over(bob, "failed")).reason)
        self.assertEqual({"garden.png": bytes(len(CONTENT))}, self.kept("bob", 2))

    async def test_what_is_refused_for_a_while_goes_on(self) -> None:
        """Both ways; nothing is given up because the server is busy."""
        alice, bob = await self.two()
        alice.lie = self.overloaded(alice, "put_chunk")
        bob.lie = self.overloaded(bob, "get_chunk")
        alice.type(f"/send @bob {self.source}")
        await alice.sees(events.Transfer, state="waiting", reason="too much")
        self.assertTrue(alice.core.sync_refused)
        alice.core.catch_up()
        alice.pump()
        await bob.sees(events.File)
        bob.type("/accept")
        await bob.sees(events.Transfer, state="waiting", reason="too much")
        bob.core.catch_up()
        bob.pump()
        await self.over(bob)
        self.assertEqual({"garden.png": CONTENT}, self.kept("bob", 2))

    def overloaded(self, person: Person, kind: str) -> Callable[[Line], Line]:
        """Says so to the third of these requests."""

        def lie(line: Line) -> Line:
            ids = [asked["id"] for asked in person.sent if asked["type"] == kind]
            if line.get("id") in ids[2:3]:
                return {"type": "error", "id": line["id"], "code": "overloaded", "text": "too much"}
            return line

        return lie

    async def halfway_down(self) -> tuple[Person, Person]:
        alice, bob = await self.two()
        await self.sent(alice, bob)
        bob.type("/accept")
        await bob.until(lambda: len(self.asked(bob)) >= PIECES // 2 + FILE_WINDOW)
        return alice, bob

    @staticmethod
    def asked(person: Person) -> list[Line]:
        return [line for line in person.sent if line["type"] == "get_chunk"]

    async def arrives(self, bob: Person) -> None:
        await bob.sees(events.File)
        bob.type("/accept")
        await self.over(bob)
        self.assertEqual({"garden.png": CONTENT}, self.kept("bob", 2))
        self.assertEqual(1, len(bob.seen(events.File)))


class Leaving(FilesTestCase):
    """Files on their way when somebody leaves."""

    async def test_a_person_leaves_at_once(self) -> None:
        """The file goes on at the next start."""
        alice, bob = await self.two()
        alice.type(f"/send @bob {self.source}", "/quit")
        await alice.until(lambda: alice.core.finished)
        self.assertIn("garden.png: not through; goes on at the next start", alice.seen(events.Notice)[-1].text)
        self.assertEqual([], bob.seen(events.File))
        alice.connection = None
        alice.start()
        await alice.arrive()
        await bob.sees(events.File)

    async def test_a_pipe_waits(self) -> None:
        """Who sends a file from a script leaves when it is through."""
        alice, bob = await self.two(interactive=False)
        alice.type(f"/send @bob {self.source}", "/quit")
        await alice.until(lambda: alice.core.finished)
        await bob.sees(events.File)

    async def test_what_is_stopped_is_gone(self) -> None:
        """Here, and at the server; whichever way."""
        alice, bob = await self.two()
        alice.type(f"/send @bob {self.source}")
        await alice.until(lambda: len(self.chunks(alice)) > 2)
        ulid = alice.seen(events.Transfer)[0].ulid
        alice.type(f"/files drop {ulid}")
        await self.over(alice, "failed", "out")
        await alice.settled()
        self.assertIn("drop_file", [line["type"] for line in alice.sent])
        file = await self.sent(alice, bob)
        bob.type("/accept")
        await bob.until(lambda: self.kept("bob", 2))
        bob.type(f"/files drop {file.ulid}")
        await self.over(bob, "failed")
        self.assertEqual({}, self.kept("bob", 2))
        self.assertEqual({}, bob.core._ledger.all("file-in"))

    async def test_what_is_not_sent_for_want_of_trust_is_taken_back(self) -> None:
        """The server forgets the pieces; the client leaves with the code for that."""
        alice, bob = await self.two()
        alice.type("/policy verified-only", f"/send @bob {self.source}")
        failed = await self.over(alice, "failed", "out")
        self.assertIn("verif", failed.reason)
        await alice.settled()
        self.assertEqual("drop_file", [line["type"] for line in alice.sent if "file" in line][-1])
        self.assertTrue(alice.core.distrusted)
        self.assertEqual([], bob.seen(events.File))

    async def test_a_folder_of_downloads_need_not_be_named(self) -> None:
        """An empty setting is here, not at the root of the disk."""
        alice, bob = await self.two()
        bob.settings.now = Preferences(downloads="")
        await self.sent(alice, bob)
        before = Path.cwd()
        os.chdir(self.place)
        self.addCleanup(os.chdir, before)
        self.source.unlink()
        bob.type("/accept")
        self.assertEqual(str(self.place / "garden.png"), (await self.over(bob)).path)


class Liars(FilesTestCase):
    """A server that alters what Bob fetches: all is refused, and nothing is kept."""

    async def lied(self, change: Callable[[Line, list[Line]], object]) -> events.Transfer:
        """Bob fetches a file; ``change`` alters a piece, given those before it."""
        alice, bob = await self.two()
        await self.sent(alice, bob)
        before: list[Line] = []

        def lie(line: Line) -> Line:
            said = line.get("result")
            if isinstance(said, dict) and said["type"] == "chunk":
                before.append(dict(said))
                if said["number"] == 5:
                    change(said, before)
            return line

        bob.lie = lie
        bob.type("/accept")
        failed = await self.over(bob, "failed")
        await bob.settled()
        self.assertEqual({}, self.kept("bob", 2))
        self.assertEqual({}, bob.core._ledger.all("file-in"))
        return failed

    async def test_a_flipped_bit_is_refused(self) -> None:
        """One of a piece."""

        def flip(said: Line, before: list[Line]) -> None:
            data = bytearray(b64decode(said["data"]))
            data[77] ^= 4
            said["data"] = b64encode(data).decode()

        self.assertIn("piece 6 of 12 is not what was sent", (await self.lied(flip)).reason)

    async def test_a_repeated_piece_is_refused(self) -> None:
        """One that came before, in the place of the next."""
        failed = await self.lied(lambda said, before: said.update(data=before[-2]["data"]))
        self.assertIn("piece 6 of 12 is not what was sent", failed.reason)

    async def test_swapped_pieces_are_refused(self) -> None:
        """Each in the place of the other, from the first of them on."""
        alice, bob = await self.two()
        await self.sent(alice, bob)
        held: list[Line] = []

        def lie(line: Line) -> Line | None:
            said = line.get("result")
            if isinstance(said, dict) and said["type"] == "chunk" and said["number"] in (5, 6):
                held.append(line)
                if len(held) == 2:
                    one, other = (each["result"] for each in held)
                    one["data"], other["data"] = other["data"], one["data"]
                    bob.core.receive_line(msgspec.json.encode(held[0]))
                    return held[1]
                return None
            return line

        bob.lie = lie
        bob.type("/accept")
        self.assertIn("piece 6 of 12 is not what was sent", (await self.over(bob, "failed")).reason)
        self.assertEqual({}, self.kept("bob", 2))

    async def test_a_truncated_piece_is_refused(self) -> None:
        """Before it is even opened."""

        def cut(said: Line, before: list[Line]) -> None:
            said["data"] = b64encode(b64decode(said["data"])[:-1]).decode()

        self.assertIn("bytes", (await self.lied(cut)).reason)

    async def test_another_piece_than_was_asked_for_is_refused(self) -> None:
        """Whatever is in it."""
        failed = await self.lied(lambda said, before: said.update(number=6))
        self.assertIn("another piece than number 6", failed.reason)

    async def test_a_piece_of_another_file_is_refused(self) -> None:
        """Whatever its number."""
        failed = await self.lied(lambda said, before: said.update(file="0" * 26))
        self.assertIn("another piece", failed.reason)

    async def test_a_server_that_says_it_has_more_than_all_is_refused(self) -> None:
        """An upload does not count on what cannot be."""
        alice, _ = await self.two()

        def lie(line: Line) -> Line:
            said = line.get("result")
            if isinstance(said, dict) and said["type"] == "file_state":
                said["received"] = PIECES + 1
            return line

        alice.lie = lie
        alice.type(f"/send @bob {self.source}")
        self.assertIn("how much", (await self.over(alice, "failed", "out")).reason)

    async def test_a_server_that_takes_no_piece_is_given_up(self) -> None:
        """After some tries, with its own words."""
        alice, _ = await self.two()

        def lie(line: Line) -> Line:
            if line.get("id") in [chunk["id"] for chunk in self.chunks(alice)]:
                return {"type": "error", "id": line["id"], "code": "file-not-taken", "text": "not that"}
            if isinstance(said := line.get("result"), dict) and said["type"] == "file_state":
                said["received"] = 0
            return line

        alice.lie = lie
        alice.type(f"/send @bob {self.source}")
        self.assertEqual("not that", (await self.over(alice, "failed", "out")).reason)


class HostilePeople(FilesTestCase):
    """Alice says of a file what is not so."""

    async def says(self, text: str, content: Any = "file") -> tuple[Person, Person]:
        """Alice's client sends that message, encrypted and signed like every other."""
        alice, bob = await self.two()
        alice.core.say("", "@bob", text, content=content)
        alice.pump()
        await alice.settled()
        return alice, bob

    async def uploaded(self, size: int = len(CONTENT), **changes: Any) -> tuple[Person, Person, str]:
        """Alice has uploaded the garden under a key of her own, and says ``changes`` of it."""
        alice, bob = await self.two()
        file, count = alice.core.new_ulid(), PIECES
        alice.core.request(
            wire.OfferFile, lambda answer: None, file=file, conversation="@bob", size=len(CONTENT), chunks=count
        )
        for number in range(count):
            piece = CONTENT[number * FILE_CHUNK : (number + 1) * FILE_CHUNK]
            data = ChunkSeal(file, changes.get("count", count), KEY).seal(number, piece)
            alice.core.request(wire.PutChunk, lambda answer: None, file=file, number=number, data=data)
        said = msgspec.json.decode(
            description(file, "garden.png", size, "", KEY, hashlib.sha256(CONTENT).digest())
        ) | changes.get("says", {})
        alice.core.say("", "@bob", msgspec.json.encode(said).decode(), content="file")
        alice.pump()
        await bob.sees(events.File)
        return alice, bob, file

    async def test_hostile_descriptions_are_refused(self) -> None:
        """They are shown as what they are, and who wants them is told what is wrong; nothing is written."""
        good = msgspec.json.decode(description("0" * 26, "x", 5, "", KEY, KEY))
        for changes, wrong in (
            ({"name": "../../.bashrc"}, "its name is none"),
            ({"name": "/etc/passwd"}, "its name is none"),
            ({"name": "a\x1b[2J"}, "its name is none"),
            ({"name": "x" * 201}, "its name is none"),
            ({"size": -5}, "its size cannot be"),
            ({"size": 2**40}, "its size cannot be"),
            ({"key": "AAAA"}, "its key is not one of 32 bytes"),
            ({"sha256": "AAAA"}, "its SHA-256 is not one of 32 bytes"),
            ({"chunk": 1}, "it is in pieces of 1 bytes"),
            ({"file": "../x"}, "its description cannot be read"),
        ):
            alice, bob = await self.says(msgspec.json.encode({**good, **changes}).decode())
            shown = await bob.sees(events.Undecryptable, reason="bad-file")
            bob.type("/accept", f"/save {shown.ulid} {self.place}/x", "/history @alice", "/files", f"/why {shown.ulid}")
            texts = [error.text for error in bob.seen(events.Error)]
            self.assertIn(f"{shown.ulid}: what alice sends is refused: {wrong}", bob.seen(events.Notice)[-1].text)
            self.assertEqual(2, len(texts))
            for text in texts:
                self.assertIn(f"what alice sends is refused: {wrong}", text)
            self.assertEqual({}, self.kept("bob", 2))
            self.assertEqual([], bob.seen(events.File))
            for person in (alice, bob):
                person.leave()

    async def test_a_hash_that_is_not_the_files_is_refused(self) -> None:
        """Nothing of it stays."""
        _, bob, _ = await self.uploaded(says={"sha256": "A" * 43})
        bob.type("/accept")
        self.assertIn("its SHA-256 is not", (await self.over(bob, "failed")).reason)
        self.assertEqual({}, self.kept("bob", 2))

    async def test_a_size_that_is_not_the_files_is_refused(self) -> None:
        """Whether it is a little or much more or less; never more than was said is written."""
        for size in (0, 5, len(CONTENT) - 1, len(CONTENT) + 1, len(CONTENT) - FILE_CHUNK, len(CONTENT) + FILE_CHUNK):
            alice, bob, _ = await self.uploaded(size)
            bob.type("/accept")
            await self.over(bob, "failed")
            self.assertEqual({}, self.kept("bob", 2))
            for person in (alice, bob):
                person.leave()

    async def test_pieces_that_were_sealed_for_another_count_are_refused(self) -> None:
        """Their number is bound into them."""
        _, bob, _ = await self.uploaded(count=PIECES + 1)
        bob.type("/accept")
        self.assertIn("piece 1 of 12", (await self.over(bob, "failed")).reason)

    async def test_a_file_of_others_stays_out_of_reach(self) -> None:
        """To know its ULID and to say it is no way to anybody's file."""
        _, bob, file = await self.uploaded()
        carol = await self.keeper("carol", 3)
        text = description(file, "mine.png", len(CONTENT), "", KEY, hashlib.sha256(CONTENT).digest())
        bob.core.say("", "@carol", text, content="file")
        bob.pump()
        await carol.sees(events.File)
        carol.type("/accept")
        await self.over(carol, "failed")
        self.assertEqual({}, self.kept("carol", 3))

    async def test_a_ulid_that_two_messages_have_is_refused(self) -> None:
        """Who knows which ULID is on its way cannot have another file fetched for that one."""
        for first in ("alice", "carol"):
            alice, bob = await self.two()
            carol = await self.keeper("carol", 3)
            senders = {"alice": alice, "carol": carol}
            for name in (first, *(senders.keys() - {first})):
                text = description("0" * 26, f"{name}.png", 5, "", KEY, KEY)
                senders[name].core.say("", "@bob", text, content="file", ulid="1" * 26)
                senders[name].pump()
                await bob.sees(events.File, name=f"{name}.png")
            bob.type(f"/accept {'1' * 26}", "/accept", "/files")
            refusals = [error.text for error in bob.seen(events.Error)]
            self.assertIn("two messages have the ULID", refusals[0])
            self.assertIn("nobody has sent a file here yet", refusals[1])
            self.assertEqual([], bob.seen(events.Listing)[0].rows)
            for person in senders.values():
                person.leave()
            bob.leave()

    async def test_what_a_newer_client_says_is_kept(self) -> None:
        """It is shown as that, not as broken, and everything after it as always."""
        alice, bob = await self.says("{}", "poll")
        shown = await bob.sees(events.Undecryptable, reason="newer")
        bob.type(f"/why {shown.ulid}", f"/accept {shown.ulid}", "/files")
        self.assertIn("only a newer encchat knows", bob.seen(events.Notice)[-1].text)
        self.assertIn("no file of that ULID", bob.seen(events.Error)[0].text)
        self.assertEqual([], bob.seen(events.Listing)[0].rows)
        alice.type("/msg bob and now a text")
        await bob.reads("and now a text")
        kept = bob.store.history("@alice", 5)[0]
        self.assertEqual(("new:poll", "{}"), (kept.content, kept.body))

    async def test_nobody_speaks_as_the_server(self) -> None:
        """What only the server says of a room, or this client of itself, is nothing that others can say."""
        for content in ("event", "sealed"):
            _, bob = await self.says('{"event": "joined", "user": "mallory", "by": "mallory"}', content)
            await bob.sees(events.Undecryptable, reason="newer")
            self.assertEqual([], bob.seen(events.Room))


class Slices(FilesTestCase):
    """Nothing takes long at once."""

    async def test_a_file_is_read_in_slices(self) -> None:
        """However long it is; lines and typing come between two of them."""
        read: list[int] = []

        class Reading(LocalFiles):
            def slice(self, path: str, offset: int, count: int) -> bytes:
                data = super().slice(path, offset, count)
                read.append(len(data))
                return data

        self.server = await self.serve()
        alice, bob = await self.person("alice", 1, files=Reading()), await self.keeper("bob", 2)
        self.source.write_bytes(CONTENT * 4)
        await self.sent(alice, bob)
        self.assertLessEqual(max(read), FILE_HASH_SLICE)

    async def test_progress_is_told_now_and_then(self) -> None:
        """At most four times a second, beginning and end apart."""
        alice, bob = await self.two()
        await self.sent(alice, bob)
        await self.over(alice, direction="out")
        self.assertEqual(
            ["going", "done"], [one.state for one in alice.seen(events.Transfer) if one.state != "waiting"]
        )
