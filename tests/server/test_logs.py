"""The JSON log."""

from __future__ import annotations

import io
import json
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from encchat.server.logs import JsonObserver, json_log


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

    def test_debug_lines_are_left_out(self) -> None:
        """They are for whoever changes the code."""
        self.log.debug("hello")
        self.assertEqual(self.file.getvalue(), "")

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
        path = self.mktemp()
        observer = json_log(path, nodaemon=False)
        Logger(observer=observer).info("hello", event="greeting")
        with open(path, encoding="utf-8") as file:
            self.assertEqual(json.loads(file.read())["event"], "greeting")
        observer.file.close()

    def test_a_daemon_cannot_log_to_stdout(self) -> None:
        """It has none."""
        error = self.assertRaises(SystemExit, json_log, "-", nodaemon=False)
        self.assertIn("cannot log to stdout", str(error))
