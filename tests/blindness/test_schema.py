"""Every column of the server's store stands in docs/security.md with what it may hold."""

from __future__ import annotations

from contextlib import closing

from twisted.trial.unittest import SynchronousTestCase

from encchat.server.store.database import in_memory
from tests.blindness.page import columns, forms

READABLE = {"audit.detail", "audit.target", "device.name", "message.body", "sanction.reason", "sanction.target"}
"""All that may hold words which the server can read. Who adds one here takes a promise back."""


def schema() -> dict[str, str]:
    """The type of each column of the current schema, by ``table.column``."""
    with closing(in_memory()) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return {
            f"{table}.{name}": kind
            for (table,) in tables.fetchall()
            for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")
        }


class Schema(SynchronousTestCase):
    """Table "What the server stores"."""

    def test_every_column_is_listed_and_no_other(self) -> None:
        """A new column needs a line that says what it holds."""
        self.assertEqual(set(columns()), set(schema()))

    def test_only_these_columns_may_hold_readable_text(self) -> None:
        """They are marked so that nobody overlooks them."""
        self.assertEqual({name for name, column in columns().items() if column.is_text}, READABLE)

    def test_every_form_is_explained_and_used(self) -> None:
        """A number is kept as one, everything else as text or bytes."""
        self.assertEqual({column.form for column in columns().values()}, forms())
        for name, kind in schema().items():
            self.assertEqual(kind == "INTEGER", columns()[name].form == "number", name)
