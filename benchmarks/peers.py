"""The other chat servers: those that are on this machine, with TLS and without limits, as processes of their own.

Each gets the smallest configuration in which it takes everybody, counts nobody's messages against them, looks nothing
up in the DNS and keeps nothing. Debian's packages of them are ngircd, inspircd and prosody; twisted.words is part of
Twisted and needs pyOpenSSL for TLS (``pip install -e .[bench]``).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from attrs import frozen

from benchmarks.irc import IrcMember
from benchmarks.members import Address
from benchmarks.processes import ROOT
from benchmarks.tls import CERTIFICATE, KEY, TlsMember, certify
from benchmarks.xmpp import HOST, ROOMS, XmppMember

_SECONDS: Final = 20.0
"""After which a server has not started."""
_PATH: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
_ROOT: Final = os.geteuid() == 0

_NGIRCD: Final = """
[Global]
Name = irc.localhost.net
Info = benchmark
Listen = 127.0.0.1
Ports = 0
{user}
[Limits]
IdleTimeout = 0
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
[SSL]
CertFile = {directory}/{certificate}
KeyFile = {directory}/{key}
Ports = {port}
"""
_INSPIRCD: Final = """
<server name="irc.localhost.net" description="benchmark" network="benchmark" id="1AA">
<admin name="x" nick="x" email="x@localhost">
<module name="ssl_gnutls">
<sslprofile name="tls" provider="gnutls" certfile="{directory}/{certificate}" keyfile="{directory}/{key}"
 priority="NORMAL" requestclientcert="no">
<bind address="127.0.0.1" port="{port}" type="clients" sslprofile="tls">
<connect name="all" allow="*" timeout="60" pingfreq="1h" hardsendq="64M" softsendq="64M" recvq="4M"
 threshold="1000000000" commandrate="1000000000" fakelag="no" localmax="100000" globalmax="100000" limit="100000"
 maxchans="10000" maxconnwarn="no" resolvehostnames="no" useident="no">
<performance somaxconn="4096" softlimit="100000" clonesonconnect="no">
<pid file="{directory}/pid">
<path configdir="{directory}" datadir="{directory}" logdir="{directory}" runtimedir="{directory}">
"""
_PROSODY: Final = """
data_path = "{directory}"
pidfile = "{directory}/pid"
run_as_root = {root}
network_settings = {{ tcp_backlog = 4096; opportunistic_writes = true }}
interfaces = {{ "127.0.0.1" }}
modules_enabled = {{ "saslauth" }}
modules_disabled = {{ "s2s", "offline", "limits", "http" }}
c2s_ports = {{}}
s2s_ports = {{}}
c2s_direct_tls_ports = {{ {port} }}
c2s_direct_tls_ssl = {{ key = "{directory}/{key}"; certificate = "{directory}/{certificate}" }}
storage = "memory"
log = {{ error = "{directory}/log" }}
authentication = "anonymous"
VirtualHost "{host}"
Component "{rooms}" "muc"
muc_room_locking = false
restrict_room_creation = false
"""


@frozen
class Peer:
    """One server: the program that it is, its configuration, and how it is started with that."""

    name: str
    program: str
    configuration: str
    command: Callable[[str, Path], Sequence[str]]
    """From the program's path and the configuration's."""
    member: Callable[[Address, int], TlsMember]
    asked: Sequence[str]
    """The command that tells the version after the server's name."""
    connections: int = 100_000
    """How many may be opened to it without waiting for minutes."""

    def version(self) -> str:
        """As it says itself; empty if it is not on this machine."""
        if shutil.which(self.program, path=_PATH) is None:
            return ""
        program = shutil.which(self.asked[0], path=_PATH) or self.asked[0]
        command = [program, *self.asked[1:]]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603 - found above
        found = re.search(rf"{self.name}[ -](\d+(?:\.\d+)+)", done.stdout, re.IGNORECASE)
        return found[1] if found else "of unknown version"

    @contextmanager
    def running(self) -> Iterator[tuple[int, int]]:
        """The process and its port, which is open."""
        with tempfile.TemporaryDirectory(prefix="encchat-bench-") as name:
            directory = Path(name)
            directory.chmod(0o755)  # ngIRCd reads as nobody, and so it may
            certify(directory)
            port = _free_port()
            configuration = directory / "configuration.cfg.lua"  # prosody takes no other ending
            configuration.write_text(self.configuration.format(**_fields(directory, port)))
            program = shutil.which(self.program, path=_PATH) or self.program
            command = [*self.command(program, configuration), *([str(port)] if not self.configuration else [])]
            with open(directory / "output", "w+") as output:
                process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT, stdin=subprocess.DEVNULL)  # noqa: S603 - the same
                try:
                    _wait(process, port, directory / "output")
                    yield process.pid, port
                finally:
                    process.kill()
                    process.wait()


def _fields(directory: Path, port: int) -> dict[str, object]:
    user = "ServerUID = nobody\nServerGID = nogroup" if _ROOT else ""
    files = {"directory": directory, "key": KEY, "certificate": CERTIFICATE}
    return {**files, "port": port, "user": user, "root": str(_ROOT).lower(), "host": HOST, "rooms": ROOMS}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def _wait(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    late = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < late:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} has not started: {output.read_text()[-500:]}")


def _inspircd(program: str, configuration: Path) -> Sequence[str]:
    return [program, f"--config={configuration}", "--nofork", *(["--runasroot"] if _ROOT else [])]


def _words(program: str, configuration: Path) -> Sequence[str]:
    directory = configuration.parent
    return [program, "-m", "benchmarks.words", str(directory / KEY), str(directory / CERTIFICATE)]


class _Words(Peer):
    """It is as old as Twisted is."""

    def version(self) -> str:
        return version("Twisted") if find_spec("OpenSSL") else ""


ALL: Final[tuple[Peer, ...]] = (
    Peer(
        "ngIRCd",
        "ngircd",
        _NGIRCD,
        lambda program, file: [program, "-n", "-f", str(file)],
        IrcMember,
        ("ngircd", "--version"),
    ),
    Peer("InspIRCd", "inspircd", _INSPIRCD, _inspircd, IrcMember, ("inspircd", "--version"), 600),
    Peer(
        "prosody",
        "prosody",
        _PROSODY,
        lambda program, file: [program, "-F", "--config", str(file)],
        XmppMember,
        ("prosodyctl", "about"),
    ),
    _Words("twisted.words", sys.executable, "", _words, partial(IrcMember, password=True), ()),
)


def found() -> list[Peer]:
    """Those that can be measured."""
    return [peer for peer in ALL if peer.version()]


def described() -> str:
    """A sentence on which there are and which are not."""
    here = [f"{peer.name} {peer.version()}" for peer in found()]
    absent = [peer.name for peer in ALL if not peer.version()]
    lines = [f"Beside it: {', '.join(here)}, all over TLS 1.3." if here else ""]
    lines.append(f"Not on this machine, so not measured: {', '.join(absent)}." if absent else "")
    return " ".join(line for line in lines if line)
