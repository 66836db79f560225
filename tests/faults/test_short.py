"""The short form of every fault: a few rounds from a new seed, which a failure names."""

from __future__ import annotations

import os
import secrets

from twisted.trial.unittest import SkipTest, TestCase

from tests.faults.faults import FAULTS
from tests.faults.run import run_fault

SEED = os.environ.get("ENCCHAT_FAULT_SEED") or secrets.token_hex(4)
_BY_NAME = {fault.name: fault for fault in FAULTS}


class FaultTests(TestCase):
    timeout = 240

    async def _holds(self, name: str) -> None:
        fault = _BY_NAME[name]
        result = await run_fault(self, fault, fault.short, SEED)
        if result.skipped:
            raise SkipTest(result.skipped)
        self.assertTrue(result.good, result.report())
        self.assertEqual(len(result.seconds), fault.short)

    async def test_nothing_is_lost_when_the_server_is_killed(self) -> None:
        """kill -9 under load: what was sent is there, once, in order, on every device."""
        await self._holds("server-kill")

    async def test_nothing_is_lost_when_the_server_is_killed_under_the_load_of_many(self) -> None:
        """The same with devices that cost less than a process."""
        await self._holds("server-kill-models")

    async def test_nothing_is_lost_when_clients_are_killed(self) -> None:
        """Between outbox and wire, between receiving and the cursor: wherever the drawn moment falls."""
        await self._holds("client-kill")

    async def test_nothing_is_lost_when_the_server_is_killed_after_encchat_admin(self) -> None:
        """Two processes have had the store open; what the one closed is still the other's."""
        await self._holds("admin-kill")

    async def test_what_waits_survives_its_client(self) -> None:
        """A client that said `waiting` and was killed sends it when it is started again."""
        await self._holds("client-kill-offline")

    async def test_nothing_is_lost_or_shown_twice_when_both_die(self) -> None:
        """The clients' acks never reached the server; their stores know better."""
        await self._holds("both-kill")

    async def test_nothing_is_lost_on_a_bad_line(self) -> None:
        """Connections end at any byte and come back; what was on its way goes again, once."""
        await self._holds("line-bad")

    async def test_nothing_is_lost_on_a_bad_line_for_many(self) -> None:
        """The same with devices that cost less than a process."""
        await self._holds("line-bad-models")

    async def test_split_merged_and_late_segments_are_the_same_bytes(self) -> None:
        """No connection need end for them."""
        await self._holds("line-slow")

    async def test_a_full_disk_is_told_and_passes(self) -> None:
        """Senders are refused in words; nothing that was sent before is lost; with space again all goes on."""
        await self._holds("disk-full")

    async def test_a_limit_on_files_is_told_and_passes(self) -> None:
        """Like a full disk."""
        await self._holds("file-limit")

    async def test_a_stopped_server_goes_on(self) -> None:
        """For longer than the keepalive or not."""
        await self._holds("server-stop")

    async def test_stopped_clients_go_on(self) -> None:
        """Whether the server has hung up on them meanwhile or not."""
        await self._holds("client-stop")

    async def test_jumping_clocks_lose_nothing(self) -> None:
        """Neither the server's nor the clients', neither forward nor back."""
        await self._holds("clock")

    async def test_a_restored_backup_gives_no_seq_twice(self) -> None:
        """What was sent before the backup is there, and the clients that stayed carry on."""
        await self._holds("restore")

    def test_every_fault_has_a_short_form(self) -> None:
        """A new one cannot be forgotten here."""
        used = {name for case in vars(type(self)).values() for name in _names_in(case)}
        self.assertEqual(used, set(_BY_NAME))


def _names_in(case: object) -> set[str]:
    code = getattr(case, "__code__", None)
    return set() if code is None else {one for one in code.co_consts if one in _BY_NAME}
