"""What one has missed, as the commands show it."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.client import events
from encchat.client.mentions import is_mention
from encchat.client.store import StoredMessage
from encchat.limits import MAX_PASSED
from tests.client.table import Table, new_core, ready


def lobby(seq: int, text: str, sender: str = "bob") -> wire.Message:
    """Something said in the lobby."""
    return wire.Message(
        conversation="lobby", kind="lobby", seq=seq, sender=sender, ulid=f"{seq:026}", time=1_000 * seq, body=text
    )


class Mentions(SynchronousTestCase):
    """``/mentions``, and what is one."""

    def test_a_word_that_is_the_name(self) -> None:
        """With or without @, in upper or lower case, with a comma behind it; not a part of another word."""
        for text in ("alice", "hi @alice!", "(Alice)", "ALICE: hello", "is that\nalice, perhaps?", '"alice"'):
            self.assertTrue(is_mention(text, "Alice"), text)
        for text in ("", "malice", "alice2", "alice.b", "al ice"):
            self.assertFalse(is_mention(text, "Alice"), text)
        self.assertTrue(is_mention("ask j.r-2.", "J.R-2"))
        self.assertFalse(is_mention("nobody", ""))

    def test_the_list(self) -> None:
        """What others have said with the name, of all that is kept."""
        table = ready()
        table.say(lobby(1, "hello alice"), lobby(2, "malice"), lobby(3, "I am alice", "alice"), lobby(4, "@Alice?"))
        table.type("/mentions")
        found = table.last()
        assert isinstance(found, events.Found)
        self.assertEqual([getattr(message, "text", "") for message in found.messages], ["hello alice", "@Alice?"])

    def test_no_arguments(self) -> None:
        """They are refused, not overlooked."""
        for verb in ("/mentions", "/unread"):
            table = ready()
            table.type(f"{verb} #garden")
            self.assertEqual(table.texts(events.Error), [f"{verb}: #garden is too much: {verb}"])


class OffTheRecord(SynchronousTestCase):
    """What only this run remembers."""

    def test_not_without_end(self) -> None:
        """The oldest go first; a message that could be read later takes the place of what it was before."""
        for count in (MAX_PASSED - 1, MAX_PASSED, MAX_PASSED + 1):
            core = new_core(interactive=True)
            for number in range(count):
                said = StoredMessage("#attic", "room", 0, "bob", f"{number}", 0, "", content="sealed")
                core._mail.pass_by(said)
                core._mail.pass_by(msgspec.structs.replace(said, body=f"{number}", content="text"))
            past = core.past("#Attic", MAX_PASSED + 5)
            self.assertEqual(len(past), min(count, MAX_PASSED))
            texts = [message.text for message in past if isinstance(message, events.Message)]
            self.assertEqual(texts, [f"{number}" for number in range(count)][-MAX_PASSED:])
            self.assertEqual(len(core.past("#attic", 3)), 3)
            self.assertEqual(core.past("#attic", 0), [])

    def test_a_program_does_not_want_it(self) -> None:
        """It is given everything once."""
        core = new_core()
        core._mail.pass_by(StoredMessage("#attic", "room", 0, "bob", "1", 0, "hello"))
        self.assertEqual(core.past("#attic", 5), [])


class Unread(SynchronousTestCase):
    """``/unread``."""

    def shown(self, table: Table) -> events.ScreenEvent:
        table.type("/unread")
        return table.last()

    def test_where_everything_is_shown_nothing_is_unread(self) -> None:
        """On a pipe."""
        table = ready()
        table.say(lobby(1, "hello"))
        self.assertEqual(self.shown(table), events.UnreadList(conversations=[]))

    def test_what_the_face_says(self) -> None:
        """It alone knows."""
        table, row = ready(), events.Unread(conversation="@bob", unread=3, mentions=1)
        table.core.unread = lambda: [row]
        self.assertEqual(self.shown(table), events.UnreadList(conversations=[row]))
