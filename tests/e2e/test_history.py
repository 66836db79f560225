"""Keys of the past: handed over to new members, backed up under the recovery phrase, exported to files."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from encchat import limits, wire
from encchat.e2e import export, letters
from encchat.e2e.backup import ENTRY, fetch
from encchat.e2e.identity import IdentityKey
from encchat.e2e.inbound import InboundSessions
from encchat.e2e.interfaces import Answered
from encchat.e2e.megolm import Megolm
from encchat.e2e.recovery import Backup
from encchat.errors import EncchatError, NotConnectedError, RecoveryError
from encchat.wire import Message
from tests.e2e.hosts import ROOM, TestHost
from tests.e2e.test_megolm import Case


def megolm(host: TestHost) -> Megolm:
    """Its scheme."""
    assert isinstance(host.scheme, Megolm)
    return host.scheme


class Handovers(Case):
    """Alice invites Carol to a room that promises its history."""

    def setUp(self) -> None:
        super().setUp()
        for host in (self.alice, self.bob):
            host.identity = IdentityKey.make("ed25519", host.random)

    def invite(self, history: str) -> tuple[list[Message], TestHost]:
        """Two messages, an invitation, two more by both, Carol's joining; the messages and Carol."""
        self.world.history = history
        said = [self.hear(self.alice, "one", self.bob), self.hear(self.bob, "two", self.alice)]
        megolm(self.alice).handover.invited(self.world.conversation(), "carol")
        said += [self.hear(self.alice, "three", self.bob), self.hear(self.bob, "four", self.alice)]
        carol = self.world.device("carol", "TAB")
        return said, carol

    def hand_over(self) -> int:
        """Carol has joined; Alice's client does what is to be done."""
        count = megolm(self.alice).handover.hand_over(self.world.conversation(), "carol")
        self.world.work()
        return count

    def history_letters(self) -> list[bytes]:
        return [each.payload for each in self.alice.sent if each.kind == letters.HISTORY]

    def test_all_opens_everything(self) -> None:
        """Of everybody's sessions, though members have thrown their old ratchets away."""
        said, carol = self.invite("all")
        self.assertEqual(self.hand_over(), 2)
        self.assertEqual([carol.open(each) for each in said], ["one", "two", "three", "four"])

    def test_since_invite_opens_what_was_said_after_the_invitation(self) -> None:
        """And nothing before it."""
        said, carol = self.invite("since-invite")
        self.hand_over()
        self.assertEqual([self.refused(carol, each) for each in said[:2]], ["no-key", "no-key"])
        self.assertEqual([carol.open(each) for each in said[2:]], ["three", "four"])

    def test_none_hands_nothing_over(self) -> None:
        """Whatever the inviter's client is asked to do."""
        said, carol = self.invite("none")
        self.assertEqual(self.hand_over(), 0)
        self.assertEqual([self.refused(carol, each) for each in said], ["no-key"] * 4)

    def test_the_history_of_a_session_that_goes_on_is_opened_too(self) -> None:
        """Carol has had its key from the present index on before the history comes, and replays stay refused."""
        said, carol = self.invite("all")
        now = self.hear(self.alice, "five", self.bob, carol)
        self.assertEqual(self.session_of(now), self.session_of(said[0]))
        self.hand_over()
        self.assertEqual([carol.open(each) for each in said], ["one", "two", "three", "four"])
        self.assertEqual(self.refused(carol, now), "replayed")
        self.assertEqual(carol.open(self.hear(self.alice, "six", self.bob)), "six")

    def test_it_shows_who_handed_a_key_over(self) -> None:
        """Other people's sessions are the inviter's word; the inviter's own are its own."""
        said, carol = self.invite("all")
        self.hand_over()
        self.assertEqual(carol.opened(said[0]).handed_by, "")
        self.assertEqual(carol.opened(said[1]).handed_by, "Alice")

    def test_the_owners_own_key_counts_more_than_one_handed_over(self) -> None:
        """Once Bob's own share is there, his messages are his own word again."""
        said, carol = self.invite("all")
        self.hand_over()
        self.assertEqual(carol.opened(said[1]).handed_by, "Alice")
        now = self.hear(self.bob, "five")
        self.assertEqual(carol.opened(now).handed_by, "")

    def test_a_false_key_handed_over_does_not_keep_the_true_one_out(self) -> None:
        """Alice hands over another ratchet under the name of Bob's session; his share puts it right."""
        self.world.history = "all"
        before = self.hear(self.bob, "before", self.alice)
        carol = self.world.device("carol", "TAB")
        sessions = InboundSessions(self.alice.keep)
        mine = next(each for each in sessions.all() if each.id == self.session_of(before))
        past = sessions.past_of(mine)
        assert past is not None
        # The key's last 43 characters are the session's public key; the ratchet stands before it.
        false = past.key[:20] + ("A" if past.key[20] != "A" else "B") + past.key[21:]
        self.alice.keep.put("megolm-past", mine.row, msgspec.msgpack.encode(msgspec.structs.replace(past, key=false)))
        self.hand_over()
        self.assertEqual(self.refused(carol, before), "broken")
        self.assertEqual(carol.open(self.hear(self.bob, "after")), "after")

    def test_who_may_not_be_written_to_is_handed_no_history(self) -> None:
        """It waits, as a message would, until the new member's key is verified or accepted."""
        said, carol = self.invite("all")
        self.alice.distrusted.add("carol")
        self.hand_over()
        self.assertEqual((self.history_letters(), self.refused(carol, said[0])), ([], "no-key"))
        self.alice.distrusted.clear()
        self.world.work()
        self.assertEqual(carol.open(said[0]), "one")

    def test_a_history_with_a_wrong_signature_is_not_taken(self) -> None:
        """Not the inviter's, or for another device."""
        said, carol = self.invite("all")
        megolm(self.alice).handover.hand_over(self.world.conversation(), "carol")
        self.alice.scheme.work()
        self.alice.identity = IdentityKey.make("ed25519", self.alice.random)
        self.world.deliver()
        self.assertEqual(self.refused(carol, said[0]), "no-key")

    def test_a_history_of_somebody_who_is_not_in_the_room_is_not_taken(self) -> None:
        """Only members hand over."""
        said, carol = self.invite("all")
        megolm(self.alice).handover.hand_over(self.world.conversation(), "carol")
        self.alice.scheme.work()
        self.world.members.remove("Alice")
        self.world.deliver()
        self.assertEqual(self.refused(carol, said[0]), "no-key")

    def test_a_history_is_not_taken_in_a_room_that_promises_none(self) -> None:
        """The room's setting is everybody's, not the inviter's."""
        said, carol = self.invite("all")
        megolm(self.alice).handover.hand_over(self.world.conversation(), "carol")
        self.alice.scheme.work()
        self.world.history = "none"
        self.world.deliver()
        self.assertEqual(self.refused(carol, said[0]), "no-key")

    def test_a_history_that_comes_before_the_room_is_known_waits_for_it(self) -> None:
        """Letters and rooms come by different ways."""
        said, carol = self.invite("all")
        megolm(self.alice).handover.hand_over(self.world.conversation(), "carol")
        self.alice.scheme.work()
        self.world.members.remove("carol")
        self.world.deliver()
        self.assertEqual(carol.arrived(), [])
        self.world.members.append("carol")
        self.world.work()
        self.assertEqual(carol.open(said[0]), "one")

    def test_what_is_not_handed_over_yet_outlives_the_process(self) -> None:
        """Queued before a crash, sent after it."""
        said, carol = self.invite("all")
        megolm(self.alice).handover.hand_over(self.world.conversation(), "carol")
        self.alice.restart()
        self.world.work()
        self.assertEqual(carol.open(said[0]), "one")

    def test_a_new_member_whose_devices_are_not_known_yet_gets_it_later(self) -> None:
        """They are asked for; and where there is no Olm session one is begun."""
        said, carol = self.invite("all")
        megolm(self.alice).handover.hand_over(self.world.conversation(), "carol")
        self.world.revoked.add(carol.me)
        self.alice.scheme.work()
        self.alice.scheme.work()
        self.assertEqual(self.alice.learned, ["carol"])
        self.world.revoked.clear()
        self.world.keyless.add(carol.me)
        self.alice.scheme.work()
        self.assertEqual(self.alice.renewed, [carol.me])
        self.world.keyless.clear()
        self.world.work()
        self.assertEqual(carol.open(said[0]), "one")

    def test_a_long_history_goes_in_several_letters(self) -> None:
        """`HANDOVER_SLICE` keys in each, one letter in a slice of work."""
        self.world.history = "all"
        for _ in range(limits.HANDOVER_SLICE + 1):
            self.world.time += limits.ROTATE_AFTER_SECONDS
            self.hear(self.alice, "a week later", self.bob)
        self.world.device("carol", "TAB")
        megolm(self.alice).handover.hand_over(self.world.conversation(), "carol")
        self.assertTrue(self.alice.scheme.work())
        self.assertEqual(len(self.history_letters()), 1)
        self.world.work()
        found = [msgspec.json.decode(each, type=letters.History) for each in self.history_letters()]
        self.assertEqual([len(each.held) for each in found], [limits.HANDOVER_SLICE, 1])
        self.assertLess(max(len(each) for each in self.history_letters()), limits.MAX_PAYLOAD // 2)


class Server:
    """A server's backup of one account."""

    def __init__(self, page: int = 100) -> None:
        self.entries: dict[str, wire.BackupEntry] = {}
        self.page = page
        self.refuses: wire.Error | None = None
        self.puts = 0

    def answer(self, host: TestHost, request: wire.Request, done: Answered) -> None:
        """As the real one does."""
        if self.refuses is not None:
            done(self.refuses)
        elif isinstance(request, wire.PutBackup):
            self.puts += 1
            self.entries.update({entry.name: entry for entry in request.entries})
            done(wire.Ok(id=request.id))
        elif isinstance(request, wire.GetBackup):
            names = sorted(name for name in self.entries if name > (request.after or ""))
            found = [self.entries[name] for name in names[: self.page]]
            done(wire.Ok(id=request.id, result=wire.BackupPage(entries=found, more=len(names) > self.page)))


class Backups(Case):
    """Bob has a recovery phrase."""

    def setUp(self) -> None:
        super().setUp()
        self.server = Server()
        self.world.answer = self.server.answer
        self.bob.backup = Backup.make("bob", self.bob.random)

    def past(self, host: TestHost) -> Mapping[str, bytes]:
        return host.keep.all("megolm-past")

    def restored(self, backup: Backup) -> tuple[TestHost, list[EncchatError | None]]:
        """A new device of Bob's that has read the backup with these words."""
        new = self.world.device("bob", "NEW")
        results: list[EncchatError | None] = []

        def take(kind: str, name: str, value: bytes) -> None:
            self.assertEqual(kind, ENTRY)
            megolm(new).history.take(value, "backup")

        fetch(new, backup, take, results.append)
        return new, results

    def test_old_messages_are_read_on_a_new_device_with_the_phrase(self) -> None:
        """Although no device of anybody keeps what opens them."""
        said = [self.hear(self.alice, "one", self.bob), self.hear(self.alice, "two", self.bob)]
        said.append(self.hear(self.bob, "my own", self.alice))
        self.world.work()
        assert self.bob.backup is not None
        new, results = self.restored(Backup.from_phrase("bob", self.bob.backup.phrase))
        self.assertEqual(results, [None])
        self.assertEqual([new.open(each) for each in said], ["one", "two", "my own"])
        self.assertEqual(self.refused(new, said[0]), "replayed")

    def test_what_opens_the_past_goes_once_the_backup_has_it(self) -> None:
        """Not before the server has said so."""
        self.hear(self.alice, "one", self.bob)
        self.server.refuses = wire.Error(id=1, code="overloaded", text="later")
        self.world.work()
        self.assertEqual(len(self.past(self.bob)), 1)
        self.server.refuses = None
        self.world.work()
        self.assertEqual(len(self.past(self.bob)), 1)
        self.world.time += limits.SHARE_AGAIN_SECONDS
        self.world.work()
        self.assertEqual(self.past(self.bob), {})
        self.assertEqual(self.bob.open(self.alice.say("two")), "two")

    def test_a_room_that_promises_its_history_keeps_it(self) -> None:
        """In the backup and here."""
        self.world.history = "all"
        self.hear(self.alice, "one", self.bob)
        self.world.work()
        self.assertEqual(len(self.past(self.bob)), 1)
        self.assertEqual(len(self.server.entries), 1)

    def test_a_key_is_backed_up_once(self) -> None:
        """More messages, more work, a restart: nothing is sent again."""
        self.hear(self.alice, "one", self.bob)
        self.world.work()
        self.hear(self.alice, "two", self.bob)
        self.bob.restart()
        self.world.work()
        self.assertEqual(self.server.puts, 1)

    def test_a_device_that_came_later_does_not_put_its_later_key_over_the_earlier_one(self) -> None:
        """What another device of the account has backed up of the same session stays."""
        said = [self.hear(self.alice, "one", self.bob)]
        self.world.work()
        second = self.world.device("bob", "B2")
        second.backup = self.bob.backup
        said.append(self.hear(self.alice, "two", self.bob, second))
        self.assertEqual(self.session_of(said[0]), self.session_of(said[1]))
        self.world.work()
        assert self.bob.backup is not None
        new, _ = self.restored(self.bob.backup)
        self.assertEqual([new.open(each) for each in said], ["one", "two"])

    def test_without_a_phrase_nothing_is_sent_and_nothing_lost(self) -> None:
        """It goes when there is one."""
        self.bob.backup = None
        self.hear(self.alice, "one", self.bob)
        self.world.work()
        self.assertEqual(self.server.puts, 0)
        self.assertEqual(len(self.past(self.bob)), 1)
        self.bob.backup = Backup.make("bob", self.bob.random)
        self.world.work()
        self.assertEqual(len(self.server.entries), 1)

    def test_wrong_words_open_nothing_and_say_so(self) -> None:
        """Other words, or another account's."""
        said = self.hear(self.alice, "one", self.bob)
        self.world.work()
        new, results = self.restored(Backup.make("bob", self.alice.random))
        self.assertIsInstance(results[0], RecoveryError)
        self.assertEqual(self.refused(new, said), "no-key")

    def test_a_backup_is_read_page_by_page(self) -> None:
        """To its end; an empty one is no error."""
        assert self.bob.backup is not None
        self.assertEqual(self.restored(self.bob.backup)[1], [None])
        said = []
        for _ in range(5):
            self.world.time += limits.ROTATE_AFTER_SECONDS
            said.append(self.hear(self.alice, "a week later", self.bob))
        self.world.work()
        self.server.page = 2
        self.world.hosts.pop()
        new, results = self.restored(self.bob.backup)
        self.assertEqual(results, [None])
        self.assertEqual([new.open(each) for each in said], ["a week later"] * 5)

    def test_a_lost_connection_is_told(self) -> None:
        """`NotConnectedError`: to be tried again."""
        self.server.refuses = wire.Error(id=1, code="not-connected", text="gone")
        assert self.bob.backup is not None
        self.assertIsInstance(self.restored(self.bob.backup)[1][0], NotConnectedError)

    def test_entries_are_sent_in_slices(self) -> None:
        """`REPAIR_SLICE` in one request."""
        for _ in range(limits.REPAIR_SLICE + 1):
            self.world.time += limits.ROTATE_AFTER_SECONDS
            self.hear(self.alice, "a week later", self.bob)
        self.bob.scheme.work()
        self.assertEqual(len(self.server.entries), limits.REPAIR_SLICE)
        self.bob.scheme.work()
        self.assertEqual(len(self.server.entries), limits.REPAIR_SLICE + 1)

    # Files -------------------------------------------------------------------------------------
    def test_an_exported_file_opens_old_messages_elsewhere(self) -> None:
        """What the backup has, and what is only here."""
        first = self.hear(self.alice, "one", self.bob)
        self.world.work()
        self.world.time += limits.ROTATE_AFTER_SECONDS
        second = self.hear(self.alice, "two", self.bob)
        results: list[dict[str, bytes] | EncchatError] = []
        megolm(self.bob).history.collect(results.append)
        assert isinstance(results[0], dict)
        file = export.seal(results[0], "correct horse", self.bob.random, export.Cost(8, 1, 1))
        new = self.world.device("bob", "NEW")
        values = export.unseal(file, "correct horse")
        self.assertEqual(megolm(new).history.imported(values, "file"), 2)
        self.assertEqual([new.open(first), new.open(second)], ["one", "two"])
        self.assertEqual(megolm(new).history.imported(values, "file"), 0)

    def test_values_that_are_no_keys_are_passed_over(self) -> None:
        """A damaged backup opens nothing and raises nothing."""
        values = {"a": b"", "b": b"\xff", "c": msgspec.msgpack.encode({"conversation": "x"})}
        held = letters.Held("alice", "PHONE", "A" * 43, "AAAA")
        values["d"] = msgspec.msgpack.encode({"conversation": ROOM, "held": msgspec.to_builtins(held)})
        self.assertEqual(megolm(self.bob).history.imported(values, "backup"), 0)


class Restored(Case):
    """The client's store comes from an old copy."""

    def test_nothing_of_before_is_used_for_sending(self) -> None:
        """Its next message keys have been used already."""
        first = self.hear(self.alice, "one", self.bob)
        self.alice.scheme.restored()
        second = self.hear(self.alice, "two", self.bob)
        self.assertNotEqual(self.session_of(first), self.session_of(second))
