"""The first run as a conversation, with a person who answers from a list."""

from __future__ import annotations

import secrets
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.first_run import FirstRun, check_phrase, judge, new_password
from encchat.client.options import parse
from encchat.errors import (
    BannedError,
    CannotConnectError,
    EncchatError,
    LoginRefusedError,
    NameRefusedError,
    PinMismatchError,
    RegistrationRefusedError,
)
from encchat.limits import MAX_JUDGED_PASSWORD, MAX_PASSWORD, MIN_PASSWORD
from encchat.links import Address, InviteLink

T = TypeVar("T")
LINK = InviteLink(Address("example.org", 5001), bytes(range(32)), "token")
PHRASE = "clap hole hybrid ten wrap can wasp obvious identify stay history minor"
STRONG = "mellow otter ferry quarz 81"


class Person:
    """Somebody at a face: gives the answers in turn, remembers what was asked and shown."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.secret: list[str] = []
        self.vanished: list[str] = []
        self.shown: list[events.ScreenEvent] = []

    def show(self, event: events.ScreenEvent) -> None:
        self.shown.append(event)

    def ask(self, prompt: str, *, vanishes: bool = False) -> Deferred[str]:
        if vanishes:
            self.vanished.append(prompt)
        return self._answer(prompt)

    def ask_secret(self, prompt: str) -> Deferred[str]:
        self.secret.append(prompt)
        return self._answer(prompt)

    def _answer(self, prompt: str) -> Deferred[str]:
        self.asked.append(prompt)
        return succeed(self.answers.pop(0))

    def told(self) -> str:
        """All the texts that were shown."""
        return "\n".join(str(getattr(event, "text", "")) for event in self.shown)


class Conversation(SynchronousTestCase):
    """Base of those below."""

    def finished(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What it returns: the person does not hesitate."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def setUp(self) -> None:
        self.options = parse(["--home", self.mktemp()], {})


class Where(Conversation):
    """Which server, and who."""

    def test_a_link_is_all_there_is_to_say_about_the_server(self) -> None:
        """It pins the server and makes the account; quotes around it do not matter."""
        person = Person(f" '{LINK}' ", "ada")
        options = self.finished(FirstRun(person, self.options).ask())
        self.assertEqual((options.address, options.link, options.user), (LINK.address, LINK, "ada"))

    def test_at_an_address_one_has_an_account_or_not(self) -> None:
        """Without one it is made."""
        for answer, register in (("y", False), ("No", True)):
            options = self.finished(FirstRun(Person("localhost", answer, "ada"), self.options).ask())
            self.assertEqual((options.address, options.link), (Address("localhost", 5000), None))
            self.assertEqual(options.register, register)

    def test_what_is_wrong_is_explained_and_asked_again(self) -> None:
        """Link, address, yes or no, name: each says what would be right."""
        person = Person("", "encchat://x", str(LINK)[:40], "a b", "localhost", "perhaps", "n", "a b", "lobby", "ada")
        options = self.finished(FirstRun(person, self.options).ask())
        self.assertEqual((str(options.address), options.user), ("localhost:5000", "ada"))
        for part in ("HOST:PORT", "looks like", "cut short", "y for yes", "letters a-z", "kept for the server"):
            self.assertIn(part, person.told())
        self.assertEqual(person.answers, [])

    def test_the_name_of_the_command_line_is_not_asked_for(self) -> None:
        """Nor is it chosen anew while the server has nothing against it."""
        person = Person(str(LINK))
        self.assertEqual(self.finished(FirstRun(person, evolve(self.options, user="ada")).ask()).user, "ada")

    def test_who_comes_by_a_link_on_the_command_line_is_asked_for_the_rest(self) -> None:
        """Where it leads is said."""
        person = Person("ada")
        options = evolve(self.options, address=LINK.address, link=LINK)
        self.assertEqual(self.finished(FirstRun(person, options).ask()).user, "ada")
        self.assertIn("leads to example.org:5001", person.told())

    def after(self, error: EncchatError, *answers: str) -> tuple[Person, FirstRun]:
        """Somebody came by a link, the server said ``error``; the answers are for what follows."""
        person = Person(str(LINK), "ada", STRONG, STRONG, *answers)
        first = FirstRun(person, self.options)
        self.finished(first.ask())
        self.finished(first.password(new=True))
        self.assertTrue(first.again(error))
        self.assertIn(error.text, person.told())
        return person, first

    def test_a_name_that_is_taken_is_chosen_again_and_nothing_else(self) -> None:
        """The password stays."""
        person, first = self.after(NameRefusedError("the name ada is taken"), "ada2")
        options = self.finished(first.ask())
        self.assertEqual((options.user, options.link), ("ada2", LINK))
        self.assertEqual(self.finished(first.password(new=True)), STRONG)
        self.assertEqual(person.answers, [])

    def test_a_link_that_is_used_up_is_asked_for_again(self) -> None:
        """The name stays."""
        person, first = self.after(RegistrationRefusedError("the invite is used up"), "localhost", "y")
        options = self.finished(first.ask())
        self.assertEqual((options.user, options.link, str(options.address)), ("ada", None, "localhost:5000"))
        self.assertEqual(person.answers, [])

    def test_who_cannot_connect_may_say_another_address(self) -> None:
        """What was known of the person stays."""
        _, first = self.after(CannotConnectError("nobody listens there"), "localhost", "y")
        self.assertEqual(self.finished(first.ask()).user, "ada")

    def test_a_wrong_password_is_asked_for_again(self) -> None:
        """With the name, for the server does not say which of them it was."""
        person, first = self.after(LoginRefusedError("wrong name or password"), "eve", "other password")
        self.assertEqual(self.finished(first.ask()).user, "eve")
        self.assertEqual(self.finished(first.password(new=False)), "other password")
        self.assertEqual(person.answers, [])

    def test_what_no_answer_mends_ends_it(self) -> None:
        """Above all a server that is not the one it should be."""
        first = FirstRun(Person(), self.options)
        self.assertFalse(first.again(PinMismatchError("SHA256:a", "SHA256:b")))
        self.assertFalse(first.again(BannedError("banned for 7 days")))


class Passwords(Conversation):
    """`new_password` and `judge`."""

    def test_a_good_one_is_typed_twice_and_its_strength_said(self) -> None:
        """In words, and the password never shows."""
        person = Person(STRONG, STRONG)
        self.assertEqual(self.finished(new_password(person)), STRONG)
        self.assertIn("this password is strong", person.told())
        self.assertNotIn(STRONG, person.told())
        self.assertEqual(person.secret, person.asked)

    def test_a_short_or_long_one_is_refused(self) -> None:
        """One character less or more than allowed; the limits themselves are taken."""
        for length in (MIN_PASSWORD - 1, MAX_PASSWORD + 1):
            person = Person("x" * length, STRONG, STRONG)
            self.assertEqual(self.finished(new_password(person)), STRONG)
            self.assertIn(f"{MIN_PASSWORD} to {MAX_PASSWORD} characters", person.told())
        for length in (MIN_PASSWORD, MAX_PASSWORD):
            password = ("Kf7#qZ!m" * MAX_PASSWORD)[:length]
            self.assertEqual(self.finished(new_password(Person(password, password))), password)

    def test_a_weak_one_is_taken_from_who_insists(self) -> None:
        """By typing it again; Enter chooses a better one."""
        person = Person("password", "", "password", "password")
        self.assertEqual(self.finished(new_password(person)), "password")
        self.assertIn("very weak", person.told())
        self.assertIn("to take it all the same", person.asked[1])

    def test_two_that_differ_are_asked_for_again(self) -> None:
        """It says so."""
        person = Person(STRONG, STRONG + "x", STRONG, STRONG)
        self.assertEqual(self.finished(new_password(person)), STRONG)
        self.assertTrue(person.asked[2].startswith("They differ"))

    def test_a_password_made_of_the_name_and_the_server_is_weak(self) -> None:
        """Who guesses knows them."""
        known = ("zorblattan", "chat.example.org")
        self.assertLess(judge("zorblattan1", known).score, judge("zorblattan1").score)

    def test_the_longest_password_is_judged_at_once(self) -> None:
        """By its beginning, at the limit as over it."""
        for length in (MAX_JUDGED_PASSWORD - 1, MAX_JUDGED_PASSWORD, MAX_JUDGED_PASSWORD + 1, MAX_PASSWORD):
            self.assertEqual(judge(secrets.token_hex(MAX_PASSWORD)[:length]).score, 4)


class ThePhrase(Conversation):
    """The recovery phrase is shown, then asked for."""

    def check(self, *answers: str) -> tuple[bool, Person]:
        """The words 3 and 10 are asked for."""
        person = Person(*answers)
        return self.finished(check_phrase(person, PHRASE, (2, 9))), person

    def test_who_has_written_it_down_knows_two_of_its_words(self) -> None:
        """In whatever case."""
        checked, person = self.check("", "hybrid", " Stay ")
        self.assertTrue(checked)
        self.assertEqual(person.asked[1:], ["What is word 3? ", "What is word 10? "])

    def test_nothing_of_it_stays_on_the_screen(self) -> None:
        """All of it is in questions that leave it; nothing is shown otherwise."""
        _, person = self.check("", "wrong", "", "hybrid", "stay")
        self.assertEqual(person.vanished, person.asked)
        self.assertEqual(person.shown, [])

    def test_every_word_stands_on_the_sheet_with_its_number(self) -> None:
        """For paper."""
        _, person = self.check("", "hybrid", "stay")
        sheet = " ".join(person.asked[0].split())
        for number, word in enumerate(PHRASE.split(), 1):
            self.assertIn(f"{number} {word}", sheet)

    def test_a_wrong_word_shows_it_again(self) -> None:
        """And says which was wrong."""
        checked, person = self.check("", "wrong", "", "hybrid", "stay")
        self.assertTrue(checked)
        self.assertTrue(person.asked[2].startswith("Word 3 is another one."))

    def test_enter_twice_leaves_it(self) -> None:
        """Once does not: the word may still be typed."""
        self.assertEqual(self.check("", "", "")[0], False)
        self.assertEqual(self.check("", "", "hybrid", "", "stay")[0], True)

    def test_who_is_in_is_told_how_it_went_and_how_to_go_on(self) -> None:
        """Unchecked is said loudly; first steps come in any case."""
        person = Person("", "", "")
        first = FirstRun(person, self.options)
        first.remember(PHRASE)
        self.finished(first.finish())
        self.assertIn("NOT checked", person.told())
        self.assertIn("/help", person.told())
        self.assertNotIn("hybrid", person.told())
        person = Person()
        self.finished(FirstRun(person, self.options).finish())
        self.assertIn("first steps", person.told())


class TheLastServer(Conversation):
    """``encchat-client`` alone."""

    def test_the_server_used_last_is_taken(self) -> None:
        """Without one there is none; in a demo it is left alone."""
        home = self.options.home
        self.assertIsNone(self.options.address)
        home.remember_server(Address("a.example", 5001))
        home.remember_server(Address("b.example"))
        arguments = ["--home", str(home.path)]
        self.assertEqual(parse(arguments, {}).address, Address("b.example", 5000))
        self.assertIsNone(parse(["--demo"], {"XDG_DATA_HOME": str(home.path.parent)}).address)

    def test_a_home_of_before_knows_it_too(self) -> None:
        """From where somebody is logged in; a server that was only looked at is none."""
        home = self.options.home
        Path(home.path).mkdir(parents=True)
        (home.path / "servers.json").write_text(
            '{"pins": {"a.example:5000": "SHA256:a", "b.example:5000": "SHA256:b"}, "users": {"SHA256:a": "ada"}}'
        )
        self.assertEqual(home.last_server(), Address("a.example", 5000))
