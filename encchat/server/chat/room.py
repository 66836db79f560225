"""A room: who is in it, who is invited, who is to hear what is said."""

from __future__ import annotations

from collections import OrderedDict

from attrs import define, field

from encchat.errors import ForbiddenError, UnknownConversationError
from encchat.names import folded
from encchat.server.chat.routes import Route
from encchat.server.membership import RoomHead
from encchat.server.model import Account
from encchat.wire import MemberRole

_RANK: dict[MemberRole, int] = {"member": 0, "moderator": 1, "owner": 2}


@define(eq=False)
class Seat:
    """A member, or somebody invited ``by`` a member. ``taken``: the joining is stored."""

    account_id: int
    name: str
    role: MemberRole = "member"
    by: str = ""
    taken: bool = False


@define(eq=False)
class Room:
    """What has been decided about a room; ``key_version`` is 0 if the server makes no key for it.

    ``audience`` are the members who are here, by name as registered, as of the last change that is stored: so whoever
    is told of a message could read it, by its seq. In an ephemeral room, whose messages have none, nobody is among them
    who has left since. It is handed out as it is, and never copied for a message.
    """

    head: RoomHead
    key_version: int = 0
    joined: OrderedDict[str, Seat] = field(factory=OrderedDict)
    """By folded name, in the order of joining."""
    moderators: OrderedDict[str, Seat] = field(factory=OrderedDict)
    invited: dict[str, Seat] = field(factory=dict)
    audience: dict[str, None] = field(factory=dict)
    unsure: bool = False
    """A change was not stored: what is stored is being read again."""
    route: Route = field(init=False)
    """The way of every message into it."""

    def __attrs_post_init__(self) -> None:
        self.route = Route(key=self.head.key, kind="room", to=self.audience.keys(), theirs=self.name, ours=self.name)

    @property
    def name(self) -> str:
        """With its ``#``."""
        return self.head.name

    def size(self) -> int:
        """Members and invited."""
        return len(self.joined) + len(self.invited)

    # Who may -----------------------------------------------------------------------------------
    def seat_of(self, account: Account) -> Seat:
        """The member's seat; `UnknownConversationError` if the account is not in the room."""
        seat = self.joined.get(folded(account.name))
        if seat is not None:
            return seat
        if folded(account.name) in self.invited:
            raise UnknownConversationError(f"you are invited to {self.name}, but not in it: join first")
        raise no_room(self.name)

    def check_visible(self, account: Account) -> None:
        """`UnknownConversationError` unless the room is the account's, has invited it, or is open to all."""
        name = folded(account.name)
        if not (self.head.open or name in self.joined or name in self.invited):
            raise no_room(self.name)

    def check_owner(self, actor: Seat, what: str) -> None:
        """`ForbiddenError` unless ``actor`` is the owner."""
        if actor.role != "owner":
            raise ForbiddenError(f"only the owner of {self.name} can {what}; you are {actor.role}")

    def check_expel(self, actor: Seat, target: Seat) -> None:
        """`ForbiddenError` unless ``target`` is of a role below ``actor``'s, or was invited by ``actor``."""
        if target is actor:
            raise ForbiddenError(f"you cannot expel yourself: leave {self.name} instead")
        own_guest = folded(target.name) in self.invited and folded(target.by) == folded(actor.name)
        if _RANK[actor.role] <= _RANK[target.role] and not own_guest:
            raise ForbiddenError(
                f"{target.name} is {target.role} in {self.name}; as {actor.role} you can expel only lower roles"
            )

    # Changing ----------------------------------------------------------------------------------
    def add(self, seat: Seat) -> None:
        """The last to have joined."""
        self.invited.pop(folded(seat.name), None)
        self.joined[folded(seat.name)] = seat
        self.give_role(seat, seat.role)

    def remove(self, name: str) -> Seat | None:
        """Whoever was joined or invited under that folded name."""
        self.moderators.pop(name, None)
        return self.joined.pop(name, None) or self.invited.pop(name, None)

    def give_role(self, seat: Seat, role: MemberRole) -> None:
        """Among the moderators, in the order of becoming one, are those who are."""
        seat.role = role
        self.moderators.pop(folded(seat.name), None)
        if role == "moderator":
            self.moderators[folded(seat.name)] = seat

    def next_owner(self) -> Seat | None:
        """The first moderator, else who has been here longest; None if nobody is."""
        return next(iter(self.moderators.values()), None) or next(iter(self.joined.values()), None)

    def hear(self, seat: Seat) -> None:
        """``seat`` is here and in the room."""
        self.audience[seat.name] = None

    def stop_hearing(self, name: str) -> None:
        """The account of that name, as registered, is gone from here or from the room."""
        self.audience.pop(name, None)


def no_room(name: str) -> UnknownConversationError:
    """The same whether there is none or it is not the asker's: rooms do not show by what is refused."""
    return UnknownConversationError(f"there is no room {name} that is yours: rooms lists those you can see")
