"""Which login request is made when."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from attrs import define, evolve, field
from twisted.trial.unittest import SynchronousTestCase

from encchat import errors, wire
from encchat.client.login import Credentials, error_from, log_in

ALICE = Credentials("alice", device_name="laptop")
LOGGED_IN = wire.LoggedIn(user="alice", device="d", role="user", presence="FREE")


@define
class Server:
    """Answers each request type with a result or a refusal, and remembers what was asked."""

    answers: dict[type[wire.Request], wire.Result | Exception] = field(factory=dict)
    asked: list[tuple[type[wire.Request], dict[str, Any]]] = field(factory=list)

    async def ask(self, kind: type[wire.Request], **fields: Any) -> wire.Result | None:
        self.asked.append((kind, fields))
        answer = self.answers.get(kind, LOGGED_IN)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def given(*, new: bool) -> str:
    return "new one" if new else "secret"


async def nobody(*, new: bool) -> str:
    raise errors.UsageError("no password: say it")


def run(coroutine: Coroutine[Any, Any, wire.LoggedIn]) -> wire.LoggedIn:
    """Drive a coroutine that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: wire.LoggedIn = end.value
        return result
    raise AssertionError("it waits")


class LogIn(SynchronousTestCase):
    """Device key before password, a link only where there is no account yet."""

    def test_a_new_device_logs_in_by_password(self) -> None:
        """The server then knows its key."""
        server = Server()
        self.assertEqual(run(log_in(server.ask, ALICE, given)), LOGGED_IN)
        self.assertEqual(server.asked, [(wire.Login, {"user": "alice", "password": "secret", "device_name": "laptop"})])

    def test_a_known_device_needs_no_password(self) -> None:
        """Not even to be given one."""
        server = Server()
        run(log_in(server.ask, evolve(ALICE, known_device=True), nobody))
        self.assertEqual(server.asked, [(wire.LoginDevice, {"user": "alice"})])

    def test_a_link_registers_unless_the_device_is_known(self) -> None:
        """The same command line works every day."""
        linked = evolve(ALICE, invite="token")
        server = Server()
        run(log_in(server.ask, linked, given))
        run(log_in(server.ask, evolve(linked, known_device=True), given))
        self.assertEqual([kind for kind, _ in server.asked], [wire.Register, wire.LoginDevice])
        self.assertEqual(server.asked[0][1]["invite"], "token")
        self.assertEqual(server.asked[0][1]["password"], "new one")

    def test_a_refused_device_with_a_password_at_hand_logs_in_by_it(self) -> None:
        """The server may have forgotten the device."""
        server = Server({wire.LoginDevice: errors.LoginRefusedError("no")})
        run(log_in(server.ask, evolve(ALICE, known_device=True), given))
        self.assertEqual([kind for kind, _ in server.asked], [wire.LoginDevice, wire.Login])

    def test_a_refused_device_without_password_is_a_refused_login(self) -> None:
        """The text says both what happened and what can be done."""
        server = Server({wire.LoginDevice: errors.LoginRefusedError("no")})
        login = log_in(server.ask, evolve(ALICE, known_device=True), nobody)
        refused = self.assertRaises(errors.LoginRefusedError, run, login)
        self.assertIn("does not know this device any more; no password: say it", refused.text)

    def test_a_refused_registration_is_final(self) -> None:
        """The name belongs to somebody else."""
        server = Server({wire.Register: errors.NameRefusedError("taken")})
        register = evolve(ALICE, register=True)
        self.assertRaises(errors.NameRefusedError, run, log_in(server.ask, register, given))
        self.assertEqual(len(server.asked), 1)

    def test_a_registration_whose_answer_was_lost_is_not_taken_for_somebody_elses(self) -> None:
        """The device key tells; if it does not, the refusal stands."""
        again = evolve(ALICE, register=True, again=True)
        server = Server({wire.Register: errors.NameRefusedError("taken")})
        self.assertEqual(run(log_in(server.ask, again, given)), LOGGED_IN)
        server.answers[wire.LoginDevice] = errors.LoginRefusedError("no")
        self.assertRaises(errors.NameRefusedError, run, log_in(server.ask, again, given))

    def test_an_answer_that_is_no_login_is_an_error(self) -> None:
        """A broken server is not taken for a good one."""
        server = Server({wire.Login: wire.Notice(text="hello")})
        self.assertRaises(errors.InternalError, run, log_in(server.ask, ALICE, given))

    def test_codes_become_their_classes(self) -> None:
        """Unknown ones, of a newer server, become the base."""
        for kind in (errors.LoginRefusedError, errors.NameRefusedError, errors.NotConnectedError):
            self.assertIs(type(error_from(wire.Error(code=kind.code, text="x"))), kind)
        self.assertIs(type(error_from(wire.Error(code="brand-new", text="x"))), errors.RequestError)
