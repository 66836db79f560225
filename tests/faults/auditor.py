"""Reads the server's own log of every conversation through `sync`, as a new device of each account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from encchat import wire
from encchat.limits import MAX_PAGE
from tests.envelopes import text_of
from tests.faults.checker import Entry, canonical
from tests.raw import RawClient, connect


async def read_log(test: Any, port: int, accounts: Iterable[str], password: str) -> dict[str, list[Entry]]:
    """All messages of all conversations these accounts take part in, from the first seq on."""
    log: dict[str, list[Entry]] = {}
    for account in sorted(accounts):
        client = await connect(test, port)
        answer = await client.request(wire.Login, user=account, password=password, device_name="auditor")
        assert isinstance(answer, wire.Ok), answer
        listed = await client.request(wire.Conversations)
        assert isinstance(listed, wire.Ok), listed
        assert isinstance(listed.result, wire.ConversationList), listed
        for row in listed.result.conversations:
            entries = await read_conversation(client, row.conversation)
            name = canonical(account, row.conversation)
            assert log.setdefault(name, entries) == entries, f"two accounts read {name} differently"
        await client.leave()
    return log


async def read_conversation(client: RawClient, conversation: str) -> list[Entry]:
    """One conversation, page by page."""
    entries: list[Entry] = []
    while True:
        after = entries[-1].seq if entries else 0
        page = await read_page(client, conversation, after)
        entries += map(entry_of, page.messages)
        if not page.messages or page.messages[-1].seq >= page.last_seq:
            return entries


async def read_page(client: RawClient, conversation: str, after: int) -> wire.Page:
    """The messages after one seq."""
    answer = await client.request(wire.Sync, conversation=conversation, after=after, limit=MAX_PAGE)
    assert isinstance(answer, wire.Ok), answer
    assert isinstance(answer.result, wire.Page), answer
    return answer.result


def entry_of(message: wire.Message) -> Entry:
    """A message of the wire as the checker sees it; of one that was really encrypted only that it is there."""
    try:
        text = text_of(message.scheme, message.body)
    except ValueError:
        return Entry(message.seq, message.ulid, message.sender, "", sealed=True)
    return Entry(message.seq, message.ulid, message.sender, text)
