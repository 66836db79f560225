"""What comes in: cursors, gaps, pages, duplicates, acks; and the client killed between any two of its steps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import msgspec
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.client import events
from encchat.client.core import ClientCore
from encchat.client.store import Changes, MemoryStore
from encchat.errors import StoreError
from encchat.limits import MAX_AHEAD, MAX_PAGE, MAX_REQUEST_ID, SYNC_AT_ONCE
from tests.client.keyserver import KeyServer
from tests.client.table import Table, new_core, ready

EPOCH = 1 << 32


def said(
    seq: int, conversation: str = "lobby", sender: str = "bob", text: str | None = None, ulid: str = ""
) -> wire.Message:
    """A message."""
    return wire.Message(
        conversation=conversation,
        kind="lobby" if conversation == "lobby" else "direct",
        seq=seq,
        sender=sender,
        ulid=ulid or f"{conversation}{seq}",
        time=seq,
        body=text or f"text {seq}",
    )


def entry(conversation: str, last: int, cursor: int = 0) -> wire.ConversationEntry:
    """A row of the server's list."""
    return wire.ConversationEntry(conversation=conversation, kind="lobby", last_seq=last, oldest=1, cursor=cursor)


def shown(table: Table) -> list[int]:
    """The seqs of all messages shown, readable or not, in order."""
    table.look()
    return [event.seq for event in table.shown if isinstance(event, events.Message | events.Undecryptable)]


class Syncing(SynchronousTestCase):
    """From the list of conversations to the live feed."""

    def page(self, table: Table, *seqs: int, last: int, conversation: str = "lobby") -> int:
        """Answer the first `sync`; returns what it asked for."""
        asked = table.take("sync")
        page = wire.Page(conversation=conversation, messages=[said(seq, conversation) for seq in seqs], last_seq=last)
        table.say(wire.Ok(id=asked["id"], result=page))
        after: int = asked["after"]
        return after

    def listed(self, *rows: wire.ConversationEntry, store: MemoryStore | None = None) -> Table:
        """A core that has logged in and got the list."""
        table = Table(new_core(store=store or MemoryStore()))
        table.log_in(conversations=rows)
        return table

    def test_what_was_missed_comes_page_by_page_from_the_cursor(self) -> None:
        """In order, marked as missed; then live."""
        table = self.listed(entry("lobby", last=5, cursor=1))
        self.assertEqual(self.page(table, 2, 3, last=5), 1)
        self.assertEqual(self.page(table, 4, 5, last=5), 3)
        table.say(said(6))
        self.assertEqual(shown(table), [2, 3, 4, 5, 6])
        self.assertEqual([event.missed for event in table.shown[-5:]], [True] * 4 + [False])  # type: ignore[attr-defined]
        self.assertEqual(table.verbs(), [])

    def test_a_page_is_asked_for_with_the_limit(self) -> None:
        """Not more than the server gives."""
        self.assertEqual(self.listed(entry("lobby", last=1)).take("sync")["limit"], MAX_PAGE)

    def test_live_messages_that_follow_each_other_need_no_sync(self) -> None:
        """Also in a conversation nobody has heard of before."""
        table = ready()
        table.say(said(1), said(1, "@bob"), said(2), said(2, "@bob"))
        self.assertEqual((shown(table), table.verbs()), ([1, 1, 2, 2], []))

    def test_duplicates_are_dropped(self) -> None:
        """Whether live or in a page."""
        table = ready()
        table.say(said(1), said(1), said(2), said(4))
        self.page(table, 1, 2, 3, 4, last=4)
        table.say(said(3))
        self.assertEqual(shown(table), [1, 2, 3, 4])

    def test_a_gap_is_closed_before_what_follows_is_shown(self) -> None:
        """Once asked for, however many come meanwhile; nothing of a gap counts as missed."""
        table = ready()
        table.say(said(1), said(4), said(5))
        self.assertEqual((shown(table), table.verbs()), ([1], ["sync"]))
        self.assertEqual(self.page(table, 2, 3, last=3), 1)
        self.assertEqual((shown(table), table.verbs()), ([1, 2, 3, 4, 5], []))
        self.assertFalse(any(event.missed for event in table.shown if isinstance(event, events.Message)))

    def test_what_comes_live_before_the_list_waits_for_it(self) -> None:
        """Where this device begins is not known yet."""
        table = Table()
        table.core.logged_in(wire.LoggedIn(user="alice", device="d", role="user", presence="FREE"))
        table.answer("commands", wire.CommandList(commands=[]))
        table.say(said(8))
        self.assertEqual(shown(table), [])
        table.answer("conversations", wire.ConversationList(conversations=[entry("lobby", last=7, cursor=5)]))
        self.page(table, 6, 7, last=7)
        self.assertEqual(shown(table), [6, 7, 8])

    def test_an_own_cursor_counts_for_more_than_the_servers(self) -> None:
        """The ack of what is kept here may have been lost; it is made good."""
        store = MemoryStore(durable=True)
        store.apply(Changes(cursors={"lobby": 4}))
        table = self.listed(entry("lobby", last=4, cursor=2), store=store)
        self.assertEqual(table.take("ack")["seq"], 4)
        self.assertEqual(table.verbs(), [])

    def test_what_was_removed_is_passed_over_once_two_pages_are_empty(self) -> None:
        """After one alone a message could have been stored between the server's two looks."""
        table = self.listed(entry("lobby", last=9, cursor=2))
        self.page(table, last=9)
        self.page(table, 10, last=10)
        self.assertEqual(shown(table), [10])
        table = self.listed(entry("lobby", last=9, cursor=2))
        self.page(table, last=9)
        self.page(table, last=9)
        table.say(said(10))
        self.assertEqual((shown(table), table.verbs()), ([10], []))

    def test_a_new_epoch_after_a_restore_is_a_gap_like_any_other(self) -> None:
        """Seqs go on far above; nothing between is waited for."""
        table = ready()
        table.say(said(1), said(EPOCH + 1))
        self.page(table, EPOCH + 1, last=EPOCH + 1)
        table.say(said(EPOCH + 2))
        self.assertEqual((shown(table), table.verbs()), ([1, EPOCH + 1, EPOCH + 2], []))

    def test_behind_asks_for_everything_again(self) -> None:
        """The server left this connection out for a while."""
        table = ready()
        table.say(said(1), wire.Behind(), said(4))
        self.assertEqual(shown(table), [1])
        table.answer("conversations", wire.ConversationList(conversations=[entry("lobby", last=4)]))
        self.page(table, 2, 3, 4, last=4)
        self.assertEqual(shown(table), [1, 2, 3, 4])

    def test_only_so_many_conversations_are_read_up_at_once(self) -> None:
        """n-1, n, n+1; the others follow."""
        for number in (SYNC_AT_ONCE - 1, SYNC_AT_ONCE, SYNC_AT_ONCE + 1):
            table = self.listed(*(entry(f"@u{one}", last=1) for one in range(number)))
            self.assertEqual(len(table.verbs()), min(number, SYNC_AT_ONCE))
            for one in range(number):
                self.page(table, 1, last=1, conversation=f"@u{one}")
            self.assertEqual(shown(table), [1] * number)

    def test_what_waits_behind_a_gap_is_bounded(self) -> None:
        """n-1, n, n+1 messages ahead: what does not fit comes by another page."""
        for ahead in (MAX_AHEAD - 1, MAX_AHEAD, MAX_AHEAD + 1):
            table = ready()
            table.say(*(said(seq) for seq in range(2, ahead + 2)))
            self.page(table, 1, last=1)
            self.assertEqual(len(shown(table)), 1 + min(ahead, MAX_AHEAD))
            self.assertEqual(table.verbs(), ["sync"] if ahead > MAX_AHEAD else [])

    def test_a_lost_connection_begins_anew_from_the_cursor(self) -> None:
        """Answers that were to come are not waited for."""
        table = ready()
        table.say(said(1), said(5))
        table.lose()
        table.log_in(conversations=[entry("lobby", last=5)])
        self.assertEqual(self.page(table, 2, 3, 4, 5, last=5), 1)
        self.assertEqual(shown(table), [1, 2, 3, 4, 5])

    def test_a_refused_sync_is_asked_again_when_the_shell_says_so(self) -> None:
        """Nothing is passed over."""
        table = ready()
        table.say(said(2))
        table.refuse("sync", "throttled", "too much")
        self.assertTrue(table.core.sync_refused)
        table.core.catch_up()
        table.answer("conversations", wire.ConversationList(conversations=[entry("lobby", last=2)]))
        self.assertFalse(table.core.sync_refused)
        self.page(table, 1, 2, last=2)
        self.assertEqual(shown(table), [1, 2])

    def test_a_refused_ack_is_sent_again_when_the_shell_says_so(self) -> None:
        """Also if nothing more is said: the server's cursor of this device catches up with its own."""
        table = ready(store=MemoryStore(durable=True))
        table.say(said(1))
        table.refuse("ack", "internal-error", "the disk is full")
        self.assertTrue(table.core.sync_refused)
        table.core.catch_up()
        table.answer("conversations", wire.ConversationList(conversations=[entry("lobby", last=1)]))
        self.assertEqual((table.core.sync_refused, table.verbs()), (False, ["ack"]))

    def test_a_server_without_sync_is_used_as_it_is(self) -> None:
        """What it says is shown, and nothing is acknowledged."""
        table = Table(new_core(store=MemoryStore(durable=True)))
        table.core.logged_in(wire.LoggedIn(user="alice", device="d", role="user", presence="FREE"))
        table.answer("commands", wire.CommandList(commands=[]))
        table.refuse("conversations", "unknown-command", "there is no command conversations")
        table.say(said(3), said(7), said(5))
        self.assertEqual((shown(table), table.verbs()), ([3, 7], []))

    def test_a_server_that_repeats_itself_is_not_asked_for_ever(self) -> None:
        """A page without anything new ends it, empty or not."""
        for seqs, last in (((1,), 9), ((), 1)):
            table = ready()
            table.say(said(1), said(9))
            self.page(table, *seqs, last=last)
            self.assertEqual(table.verbs(), [])

    def test_numbers_no_server_gives_do_no_harm(self) -> None:
        """They are dropped before the store sees them: n is taken, n+1 is not."""
        table = self.listed(entry("lobby", last=2**70, cursor=MAX_REQUEST_ID - 1), entry("x" * 99, last=3))
        asked = table.take("sync")
        page = wire.Page(conversation="lobby", messages=[said(2**64), said(-1), said(0)], last_seq=2**70)
        table.say(wire.Ok(id=asked["id"], result=page))
        table.say(said(MAX_REQUEST_ID), said(MAX_REQUEST_ID + 1), said(1, ""), said(1, "@" + "x" * 99))
        self.assertEqual(shown(table), [MAX_REQUEST_ID])

    def test_a_cursor_no_server_gives_does_no_harm(self) -> None:
        """An entry with one is passed over, so that it is never acknowledged: n is taken, n+1 is not."""
        for cursor in (-1, 0, MAX_REQUEST_ID, MAX_REQUEST_ID + 1, 2**63):
            table = self.listed(entry("@bob", last=7, cursor=cursor), store=MemoryStore(durable=True))
            table.say(said(1))
            self.assertEqual(table.verbs(), ["sync", "ack"] if cursor == 0 else ["ack"])


class Own(SynchronousTestCase):
    """Messages of this account."""

    def test_what_another_device_sent_is_shown(self) -> None:
        """Live and missed."""
        table = ready()
        table.say(said(1, sender="alice"))
        self.assertEqual(shown(table), [1])

    def test_an_own_message_is_not_shown_as_a_message(self) -> None:
        """Neither when its answer comes before a page that has it, nor after."""
        for answer_first in (True, False):
            table = ready()
            table.type("hello")
            request = table.take("send")
            mine = said(2, sender="alice", ulid=request["ulid"])
            ok = wire.Ok(id=request["id"], result=wire.Sent(ulid=request["ulid"], conversation="lobby", seq=2, time=1))
            if answer_first:
                table.say(ok)
            else:
                table.say(said(3))
            asked = table.take("sync")
            table.say(
                wire.Ok(id=asked["id"], result=wire.Page(conversation="lobby", messages=[said(1), mine], last_seq=3))
            )
            if not answer_first:
                table.say(ok)
            table.say(said(3))
            self.assertEqual(shown(table), [1, 3])
            self.assertEqual([event.seq for event in table.shown if isinstance(event, events.Sent)], [2])
            table.type("/history")
            self.assertEqual([one.seq for one in table.last().messages], [1, 2, 3])  # type: ignore[attr-defined]

    def test_an_own_message_in_a_page_is_accepted_whatever_is_answered_then(self) -> None:
        """The answer to its first sending was lost; the second one is refused, for the server cannot write now."""
        table = ready()
        table.type("hello")
        ulid = table.sent[0]["ulid"]
        table.lose()
        table.log_in(conversations=[entry("lobby", last=1)])
        asked = table.take("sync")
        page = wire.Page(conversation="lobby", messages=[said(1, sender="alice", ulid=ulid)], last_seq=1)
        table.say(wire.Ok(id=asked["id"], result=page))
        self.assertEqual(table.last(), events.Sent(ulid=ulid, conversation="lobby", seq=1))
        table.refuse("send", "internal", "the disk is full")
        self.assertEqual((table.texts(events.Error), table.core.unaccepted, shown(table)), ([], 0, []))

    def test_a_waiting_message_shown_in_another_conversation_goes_on_waiting(self) -> None:
        """Whatever the server says is said there under its ULID: it counts as accepted only where it was sent to."""
        table = ready()
        table.type("hello")
        ulid = table.sent[0]["ulid"]
        table.say(said(1, "@bob", sender="alice", ulid=ulid))
        self.assertEqual(
            (table.core.unaccepted, table.shown.count(events.Sent(ulid=ulid, conversation="@bob", seq=1))), (1, 0)
        )
        table.say(said(1, "LOBBY", sender="alice", ulid=ulid))
        self.assertEqual(table.core.unaccepted, 0)

    def test_an_own_message_kept_ahead_of_the_cursor_is_known_after_a_restart(self) -> None:
        """It is not taken for another device's."""
        store = MemoryStore(durable=True)
        table = Table(new_core(store=store))
        table.log_in()
        table.type("hello")
        ulid = table.accept(seq=2)
        again = Table(new_core(store=store))
        again.log_in(conversations=[entry("lobby", last=2)])
        asked = again.take("sync")
        messages = [said(1), said(2, sender="alice", ulid=ulid)]
        again.say(wire.Ok(id=asked["id"], result=wire.Page(conversation="lobby", messages=messages, last_seq=2)))
        self.assertEqual(shown(again), [1])


class Acks(SynchronousTestCase):
    """What the server is told."""

    def test_one_ack_of_a_conversation_is_under_way_at_a_time(self) -> None:
        """What a turn, or the time until the answer, brings is one."""
        table = ready(store=MemoryStore(durable=True))
        table.core.receive_line(wire.encode(said(1)))
        table.say(said(2))
        table.say(said(3), said(1, "@bob"))
        self.assertEqual([(row["conversation"], row["seq"]) for row in table.sent], [("lobby", 2), ("@bob", 1)])
        table.answer("ack")
        self.assertEqual([(row["conversation"], row["seq"]) for row in table.sent], [("@bob", 1), ("lobby", 3)])

    def test_a_store_in_memory_acknowledges_nothing(self) -> None:
        """The server keeps it for this device until it is safe."""
        table = ready()
        table.say(said(1))
        self.assertEqual(table.verbs(), [])

    def test_acks_and_pages_do_not_keep_the_client_from_leaving(self) -> None:
        """A script leaves when what it said is accepted."""
        table = ready(store=MemoryStore(durable=True))
        table.say(said(1), said(5))
        table.core.end_of_input()
        self.assertEqual(table.verbs(), ["sync", "ack", "quit"])


class Broken(StoreError):
    """The process dies here."""


@define
class Dying:
    """A store whose process dies before or after one of its transactions; what it has then stays."""

    inner: MemoryStore
    dies_in: int
    before: bool = False
    died: bool = False
    log: Callable[[str], None] = lambda what: None

    @property
    def durable(self) -> bool:
        return True

    def apply(self, changes: Changes) -> None:
        self.dies_in -= 1
        if self.died or (self.dies_in == 0 and self.before):
            self.died = True
            raise Broken("dead")
        self.inner.apply(changes)
        if self.dies_in == 0:
            self.died = True
            raise Broken("dead")

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


@define
class Server:
    """The lobby's log, and what it answers; whole, however often its clients die."""

    log: list[wire.Message] = field(factory=list)
    cursor: int = 0
    keys: KeyServer = field(factory=KeyServer)

    def say(self, text: str) -> wire.Message:
        """Somebody else says something."""
        self.log.append(said(len(self.log) + 1, text=text))
        return self.log[-1]

    def answer(self, request: dict[str, object]) -> wire.Result | None:
        """What a request is answered."""
        if request["type"] == "send":
            return self._send(request)
        if request["type"] == "sync":
            after = request["after"]
            new = [one for one in self.log if one.seq > after]  # type: ignore[operator]
            return wire.Page(conversation="lobby", messages=new[:2], last_seq=len(self.log))
        if request["type"] == "conversations":
            return wire.ConversationList(conversations=[entry("lobby", len(self.log), self.cursor)])
        if request["type"] == "rooms":
            return wire.RoomList(rooms=[])
        if request["type"] == "ack":
            self.cursor = max(self.cursor, int(str(request["seq"])))
        return None

    def _send(self, request: dict[str, object]) -> wire.Sent:
        ulid = str(request["ulid"])
        found = next((one for one in self.log if one.ulid == ulid), None)
        if found is None:
            found = said(len(self.log) + 1, sender="alice", ulid=ulid, text=str(request["body"]))
            self.log.append(found)
        return wire.Sent(ulid=ulid, conversation="lobby", seq=found.seq, time=0)


class Killed(SynchronousTestCase):
    """kill -9 at any point, by a store that raises."""

    def live(self, server: Server, store: Dying | MemoryStore, typed: list[str], seed: int) -> list[events.ScreenEvent]:
        """One process: logs in, types, hears; until it dies or nothing more happens. Returns what was shown."""
        shown: list[events.ScreenEvent] = []
        lines: list[bytes] = []
        try:
            core = ClientCore(lambda: 1_700_000_000.0 + seed, lambda n: bytes([seed]) * n, store=store)
            core.logged_in(wire.LoggedIn(user="alice", device="d", role="user", presence="FREE"))
            for _ in range(40):
                self.turn(core, server, shown, lines)
                waits = core.machine is not None and core.machine.undecided
                if typed and core.state.value == "ready" and not waits:
                    core.typed(typed[0])
                    lines += core.lines_to_send()  # from here on the text is the client's: it need not be typed again
                    del typed[0]
        except StoreError:
            pass
        return shown

    def turn(self, core: ClientCore, server: Server, shown: list[events.ScreenEvent], lines: list[bytes]) -> None:
        """The server answers what was asked, and says something of its own."""
        lines += core.lines_to_send()
        asked, lines[:] = list(lines), []
        for line in asked:
            request = msgspec.json.decode(line)
            about_keys = server.keys.answer("alice", "d", request)
            if about_keys is not None:
                core.receive_line(wire.encode(about_keys))
                continue
            if request["type"] == "commands":
                answer: wire.Result | None = wire.CommandList(commands=[])
            else:
                answer = server.answer(request)
            core.receive_line(wire.encode(wire.Ok(id=request["id"], result=answer)))
        while core.busy:
            core.work()
        if len(server.log) < 12 and core.state.value == "ready":
            core.receive_line(wire.encode(server.say(f"other {len(server.log)}")))
        shown += core.events_to_show()

    def check(self, dies_in: int, before: bool) -> bool:
        """Whether the process died at all; everything is there once when the next one is through."""
        server, inner, typed = Server(), MemoryStore(durable=True), [f"mine {number}" for number in range(4)]
        dying = Dying(inner, dies_in, before)
        first = self.live(server, dying, typed, seed=1)
        acked = server.cursor
        kept = [one.seq for one in inner.history("lobby", 99)]
        self.assertEqual([seq for seq in range(1, acked + 1) if seq not in kept], [], "acked but not kept")
        second = self.live(server, inner, typed, seed=2)
        messages = [event.seq for event in first + second if isinstance(event, events.Message)]
        past = [one.seq for event in second if isinstance(event, events.Recovered) for one in event.messages]
        others = [one.seq for one in server.log if one.sender != "alice"]
        self.assertEqual(messages, sorted(set(messages)), "shown twice or out of order")
        self.assertEqual(sorted(set(messages + past) & set(others)), others, "lost")
        self.assertEqual([one.seq for one in inner.history("lobby", 99)], list(range(1, len(server.log) + 1)))
        mine = [one.body for one in server.log if one.sender == "alice"]
        self.assertEqual(sorted(set(mine)), [f"mine {number}" for number in range(4)])
        self.assertLessEqual(len(mine), 4 + dying.died, "typed again only what the dead one had not kept")
        if not dying.before:
            sent = [event.ulid for event in first + second if isinstance(event, events.Sent)]
            self.assertEqual(len(sent), len(set(sent)), "accepted twice")
        self.assertEqual(inner.outbox(), [])
        return dying.died

    def test_a_client_killed_between_any_two_steps_neither_loses_nor_repeats(self) -> None:
        """Before and after every one of its transactions."""
        for before in (True, False):
            died = next(number for number in count(1) if not self.check(number, before))
            self.assertGreater(died, 10)


class Anything(SynchronousTestCase):
    """However the lines come."""

    @given(st.data())
    def test_every_message_is_shown_once_and_in_order(self, data: st.DataObject) -> None:
        """Live lines may be left out, doubled, or overtake; pages may be short; the connection may go."""
        table, last = ready(), 12
        for _ in range(40):
            what = data.draw(st.sampled_from(["live", "live", "live", "page", "lose", "behind"]))
            if what == "live":
                table.say(said(data.draw(st.integers(1, last))))
            elif what == "page" and "sync" in table.verbs():
                self.page(table, data.draw(st.integers(1, 4)), last)
            elif what == "lose":
                table.lose()
                table.log_in(conversations=[entry("lobby", last)])
            elif what == "behind":
                table.say(wire.Behind())
        table.lose()
        table.log_in(conversations=[entry("lobby", last)])
        while "sync" in table.verbs():
            self.page(table, 5, last)
        self.assertEqual(shown(table), list(range(1, last + 1)))

    def page(self, table: Table, size: int, last: int) -> None:
        asked = table.take("sync")
        messages = [said(seq) for seq in range(asked["after"] + 1, last + 1)][:size]
        table.say(wire.Ok(id=asked["id"], result=wire.Page(conversation="lobby", messages=messages, last_seq=last)))
