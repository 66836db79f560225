"""Rooms on a whole server, for tests: shorter ways to say things."""

from __future__ import annotations

import json
from typing import Any

from encchat.server.factory import ChatFactory
from tests.envelopes import content, unsealed
from tests.server.harness import Client, Line, Server, ServerTestCase, ulid

ROOM = "#team"


def says(line: Line) -> str:
    """What a message of a room tells: a text, or the event with who did it to whom."""
    if line["scheme"] != "event":
        return unsealed(line["body"])
    event = json.loads(line["body"])
    return f"{event['by']} {event['event']} {event['user']}"


class RoomTestCase(ServerTestCase):
    """With ways to say things shortly."""

    number = 1_000_000

    def fresh(self) -> str:
        """A ULID nobody has used."""
        self.number += 1
        return ulid(self.number)

    async def act(self, client: Client, verb: str, **fields: Any) -> Any:
        """A change of the room that succeeds; its result."""
        return await client.do(verb, room=ROOM, **{"ulid": self.fresh(), **fields})

    async def refused(self, client: Client, verb: str, **fields: Any) -> tuple[str, str]:
        """One that is refused; code and text."""
        return await client.refused(verb, room=ROOM, **{"ulid": self.fresh(), **fields})

    async def say(self, client: Client, text: str, to: str = ROOM) -> Any:
        """Send it; its `sent`."""
        return await client.do("send", conversation=to, ulid=self.fresh(), **content(to, text))

    async def cannot_say(self, client: Client, text: str, to: str = ROOM) -> str:
        """Send it in vain; the code."""
        code, _ = await client.refused("send", conversation=to, ulid=self.fresh(), **content(to, text))
        return code

    async def read(self, client: Client, after: int = 0) -> list[str]:
        """What a sync gives."""
        page = await client.do("sync", conversation=ROOM, after=after)
        return [says(one) for one in page["messages"]]

    def heard(self, client: Client) -> list[str]:
        """What came live."""
        return [says(line) for line in client.seen("message") if line["conversation"] == ROOM]

    async def team(self, server: Server, *names: str, **fields: Any) -> list[Client]:
        """Users in a room, the first of whom owns it."""
        clients = [await server.user(name) for name in names]
        await self.act(clients[0], "open_room", **fields)
        for name, client in zip(names[1:], clients[1:], strict=True):
            await self.act(clients[0], "invite", user=name)
            await self.act(client, "join")
        return clients

    async def again(self, server: Server) -> Server:
        """Another server on the same store."""
        for client in server.clients:
            client.vanish()
        factory = ChatFactory(server.time, server.store, server.factory.services.auth, server.factory.settings, ())
        await factory.open()
        return Server(factory, server.store, server.hasher, server.time, server.clients)
