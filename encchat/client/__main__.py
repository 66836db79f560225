"""``encchat-client``: the client's only composition point."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import Any

from twisted.python.failure import Failure

from encchat.client.exits import Exit, exit_for
from encchat.client.faces import FaceName, choose_face, install_reactor, make_face
from encchat.client.options import NO_ADDRESS, Options, parse
from encchat.errors import ConfigurationError, EncchatError, UsageError
from encchat.net.steady import keep_steady


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client; returns its exit code."""
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments, os.environ)
        face = _face(options)
        if options.demo:
            return _demo(options, face)
        password = options.password(os.environ)
    except EncchatError as error:
        print(f"encchat-client: {error.text}", file=sys.stderr)
        return exit_for(error)
    install_reactor(face)
    return _run(options, face, password)


def _demo(options: Options, face: FaceName) -> int:
    """The same at a server of its own, which is there before this process has a reactor."""
    from encchat.client.demo import new_password, open_place

    print("encchat-client: starting a server and two bots for you...", file=sys.stderr)
    try:
        with open_place() as place:
            install_reactor(face)
            return _run(place.options(options), face, new_password())
    except KeyboardInterrupt:  # only before the reactor runs, which takes it for itself
        return Exit.FINE


def _face(options: Options) -> FaceName:
    try:
        face = choose_face(options.face, sys.stdin, sys.stdout)
    except ConfigurationError as error:
        raise UsageError(error.text) from None
    if options.address is None and not options.demo and (face == "json" or not sys.stdin.isatty()):
        raise UsageError(NO_ADDRESS)  # nobody can be asked
    return face


def _run(options: Options, face: FaceName, password: str | None) -> int:
    from twisted.internet import reactor as installed

    from encchat.client.app import App

    reactor: Any = installed
    keep_steady(reactor)
    app = App(reactor, options, make_face(face, reactor), face, password)
    exits: list[int] = []

    def over(result: Exit | Failure) -> None:
        exits.append(_code(result))
        if reactor.running:
            reactor.callLater(0, _stop, reactor)

    def start() -> None:
        app.run().addBoth(over)

    reactor.addSystemEventTrigger("before", "shutdown", app.shut_down)
    reactor.callWhenRunning(start)
    gc.freeze()  # what is there by now stays; looking through all of it takes longer than a key may
    reactor.run()
    return exits[0] if exits else Exit.FINE


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()


def _code(result: Exit | Failure) -> int:
    if isinstance(result, Failure):
        print("encchat-client: this is a bug in encchat, please report it:", file=sys.stderr)
        print(result.getTraceback(), file=sys.stderr)
        return Exit.BUG
    return result


if __name__ == "__main__":
    sys.exit(main())
