"""A new device that another one of the account lets in, from core to core over a real server."""

from __future__ import annotations

from typing import Any

from encchat.client import events
from tests.client.people import PeopleTestCase


class Approving(PeopleTestCase):
    """`/approve`."""

    async def devices(self) -> tuple[Any, Any, Any, str]:
        """Alice at her laptop, Bob, Alice's new telephone, and the code that it shows."""
        alice, bob = await self.people("alice", "bob")
        phone = await self.person("alice", 9)
        shown = (await phone.sees(events.Warned, code="unvouched")).text
        return alice, bob, phone, shown.rpartition("/approve ")[2]

    async def test_a_device_that_was_approved_reads_and_writes(self) -> None:
        """What it shows is typed at the other one, in whatever case; what was said before is brought there too."""
        alice, bob, phone, code = await self.devices()
        bob.type("/msg alice before")
        await alice.reads("before")
        await alice.settled()
        alice.type(f"/approve {code.upper()}")
        self.assertIn(phone.connection.device, (await alice.sees(events.Warned, code="approved")).text)
        await phone.reads("before")
        phone.type("/msg bob from my telephone")
        self.assertEqual((await bob.reads("from my telephone")).signed, "valid")
        bob.type("/msg alice after")
        await phone.reads("after")

    async def test_a_wrong_code_lets_nobody_in(self) -> None:
        """Nor does a device's id alone, which the server could give to a device of its own; each refusal says why."""
        alice, _, phone, code = await self.devices()
        for typed, wrong in (
            (code.partition("-")[0], "give all that the other device shows"),
            (f"{code[:-1]}{'A' if code[-1] != 'A' else 'B'}", "the code is not that of the device's keys"),
            (f"nosuchdevice{code[code.index('-') :]}", "no device nosuchdevice of yours waits"),
            (f"{code} please", "one CODE"),
        ):
            alice.shown.clear()
            alice.type(f"/approve {typed}")
            said = await alice.until(lambda: (alice.seen(events.Error) + alice.seen(events.Warned))[:1])
            self.assertIn(wrong, said[0].text)
        await phone.settled()
        self.assertFalse(phone.core.machine.vouched)

    async def test_a_device_without_the_key_cannot_approve(self) -> None:
        """It says how it gets the key itself."""
        _, _, phone, code = await self.devices()
        phone.type(f"/approve {code}")
        self.assertEqual((await phone.sees(events.Error)).code, "not-vouched")
