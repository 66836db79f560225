"""The server's log as JSON, one object a line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO, cast

import msgspec
from attrs import frozen
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python.logfile import LogFile
from zope.interface import implementer

from encchat.server.traces import trace

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


@implementer(ILogObserver)
@frozen
class JsonObserver:
    """Writes ``{"time", "level", "event", "text", ...}`` a line to ``file``, flushed; debug lines are left out.

    ``event`` is the line's own field of that name, ``log`` where it has none; its other plain fields follow.
    """

    file: TextIO

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level") is LogLevel.debug:
            return
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
    plain = value is None or isinstance(value, str | int | float | bool)
    return plain and not name.startswith("log_") and name not in _LEGACY


def json_log(logfile: str | None, *, nodaemon: bool) -> JsonObserver:
    """The observer for twistd's ``--logfile``: a rotated file, or stdout where twistd would use it."""
    if nodaemon and logfile in (None, "", "-"):
        return JsonObserver(sys.stdout)
    if logfile == "-":
        raise SystemExit("encchat: a daemon cannot log to stdout: name a --logfile, or use twistd -n")
    return JsonObserver(cast(TextIO, LogFile.fromFullPath(logfile or "twistd.log")))
