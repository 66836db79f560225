"""Screen events as lines for people.

What somebody said begins with a time and ``[conversation]``; everything else begins with ``*`` or, for a refusal,
``!``. Further rows of the same event are indented, those of a message behind ``|``, so that no text can pass for
another event however it is broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from functools import singledispatch
from itertools import zip_longest
from typing import Final

from attrs import frozen

from encchat.client import events
from encchat.client.keys.reasons import reason_text
from encchat.client.terminal.columns import padded, width
from encchat.client.text import printable, printable_lines, printable_name
from encchat.e2e.emoji import GLYPHS

_MESSAGE_INDENT: Final = "      | "
_INDENT: Final = "  "


@frozen
class Paragraph:
    """One event for people: ``head`` stands before the first row, ``indent`` before every other."""

    head: str
    lines: tuple[str, ...]
    indent: str = _INDENT

    def rows(self) -> list[str]:
        """A row for each line, however long."""
        return [f"{self.indent if place else self.head}{line}" for place, line in enumerate(self.lines)]


@singledispatch
def render(event: events.ScreenEvent, zone: tzinfo | None = None) -> Paragraph | None:
    """``event`` for people, times in ``zone`` (None: local); None where there is nothing to say."""
    return None


@render.register
def _(event: events.Message, zone: tzinfo | None = None) -> Paragraph:
    time = local_time(event.time, "%Y-%m-%d %H:%M" if event.missed else "%H:%M", zone)
    head = f"{time} [{printable_name(event.conversation)}] {printable_name(event.sender)}{marks_text(event)}: "
    return Paragraph(head, tuple(printable_lines(event.text)), _MESSAGE_INDENT)


def marks_text(event: events.Message | events.File) -> str:
    """What is not as it should be, or not as usual, with how a message came; nothing at all where all is well."""
    if event.kind == "lobby":
        return ""
    marks = [printable_name(event.encryption)] if event.encryption not in _USUAL else []
    if event.encryption == "none":
        marks = ["NOT ENCRYPTED"]
    elif event.signed != "valid":
        marks.append("unsigned" if event.signed == "absent" else "BAD SIGNATURE")
    if event.trust == "changed":
        marks.append("KEY CHANGED")
    if isinstance(event, events.Message) and event.ephemeral:
        marks.append("off the record")
    return f" [{', '.join(marks)}]" if marks else ""


_USUAL: Final = ("megolm", "olm")
"""Encryption from end to end, which needs no mark."""


@render.register
def _(event: events.Undecryptable, zone: tzinfo | None = None) -> Paragraph:
    return _said(unreadable_text(event, "%Y-%m-%d %H:%M" if event.missed else "%H:%M", zone))


def unreadable_text(event: events.Undecryptable, form: str, zone: tzinfo | None, *, tagged: bool = True) -> str:
    """What is said instead of a message; ``tagged``: with its conversation."""
    time = f"{local_time(event.time, form, zone)} " if event.time else ""
    place = f"{time}[{printable_name(event.conversation)}] " if tagged else time
    why = printable(reason_text(event.reason))
    return f"{place}a message of {printable_name(event.sender)} cannot be read: {why}; /why {printable(event.ulid)}"


@render.register
def _(event: events.File, zone: tzinfo | None = None) -> Paragraph:
    return _said(file_text(event, "%Y-%m-%d %H:%M" if event.missed else "%H:%M", zone))


def file_text(event: events.File, form: str, zone: tzinfo | None) -> str:
    """What is said of a file, in one line."""
    place = f"{local_time(event.time, form, zone)} [{printable_name(event.conversation)}]"
    return f"{place} {printable_name(event.sender)}{marks_text(event)} {offer_text(event)}"


def offer_text(event: events.File) -> str:
    """What its sender does with a file, and what one can do."""
    what = f"{printable(event.name)} ({size_text(event.size)})"
    return f"sends {what}: /accept {printable(event.ulid)}"


@render.register
def _(event: events.Transfer, zone: tzinfo | None = None) -> Paragraph | None:
    name, far = printable(event.name), f"{size_text(event.done)} of {size_text(event.size)}"
    whole = f"{name} ({size_text(event.size)})"
    if event.state == "going":
        return None if event.done else _said(f"{_GOING[event.direction]} {whole}")
    if event.state == "waiting":
        return _said(_with_reason(f"{name} waits, {far} are through", event.reason))
    if event.state == "failed":
        return _warned(f"{name} was not {_DONE[event.direction]}: {printable(event.reason)}")
    if event.direction == "in":
        return _said(f"{whole} is in {printable(event.path)}")
    return _said(f"{whole} is sent to {printable(event.conversation)}")


_GOING: Final = {"in": "fetching", "out": "sending"}
_DONE: Final = {"in": "fetched", "out": "sent"}


def size_text(size: int) -> str:
    """Bytes as people say them: ``900 bytes``, ``23 KB``, ``4.7 MB``; a KB has 1,000."""
    if size < 1_000:
        return "1 byte" if size == 1 else f"{size} bytes"
    for unit, word in ((1_000, "KB"), (1_000_000, "MB"), (1_000_000_000, "GB")):
        if size < 999.5 * unit or word == "GB":
            return f"{size / unit:.1f} {word}" if size < 9.95 * unit else f"{size / unit:.0f} {word}"
    return f"{size} bytes"


@render.register
def _(event: events.Connected, zone: tzinfo | None = None) -> Paragraph:
    lines = [f"connected to {printable(event.server)}, suite {printable(event.suite)}"]
    if event.new_pin:
        lines.append(f"first contact: its fingerprint {printable(event.fingerprint)} is pinned from now on")
    return _said(*lines)


@render.register
def _(event: events.LoggedIn, zone: tzinfo | None = None) -> Paragraph:
    role = "" if event.role == "user" else f", {printable(event.role)}"
    return _said(f"logged in as {printable(event.user)}{role}")


@render.register
def _(event: events.Users, zone: tzinfo | None = None) -> Paragraph:
    names = [printable(entry.user) for entry in event.users]
    entries = [(name, printable(entry.presence)) for name, entry in zip(names, event.users, strict=True)]
    return _said("1 user:" if len(names) == 1 else f"{len(names)} users:", *_columns(entries))


@render.register
def _(event: events.Status, zone: tzinfo | None = None) -> Paragraph:
    line = f"{printable(event.user)} is {printable(event.presence)}"
    if event.presence == "OFFLINE":
        seen = local_time(event.last_seen, "%Y-%m-%d %H:%M", zone) if event.last_seen else "never"
        line += f", last seen {seen}"
    return _said(line)


@render.register
def _(event: events.PresenceChanged, zone: tzinfo | None = None) -> Paragraph:
    return _said(f"{printable(event.user)} is {printable(event.presence)}")


@render.register
def _(event: events.Unconfirmed, zone: tzinfo | None = None) -> Paragraph:
    head = f"not confirmed, not sent again: [{printable(event.conversation)}] "
    return Paragraph(f"! {head}", tuple(printable_lines(event.text)), _MESSAGE_INDENT)


@render.register
def _(event: events.Went, zone: tzinfo | None = None) -> Paragraph:
    return _said(f"what you type goes to {printable(event.conversation)} now")


@render.register
def _(event: events.UnreadList, zone: tzinfo | None = None) -> Paragraph:
    rows = [(printable(one.conversation), _counted(one)) for one in event.conversations]
    return _said("unread:", *_columns(rows)) if rows else _said("nothing is unread")


def _counted(one: events.Unread) -> str:
    return f"{one.unread}, {one.mentions} of them with your name" if one.mentions else str(one.unread)


@render.register
def _(event: events.History | events.Recovered | events.Found, zone: tzinfo | None = None) -> Paragraph:
    return _past(past_title(event), event.messages, zone)


def past_title(event: events.History | events.Recovered | events.Found) -> str:
    """What stands above past messages, or for them."""
    if isinstance(event, events.Found):
        found = f"past messages with {printable(event.text)}:"
        return found if event.messages else f"no message kept here has {printable(event.text)}"
    if isinstance(event, events.Recovered):
        return f"this client was cut off; perhaps not shown before, of {printable(event.conversation)}:"
    found = f"past messages of {printable(event.conversation)}:"
    return found if event.messages else f"nothing of {printable(event.conversation)} is kept here"


def _past(title: str, messages: list[events.Said], zone: tzinfo | None) -> Paragraph:
    rows = [title]
    for message in messages:
        if isinstance(message, events.Undecryptable):
            rows.append(unreadable_text(message, "%Y-%m-%d %H:%M", zone))
            continue
        if isinstance(message, events.File):
            rows.append(file_text(message, "%Y-%m-%d %H:%M", zone))
            continue
        head = f"{local_time(message.time, '%Y-%m-%d %H:%M', zone)} [{printable(message.conversation)}]"
        first, *more = printable_lines(message.text)
        rows += [
            f"{head} {printable(message.sender)}{marks_text(message)}: {first}",
            *(f"    | {line}" for line in more),
        ]
    return _said(*rows)


@render.register
def _(event: events.Listing, zone: tzinfo | None = None) -> Paragraph:
    rows = [[printable(cell) for cell in row] for row in event.rows]
    table = [[printable(column) for column in event.columns], *rows] if rows else []
    return _said(f"{printable(event.title)}:" if rows else f"{printable(event.title)}: none", *_columns(table))


@render.register
def _(event: events.Session, zone: tzinfo | None = None) -> Paragraph | None:
    if event.event_ == "refused":
        return None  # the error that came with it says so
    line = f"session with {printable(event.partner)} {printable(event.event_)}"
    return _said(_with_reason(line, event.reason))


@render.register
def _(event: events.Ringing, zone: tzinfo | None = None) -> Paragraph:
    caller = printable(event.sender)
    if event.over:
        return _said(f"the call of {caller} is over")
    return _said(f"{caller} calls you: /answer takes the call, /refuse refuses it")


@render.register
def _(event: events.Room, zone: tzinfo | None = None) -> Paragraph:
    room, user, by = printable(event.room), printable(event.user), printable(event.by)
    off = ", which is off the record" if event.ephemeral else ""
    lines = {
        "opened": f"{user} opened {room}{off}",
        "invited": f"{by} invites {user} to {room}{off}",
        "joined": f"{user} joined {room}{off}",
        "declined": f"{user} does not come to {room}",
        "left": f"{user} left {room}",
        "expelled": f"{by} removed {user} from {room}",
        "topic": f"{by} says {room} is about: {printable(event.text)}",
    }
    time = local_time(event.time, "%Y-%m-%d %H:%M ", zone) if event.missed and event.time else ""
    return _said(f"{time}{lines[event.event_]}")


@render.register
def _(event: events.Who, zone: tzinfo | None = None) -> Paragraph:
    rows = [
        (printable(one.user), one.role if one.state == "joined" else "invited", one.presence, _TRUST[one.trust])
        for one in event.members
    ]
    topic = [f"about: {printable(event.topic)}"] if event.topic else []
    return _said(_who_title(event), *topic, *_columns(rows))


def _who_title(event: events.Who) -> str:
    scheme = printable(event.scheme)
    how = "encrypted end to end" if event.scheme in _USUAL else f"encrypted with {scheme}"
    if event.scheme == "server-key":
        how = "encrypted with server-key, which the server could read"
    who = "everybody may join" if event.open else "by invitation"
    if event.ephemeral:
        return f"{printable(event.room)}: {_OFF}; {how}, {event.policy}; {who}"
    past = {"none": "nothing of before", "since-invite": "what was said since the invitation", "all": "everything"}
    return f"{printable(event.room)}: {how}, {event.policy}; {who}; new members can read {past[event.history]}"


_OFF: Final = "off the record: kept nowhere, heard only by who is there"
_TRUST: Final = {"verified": "verified", "pinned": "", "changed": "KEY CHANGED", "none": ""}


@render.register
def _(event: events.Rooms, zone: tzinfo | None = None) -> Paragraph:
    rows = []
    for one in event.rooms:
        room, by = printable(one.room), printable(one.by)
        policy = f"{one.policy}, off the record" if one.ephemeral else one.policy
        state = {"joined": "", "invited": f"{by} invites you: /join {room}", "open": f"open: /join {room}"}[one.state]
        members = "1 member" if one.members == 1 else f"{one.members} members"
        rows.append((room, members, printable(one.scheme), policy, state))
    if not rows:
        return _said("no rooms: /chat NAME... opens one")
    return _said("1 room:" if len(rows) == 1 else f"{len(rows)} rooms:", *_columns(rows))


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a table, every column as wide as its widest cell, up to `_WIDEST`."""
    widths = [min(max(map(width, column)), _WIDEST) for column in zip_longest(*rows, fillvalue="")]
    return ["  ".join(map(padded, row, widths)).rstrip() for row in rows]


_WIDEST: Final = 80
"""Columns of a cell after which the next one need not stand below its like: all of it is a screen wide."""


@render.register
def _(event: events.KeyChanged, zone: tzinfo | None = None) -> Paragraph:
    user = printable(event.user)
    if event.announced:
        return _said(f"{user} has a new key; the old one has signed it, so it is as good as the old one")
    return _warned(
        f"WARNING: THE KEY OF {user} HAS CHANGED. The old key has NOT signed the new one: somebody else, perhaps the"
        f" server, may be pretending to be {user}.",
        f"Nothing is sent to {user} until you say so (unless your /policy is always). Ask {user}, by another way than"
        f" this chat, whether the key is new. Then: /verify {user} compares it, /trust {user} accepts it.",
    )


@render.register
def _(event: events.Verification, zone: tzinfo | None = None) -> Paragraph | None:
    user = printable(event.user)
    same = f"/verified {user} if it is the same there, /verify {user} stop if not"
    match event.step:
        case "number":
            return _said(
                f"safety number with {user}, the same on both sides if nobody is in between:", printable(event.number)
            )
        case "compare":
            emoji = ", ".join(f"{GLYPHS.get(name, '')} {printable(name)}".strip() for name in event.emoji)
            numbers = " ".join(map(str, event.decimals))
            return _said(f"{user} is to see the same, in this order:", emoji, f"or the numbers {numbers}", same)
        case "asked":
            return _said(f"{user} wants to compare keys: /verify {user} agrees, /verify {user} stop refuses")
        case _:
            step = _STEPS.get(event.step, printable(event.step))
            return _said(
                _with_reason(f"comparing keys with {user}: {step}", _WHY_ENDED.get(event.reason, event.reason))
            )


_STEPS: Final = {
    "waiting": "waiting for the other side",
    "confirmed": "you say that it is the same, waiting for the other side",
    "done": "done, this is the right key",
    "cancelled": "ended",
}
_WHY_ENDED: Final = {
    "refused": "somebody said that it is not the same, or does not want to",
    "elsewhere": "it goes on at another device",
    "too-late": "it took too long, begin again",
    "unexpected": "the other side does not follow the rules",
    "broken-commitment": "somebody in between has tried to cheat: do not trust this key",
    "different-keys": "the keys are NOT the same: somebody is in between, do not trust this key",
    "restarted": "it was begun anew",
}


@render.register
def _(event: events.Recovery, zone: tzinfo | None = None) -> Paragraph:
    return _said(
        "your recovery phrase: write it down and keep it away from this computer. It brings your keys to a new device"
        " (/recover there); whoever has it has them too:",
        printable(event.phrase),
    )


@render.register
def _(event: events.Warned, zone: tzinfo | None = None) -> Paragraph:
    lines = printable_lines(event.text)
    return _said(*lines) if event.code in _GOOD_NEWS else _warned(*lines)


_GOOD_NEWS: Final = frozenset({"vouched", "identity", "approved"})
"""Codes of what was brought about, not of what is wrong."""


def _warned(*lines: str) -> Paragraph:
    return Paragraph("! ", lines)


@render.register
def _(event: events.Notice, zone: tzinfo | None = None) -> Paragraph:
    return _said(*printable_lines(event.text))


@render.register
def _(event: events.Kicked, zone: tzinfo | None = None) -> Paragraph:
    return _said(_with_reason(f"you were kicked by {printable(event.by)}", event.reason))


@render.register
def _(event: events.Error, zone: tzinfo | None = None) -> Paragraph:
    return _warned(*printable_lines(event.text))


@render.register
def _(event: events.Disconnected, zone: tzinfo | None = None) -> Paragraph:
    return _said(_with_reason("disconnected", event.reason))


@render.register
def _(event: events.Reconnecting, zone: tzinfo | None = None) -> Paragraph:
    seconds = f"{event.seconds:.1f}".removesuffix(".0")
    return _said(f"trying again in {seconds} s")


def _said(*lines: str) -> Paragraph:
    return Paragraph("* ", lines)


def _with_reason(line: str, reason: str) -> str:
    return f"{line}: {printable(reason)}" if reason else line


def local_time(time: str, form: str, zone: tzinfo | None = None) -> str:
    """An event's ISO time as people of ``zone`` (None: local) write it.

    What is no time is not shown at all: it stands where a row begins, and there could be anything in it.
    """
    try:
        return printable(datetime.fromisoformat(time).astimezone(zone).strftime(form))
    except (ValueError, OverflowError):
        return _NO_TIME


_NO_TIME: Final = "(no time)"
