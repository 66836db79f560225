"""What every `IStore` must do: mix `StoreContract` into a trial TestCase and give it a ``make_store``."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from twisted.internet import defer
from zope.interface.verify import verifyObject

from encchat.errors import (
    EncchatError,
    LoginRefusedError,
    NameRefusedError,
    RegistrationRefusedError,
    StoreError,
)
from encchat.limits import REMEMBER_REMOVED_DAYS
from encchat.server.model import (
    LOBBY_KEY,
    Account,
    AuditEntry,
    ConversationState,
    Fate,
    NewMessage,
    Sanction,
    Stored,
    Tail,
    direct_key,
)
from encchat.server.store import IStore, PastMessage
from encchat.server.store.retention import DAY

NOW = 1_790_000_000_000
KEY = b"k" * 32


def ulid(number: int) -> str:
    """A distinct ULID for each number."""
    return f"01{number:024d}"


def message(number: int, sender: int, conversation: str = LOBBY_KEY, **fields: Any) -> NewMessage:
    """A message to the lobby, or wherever."""
    values = {
        "conversation": conversation,
        "kind": "lobby" if conversation == LOBBY_KEY else "direct",
        "sender_id": sender,
        "ulid": ulid(number),
        "time": NOW + number,
        "body": f"text {number}",
        "scheme": "none",
    }
    return NewMessage(**(values | fields))


def appended(store: Any, *messages: NewMessage) -> defer.Deferred[list[Any]]:
    """Append them all in one go; fires with what each was answered."""
    waiting: list[defer.Deferred[Any]] = []
    for one in messages:
        answer: defer.Deferred[Any] = defer.Deferred()
        waiting.append(answer)
        store.append(one, answer.callback)
    return defer.gatherResults(waiting)


def seqs(outcomes: list[Any]) -> list[int]:
    """The seqs of what must all have been stored."""
    return [outcome.seq for outcome in outcomes]


class StoreContract:
    """Tests of `IStore` for a TestCase that defines ``make_store``: a new store, not open, of its own."""

    store: Any

    def make_store(self) -> Any:
        """Return the store to be tested."""
        raise NotImplementedError

    async def setUp(self) -> None:
        self.store = self.make_store()
        await self.store.open()
        self.addCleanup(self.store.close)

    async def alice(self) -> Account:
        """An account to work with."""
        return await self.store.create_account("Alice", "hash", "user", NOW)

    async def bob(self) -> Account:
        """Another one."""
        return await self.store.create_account("bob", None, "user", NOW)

    async def refused(self, kind: type[EncchatError], answer: defer.Deferred[Any]) -> str:
        """The text with which ``answer`` fails."""
        return (await self.assertFailure(answer, kind)).text

    def test_it_provides_the_interface(self) -> None:
        """It has every method of `IStore` with its arguments."""
        verifyObject(IStore, self.store)

    # Accounts
    async def test_an_account_is_found_whatever_the_case(self) -> None:
        """Names are looked up without regard to case and shown as they were registered."""
        made = await self.alice()
        self.assertEqual((made.name, made.role, made.last_seen), ("Alice", "user", None))
        self.assertEqual(await self.store.account("aLICE"), made)

    async def test_an_unknown_name_has_no_account(self) -> None:
        """None is the answer, not an error."""
        self.assertIsNone(await self.store.account("nobody"))

    async def test_a_taken_name_is_refused(self) -> None:
        """In any case of its letters."""
        await self.alice()
        text = await self.refused(NameRefusedError, self.store.create_account("aLice", None, "user", NOW))
        self.assertIn("taken", text)

    async def test_a_look_alike_is_refused_and_told_of_what(self) -> None:
        """A1ice cannot pass for Alice."""
        await self.alice()
        text = await self.refused(NameRefusedError, self.store.create_account("A1ice", None, "user", NOW))
        self.assertIn("looks like Alice", text)

    async def test_a_name_against_the_rules_is_refused(self) -> None:
        """Reserved names, blanks, other alphabets."""
        for name in ("server", "a b", "", "\u0430lice", "x" * 33):
            await self.refused(NameRefusedError, self.store.create_account(name, None, "user", NOW))

    async def test_a_deleted_name_is_gone_but_never_given_again(self) -> None:
        """Neither it nor a look-alike; and its devices and password are no more."""
        account = await self.alice()
        await self.store.add_device(account.id, KEY, "laptop")
        await self.store.delete_account(account.id, NOW)
        self.assertIsNone(await self.store.account("alice"))
        self.assertIsNone(await self.store.device(KEY))
        self.assertIsNone(await self.store.password_hash(account.id))
        for name in ("alice", "al1ce"):
            await self.refused(NameRefusedError, self.store.create_account(name, None, "user", NOW))

    async def test_of_a_deleted_account_nothing_is_written_down_any_more(self) -> None:
        """A login it was in the middle of is refused, and its connections end afterwards."""
        account = await self.alice()
        await self.store.delete_account(account.id, NOW)
        text = await self.refused(LoginRefusedError, self.store.add_device(account.id, KEY, "laptop"))
        self.assertIn("deleted", text)
        await self.store.mark_seen({account.id: NOW}, {})
        await self.store.set_role(account.id, "admin")
        found = await self.store.dossier(account.id)
        self.assertEqual(
            (found["devices"], found["account"]["last_seen"], found["account"]["role"]), ([], None, "user")
        )

    async def test_of_two_accounts_made_at_once_under_one_name_one_is_refused(self) -> None:
        """A race leaves one account."""
        results = await defer.DeferredList(
            [self.store.create_account(name, None, "user", NOW) for name in ("bob", "B0B")], consumeErrors=True
        )
        self.assertEqual([success for success, _ in results], [True, False])

    async def test_password_hashes_are_kept(self) -> None:
        """Or that there is none."""
        alice = await self.alice()
        bob = await self.store.create_account("bob", None, "user", NOW)
        found = [await self.store.password_hash(number) for number in (alice.id, bob.id, bob.id + 1)]
        self.assertEqual(found, ["hash", None, None])

    async def test_last_seen_moves_forward_only(self) -> None:
        """Two connections may end in any order."""
        account = await self.alice()
        bob = await self.bob()
        for late in (5, 3):
            await self.store.mark_seen({account.id: NOW + late, bob.id + 1: NOW}, {})
        found = [(await self.store.account(name)).last_seen for name in ("alice", "bob")]
        self.assertEqual(found, [NOW + 5, None])

    async def test_a_role_can_change(self) -> None:
        """The account found afterwards has the new one."""
        account = await self.alice()
        await self.store.set_role(account.id, "moderator")
        self.assertEqual((await self.store.account("alice")).role, "moderator")

    async def test_what_becomes_of_calls_is_kept(self) -> None:
        """They are taken until the account says otherwise; nobody calls one there is not, or that was deleted."""
        account = await self.alice()
        self.assertEqual(await self.store.calls(account.id), "auto")
        await self.store.set_calls(account.id, "ask")
        self.assertEqual(await self.store.calls(account.id), "ask")
        self.assertEqual((await self.store.dossier(account.id))["account"]["calls"], "ask")
        await self.refused(StoreError, self.store.set_calls(account.id, "sometimes"))
        await self.store.delete_account(account.id, NOW)
        await self.store.set_calls(account.id, "auto")
        self.assertEqual([await self.store.calls(id_) for id_ in (account.id, 99)], ["never", "never"])

    async def test_a_value_the_store_cannot_hold_is_an_error_of_the_store(self) -> None:
        """Of writing and of reading; the account stays as it was."""
        account = await self.alice()
        await self.refused(StoreError, self.store.set_role(account.id, "emperor"))
        await self.refused(StoreError, self.store.history(LOBBY_KEY, 2**64, 1))
        self.assertEqual(await self.store.account("alice"), account)

    # Devices
    async def test_a_device_is_found_by_its_key_with_its_account(self) -> None:
        """That is all a device login needs."""
        account = await self.alice()
        device = await self.store.add_device(account.id, KEY, "laptop")
        self.assertEqual((device.account_id, device.key, device.name), (account.id, KEY, "laptop"))
        self.assertEqual(await self.store.device(KEY), (account, device))

    async def test_the_same_key_is_the_same_device(self) -> None:
        """A second login by password makes no second device."""
        account = await self.alice()
        first = await self.store.add_device(account.id, KEY, "laptop")
        self.assertEqual(await self.store.add_device(account.id, KEY, "another name"), first)

    async def test_devices_have_ids_of_their_own(self) -> None:
        """Two keys, two ids."""
        account = await self.alice()
        ids = {(await self.store.add_device(account.id, bytes([n]) * 32, "")).id for n in range(5)}
        self.assertEqual(len(ids), 5)

    async def test_a_key_of_another_account_is_refused(self) -> None:
        """One device, one account; the first owner keeps it."""
        alice, bob = await self.alice(), await self.store.create_account("bob", None, "user", NOW)
        await self.store.add_device(alice.id, KEY, "laptop")
        await self.refused(LoginRefusedError, self.store.add_device(bob.id, KEY, "laptop"))
        self.assertEqual((await self.store.device(KEY))[0], alice)

    async def test_a_forgotten_device_is_unknown(self) -> None:
        """And forgetting it again is no error."""
        account = await self.alice()
        await self.store.add_device(account.id, KEY, "laptop")
        await self.store.forget_device(KEY)
        await self.store.forget_device(KEY)
        self.assertIsNone(await self.store.device(KEY))

    async def test_a_device_knows_when_it_was_made_and_last_seen(self) -> None:
        """The first moment stays, the last one moves forward only; an unknown device is none."""
        account = await self.alice()
        device = await self.store.add_device(account.id, KEY, "laptop", NOW)
        self.assertEqual((device.created, device.last_seen), (NOW, None))
        await self.store.add_device(account.id, KEY, "laptop", NOW + 1)
        for late in (5, 3):
            await self.store.mark_seen({}, {KEY: NOW + late, b"?" * 32: NOW})
        self.assertEqual([await self.store.knows_device(key) for key in (KEY, b"?" * 32)], [True, False])
        (_, found) = await self.store.device(KEY)
        self.assertEqual((found.created, found.last_seen), (NOW, NOW + 5))

    async def test_devices_are_listed_by_age(self) -> None:
        """Of one account, and nobody else's."""
        alice, bob = await self.alice(), await self.bob()
        await self.store.add_device(bob.id, b"b" * 32, "bob's", NOW)
        second = await self.store.add_device(alice.id, b"2" * 32, "phone", NOW + 1)
        first = await self.store.add_device(alice.id, b"9" * 32, "laptop", NOW)
        self.assertEqual(await self.store.devices(alice.id), [first, second])

    async def test_a_revoked_device_is_unknown(self) -> None:
        """By its id and of its own account only; what was revoked is the answer."""
        alice, bob = await self.alice(), await self.bob()
        device = await self.store.add_device(alice.id, KEY, "laptop")
        self.assertIsNone(await self.store.revoke_device(bob.id, device.id))
        self.assertIsNone(await self.store.revoke_device(alice.id, "nonsense"))
        self.assertEqual(await self.store.revoke_device(alice.id, device.id), device)
        self.assertEqual((await self.store.device(KEY), await self.store.devices(alice.id)), (None, []))

    # Cursors
    async def test_a_new_device_is_given_the_last_of_the_lobby(self) -> None:
        """Its cursor stands so many messages before the end: n - 1, n and n + 1 of n, and none."""
        alice = await self.alice()
        await appended(self.store, *[message(n, alice.id) for n in range(10)])
        cursors = []
        for history in (0, 3, 9, 10, 11):
            key = bytes([history]) * 32
            await self.store.add_device(alice.id, key, "", NOW, history)
            [lobby] = await self.store.conversations(alice.id, key)
            cursors.append(lobby.cursor)
        self.assertEqual(cursors, [10, 7, 1, 0, 0])

    async def test_a_new_device_stands_after_what_retention_has_removed(self) -> None:
        """There is nothing before it that it would have to fetch."""
        alice = await self.alice()
        await appended(self.store, *[message(n, alice.id) for n in range(10)])
        for keep, cursor in ((4, 6), (0, 10)):
            await self.store.retain("lobby", keep, None, 100)
            await self.store.add_device(alice.id, bytes([keep]) * 32, "", NOW, 8)
            [lobby] = await self.store.conversations(alice.id, bytes([keep]) * 32)
            self.assertEqual(lobby.cursor, cursor)

    async def test_a_cursor_moves_forward_only_and_never_past_the_end(self) -> None:
        """Each device has its own; what is acknowledged but never was said would be lost."""
        alice, bob = await self.alice(), await self.bob()
        direct = direct_key(alice, bob)
        await appended(self.store, *[message(n, bob.id, direct) for n in range(5)])
        for key in (KEY, b"2" * 32):
            await self.store.add_device(alice.id, key, "")
        places = []
        for seq in (3, 2, 4, 5, 6):
            await self.store.move_cursor(KEY, direct, seq)
            [state] = await self.store.conversations(alice.id, KEY)
            places.append(state.cursor)
        self.assertEqual(places, [3, 3, 4, 5, 5])
        [other] = await self.store.conversations(alice.id, b"2" * 32)
        self.assertEqual(other.cursor, 0)

    async def test_a_cursor_of_nothing_is_not_kept(self) -> None:
        """Neither of a device nor of a conversation that is not there; and it is no error."""
        alice = await self.alice()
        await self.store.move_cursor(KEY, LOBBY_KEY, 1)
        await self.store.add_device(alice.id, KEY, "")
        await self.store.move_cursor(KEY, LOBBY_KEY, 1)
        await appended(self.store, *[message(n, alice.id) for n in range(3)])
        [lobby] = await self.store.conversations(alice.id, KEY)
        self.assertEqual(lobby.cursor, 0)

    async def test_a_device_that_was_revoked_and_comes_back_begins_anew(self) -> None:
        """Its cursors went with it."""
        alice, bob = await self.alice(), await self.bob()
        direct = direct_key(alice, bob)
        await appended(self.store, message(1, bob.id, direct))
        await self.store.add_device(alice.id, KEY, "")
        await self.store.move_cursor(KEY, direct, 1)
        await self.store.forget_device(KEY)
        await self.store.add_device(alice.id, KEY, "")
        [state] = await self.store.conversations(alice.id, KEY)
        self.assertEqual(state.cursor, 0)

    async def test_conversations_are_the_lobby_and_the_direct_ones(self) -> None:
        """With the other's name, the last seq and the oldest; nobody else's, none in which nothing was said."""
        alice, bob = await self.alice(), await self.bob()
        eve = await self.store.create_account("eve", None, "user", NOW)
        self.assertEqual(await self.store.conversations(alice.id, KEY), [])
        await appended(
            self.store,
            message(1, bob.id, direct_key(alice, bob)),
            message(2, alice.id, direct_key(alice, alice)),
            message(3, eve.id, direct_key(bob, eve)),
            *[message(n, eve.id) for n in (4, 5)],
        )
        wanted = [
            ConversationState(LOBBY_KEY, "lobby", None, 2, 1, 0),
            ConversationState(direct_key(alice, bob), "direct", "bob", 1, 1, 0),
            ConversationState(direct_key(alice, alice), "direct", "Alice", 1, 1, 0),
        ]
        self.assertEqual(await self.store.conversations(alice.id, KEY), wanted)

    async def test_a_conversation_with_a_deleted_account_is_still_there(self) -> None:
        """What was said is not lost to the one who has not read it yet."""
        alice, bob = await self.alice(), await self.bob()
        await appended(self.store, message(1, bob.id, direct_key(alice, bob)))
        await self.store.delete_account(bob.id, NOW)
        [state] = await self.store.conversations(alice.id, KEY)
        self.assertEqual((state.partner, state.last_seq), ("bob", 1))
        self.assertEqual((await self.store.history(state.key, 0, 9))[0].sender, "bob")

    async def test_a_conversation_tells_where_it_begins_and_ends(self) -> None:
        """None if there is none; no oldest if none is kept."""
        alice = await self.alice()
        self.assertIsNone(await self.store.conversation(LOBBY_KEY))
        await appended(self.store, *[message(n, alice.id) for n in range(3)])
        self.assertEqual(await self.store.conversation(LOBBY_KEY), Tail(3, 1))
        await self.store.retain("lobby", 0, None, 100)
        self.assertEqual(await self.store.conversation(LOBBY_KEY), Tail(3, 0))

    async def test_a_conversation_begins_in_the_epoch(self) -> None:
        """After a restore no seq of before is given again, not even where the backup knew no conversation."""
        alice = await self.alice()
        await self.store.set_meta("epoch", "3")
        outcomes = await appended(self.store, message(1, alice.id), message(2, alice.id))
        self.assertEqual(seqs(outcomes), [(3 << 32) + 1, (3 << 32) + 2])

    # Retention
    async def test_the_newest_messages_are_kept(self) -> None:
        """So many of each conversation of that kind: n - 1, n and n + 1 of n; others are left alone."""
        alice, bob = await self.alice(), await self.bob()
        direct = direct_key(alice, bob)
        await appended(self.store, *[message(n, alice.id, key) for n in range(5) for key in (LOBBY_KEY, direct)])
        removed = [await self.store.retain("lobby", keep, None, 100) for keep in (6, 5, 4, None)]
        self.assertEqual(removed, [0, 0, 1, 0])
        self.assertEqual([past.seq for past in await self.store.history(LOBBY_KEY, 0, 9)], [2, 3, 4, 5])
        self.assertEqual(len(await self.store.history(direct, 0, 9)), 5)

    async def test_messages_older_than_a_time_go(self) -> None:
        """That time itself is not older."""
        alice, bob = await self.alice(), await self.bob()
        direct = direct_key(alice, bob)
        await appended(self.store, *[message(n, alice.id, direct) for n in range(5)])
        self.assertEqual([await self.store.retain("direct", None, NOW + n, 100) for n in (0, 1, 3)], [0, 1, 2])
        self.assertEqual([past.seq for past in await self.store.history(direct, 0, 9)], [4, 5])

    async def test_either_bound_removes(self) -> None:
        """Who says 3 messages and a day gets the fewer of both."""
        alice = await self.alice()
        await appended(self.store, *[message(n, alice.id) for n in range(6)])
        self.assertEqual(await self.store.retain("lobby", 3, NOW + 1, 100), 3)
        self.assertEqual(await self.store.retain("lobby", 3, NOW + 5, 100), 2)

    async def test_retention_leaves_no_hole(self) -> None:
        """A message from a clock that was wrong keeps what came after it, instead of being jumped over."""
        alice = await self.alice()
        await appended(self.store, message(1, alice.id), message(9, alice.id), message(2, alice.id))
        self.assertEqual(await self.store.retain("lobby", None, NOW + 5, 100), 1)
        self.assertEqual([past.seq for past in await self.store.history(LOBBY_KEY, 0, 9)], [2, 3])

    async def test_retention_goes_in_slices(self) -> None:
        """Never more than asked for, over all conversations together; it ends with less than a slice."""
        alice, bob = await self.alice(), await self.bob()
        eve = await self.store.create_account("eve", None, "user", NOW)
        keys = [direct_key(alice, bob), direct_key(alice, eve)]
        await appended(self.store, *[message(n, alice.id, key) for n in range(5) for key in keys])
        removed = [await self.store.retain("direct", 1, None, 3) for _ in range(4)]
        self.assertEqual(removed, [3, 3, 2, 0])
        kept = [[past.seq for past in await self.store.history(key, 0, 9)] for key in keys]
        self.assertEqual(kept, [[5], [5]])

    async def test_seqs_go_on_after_everything_was_removed(self) -> None:
        """No seq is given twice."""
        alice = await self.alice()
        await appended(self.store, message(1, alice.id), message(2, alice.id))
        self.assertEqual(await self.store.retain("lobby", 0, None, 9), 2)
        self.assertEqual(seqs(await appended(self.store, message(3, alice.id))), [3])

    async def test_a_removed_message_sent_again_gets_its_first_place(self) -> None:
        """A sender that never heard of its success does not say it twice; after a month it is forgotten."""
        alice = await self.alice()
        await appended(self.store, message(0, alice.id), message(1, alice.id))
        await self.store.retain("lobby", 0, None, 9)
        await self.store.forget_removed(NOW + REMEMBER_REMOVED_DAYS * DAY)
        self.assertEqual(await appended(self.store, message(0, alice.id)), [Stored(1, NOW, duplicate=True)])
        await self.store.forget_removed(NOW + REMEMBER_REMOVED_DAYS * DAY + 1)
        outcomes = await appended(self.store, message(0, alice.id), message(1, alice.id))
        self.assertEqual([(one.seq, one.duplicate) for one in outcomes], [(3, False), (2, True)])

    # Sanctions and the audit log
    async def test_sanctions_are_kept_until_their_time(self) -> None:
        """One millisecond before its end it is in force; then, and after, it is dropped."""
        ban = Sanction("ban", "192.0.2.0/24", "root", "noise", NOW, NOW + 10)
        mute = Sanction("mute", "alice", "root", "", NOW, None)
        await self.store.add_sanction(mute)
        await self.store.add_sanction(ban)
        self.assertEqual(await self.store.sanctions(NOW + 9), [ban, mute])
        self.assertEqual(await self.store.sanctions(NOW + 10), [mute])
        self.assertFalse(await self.store.remove_sanction("ban", ban.target))

    async def test_a_sanction_takes_the_place_of_one_of_its_kind_and_target(self) -> None:
        """A mute is no ban, and bob is not alice."""
        first = Sanction("ban", "alice", "root", "noise", NOW, None)
        others = [Sanction("ban", "bob", "root", "", NOW, None), Sanction("mute", "alice", "root", "", NOW, None)]
        second = Sanction("ban", "alice", "eve", "more noise", NOW + 1, NOW + 2)
        for one in (first, *others, second):
            await self.store.add_sanction(one)
        self.assertEqual(await self.store.sanctions(NOW), [second, *others])

    async def test_a_sanction_can_be_taken_back(self) -> None:
        """Once."""
        await self.store.add_sanction(Sanction("ban", "alice", "root", "", NOW, None))
        removed = [await self.store.remove_sanction(*which) for which in (("mute", "alice"), *[("ban", "alice")] * 2)]
        self.assertEqual(removed, [False, True, False])
        self.assertEqual(await self.store.sanctions(NOW), [])

    async def test_the_audit_log_is_read_newest_first(self) -> None:
        """In the order things were done, whatever the clock said; so many."""
        entries = [AuditEntry(NOW - n, "root", "ban", f"user-{n}", "7d noise") for n in range(5)]
        for entry in entries:
            await self.store.audit(entry)
        self.assertEqual(await self.store.audit_log(3), entries[:1:-1])
        self.assertEqual(await self.store.audit_log(9), entries[::-1])

    # Everything
    async def test_the_dossier_holds_everything_about_an_account(self) -> None:
        """And of its password hash only that there is one."""
        alice, bob = await self.alice(), await self.bob()
        direct = direct_key(alice, bob)
        device = await self.store.add_device(alice.id, KEY, "laptop", NOW)
        await appended(
            self.store, message(0, alice.id), message(1, alice.id, direct), message(2, bob.id, direct, body="bob's own")
        )
        await self.store.retain("lobby", 0, None, 9)
        await self.store.move_cursor(KEY, direct, 1)
        await self.store.mark_seen({alice.id: NOW + 8}, {KEY: NOW + 7})
        for name in ("alice", "bob"):
            await self.store.add_sanction(Sanction("mute", name, "root", "noise", NOW, None))
            await self.store.audit(AuditEntry(NOW, "root", "mute", name.title(), "noise"))
        found = await self.store.dossier(alice.id)
        self.assertEqual(json.loads(json.dumps(found)), found)
        wanted = {
            "account": {
                "id": alice.id,
                "name": "Alice",
                "folded": "alice",
                "skeleton": found["account"]["skeleton"],
                "role": "user",
                "has_password": True,
                "created": NOW,
                "last_seen": NOW + 8,
                "deleted": None,
                "calls": "auto",
            },
            "devices": [
                {"device": device.id, "key": KEY.hex(), "name": "laptop", "created": NOW, "last_seen": NOW + 7},
            ],
            "cursors": [{"device": device.id, "key": KEY.hex(), "conversation": direct, "seq": 1}],
            "conversations": [{"key": direct, "partner": "bob"}],
            "sanctions": [
                {"kind": "mute", "target": "alice", "by": "root", "reason": "noise", "since": NOW, "until": None}
            ],
            "audit": [{"time": NOW, "actor": "root", "action": "mute", "target": "Alice", "detail": "noise"}],
            "messages": [
                {
                    "conversation": direct,
                    "seq": 1,
                    "kind": "direct",
                    "ulid": ulid(1),
                    "time": NOW + 1,
                    "scheme": "none",
                    "body": "text 1",
                }
            ],
            "removed_messages": [{"conversation": LOBBY_KEY, "seq": 1, "ulid": ulid(0), "time": NOW}],
            "identity_keys": [],
            "device_keys": [],
            "inbox": [],
            "parcels_waiting_for_others": [],
            "files": [],
            "key_backup": [],
        }
        self.assertEqual(found, wanted)

    async def test_the_dossier_has_no_password_hash(self) -> None:
        """Security: whoever is shown a dossier can guess at nothing."""
        account = await self.store.create_account("Alice", "canary-of-a-hash", "user", NOW)
        self.assertNotIn("canary", json.dumps(await self.store.dossier(account.id)))

    async def test_the_dossier_of_a_deleted_account_holds_what_is_left(self) -> None:
        """The name, the messages; of nobody at all there is none."""
        alice = await self.alice()
        await self.store.add_device(alice.id, KEY, "laptop", NOW)
        await self.store.mark_seen({alice.id: NOW}, {})
        await self.store.add_sanction(Sanction("mute", "alice", "root", "noise", NOW, None))
        await appended(self.store, message(1, alice.id))
        await self.store.delete_account(alice.id, NOW + 3)
        found = await self.store.dossier(alice.id)
        self.assertEqual((found["account"]["name"], found["account"]["deleted"]), ("Alice", NOW + 3))
        self.assertEqual((found["account"]["has_password"], found["account"]["last_seen"]), (False, None))
        self.assertEqual([found[what] for what in ("devices", "cursors", "sanctions")], [[], [], []])
        self.assertEqual(len(found["messages"]), 1)
        self.assertEqual(await self.store.dossier(alice.id + 1), {})

    async def test_a_backup_is_a_new_file_for_its_owner_alone(self) -> None:
        """It never takes the place of another one."""
        await self.alice()
        path = Path(self.mktemp())
        await self.store.backup(path)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        before = path.read_bytes()
        self.assertIn(str(path), await self.refused(StoreError, self.store.backup(path)))
        self.assertEqual(path.read_bytes(), before)
        await self.refused(StoreError, self.store.backup(path / "below"))

    # Invites
    async def test_an_invite_gives_its_role(self) -> None:
        """Whatever role was asked for."""
        await self.store.add_invite("token", "admin", 1, None)
        account = await self.store.create_account("root", None, "user", NOW, "token")
        self.assertEqual(account.role, "admin")
        self.assertEqual(await self.store.account("root"), account)

    async def test_an_invite_is_used_up_by_its_number_of_uses(self) -> None:
        """Two uses make two accounts, not three."""
        await self.store.add_invite("token", "user", 2, None)
        for name in ("one", "two"):
            self.assertEqual(await self.store.invite_role("token", NOW), "user")
            await self.store.create_account(name, None, "user", NOW, "token")
        self.assertIsNone(await self.store.invite_role("token", NOW))
        await self.refused(RegistrationRefusedError, self.store.create_account("three", None, "user", NOW, "token"))
        self.assertIsNone(await self.store.account("three"))

    async def test_an_invite_is_consumed_once_in_a_race(self) -> None:
        """Ten people follow the same link at the same moment; one gets in."""
        await self.store.add_invite("token", "user", 1, None)
        results = await defer.DeferredList(
            [self.store.create_account(f"guest-{n}", None, "user", NOW, "token") for n in range(10)],
            consumeErrors=True,
        )
        self.assertEqual([success for success, _ in results].count(True), 1)

    async def test_an_invite_expires_at_its_time(self) -> None:
        """One millisecond before it is good; then, and after, it is not."""
        await self.store.add_invite("token", "user", 9, NOW)
        self.assertEqual(
            [await self.store.invite_role("token", NOW + late) for late in (-1, 0, 1)], ["user", None, None]
        )
        await self.store.create_account("early", None, "user", NOW - 1, "token")
        for late in (0, 1):
            await self.refused(
                RegistrationRefusedError, self.store.create_account("late", None, "user", NOW + late, "token")
            )

    async def test_an_unknown_invite_is_refused(self) -> None:
        """Also the empty one."""
        for token in ("nope", ""):
            await self.refused(RegistrationRefusedError, self.store.create_account("eve", None, "user", NOW, token))

    async def test_a_refused_name_does_not_use_the_invite_up(self) -> None:
        """Somebody who chose a taken name can choose again."""
        await self.alice()
        await self.store.add_invite("token", "user", 1, None)
        await self.refused(NameRefusedError, self.store.create_account("alice", None, "user", NOW, "token"))
        self.assertEqual((await self.store.create_account("bob", None, "user", NOW, "token")).name, "bob")

    # First start, values
    async def test_a_store_is_new_until_somebody_came_or_was_invited(self) -> None:
        """The first admin's invite is made once, whatever becomes of it."""
        self.assertTrue(await self.store.is_new())
        await self.store.add_invite("token", "admin", 1, NOW - 1)
        self.assertFalse(await self.store.is_new())

    async def test_a_store_whose_only_account_was_deleted_is_not_new(self) -> None:
        """Else deleting everybody would print an admin invite."""
        account = await self.alice()
        await self.store.delete_account(account.id, NOW)
        self.assertFalse(await self.store.is_new())

    async def test_values_are_remembered(self) -> None:
        """The last one set counts."""
        self.assertIsNone(await self.store.get_meta("address"))
        await self.store.set_meta("address", "a:1")
        await self.store.set_meta("address", "b:2")
        self.assertEqual(await self.store.get_meta("address"), "b:2")

    # Messages
    async def test_seqs_count_from_one_without_gaps(self) -> None:
        """In one batch and over several."""
        sender = (await self.alice()).id
        first = await appended(self.store, *[message(n, sender) for n in range(50)])
        then = await appended(self.store, *[message(n, sender) for n in range(50, 60)])
        self.assertEqual(seqs(first + then), list(range(1, 61)))
        self.assertEqual(first[0], Stored(1, NOW, duplicate=False))

    async def test_each_conversation_counts_for_itself(self) -> None:
        """Messages of several arrive mixed."""
        alice, bob = await self.alice(), await self.store.create_account("bob", None, "user", NOW)
        direct = direct_key(alice, bob)
        mixed = [message(n, alice.id, (LOBBY_KEY, direct)[n % 2]) for n in range(6)]
        self.assertEqual(seqs(await appended(self.store, *mixed)), [1, 1, 2, 2, 3, 3])

    async def test_the_same_ulid_gets_the_same_seq(self) -> None:
        """What is sent again after a reconnect is answered with its first place and time, and stored once."""
        sender = (await self.alice()).id
        await appended(self.store, message(1, sender), message(2, sender))
        again = await appended(self.store, message(1, sender, time=NOW + 99), message(3, sender))
        self.assertEqual(again, [Stored(1, NOW + 1, duplicate=True), Stored(3, NOW + 3, duplicate=False)])
        self.assertEqual(len(await self.store.history(LOBBY_KEY, 0, 10)), 3)

    async def test_the_same_ulid_within_one_batch_gets_the_same_seq(self) -> None:
        """Even when the first one is not committed yet."""
        sender = (await self.alice()).id
        outcomes = await appended(self.store, message(1, sender), message(1, sender), message(2, sender))
        self.assertEqual([(one.seq, one.duplicate) for one in outcomes], [(1, False), (1, True), (2, False)])

    async def test_the_same_ulid_elsewhere_is_another_message(self) -> None:
        """Of another sender, or in another conversation."""
        alice, bob = await self.alice(), await self.store.create_account("bob", None, "user", NOW)
        outcomes = await appended(
            self.store, message(1, alice.id), message(1, bob.id), message(1, alice.id, direct_key(alice, bob))
        )
        self.assertEqual([(one.seq, one.duplicate) for one in outcomes], [(1, False), (2, False), (1, False)])

    async def test_a_bad_row_does_not_fail_its_neighbours(self) -> None:
        """It alone is answered by an error, and no seq is lost to it."""
        sender = (await self.alice()).id
        bad = [
            message(1, sender + 1),
            message(2, sender, ulid="short"),
            message(3, sender, body="\ud800"),
            message(4, sender, kind="choir"),
            message(5, sender, time=2**64),
        ]
        rows = [row for n, wrong in enumerate(bad) for row in (message(10 + n, sender), wrong)]
        outcomes = await appended(self.store, *rows, message(99, sender))
        self.assertEqual(seqs(outcomes[::2]), [1, 2, 3, 4, 5, 6])
        self.assertEqual([type(outcome) for outcome in outcomes[1::2]], [StoreError] * len(bad))
        self.assertEqual([past.seq for past in await self.store.history(LOBBY_KEY, 0, 10)], [1, 2, 3, 4, 5, 6])

    async def test_what_is_chained_to_a_refused_message_is_refused_with_it(self) -> None:
        """And what is chained to that; whatever is not is stored, without a gap."""
        sender = (await self.alice()).id
        bad, second, third = Fate(), Fate(), Fate()
        outcomes = await appended(
            self.store,
            message(1, sender, body="\ud800", fate=bad),
            message(2, sender, fate=second, after=bad),
            message(3, sender, fate=third, after=second),
            message(4, sender),
        )
        self.assertEqual([type(outcome) for outcome in outcomes[:3]], [StoreError] * 3)
        self.assertEqual(seqs(outcomes[3:]), [1])
        self.assertEqual([past.ulid for past in await self.store.history(LOBBY_KEY, 0, 10)], [message(4, sender).ulid])

    async def test_a_refused_account_does_not_fail_the_messages_around_it(self) -> None:
        """What shares a transaction does not share its fate."""
        sender = (await self.alice()).id
        before = appended(self.store, message(1, sender))
        refused = self.store.create_account("alice", None, "user", NOW)
        after = appended(self.store, message(2, sender))
        await self.refused(NameRefusedError, refused)
        self.assertEqual(seqs(await before + await after), [1, 2])

    async def test_answers_come_in_order_and_not_before_append_returns(self) -> None:
        """Also those of bad rows and duplicates."""
        sender = (await self.alice()).id
        answered: list[int] = []
        end: defer.Deferred[None] = defer.Deferred()
        rows = [message(n % 7, sender, body="\ud800" if n % 5 == 0 else "text") for n in range(40)]
        for n, row in enumerate(rows):
            self.store.append(row, lambda _, n=n: (answered.append(n), n == 39 and end.callback(None)))
        self.assertEqual(answered, [])
        await end
        self.assertEqual(answered, list(range(40)))

    async def test_a_callback_that_raises_does_not_keep_the_others_from_being_called(self) -> None:
        """The reactor logs it; the order of the rest stays."""
        sender = (await self.alice()).id
        self.store.append(message(1, sender), lambda _: {}["broken"])
        self.assertEqual(seqs(await appended(self.store, message(2, sender), message(3, sender))), [2, 3])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    async def test_history_is_read_in_pages(self) -> None:
        """After a seq, so many, with the sender's name."""
        sender = (await self.alice()).id
        await appended(self.store, *[message(n, sender) for n in range(1, 6)])
        page = await self.store.history(LOBBY_KEY, 1, 3)
        self.assertEqual([past.seq for past in page], [2, 3, 4])
        self.assertEqual(page[0], PastMessage(2, "lobby", "Alice", ulid(2), NOW + 2, "text 2", "none"))
        self.assertEqual(await self.store.history("direct:1:9", 0, 3), [])

    async def test_contacts_are_those_one_has_a_direct_conversation_with(self) -> None:
        """Both ways, by name, without oneself; not who is only in the lobby, not who was deleted."""
        alice = await self.alice()
        others = [await self.store.create_account(name, None, "user", NOW) for name in ("zoe", "Bob", "eve", "gone")]
        zoe, bob, eve, gone = others
        self.assertEqual(await self.store.contacts(alice.id), [])
        await appended(
            self.store,
            message(1, alice.id, direct_key(alice, zoe)),
            message(2, bob.id, direct_key(alice, bob)),
            message(3, gone.id, direct_key(alice, gone)),
            message(4, alice.id, direct_key(alice, alice)),
            message(5, eve.id),
        )
        await self.store.delete_account(gone.id, NOW)
        self.assertEqual(await self.store.contacts(alice.id), ["Bob", "zoe"])
        self.assertEqual(await self.store.contacts(bob.id), ["Alice"])
        self.assertEqual(await self.store.contacts(eve.id), [])

    async def test_a_message_that_is_refused_makes_no_contact(self) -> None:
        """Its conversation is not begun."""
        alice, bob = await self.alice(), await self.store.create_account("bob", None, "user", NOW)
        direct = direct_key(alice, bob)
        await appended(self.store, message(1, alice.id, direct, body="\ud800"), message(2, alice.id))
        self.assertEqual(await self.store.contacts(alice.id), [])

    # The end
    async def test_close_stores_and_answers_what_was_handed_over(self) -> None:
        """All callbacks have been called when it fires."""
        sender = (await self.alice()).id
        answered: list[Any] = []
        for n in range(100):
            self.store.append(message(n, sender), answered.append)
        await self.store.close()
        self.assertEqual(seqs(answered), list(range(1, 101)))

    async def test_close_may_be_called_twice_and_without_open(self) -> None:
        """A failed start ends the same way as a good one."""
        await self.store.close()
        await self.store.close()
        await self.make_store().close()

    async def test_a_closed_store_refuses(self) -> None:
        """Reading, writing and appending, each with an error and not with silence."""
        await self.store.close()
        await self.refused(StoreError, self.store.account("alice"))
        await self.refused(StoreError, self.store.set_meta("a", "b"))
        await self.refused(StoreError, self.store.backup(Path(self.mktemp())))
        [outcome] = await appended(self.store, message(1, 1))
        self.assertIsInstance(outcome, StoreError)
