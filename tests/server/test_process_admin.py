"""`encchat-admin` beside a real server: accounts, backups under load, and what clients see after a restore."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import TestCase

from encchat.secure import ClientKeys
from encchat.wire import Ack, Error, Kicked, LoginDevice, Ok, Page, Send, Sent, Sync
from tests import raw
from tests.processes import ServerProcess, directory, run_admin, start_server
from tests.server.store.test_upgrade import make_version_1


class AdminBesideAServer(TestCase):
    timeout = 120

    async def admin(self, server: ServerProcess, *arguments: str) -> tuple[int, str]:
        """Exit code and all that was printed."""
        process = run_admin(self, *arguments, f"--data-dir={server.data_dir}")
        code = await process.exits()
        return code, (process.other + process.errors).strip()

    async def test_a_deleted_account_is_hung_up_within_seconds(self) -> None:
        """By the running server, which is told nothing but what is in its store; the device is refused from then on."""
        server = await start_server(self, "--registration", "open")
        keys = ClientKeys(X25519PrivateKey.generate())
        alice = await raw.connect(self, server.port, keys=keys)
        await alice.register("alice")
        self.assertEqual((await self.admin(server, "account", "delete", "alice"))[0], 0)
        self.assertEqual((await alice.hears(Kicked)).by, "encchat-admin")
        await alice.closed()
        again = await raw.connect(self, server.port, keys=keys)
        answer = await again.request(LoginDevice, user="alice")
        self.assertEqual(answer.code if isinstance(answer, Error) else answer, "login-refused")

    async def test_a_backup_made_under_load_holds_all_that_was_acknowledged(self) -> None:
        """While somebody talks as fast as the server takes it; and the talk goes on."""
        server = await start_server(self, "--registration", "open", "--request-rate", "100000")
        alice = await raw.connect(self, server.port)
        await alice.register("alice")
        talk = LoopingCall(self.say_many, alice)
        self.addCleanup(lambda: talk.running and talk.stop())
        ended = talk.start(0.005)
        for number in range(3):
            acknowledged = (await alice.send("lobby", "before the backup")).seq
            saved = directory(self) / "saved"
            self.assertEqual((await self.admin(server, "backup", str(saved)))[0], 0)
            self.assertGreaterEqual(self.last_whole_seq(saved), acknowledged, number)
        talk.stop()
        await ended
        self.assertGreater((await alice.send("lobby", "after them")).seq, acknowledged + 20)

    def say_many(self, client: raw.RawClient) -> None:
        """A handful of messages, not waiting for answers."""
        for _ in range(5):
            client.ask(Send, conversation="lobby", ulid=client.ulid(), body="x" * 300)

    def last_whole_seq(self, path: Path) -> int:
        """The number of messages in a sound copy without gaps."""
        with closing(sqlite3.connect(path)) as copy:
            self.assertEqual(copy.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            found = [seq for (seq,) in copy.execute("SELECT seq FROM message ORDER BY seq")]
        self.assertEqual(found, list(range(1, len(found) + 1)))
        return len(found)

    async def test_a_restored_server_goes_on_above_every_seq_it_ever_gave(self) -> None:
        """A device whose cursor is past what the backup holds misses nothing that is said afterwards."""
        server = await start_server(self, "--registration", "open")
        keys = ClientKeys(X25519PrivateKey.generate())
        alice = await raw.connect(self, server.port, keys=keys)
        await alice.register("alice")
        await alice.send("lobby", "saved")
        saved = directory(self) / "saved"
        self.assertEqual((await self.admin(server, "backup", str(saved)))[0], 0)
        lost = [(await alice.send("lobby", "lost")).seq for _ in range(9)]
        await alice.request(Ack, conversation="lobby", seq=lost[-1])

        code, text = await self.admin(server, "restore", str(saved))
        self.assertEqual((code, "another encchat server is running" in text), (1, True))
        self.assertEqual((await alice.send("lobby", "undisturbed")).seq, lost[-1] + 1)

        await server.stops()
        self.assertEqual((await self.admin(server, "restore", str(saved)))[0], 0)
        second = await start_server(self, data_dir=server.data_dir)
        again = await raw.connect(self, second.port, keys=keys)
        again._last_id = alice._last_id  # so that its ULIDs are new ones
        await again.request(LoginDevice, user="alice")
        new = [(await again.send("lobby", "new")).seq for _ in range(3)]
        self.assertEqual(new, list(range(new[0], new[0] + 3)))
        self.assertGreater(new[0], lost[-1] + 1)
        self.assertEqual(await self.seqs_after(again, lost[-1]), new)
        self.assertEqual(await self.seqs_after(again, 0), [1, *new])

    async def seqs_after(self, client: raw.RawClient, seq: int) -> list[int]:
        """What a sync from there gives."""
        answer = await client.request(Sync, conversation="lobby", after=seq)
        if not isinstance(answer, Ok) or not isinstance(answer.result, Page):
            self.fail(f"no page: {answer}")
        return [message.seq for message in answer.result.messages]

    async def test_an_old_store_is_upgraded_by_the_server_that_opens_it(self) -> None:
        """With a copy beside it; who comes anew finds what was said before."""
        home = directory(self)
        make_version_1(home / "encchat.db")
        server = await start_server(self, "--registration", "open", data_dir=home)
        eve = await raw.connect(self, server.port)
        await eve.register("eve")
        self.assertEqual(await self.seqs_after(eve, 0), [1, 2, 3])
        self.assertTrue((home / "encchat.db.version-1").exists())

    async def test_a_server_removes_what_it_need_not_keep(self) -> None:
        """At its start, as its options say; seqs go on, and what was removed is known when it is sent again."""
        first = await start_server(self, "--registration", "open")
        keys = ClientKeys(X25519PrivateKey.generate())
        alice = await raw.connect(self, first.port, keys=keys)
        await alice.register("alice")
        for number in range(9):
            await alice.request(Send, conversation="lobby", ulid=f"{number:026d}", body="text")
        await first.stops()
        second = await start_server(self, "--retain-lobby-count=3", data_dir=first.data_dir)
        self.assertEqual((await second.wait_for("retained"))["count"], 6)
        again = await raw.connect(self, second.port, keys=keys)
        await again.request(LoginDevice, user="alice")
        self.assertEqual(await self.seqs_after(again, 0), [7, 8, 9])
        seqs = []
        for number in (0, 8, 9):
            answer = await again.request(Send, conversation="lobby", ulid=f"{number:026d}", body="text")
            seqs.append(answer.result.seq if isinstance(answer, Ok) and isinstance(answer.result, Sent) else answer)
        self.assertEqual(seqs, [1, 9, 10])
