"""Which of all that happens is on the screen: one conversation at a time, and how much of the others is unread.

Theory of operation. `Views.take` gets every screen event, `Views.turn` what is known of the client after each of its
turns; both put what is to be shown now into a list that `Views.items` gives away. Until the first `turn` no view is
open: messages count as unread, everything else is shown. Then one view is: its messages are shown, those of others
count as unread there, and whoever is spoken to in them sees one line of it at once. Opening another view shows a
heading and the newest messages that ``past`` has, which includes what was unread, with a line before the first of it.

What happens in a room is shown where the room is, and where it concerns this account; everything that belongs to no
conversation is shown whatever view is open, for it is an answer to what was typed or as urgent as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, tzinfo

from attrs import define, field, frozen

from encchat.client import events
from encchat.client.mentions import is_mention
from encchat.client.preferences import Preferences
from encchat.limits import MAX_UNREAD_SHOWN, MAX_VIEWS
from encchat.names import LOBBY, folded


@frozen
class Shown:
    """An event; ``tagged``: its conversation is named; ``dim``: one row of it only, it stands elsewhere."""

    event: events.ScreenEvent
    tagged: bool = False
    dim: bool = False


@frozen
class Heading:
    """A view is open from here on."""

    conversation: str
    lock: str
    topic: str


@frozen
class Day:
    """What follows was said on that day."""

    day: date


@frozen
class New:
    """What follows was not seen before."""


Item = Shown | Heading | Day | New


@define(eq=False)
class View:
    """One conversation; ``number`` is its place in the bar, from 1."""

    name: str
    number: int = 0
    unread: int = 0
    mentions: int = 0
    first: str = ""
    """The ULID of the first unread message."""
    _shut: dict[str, None] = field(init=False, factory=dict)
    """ULIDs of unread messages that could not be opened: they come again once they can be."""

    def count(self, message: events.Said, *, mention: bool) -> bool:
        """It is unread; whether it was not before."""
        again = message.ulid in self._shut
        if isinstance(message, events.Undecryptable) and len(self._shut) < MAX_UNREAD_SHOWN:
            self._shut[message.ulid] = None
        self.unread += not again
        self.mentions += mention
        self.first = self.first or message.ulid
        return not again

    def read(self) -> None:
        """All of it has been seen."""
        self.unread = self.mentions = 0
        self.first = ""
        self._shut.clear()


@define(eq=False)
class Views:
    """See the module's theory of operation.

    ``past(conversation, count)`` gives the newest messages there are, oldest first; ``user()`` is the own name,
    ``preferences()`` are the present ones, ``zone`` is where the days begin (None: here).
    """

    _past: Callable[[str, int], Sequence[events.Said]]
    _user: Callable[[], str]
    _preferences: Callable[[], Preferences]
    _zone: tzinfo | None = None
    current: str = field(init=False, default="")
    """The conversation whose view is open, empty before there is one."""
    _views: dict[str, View] = field(init=False, factory=dict)
    _rooms: frozenset[str] = field(init=False, factory=frozenset)
    _items: list[Item] = field(init=False, factory=list)
    _day: date | None = field(init=False, default=None)
    _after_mark: bool = field(init=False, default=False)
    """Whether nothing but new messages has been shown since the last `New`."""

    def __attrs_post_init__(self) -> None:
        self._view(LOBBY)

    # What comes -----------------------------------------------------------------------------------
    def take(self, event: events.ScreenEvent) -> None:
        """Something happened."""
        match event:
            case events.Message() | events.File() | events.Undecryptable():
                self._hear(event)
            case events.Recovered() if not self.current:
                for message in event.messages:
                    self._count(message)
            case events.Room() if not self._matters(event):
                pass
            case events.Sent() | events.Waiting():
                self._view(event.conversation).read()  # who answers has seen it
            case events.Went() if not self._is_here(event.conversation):
                pass  # the heading says it
            case _:
                self._items.append(Shown(event))

    def turn(self, conversation: str, lock: str = "", topic: str = "", rooms: Iterable[str] = ()) -> None:
        """Bare lines go to ``conversation`` now; ``rooms`` are all this account is in."""
        if folded(conversation) != folded(self.current):
            self._open(conversation, lock, topic)
        self._know(rooms)

    # What goes ------------------------------------------------------------------------------------
    @property
    def waiting(self) -> bool:
        """Whether there is something to show."""
        return bool(self._items)

    def items(self, count: int) -> list[Item]:
        """Take what is to be shown next, ``count`` of it at most."""
        taken, self._items = self._items[:count], self._items[count:]
        return taken

    @property
    def order(self) -> list[View]:
        """All there are, as they are numbered."""
        return list(self._views.values())

    def neighbour(self, conversation: str, step: int) -> str:
        """The conversation ``step`` places from another, round at the ends."""
        order = list(self._views)
        here = order.index(folded(conversation)) if folded(conversation) in self._views else 0
        return self._views[order[(here + step) % len(order)]].name

    def numbered(self, number: int) -> str:
        """The conversation of that number, empty if there is none."""
        return next((view.name for view in self._views.values() if view.number == number), "")

    def unread(self) -> list[events.Unread]:
        """What is unread, in the order of the bar."""
        return [
            events.Unread(conversation=view.name, unread=view.unread, mentions=view.mentions)
            for view in self._views.values()
            if view.unread
        ]

    # ----------------------------------------------------------------------------------------------
    def _hear(self, message: events.Said) -> None:
        if self._is_here(message.conversation):
            self._say(message, new=message.missed and not self._is_own(message))
        elif self._is_own(message):
            self._view(message.conversation).read()  # said at another device of this account, where all was to be seen
        else:
            self._count(message)

    def _count(self, message: events.Said) -> None:
        view = self._view(message.conversation)
        first, mention = not view.unread, names_me(message, self._user())
        is_new = view.count(message, mention=mention)
        wanted = self._preferences().preview and (mention or is_for_one(message))
        if self.current and wanted and is_new and (first or not message.missed):
            self._items.append(Shown(message, tagged=True, dim=True))

    def _say(self, message: events.Said, *, new: bool) -> None:
        day = local_day(message.time, self._zone)
        if day is not None and day != self._day:
            self._items.append(Day(day))
            self._day = day
        if new and not self._after_mark:
            self._items.append(New())
        self._after_mark = new
        self._items.append(Shown(message))

    def _open(self, conversation: str, lock: str, topic: str) -> None:
        view = self._view(conversation)
        self.current, self._day, self._after_mark = conversation, None, False
        self._items.append(Heading(conversation, lock, topic))
        past = self._past(conversation, max(self._preferences().backlog, min(view.unread, MAX_UNREAD_SHOWN)))
        begin = _first_new(past, view)
        for place, message in enumerate(past):
            self._say(message, new=place >= begin)
        view.read()

    def _matters(self, event: events.Room) -> bool:
        me = folded(self._user())
        return self._is_here(event.room) or me in (folded(event.user), folded(event.by))

    def _is_own(self, message: events.Said) -> bool:
        return folded(message.sender) == folded(self._user())

    def _is_here(self, conversation: str) -> bool:
        return bool(self.current) and folded(conversation) == folded(self.current)

    # Which views there are ------------------------------------------------------------------------
    def _view(self, conversation: str) -> View:
        view = self._views.get(folded(conversation))
        if view is None:
            view = self._views[folded(conversation)] = View(conversation)
            self._forget_some()
            self._number()
        return view

    def _know(self, rooms: Iterable[str]) -> None:
        """The rooms there are; one that was among them before, and is not any more, has no view."""
        named = {folded(room): room for room in rooms}
        if named.keys() == self._rooms:
            return
        for gone in self._rooms - named.keys():
            if not self._is_here(gone):
                self._views.pop(gone, None)
        self._rooms = frozenset(named)
        for room in named.values():
            self._view(room)
        self._number()

    def _forget_some(self) -> None:
        """Names come from the server, without end perhaps."""
        if len(self._views) > MAX_VIEWS:
            del self._views[next(name for name in list(self._views)[1:] if not self._is_here(name))]

    def _number(self) -> None:
        for number, view in enumerate(self._views.values(), 1):
            view.number = number


def _first_new(past: Sequence[events.Said], view: View) -> int:
    """The place of the first unread message; beyond all others if none is unread."""
    if not view.unread:
        return len(past)
    known = (place for place, message in enumerate(past) if message.ulid == view.first)
    return next(known, max(0, len(past) - view.unread))


def is_for_one(message: events.Said) -> bool:
    """Whether it was said to this account alone."""
    return message.kind in ("direct", "session")


def names_me(message: events.Said, user: str) -> bool:
    """Whether the name ``user`` stands in it."""
    return isinstance(message, events.Message) and is_mention(message.text, user)


def local_day(time: str, zone: tzinfo | None) -> date | None:
    """The day of an event's ISO time; None for what is no time."""
    try:
        return datetime.fromisoformat(time).astimezone(zone).date()
    except (ValueError, OverflowError):
        return None
