"""The chat as a whole: presence, contacts, sessions, rooms and routes of everybody who is here.

Theory of operation: `Chat` holds one `Member` for every account with a connection, and changes only
through the methods below. What somebody must be told at once comes back as `Delivery` values. Presence is
not pushed at once: a changed member is remembered, and `announcements` (called once a reactor turn) tells
its contacts the difference between what they were last told and what is so by then. Whoever came and
went within a turn costs nobody a line.
"""

from __future__ import annotations

from collections.abc import Iterable

from encchat.errors import UnavailableError
from encchat.limits import MAX_WAYS
from encchat.names import folded
from encchat.server.chat.contacts import Contacts
from encchat.server.chat.delivery import Delivery
from encchat.server.chat.member import Member
from encchat.server.chat.rooms import Rooms
from encchat.server.chat.routes import Route, direct_route
from encchat.server.chat.sessions import Sessions
from encchat.server.model import Account
from encchat.wire import Presence, PresenceChanged, UserEntry


class Chat:
    """Everybody who is here. Names may be given in any case."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._changed: dict[str, Member] = {}
        self._contacts = Contacts()
        self.rooms = Rooms()
        self.sessions = Sessions(self._members, self._touch, self.wrote)

    # Who is here -------------------------------------------------------------------------------
    def account(self, name: str) -> Account | None:
        """The account of that name if it is here."""
        member = self._members.get(folded(name))
        return member.account if member else None

    def presence(self, name: str) -> Presence:
        """OFFLINE for everybody who is not here, known or not."""
        member = self._members.get(folded(name))
        return member.presence if member else "OFFLINE"

    def users(self) -> list[UserEntry]:
        """Everybody who is here, by name."""
        members = sorted(self._members.items())
        return [UserEntry(user=member.name, presence=member.presence) for _, member in members]

    def arrive(self, account: Account) -> None:
        """The account's first connection has logged in: it is FREE, or BUSY in the session that waits for it."""
        name = folded(account.name)
        if name in self._members:
            return
        member = self._changed.get(name) or Member(account)
        member.account, member.presence = account, "FREE"
        self._members[name] = member
        self.rooms.arrive(account)
        self.sessions.arrive(member)
        self._touch(member)

    def change(self, account: Account) -> None:
        """The account's role is another one."""
        member = self._members.get(folded(account.name))
        if member is not None:
            member.account = account

    def meet(self, name: str, contacts: Iterable[str]) -> list[Delivery]:
        """Make ``contacts`` know ``name``, and tell those who are here that it is here too."""
        name = folded(name)
        member = self._members.get(name)
        if member is None:
            return []
        new = {folded(contact) for contact in contacts} - self._contacts.of(name) - {name}
        for contact in new:
            self._contacts.add(name, contact)
        if name in self._changed and member.announced != member.presence:
            return []  # this turn's announcement reaches them
        return self._tell(new, PresenceChanged(user=member.name, presence=member.presence))

    def depart(self, name: str, *, lost: bool = False) -> list[Delivery]:
        """The account's last connection is gone, on purpose or ``lost``: it is OFFLINE."""
        member = self._members.pop(folded(name), None)
        if member is None:
            return []
        self._contacts.forget_absent(folded(name), self._members)
        self.rooms.depart(member.account)
        member.presence = "OFFLINE"
        self._touch(member)
        return self.sessions.depart(member.name, lost=lost)

    # Presence ----------------------------------------------------------------------------------
    def set_presence(self, name: str, presence: Presence) -> None:
        """Raise `UnavailableError` while in a session: that is BUSY until it ends."""
        member = self._member(name)
        if (partner := self.sessions.partner(name)) is not None:
            raise UnavailableError(f"you are in a session with {partner}, so BUSY until goodbye")
        member.presence = presence
        self._touch(member)

    @property
    def has_news(self) -> bool:
        """Whether `announcements` has anything to look at."""
        return bool(self._changed)

    def announcements(self) -> list[Delivery]:
        """What contacts are to be told of all changes since the last call."""
        changed, self._changed = self._changed, {}
        return [delivery for member in changed.values() for delivery in self._announce(member)]

    def _announce(self, member: Member) -> list[Delivery]:
        if member.announced == member.presence:
            return []
        member.announced = member.presence
        return self._tell(
            self._contacts.of(folded(member.name)), PresenceChanged(user=member.name, presence=member.presence)
        )

    def _tell(self, contacts: Iterable[str], event: PresenceChanged) -> list[Delivery]:
        here = tuple(member.name for name in sorted(contacts) if (member := self._members.get(name)))
        return [Delivery(here, event)] if here else []

    def _touch(self, member: Member) -> None:
        member.ways.clear()
        self._changed[folded(member.name)] = member

    def wrote(self, one: str, other: str) -> None:
        self.acquaint(folded(one), folded(other))

    def _member(self, name: str) -> Member:
        member = self._members.get(folded(name))
        if member is None:
            raise UnavailableError(f"{name} is OFFLINE")
        return member

    def acquainted(self, name: str) -> set[str]:
        """Everybody here who shares a direct conversation with ``name``, by name as registered."""
        return {member.name for other in self._contacts.of(folded(name)) if (member := self._members.get(other))}

    # Messages ----------------------------------------------------------------------------------
    def direct(self, sender: Account, target: Account) -> Route:
        """The way from ``sender`` to ``target``, of kind session while the two are in one."""
        return direct_route(sender, target, in_session=self.sessions.partner(sender.name) == target.name)

    def way(self, sender: Account, name: str) -> Route | None:
        """As `direct`, to the account of that name if it is here; worked out once for many messages.

        It is kept with the target, and forgotten with it and whenever the target's presence is touched. A session
        touches both when it begins and when it ends; nothing else that a route is made of ever changes.
        """
        target = self._members.get(folded(name))
        if target is None:
            return None
        route = target.ways.get(sender.id)
        if route is None:
            if len(target.ways) == MAX_WAYS:
                target.ways.clear()
            route = target.ways[sender.id] = self.direct(sender, target.account)
        return route

    def acquaint(self, one: str, other: str) -> None:
        """Something was said between the two, folded: from now on they hear of each other's presence."""
        if one in self._members or other in self._members:
            self._contacts.add(one, other)
