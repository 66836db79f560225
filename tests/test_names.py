"""Names: who may be called what, and which names look like each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import names
from encchat.errors import NameRefusedError, UnknownConversationError
from encchat.limits import MAX_NAME


class AccountNames(SynchronousTestCase):
    """`account_name` and `skeleton`."""

    def test_usual_names_pass_as_written(self) -> None:
        """Case is kept, since people care how their name looks."""
        for name in ("a", "bob", "Alice", "jean-luc", "r2.d2", "x_y", "9lives", "B" * MAX_NAME):
            self.assertEqual(names.account_name(name), name)

    def test_everything_else_is_refused_with_the_rule(self) -> None:
        """The text says what a name may have."""
        bad = (
            "",
            " ",
            "b b",
            "-bob",
            "bob.",
            "@bob",
            "#room",
            "bob\n",
            "Алиса",
            "b\u00f6b",
            "\u202ebob",
            "b" * (MAX_NAME + 1),
        )
        for name in bad:
            error = self.assertRaises(NameRefusedError, names.account_name, name)
            self.assertIn("letters", error.text)

    def test_the_length_limit_is_exact(self) -> None:
        """One under, at, one over."""
        names.account_name("b" * (MAX_NAME - 1))
        names.account_name("b" * MAX_NAME)
        self.assertRaises(NameRefusedError, names.account_name, "b" * (MAX_NAME + 1))

    def test_names_of_the_server_are_kept_also_in_disguise(self) -> None:
        """Nobody can speak as the server, nor as something that looks like it."""
        for name in ("server", "Server", "lobby", "l0bby", "1obby", "everyone", "SYSTEM"):
            self.assertRaises(NameRefusedError, names.account_name, name)

    def test_look_alikes_share_a_skeleton(self) -> None:
        """What differs only for machines is one name for people."""
        for one, other in (
            ("alice", "ALICE"),
            ("alice", "a1ice"),
            ("bob", "b0b"),
            ("mia", "rnia"),
            ("will", "wiii"),
            ("a_b", "a.b"),
            ("web", "vveb"),
        ):
            self.assertEqual(names.skeleton(one), names.skeleton(other))

    def test_different_names_have_different_skeletons(self) -> None:
        """Ordinary numbered names do not get in each other's way."""
        many = [f"user-{number}" for number in range(2, 100) if "0" not in str(number)]
        self.assertEqual(len({names.skeleton(name) for name in many}), len(many))

    @given(st.text(max_size=MAX_NAME + 2))
    def test_any_text_is_a_safe_name_or_refused(self, text: str) -> None:
        """A name that passes is printable ASCII of bounded length and has a skeleton."""
        try:
            name = names.account_name(text)
        except NameRefusedError:
            return
        self.assertTrue(name.isascii() and name.isprintable() and 1 <= len(name) <= MAX_NAME)
        self.assertEqual(names.skeleton(name), names.skeleton(names.folded(name)))


class ConversationNames(SynchronousTestCase):
    """`direct_with`."""

    def test_a_direct_conversation_is_named_after_the_other(self) -> None:
        """``@bob`` is the conversation with bob."""
        self.assertEqual(names.direct_with("@bob"), "bob")

    def test_other_texts_are_no_direct_conversation(self) -> None:
        """The refusal names what would be right."""
        for text in ("", "@", "bob", "#room", "lobby"):
            error = self.assertRaises(UnknownConversationError, names.direct_with, text)
            self.assertIn("@NAME", error.text)
