"""Uploads and downloads against a server that answers anything in any order, cuts, restarts and changed files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, cast

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.client import events
from encchat.client.files.disk import Found, NoFiles
from encchat.client.files.sealed import ChunkSeal, described, description
from encchat.client.files.transfers import Transfers
from encchat.client.floor import Floor
from encchat.client.ledger import Ledger
from encchat.client.requests import Done
from encchat.client.store import MemoryStore, StoredMessage
from encchat.client.store.interface import Changes
from encchat.e2e.interfaces import at_once
from encchat.errors import InternalError, NotConnectedError, OverloadedError, UsageError
from encchat.limits import FILE_CHUNK, FILE_WINDOW, MAX_TRANSFERS

PIECES: Final = 7
CONTENT: Final = bytes(range(256)) * (FILE_CHUNK * PIECES // 256 - 2)
OTHER: Final = bytes(len(CONTENT))
KEY: Final = bytes(range(32))
ULID: Final = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
HOME: Final = "/home/x"


class MemoryFiles(NoFiles):
    """Files and parts of files, by their paths."""

    def __init__(self) -> None:
        self.whole: dict[str, bytes] = {HOME: CONTENT}
        self.parts: dict[str, bytes] = {}

    def slice(self, path: str, offset: int, count: int) -> bytes:
        return self.whole[path][offset : offset + count]

    def begin(self, path: str) -> None:
        if path in self.parts:
            raise UsageError("it is there already")
        self.parts[path] = b""

    def got(self, path: str) -> int | None:
        return len(self.parts[path]) if path in self.parts else None

    def part(self, path: str, offset: int, count: int) -> bytes:
        return self.parts[path][offset : offset + count]

    def put(self, path: str, offset: int, piece: bytes) -> None:
        self.parts[path] = self.parts[path][:offset] + piece

    def has(self, path: str, size: int) -> bool:
        return len(self.whole.get(path, b"")) == size and path in self.whole

    def finish(self, path: str) -> str:
        self.whole[path] = self.parts.pop(path)
        return ""

    def drop(self, path: str) -> None:
        self.parts.pop(path, None)


@define(eq=False, slots=False)
class World:
    """A client's transfers, the shell around them and the server."""

    files: MemoryFiles = field(factory=MemoryFiles)
    store: MemoryStore = field(factory=lambda: MemoryStore(durable=True))
    ledger: Ledger = field(init=False)
    transfers: Transfers = field(init=False)
    asked: list[tuple[type[wire.Request], Done, dict[str, Any]]] = field(init=False, factory=list)
    shown: list[events.Transfer] = field(init=False, factory=list)
    said: dict[str, str] = field(init=False, factory=dict)
    """Texts of messages about files, by ULID."""
    sealed: dict[tuple[str, int], bytes] = field(init=False, factory=dict)
    """Every piece that was ever put."""
    there: dict[int, bytes] = field(init=False, factory=dict)
    """What the server has."""
    now: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new process on the same store and files."""
        self.ledger = Ledger(self.store)
        self.transfers = Transfers(cast("Floor", self), self.ledger, lambda: self.now, at_once, lambda: None)
        self.transfers.use()

    # What the floor gives -------------------------------------------------------------------------
    def new_ulid(self) -> str:
        return ULID

    def random(self, count: int) -> bytes:
        return KEY[:count]

    def ask_quietly(self, kind: type[wire.Request], done: Done, **fields: Any) -> None:
        if kind is wire.PutChunk:
            place = fields["file"], fields["number"]
            if self.sealed.setdefault(place, fields["data"]) != fields["data"]:
                raise AssertionError(f"piece {place} was sealed in two versions")
            if fields["number"] == len(self.there):  # what is asked comes in order, whatever the answers do
                self.there[fields["number"]] = fields["data"]
        self.asked.append((kind, done, fields))
        moving = [kind for kind, _, _ in self.asked if kind in (wire.PutChunk, wire.GetChunk)]
        if len(moving) > 4 * FILE_WINDOW:  # those of earlier rounds may still wait for their answers
            raise AssertionError("too much under way")

    def say(self, label: str, conversation: str, body: str, done: Done, *, content: str, ulid: str) -> None:
        if ulid in self.said:
            raise AssertionError("said twice")
        self.said[ulid] = body
        done(wire.Ok(id=1, result=wire.Sent(ulid=ulid, conversation=conversation, seq=1, time=0)))

    def show(self, event: events.ScreenEvent) -> None:
        if isinstance(event, events.Transfer):
            self.shown.append(event)

    # What happens ---------------------------------------------------------------------------------
    def work(self) -> None:
        self.now += 0.1
        self.transfers.work()
        self.ledger.commit()

    def lose(self) -> None:
        self._answer_all()
        self.transfers.lost()
        self.ledger.commit()

    def connect(self) -> None:
        self.transfers.connected()
        self.ledger.commit()

    def retry(self) -> None:
        self.transfers.retry()
        self.ledger.commit()

    def restart(self) -> None:
        """Killed: what was not committed is lost, and so is what was under way."""
        self.asked.clear()
        self.start()

    def _answer_all(self) -> None:
        asked, self.asked = self.asked, []
        for _, done, _ in asked:
            done(wire.Error(code=NotConnectedError.code, text="gone"))

    def answer(self, place: int, how: Callable[[wire.Result | None], wire.Ok | wire.Error]) -> None:
        """To a request under way; ``how`` gets what would be right."""
        if self.asked:
            kind, done, fields = self.asked.pop(place % len(self.asked))
            done(how(self._right(kind, fields)))
            self.ledger.commit()

    def _right(self, kind: type[wire.Request], fields: dict[str, Any]) -> wire.Result | None:
        if kind is wire.OfferFile:
            return wire.FileState(file=fields["file"], received=len(self.there))
        if kind is wire.GetChunk:
            return wire.Chunk(file=fields["file"], number=fields["number"], data=self.there[fields["number"]])
        return None

    def settle(self) -> None:
        """From now on everything goes well; all ends within a bounded time."""
        self.connect()
        for _ in range(50 * PIECES):
            if not self.transfers.active:
                return
            self.work()
            self.answer(0, right)
            self.retry()
        raise AssertionError(f"never over: {self.transfers.under_way()}")


def right(result: wire.Result | None) -> wire.Ok | wire.Error:
    return wire.Ok(id=1, result=result)


def refused(code: str) -> Callable[[wire.Result | None], wire.Ok | wire.Error]:
    return lambda result: wire.Error(code=code, text="no")


def wrong(result: wire.Result | None) -> wire.Ok | wire.Error:
    """Something else than was asked for."""
    match result:
        case wire.Chunk():
            return wire.Ok(id=1, result=wire.Chunk(file=result.file, number=result.number, data=result.data[::-1]))
        case wire.FileState():
            return wire.Ok(id=1, result=wire.FileState(file=result.file, received=PIECES + 1))
        case _:
            return wire.Ok(id=1, result=wire.Notice(text="?"))


def less(result: wire.Result | None) -> wire.Ok | wire.Error:
    """The server has lost something, as far as it says."""
    if isinstance(result, wire.FileState):
        return wire.Ok(id=1, result=wire.FileState(file=result.file, received=result.received // 2))
    return wire.Ok(id=1, result=result)


PASSING = (refused(OverloadedError.code), refused(InternalError.code))
HOWS = {"right": (right, right, right, less, *PASSING), "any": (right, wrong, less, *PASSING, refused("unknown-file"))}


def steps(kind: str) -> st.SearchStrategy[list[Callable[[World], None]]]:
    """What may happen, in any order; answers mostly."""
    answers = st.builds(
        lambda place, how: lambda world: world.answer(place, how), st.integers(0, 9), st.sampled_from(HOWS[kind])
    )
    plain: list[Callable[[World], None]] = [World.lose, World.connect, World.retry, World.restart]
    works = st.just(World.work)
    return st.lists(st.one_of(works, works, answers, answers, st.sampled_from(plain)), max_size=60)


def seal(content: bytes = CONTENT) -> dict[int, bytes]:
    """The pieces as the server has them."""
    sealed = ChunkSeal(ULID, PIECES, KEY)
    return {
        number: sealed.seal(number, content[number * FILE_CHUNK : (number + 1) * FILE_CHUNK])
        for number in range(PIECES)
    }


class Uploads(SynchronousTestCase):
    """Whatever happens, a file goes once and whole, and no piece in two versions."""

    @settings(deadline=None, max_examples=150)
    @given(steps("right"))
    def test_an_upload_gets_through_whatever_cuts_in(self, happening: list[Callable[[World], None]]) -> None:
        """Refusals that pass, lost answers, kills: what the server has in the end is the file."""
        world = self.begun(happening)
        world.settle()
        self.assertEqual("done", world.shown[-1].state)
        self.assert_is_there(world)

    @settings(deadline=None, max_examples=150)
    @given(steps("any"), st.integers(0, 60))
    def test_an_upload_ends_whatever_is_answered(self, happening: list[Callable[[World], None]], when: int) -> None:
        """Also where the file changes on the way: then it is given up, or was through."""
        world = self.begun([*happening[:when], change, *happening[when:]])
        world.settle()
        self.assertEqual({}, world.ledger.all("file-out"))
        if world.said and world.shown[-1].state == "done":
            self.assert_is_there(world)

    def begun(self, happening: list[Callable[[World], None]]) -> World:
        world = World()
        world.transfers.send("@bob", Found(HOME, "x.png", len(CONTENT)), "")
        world.ledger.commit()
        for happens in happening:
            happens(world)
        return world

    def assert_is_there(self, world: World) -> None:
        file = described(world.said[ULID])
        plain = b"".join(file.seal().open(number, world.there[number]) for number in range(file.count))
        self.assertEqual((hashlib.sha256(plain).digest(), len(plain)), (file.digest, file.size))
        self.assertTrue(plain == CONTENT or (world.files.whole[HOME] == OTHER and plain == OTHER))


def change(world: World) -> None:
    """The file becomes another, of the same length."""
    world.files.whole[HOME] = OTHER


class Downloads(SynchronousTestCase):
    """Whatever happens, what is written is the file, or nothing."""

    @settings(deadline=None, max_examples=150)
    @given(steps("right"))
    def test_a_download_gets_through_whatever_cuts_in(self, happening: list[Callable[[World], None]]) -> None:
        """Refusals that pass, answers in any order, kills: in the end it is there, whole."""
        world = self.begun(happening)
        world.settle()
        self.assertTrue(world.files.whole["/down"] == CONTENT)
        self.assertEqual({}, world.files.parts)

    @settings(deadline=None, max_examples=150)
    @given(steps("any"))
    def test_a_download_ends_whatever_is_answered(self, happening: list[Callable[[World], None]]) -> None:
        """Nothing wrong is ever written, not even into the part; and nothing stays of what was refused."""
        world = self.begun(happening)
        world.settle()
        self.assertTrue(world.files.whole.get("/down", CONTENT) == CONTENT)
        self.assertEqual(({}, {}), (world.files.parts, world.ledger.all("file-in")))

    def begun(self, happening: list[Callable[[World], None]]) -> World:
        world = World(store=store())
        world.there = seal()
        message = world.store.at("@bob", 1)
        assert message is not None
        world.transfers.fetch(message, described(message.body), "/down")
        world.ledger.commit()
        for happens in happening:
            happens(world)
            self.assertTrue(CONTENT.startswith(world.files.parts.get("/down", b"")))
        return world


def store() -> MemoryStore:
    """One in which Bob has sent the file."""
    text = description(ULID, "x.png", len(CONTENT), "", KEY, hashlib.sha256(CONTENT).digest())
    kept = MemoryStore(durable=True)
    kept.apply(Changes(messages=[StoredMessage("@bob", "direct", 1, "bob", ULID, 0, text, content="file")]))
    return kept


class Limits(SynchronousTestCase):
    """How many files are on their way, and pieces of one."""

    def test_what_was_asked_before_a_pause_does_not_count_after_it(self) -> None:
        """Or more and more pieces would be under way."""
        world = World()
        world.files.whole[HOME] = 3 * CONTENT
        world.transfers.send("@bob", Found(HOME, "x.png", 3 * len(CONTENT)), "")
        world.connect()
        self.works(world)
        world.answer(0, right)
        self.works(world)
        world.answer(0, PASSING[0])
        old = len(world.asked)
        self.assertEqual(FILE_WINDOW - 1, old)
        world.retry()
        world.answer(old, right)
        self.works(world)
        for _ in range(old):
            world.answer(0, right)
            self.works(world)
            self.assertEqual(
                FILE_WINDOW, len([kind for kind, _, _ in world.asked[-FILE_WINDOW:] if kind is wire.PutChunk])
            )
            self.assertLessEqual(len(world.asked), FILE_WINDOW + old)
            old -= 1
        world.settle()
        self.assertEqual("done", world.shown[-1].state)

    @staticmethod
    def works(world: World) -> None:
        for _ in range(2 * PIECES):
            world.work()

    def test_files_on_their_way_have_a_limit(self) -> None:
        """Who asks for more is told to wait."""
        world = World()
        for number in range(MAX_TRANSFERS):
            world.new_ulid = lambda number=number: f"{number:026}"  # type: ignore[method-assign,misc]
            world.transfers.send("@bob", Found(HOME, "x.png", len(CONTENT)), "")
            self.assertEqual(number + 1, world.transfers.active)
        self.assertRaises(OverloadedError, world.transfers.send, "@bob", Found(HOME, "x.png", 1), "")

    def test_progress_has_a_pace(self) -> None:
        """Of each file at most four words a second, the first and the last apart."""
        world = World()
        world.transfers.send("@bob", Found(HOME, "x.png", len(CONTENT)), "")
        world.connect()
        for _ in range(60):
            world.now -= 0.1 - 0.01  # `work` adds a tenth
            world.work()
            world.answer(0, right)
        told = [one.done for one in world.shown if one.state == "going"]
        self.assertEqual("done", world.shown[-1].state)
        self.assertLessEqual(len(told), 3)
