"""The JSON log."""

from __future__ import annotations

import io
import json
import signal
from typing import Any, cast

from twisted.logger import Logger, textFileLogObserver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from encchat.server.logs import JsonObserver, LeveledObserver, log_to


class JsonObserverTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.file = io.StringIO()
        self.log = Logger(observer=JsonObserver(self.file))

    def line(self) -> dict[str, Any]:
        whole, rest = self.file.getvalue().split("\n", 1)
        self.assertEqual(rest, "")
        line: dict[str, Any] = json.loads(whole)
        return line

    def test_a_line_has_time_level_event_text_and_the_fields(self) -> None:
        """One object a line."""
        self.log.warn("{user} is\nslow", event="slow", user="bob", bytes=5, ratio=0.5, why_not=None)
        line = self.line()
        self.assertRegex(line.pop("time"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$")
        self.assertEqual(
            line,
            {"level": "warn", "event": "slow", "text": "bob is\nslow", "user": "bob", "bytes": 5, "ratio": 0.5}
            | {"why_not": None},
        )

    def test_a_line_without_an_event_is_a_log_line(self) -> None:
        """Twisted's own lines have none."""
        self.log.info("hello")
        self.assertEqual(self.line()["event"], "log")

    def test_what_is_not_plain_is_left_out(self) -> None:
        """An object's repr may hold anything."""
        self.log.info("hello", thing=object(), data=b"secret", many=["x"])
        self.assertEqual(set(self.line()), {"time", "level", "event", "text"})

    def test_a_failure_shows_where_but_not_what_about(self) -> None:
        """The text of an unexpected exception may quote a message."""
        try:
            raise ValueError("the secret")
        except ValueError:
            self.log.failure("it broke", Failure(), event="broke")
        line = self.line()
        self.assertIn("ValueError", line["trace"])
        self.assertIn("test_logs", line["trace"])
        self.assertNotIn("the secret", self.file.getvalue())

    def test_a_log_file_is_written_to(self) -> None:
        """As twistd's --logfile names it."""
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.getsignal(signal.SIGUSR1))
        path = self.mktemp()
        observer = log_to(path, "json", nodaemon=False)
        Logger(observer=observer).info("hello", event="greeting")
        with open(path, encoding="utf-8") as file:
            self.assertEqual(json.loads(file.read())["event"], "greeting")
        observer.file.close()

    def test_a_daemon_cannot_log_to_stdout(self) -> None:
        """It has none."""
        error = self.assertRaises(SystemExit, log_to, "-", "json", nodaemon=False)
        self.assertIn("cannot log to stdout", str(error))


class LevelTests(SynchronousTestCase):
    """Which lines are written."""

    LEVELS = ("debug", "info", "warn", "error", "critical")

    def written(self, level: str, log_format: str) -> list[str]:
        """The levels that come through when ``level`` is the least one."""
        file = io.StringIO()
        observer: Any = JsonObserver(file) if log_format == "json" else textFileLogObserver(file)
        log = Logger(observer=LeveledObserver(cast(Any, level), observer))
        for each in self.LEVELS:
            getattr(log, each)(f"this is {each}")
        return [each for each in self.LEVELS if f"this is {each}" in file.getvalue()]

    def test_lines_below_the_level_are_left_out_in_both_formats(self) -> None:
        """Those of it and above are written."""
        for log_format in ("text", "json"):
            for index, level in enumerate(self.LEVELS):
                self.assertEqual(self.written(level, log_format), list(self.LEVELS[index:]))

    def test_a_line_without_a_level_is_information(self) -> None:
        """Old parts of Twisted give none."""
        events: list[Any] = []
        LeveledObserver("info", events.append)({"log_format": "x"})
        LeveledObserver("warn", events.append)({"log_format": "y"})
        self.assertEqual(events, [{"log_format": "x"}])
