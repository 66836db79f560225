"""The server's log: for people, or as JSON, one object a line; from a level on that can be changed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import NoneType
from typing import Any, Final, Literal, TextIO, cast

import msgspec
from attrs import define, frozen
from twisted.logger import ILogObserver, LogEvent, formatEvent, textFileLogObserver
from twisted.python.logfile import LogFile
from zope.interface import implementer

from encchat.server.settings import LogLevelName
from encchat.server.traces import trace

LogFormat = Literal["text", "json"]

_RANK: Final = {"debug": 0, "info": 1, "warn": 2, "error": 3, "critical": 4}

_LEGACY: Final = frozenset(
    {
        "message",
        "time",
        "system",
        "format",
        "isError",
        "why",
        "failure",
        "debug",
        "warning",
        "category",
        "lineno",
        "filename",
    }
)
"""Keys that Twisted's older log puts beside the fields."""

_PLAIN: Final = (str, int, float, NoneType)


@implementer(ILogObserver)
@frozen
class JsonObserver:
    """Writes ``{"time", "level", "event", "text", ...}`` a line to ``file``, flushed.

    ``event`` is the line's own field of that name, ``log`` where it has none; its other plain fields follow.
    """

    file: TextIO

    def __call__(self, event: LogEvent) -> None:
        self.file.write(json_line(event) + "\n")
        self.file.flush()


def json_line(event: LogEvent) -> str:
    """The JSON object of one log event, without the line feed."""
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
        "level": event["log_level"].name if event.get("log_level") else "info",
        "event": "log",
        "text": formatEvent(event),
    }
    fields.update((name, value) for name, value in event.items() if _is_field(name, value))
    if "log_failure" in event:
        fields["trace"] = trace(event["log_failure"])
    return msgspec.json.encode(fields).decode("utf-8")


def _is_field(name: str, value: object) -> bool:
    return not name.startswith("log_") and isinstance(value, _PLAIN) and name not in _LEGACY


@implementer(ILogObserver)
@define
class LeveledObserver:
    """Passes on to ``observer``, once it is there, what is of ``level`` or above."""

    level: LogLevelName = "info"
    observer: Callable[[LogEvent], None] | None = None

    def __call__(self, event: LogEvent) -> None:
        if self.observer is not None and _RANK[_level_of(event)] >= _RANK[self.level]:
            self.observer(event)


def _level_of(event: LogEvent) -> str:
    level = event.get("log_level")
    return "info" if level is None else str(level.name)


def log_to(logfile: str | None, log_format: LogFormat, *, nodaemon: bool) -> Callable[[LogEvent], None]:
    """The observer for twistd's ``--logfile``: a rotated file, or stdout where twistd would use it."""
    file = _destination(logfile, nodaemon=nodaemon)
    return JsonObserver(file) if log_format == "json" else textFileLogObserver(file)


def _destination(logfile: str | None, *, nodaemon: bool) -> TextIO:
    if nodaemon and logfile in (None, "", "-"):
        return sys.stdout
    if logfile == "-":
        raise SystemExit("encchat: a daemon cannot log to stdout: name a --logfile, or use twistd -n")
    file = LogFile.fromFullPath(logfile or "twistd.log")
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:  # as twistd does for its own log files
        signal.signal(signal.SIGUSR1, lambda number, frame: _rotate(file))
    return cast(TextIO, file)


def _rotate(file: LogFile) -> None:
    from twisted.internet import reactor  # not above: twistd --reactor installs its own first

    cast(Any, reactor).callFromThread(file.rotate)
