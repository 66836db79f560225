"""Every error the client can end with has its exit code."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from encchat import errors
from encchat.client.exits import Exit, exit_for


class Exits(SynchronousTestCase):
    """The codes of the machine face, which never change."""

    def test_the_codes_are_those_of_the_manual(self) -> None:
        """0 to 7 and 70, each with a meaning."""
        self.assertEqual([int(code) for code in Exit], [0, 1, 2, 3, 4, 5, 6, 7, 70])
        self.assertEqual(len({code.meaning for code in Exit}), len(Exit))

    def test_each_error_ends_in_its_code(self) -> None:
        """By what it means for whoever started the client."""
        for error, code in {
            errors.UsageError("x"): Exit.USAGE,
            errors.CannotConnectError("x"): Exit.CANNOT_CONNECT,
            errors.NotConnectedError("x"): Exit.CANNOT_CONNECT,
            errors.HandshakeError("x"): Exit.CANNOT_CONNECT,
            errors.SuiteRefusedError("x", ()): Exit.CANNOT_CONNECT,
            errors.OverloadedError("x"): Exit.CANNOT_CONNECT,
            errors.PinMismatchError("x", "y"): Exit.PIN_MISMATCH,
            errors.LoginRefusedError("x"): Exit.LOGIN_REFUSED,
            errors.RegistrationRefusedError("x"): Exit.LOGIN_REFUSED,
            errors.NameRefusedError("x"): Exit.LOGIN_REFUSED,
            errors.ThrottledError("x"): Exit.LOGIN_REFUSED,
            errors.KickedError("x"): Exit.KICKED,
            errors.ConfigurationError("x"): Exit.LOCAL,
            errors.StoreError("x"): Exit.LOCAL,
            errors.EncchatError("x"): Exit.BUG,
        }.items():
            self.assertIs(exit_for(error), code, repr(error))
