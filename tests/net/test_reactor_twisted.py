"""Twisted's own tests of its reactors, run on encchat's: what it promises of a reactor holds of this one."""

from __future__ import annotations

from typing import Any

from twisted.internet.test import test_core, test_fdset, test_process, test_socket, test_tcp, test_threads, test_time
from twisted.internet.test.reactormixins import ReactorBuilder

_LEFT_OUT = {
    "test_logPrefix": "this reactor leaves the protocol's name in old-style log lines out, on purpose",
    "test_lostFileDescriptor": "Twisted leaves it out for its epoll reactor too: epoll forgets what was closed",
    "test_changeUID": "no matter of the reactor, and what another user may read differs from place to place",
    "test_changeGID": "no matter of the reactor, and what another user may read differs from place to place",
}
_BUILDERS: tuple[type[ReactorBuilder], ...] = (
    test_core.SystemEventTestsBuilder,
    test_fdset.ReactorFDSetTestsBuilder,
    test_process.ProcessTestsBuilder,
    test_socket.AdoptStreamConnectionErrorsTestsBuilder,
    test_tcp.AbortConnectionTests,
    test_tcp.AdoptStreamConnectionTestsBuilder,
    test_tcp.TCP4ClientTestsBuilder,
    test_tcp.TCPConnectionTestsBuilder,
    test_tcp.TCPPortTestsBuilder,
    test_tcp.TCPTransportTestsBuilder,
    test_threads.ThreadTestsBuilder,
    test_time.TimeTestsBuilder,
)


def _skipped(reason: str) -> Any:
    def test(self: Any) -> None: ...

    test.skip = reason  # type: ignore[attr-defined]
    return test


def _cases(builder: type[ReactorBuilder]) -> dict[str, Any]:
    """The test cases that ``builder`` makes for the one reactor, by name."""
    left_out = {name: _skipped(reason) for name, reason in _LEFT_OUT.items() if hasattr(builder, name)}
    ours: Any = type(builder.__name__, (builder,), {"_reactors": ["encchat.net.reactor.EncchatReactor"], **left_out})
    found: dict[str, Any] = ours.makeTestCaseClasses()
    return {name: type(name, (case,), {"__module__": __name__}) for name, case in found.items()}


for _builder in _BUILDERS:
    globals().update(_cases(_builder))
