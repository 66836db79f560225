"""The systemd unit as it is shipped, under a real systemd that has namespaces of its own and this one unit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from unittest import SkipTest

from attrs import define
from twisted.internet import reactor as _reactor
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from tests.client.test_process_client import PASSWORD
from tests.processes import JsonProcess, directory, free_port, start_client

reactor: Any = _reactor
ROOT = Path(__file__).resolve().parents[2]
SYSTEMD = Path("/lib/systemd/systemd")
PYTHON = Path("/usr/bin/python3")
TELL = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'cat {place}/%s > {place}/told'\n"
NAMESPACES = ("--fork", "--kill-child", "--pid", "--mount-proc", "--mount", "--uts", "--ipc", "--cgroup")
UNITS = {
    "test.target": "[Unit]\nRequires=ready.service\n",
    "ready.service": "[Unit]\nRequires=encchat.service\nAfter=encchat.service\n" + TELL % "ready",
    "failed.service": "[Unit]\nDefaultDependencies=no\n" + TELL % "failed",
    "encchat.service.d/test.conf": "[Unit]\nOnFailure=failed.service\n"
    "[Service]\nStandardOutput=append:{place}/log\nStandardError=append:{place}/log\n",
    **{f"{name}.target": "[Unit]\nDefaultDependencies=no\n" for name in ("sysinit", "basic", "network", "shutdown")},
}
"""Beside the unit; the service manager says by a pipe what became of it."""


def obstacle() -> str:
    """Why it cannot be tried here."""
    if os.geteuid() != 0:
        return "only root may make namespaces with mounts"
    missing = [name for name in ("unshare", "nsenter", "mount", "systemctl") if shutil.which(name) is None]
    if missing or not SYSTEMD.exists():
        return f"{', '.join(missing) or SYSTEMD} is not here: apt-get install systemd util-linux"
    has_venv = [str(PYTHON), "-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"]
    if not PYTHON.exists() or subprocess.run(has_venv, capture_output=True, check=False).returncode:
        return f"{PYTHON} is no Python 3.11 with venv, and one in somebody's home is hidden from the service"
    try_it = ["unshare", *NAMESPACES, "mount", "--make-rprivate", "/"]
    if subprocess.run(try_it, capture_output=True, check=False).returncode:
        return "namespaces cannot be made here"
    return ""


def surroundings() -> dict[str, str]:
    """This environment, without what is about the Python and the tests that run here."""
    own = ("PYTHON", "COVERAGE", "VIRTUAL_ENV", "LD_", "TRIAL")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


@define(eq=False, slots=False)
class Host(JsonProcess):
    """`unshare`, whose child is the service manager."""

    place: Path = Path()

    @property
    def log(self) -> str:
        """What the service has said."""
        return (self.place / "log").read_text()

    async def systemctl(self, *arguments: str) -> tuple[str, int]:
        """What it says, and how it ended."""
        return await self._within("systemctl", "--no-pager", *arguments)

    async def niceness(self) -> list[str]:
        """Of each thread of the service, as the kernel has it."""
        show = "tasks=/proc/$(systemctl show --property=MainPID --value encchat)/task; cut -d ' ' -f 19 $tasks/*/stat"
        said, _ = await self._within("sh", "-c", show)
        return said.split()

    async def _within(self, *command: str) -> tuple[str, int]:
        parent = self.transport.pid
        child = Path(f"/proc/{parent}/task/{parent}/children").read_text().strip()
        enter = ["-t", child, "-m", "-p", *command]
        out, err, code = await getProcessOutputAndValue(shutil.which("nsenter") or "", enter, env=surroundings())
        return (out + err).decode().strip(), code


class UnitTests(TestCase):
    """``systemctl start, reload, restart, stop encchat``."""

    timeout = 240

    def host(self, port: int) -> Host:
        """It installs the project, then begins; its end ends everything in it."""
        place = directory(self)
        shutil.copytree("/etc", place / "etc", symlinks=True)
        config = place / "etc" / "encchat" / "encchat.toml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(f"port = {port}\n")
        for name, text in UNITS.items():
            unit = place / "units" / name
            unit.parent.mkdir(parents=True, exist_ok=True)
            unit.write_text(text.format(place=place))
        shutil.copy(ROOT / "etc" / "encchat.service", place / "units")
        for state in ("ready", "failed"):
            (place / state).write_text(json.dumps({"event": "unit", "state": state}) + "\n")
        os.mkfifo(place / "told")
        host = Host(place=place)
        command = ["unshare", *NAMESPACES, "sh", str(Path(__file__).with_name("unit_host.sh")), str(place), str(ROOT)]
        reactor.spawnProcess(host, shutil.which("unshare"), command, env=surroundings())
        self.addCleanup(host.ends)
        return host

    async def test_it_serves_under_systemd_as_it_is_shipped(self) -> None:
        """Ready when it says so; people register by password, whose threads give way; it reloads, restarts, stops."""
        if reason := obstacle():
            raise SkipTest(reason)
        host = self.host(free_port())
        await host.wait_for("made")
        if not (await host.wait_for("installed"))["done"]:
            raise SkipTest(f"the project cannot be installed here: {(host.place / 'pip').read_text()[-500:]}")
        self.assertEqual((await host.wait_for("unit"))["state"], "ready", host.log)
        [link] = [line["link"] for line in map(json.loads, host.log.splitlines()) if line["event"] == "invite"]
        home = directory(self)
        alice = start_client(self, link, "--user", "alice", "--register", "--follow", home=home, environ=PASSWORD)
        await alice.wait_for("logged_in", user="alice")
        self.assertIn("10", await host.niceness())

        for verb in ("reload", "restart"):
            self.assertEqual(await host.systemctl(verb, "encchat"), ("", 0), host.log)
        await alice.wait_for("disconnected")
        await alice.wait_for("logged_in", user="alice")
        self.assertEqual(await host.systemctl("stop", "encchat"), ("", 0), host.log)
        shown, _ = await host.systemctl("show", "--property=Result,ActiveState,NRestarts", "encchat")
        self.assertEqual(sorted(shown.split()), ["ActiveState=inactive", "NRestarts=0", "Result=success"])
