"""`encchat.e2e.arrivals`: nothing in the inbox is dropped unread, whatever the server leaves out or refuses."""

from __future__ import annotations

from encchat import limits, wire
from encchat.errors import ForbiddenError, InternalError, NoKeysError, ThrottledError
from tests.e2e.test_machine import Case

REFUSED = wire.Error(code=InternalError.code, text="the disk is full")


class Reading(Case):
    """Bob's inbox, in which there is the key of what Alice says."""

    def unheard(self, text: str = "hello") -> wire.Message:
        """A message of Alice whose key was put into Bob's inbox, but not pushed."""
        self.bob.online = False
        said = self.alice.say(self.alice.direct("bob"), text)
        self.bob.online = True
        return said

    def opens(self, said: wire.Message, text: str = "hello") -> None:
        """Bob can read it."""
        self.assertEqual(self.bob.read(self.bob.direct("alice"), said).text, text)

    def test_what_was_not_pushed_is_read_when_the_server_says_so(self) -> None:
        """A reader that was slow is told that it is behind; the parcels it missed are in its inbox."""
        said = self.unheard()
        self.bob.machine.fell_behind()
        self.bob.run()
        self.opens(said)

    def test_nothing_is_acknowledged_before_all_before_it_was_read(self) -> None:
        """A parcel that is pushed while the inbox is read must not drop those before it."""
        self.talk(self.bob, self.alice)
        said = self.unheard()
        self.bob.machine.fell_behind()
        self.bob.hold = True
        self.directory.put("bob", "B1", "alice", "A1", "1AAAA")
        for _ in range(20):
            self.bob.turn()
        self.assertNotIn(wire.AckInbox, [kind for kind, _, _ in self.bob.asked])
        self.bob.hold = False
        self.bob.run()
        self.opens(said)
        self.assertEqual(self.directory.device("bob", "B1").inbox, [])

    def test_an_inbox_of_many_pages_is_acknowledged_when_the_last_one_is_read(self) -> None:
        """Nothing of it is dropped unread."""
        for number in range(limits.MAX_PAGE + 20):
            self.directory.device("bob", "B1").seq += 1
            item = wire.InboxItem(seq=number + 1, sender="alice", device="A1", body="1AAAA")
            self.directory.device("bob", "B1").inbox.append(item)
        said = self.unheard()
        self.bob.machine.fell_behind()
        self.bob.run()
        self.opens(said)
        self.assertEqual(self.directory.device("bob", "B1").inbox, [])

    def test_an_inbox_that_is_refused_for_a_while_is_read_later(self) -> None:
        """After some seconds, not at once and without end."""
        said = self.unheard()
        self.directory.refused[wire.Inbox] = REFUSED
        self.bob.machine.fell_behind()
        self.bob.run()
        self.assertEqual(self.directory.asked.count("Inbox"), 3)
        del self.directory.refused[wire.Inbox]
        self.bob.machine.look()
        self.bob.run()
        self.opens(said)

    def test_a_parcel_whose_senders_keys_are_refused_for_a_while_waits(self) -> None:
        """It is not dropped: nobody has said that nobody vouches for that device."""
        self.directory.refused[wire.QueryKeys] = wire.Error(code=ThrottledError.code, text="slowly")
        self.bob.machine.lost()
        self.bob.machine.start("bob", "B1")
        self.bob.run()
        del self.directory.refused[wire.QueryKeys]
        said = self.alice.say(self.alice.direct("bob"), "hello")
        self.bob.machine.look()
        self.bob.run()
        self.opens(said)

    def test_keys_that_the_server_refused_for_a_while_are_sent_later(self) -> None:
        """Also where nothing more is said."""
        self.directory.refused[wire.SendParcels] = REFUSED
        said = self.alice.say(self.alice.direct("bob"), "hello")
        self.assertEqual(self.bob.reason(self.bob.direct("alice"), said), "no-key")
        del self.directory.refused[wire.SendParcels]
        self.alice.machine.look()
        self.alice.run()
        self.opens(said)

    def test_a_login_whose_keys_the_server_refused_for_a_while_publishes_them_later(self) -> None:
        """After some seconds, not only after the next login; until then nobody can write to it."""
        self.directory.refused[wire.UploadKeys] = REFUSED
        carol = self.client("carol", "C1")
        carol.machine.look()
        carol.run()
        self.assertIsInstance(self.alice.prepared(self.alice.direct("carol")), NoKeysError)
        del self.directory.refused[wire.UploadKeys]
        carol.machine.look()
        carol.run()
        self.talk(self.alice, carol)

    def test_a_login_that_was_refused_for_good_is_not_tried_again(self) -> None:
        """Asking again would change nothing."""
        self.directory.refused[wire.UploadKeys] = wire.Error(code=ForbiddenError.code, text="no")
        carol = self.client("carol", "C1")
        asked = self.directory.asked.count("UploadKeys")
        carol.machine.look()
        carol.run()
        self.assertEqual(self.directory.asked.count("UploadKeys"), asked)

    def test_a_recovery_phrase_whose_backup_was_refused_for_a_while_opens_it_later(self) -> None:
        """Also if the process has ended meanwhile."""
        for crash in (False, True):
            user = f"carol{crash:d}"
            self.directory.refused[wire.PutBackup] = REFUSED
            carol = self.client(user, "C1")
            del self.directory.refused[wire.PutBackup]
            if crash:
                carol.boot()
                carol.start()
            carol.machine.look()
            carol.run()
            second = self.second(carol, "C2")
            self.assertTrue(second.machine.vouched)

    def test_a_device_is_in_a_conversation_with_oneself_once(self) -> None:
        """No key is shared twice with it."""
        second = self.second(self.alice, "A2")
        where = self.alice.direct("alice")
        self.assertIsNone(self.alice.prepared(where))
        self.assertEqual([device.device for device in self.alice.machine.devices_of(where)], [second.device])
