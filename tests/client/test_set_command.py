"""`/set`, as people use it."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.preferences import OPTIONS
from encchat.client.settings import Settings
from tests.client.table import Table, new_core


class SetCommand(SynchronousTestCase):
    """Shown, explained, changed."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "client.toml"
        self.table = Table(new_core(settings=Settings.load(self.path)))
        self.table.log_in()

    def said(self, line: str) -> str:
        """What the line makes the client say."""
        before = len(self.table.shown)
        self.table.type(line)
        texts = [one.text for one in self.table.shown[before:] if isinstance(one, events.Notice | events.Error)]
        self.assertEqual(len(texts), 1)
        return texts[0]

    def test_alone_it_lists_every_setting_with_value_and_explanation(self) -> None:
        """And says where they are kept."""
        head, *rows = self.said("/set").splitlines()
        self.assertIn(str(self.path), head)
        self.assertEqual([row.split()[0] for row in rows], [option.typed for option in OPTIONS.values()])
        self.assertIn("notify-text  off", "\n".join(rows))

    def test_with_a_name_it_explains_one(self) -> None:
        """With what it takes and what it is by default."""
        self.assertEqual(
            self.said("/set keys"), "keys is emacs: keys that edit the line; it takes emacs or vi (default: emacs)"
        )

    def test_with_a_value_it_changes_one_at_once(self) -> None:
        """And keeps it."""
        self.assertEqual(self.said("/set keys vi"), "keys is vi")
        self.assertEqual(self.table.core.settings.now.keys, "vi")
        self.assertEqual(Settings.load(self.path).now.keys, "vi")

    def test_mistakes_are_errors_of_the_command(self) -> None:
        """With what would be right."""
        self.assertEqual(self.said("/set keys vim"), "/set: vim is not right for keys: it takes emacs or vi")
        self.assertEqual(self.said("/set kys"), "/set: there is no setting kys: did you mean keys?")

    def test_a_client_without_a_file_says_that_nothing_is_kept(self) -> None:
        """Like a bot's."""
        self.table.core.settings.path = None
        self.assertEqual(self.said("/set keys vi"), "keys is vi until you leave")

    def test_it_works_without_a_connection(self) -> None:
        """It is about this client only."""
        self.table.lose()
        self.assertEqual(self.said("/set bell never"), "bell is never")
