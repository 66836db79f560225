"""The chat as a whole: presence, contacts, sessions and routes of everybody who is here.

Theory of operation: `Chat` holds one `Member` for every account with a connection, and changes only
through the methods below. What somebody must be told at once comes back as `Delivery` values. Presence is
not pushed at once: a changed member is remembered, and `announcements` (called once a reactor turn) tells
its contacts the difference between what they were last told and what is so by then. Whoever came and
went within a turn costs nobody a line.
"""

from __future__ import annotations

from collections.abc import Iterable

from encchat.errors import UnavailableError
from encchat.names import folded
from encchat.server.chat.contacts import Contacts
from encchat.server.chat.delivery import Delivery
from encchat.server.chat.member import Member
from encchat.server.chat.routes import Route, direct_route
from encchat.server.model import Account
from encchat.wire import Presence, PresenceChanged, SessionEnded, SessionStarted, UserEntry


class Chat:
    """Everybody who is here. Names may be given in any case."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._changed: dict[str, Member] = {}
        self._contacts = Contacts()

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
        """The account's first connection has logged in: it is FREE."""
        name = folded(account.name)
        if name in self._members:
            return
        member = self._changed.get(name) or Member(account)
        member.account, member.presence, member.partner = account, "FREE", None
        self._members[name] = member
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

    def depart(self, name: str) -> list[Delivery]:
        """The account's last connection is gone: it is OFFLINE, and its session partner FREE."""
        member = self._members.pop(folded(name), None)
        if member is None:
            return []
        self._contacts.forget_absent(folded(name), self._members)
        member.presence = "OFFLINE"
        self._touch(member)
        partner = self._separate(member)
        return [Delivery((partner.name,), SessionEnded(partner=member.name, reason="lost"))] if partner else []

    # Presence ----------------------------------------------------------------------------------
    def set_presence(self, name: str, presence: Presence) -> None:
        """Raise `UnavailableError` while in a session: that is BUSY until it ends."""
        member = self._member(name)
        if member.partner is not None:
            raise UnavailableError(f"you are in a session with {member.partner.name}, so BUSY until goodbye")
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
        self._changed[folded(member.name)] = member

    def _member(self, name: str) -> Member:
        member = self._members.get(folded(name))
        if member is None:
            raise UnavailableError(f"{name} is OFFLINE")
        return member

    # Sessions ----------------------------------------------------------------------------------
    def connect(self, caller: str, callee: str) -> list[Delivery]:
        """Open a session: both BUSY, both told. `UnavailableError` says why it cannot be."""
        one, other = self._member(caller), self._member(callee)
        if one is other:
            raise UnavailableError("you cannot open a session with yourself")
        if one.partner is not None:
            raise UnavailableError(f"you are in a session with {one.partner.name}; say goodbye first")
        if other.presence == "BUSY":
            raise UnavailableError(f"{other.name} is BUSY")
        self.wrote(caller, callee)
        for member, partner in ((one, other), (other, one)):
            member.partner, member.presence = partner, "BUSY"
            self._touch(member)
        return [
            Delivery((one.name,), SessionStarted(partner=other.name, by=one.name)),
            Delivery((other.name,), SessionStarted(partner=one.name, by=one.name)),
        ]

    def goodbye(self, name: str) -> list[Delivery]:
        """End the session ``name`` is in: both FREE, both told; `UnavailableError` if there is none."""
        member = self._member(name)
        partner = self._separate(member)
        if partner is None:
            raise UnavailableError("you are in no session")
        member.presence = "FREE"
        self._touch(member)
        return [
            Delivery((member.name,), SessionEnded(partner=partner.name, reason="goodbye")),
            Delivery((partner.name,), SessionEnded(partner=member.name, reason="goodbye")),
        ]

    def _separate(self, member: Member) -> Member | None:
        """Dissolve the session of ``member``; the partner, FREE now, or None."""
        partner, member.partner = member.partner, None
        if partner is not None:
            partner.partner, partner.presence = None, "FREE"
            self._touch(partner)
        return partner

    # Messages ----------------------------------------------------------------------------------
    def direct(self, sender: Account, target: Account) -> Route:
        """The way from ``sender`` to ``target``, of kind session while the two are in one."""
        one = self._members.get(folded(sender.name))
        in_session = one is not None and one.partner is not None and one.partner.account.id == target.id
        return direct_route(sender, target, in_session=in_session)

    def wrote(self, sender: str, target: str) -> None:
        """A direct message was stored: from now on the two hear of each other's presence."""
        sender, target = folded(sender), folded(target)
        if sender in self._members or target in self._members:
            self._contacts.add(sender, target)
