"""The house rules a program can check: imports point one way, packages are whole, limits have reasons."""

from __future__ import annotations

import ast
import stat
import subprocess
from functools import cache
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "encchat"

GROUND = {
    "encchat",
    "encchat.durations",
    "encchat.envelopes",
    "encchat.errors",
    "encchat.limits",
    "encchat.links",
    "encchat.names",
    "encchat.scheme_plugins",
    "encchat.ulids",
}
"""Modules everybody may use; they use nothing of encchat but each other."""

ALLOWED: dict[str, set[str]] = {
    "encchat.wire": set(),
    "encchat.secure": set(),
    "encchat.net": {"encchat.wire", "encchat.secure", "encchat.plugins"},
    "encchat.plugins": {"encchat.net", "encchat.wire", "encchat.secure", "encchat.server"},
    "encchat.server": {"encchat.net", "encchat.wire", "encchat.secure", "encchat.plugins"},
    "encchat.e2e": {"encchat.wire"},
    "encchat.teaching": {"encchat.wire", "encchat.e2e"},
    "encchat.client": {"encchat.net", "encchat.wire", "encchat.secure", "encchat.plugins", "encchat.e2e"},
}
"""What each package may import besides itself and the ground (design, section 3)."""

NO_TWISTED = (
    "encchat.teaching",
    "encchat.durations",
    "encchat.envelopes",
    "encchat.errors",
    "encchat.limits",
    "encchat.names",
    "encchat.links",
    "encchat.wire",
    "encchat.secure",
    "encchat.e2e",
    "encchat.server.model",
    "encchat.server.settings",
    "encchat.server.chat",
    "encchat.server.throttle",
    "encchat.net.admission",
    "encchat.client.core",
    "encchat.client.commands",
    "encchat.client.classic",
    "encchat.client.events",
    "encchat.client.files",
    "encchat.client.keys",
    "encchat.client.preferences",
    "encchat.client.render",
    "encchat.client.rooms",
    "encchat.client.terminal",
    "encchat.client.text",
    "encchat.client.typed",
    "encchat.client.world",
)
"""Packages and modules that know no Twisted, directly or through what they import."""


def module_name(path: Path) -> str:
    """The dotted name of the module in ``path``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by name."""
    return {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports_of(path: Path) -> set[str]:
    """The dotted names ``path`` imports anywhere in it, names taken from packages included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def within(name: str, package: str) -> bool:
    """Whether ``name`` is ``package`` or inside it."""
    return name == package or name.startswith(package + ".")


class Imports(SynchronousTestCase):
    """Design, section 3."""

    def test_imports_point_one_way(self) -> None:
        """A package uses only those below it."""
        wrong = []
        for name, path in modules().items():
            own = next((package for package in ALLOWED if within(name, package)), None)
            allowed = (ALLOWED[own] | {own}) if own else set()
            for target in imports_of(path):
                if not within(target, "encchat") or target in GROUND or target.rpartition(".")[0] in GROUND:
                    known = target in modules()
                    if not known or target in GROUND:
                        continue
                if not any(within(target, package) for package in allowed):
                    wrong.append(f"{name} imports {target}")
        self.assertEqual(wrong, [])

    def test_every_package_has_its_place_in_the_order(self) -> None:
        """A new top-level module or package must be given one here."""
        top = {".".join(name.split(".")[:2]) for name in modules()}
        self.assertEqual(top - GROUND - set(ALLOWED), set())

    def test_cores_know_no_twisted(self) -> None:
        """Neither they nor anything of encchat they import reaches for Twisted."""
        everything = modules()

        def reached(name: str, seen: set[str]) -> set[str]:
            seen.add(name)
            for target in imports_of(everything[name]):
                if target in everything and target not in seen:
                    reached(target, seen)
            return seen

        for core in NO_TWISTED:
            for name in [name for name in everything if within(name, core)]:
                for inner in reached(name, set()):
                    twisted = {target for target in imports_of(everything[inner]) if within(target, "twisted")}
                    self.assertEqual(twisted, set(), f"{name} reaches {inner}")

    def test_no_import_cycle_is_hidden_from_the_running_program(self) -> None:
        """TYPE_CHECKING is not used to import what could not be imported."""
        hiding = [name for name, path in modules().items() if "TYPE_CHECKING" in path.read_text()]
        self.assertEqual(hiding, [])


class Tree(SynchronousTestCase):
    """What breaks far from its cause when it is wrong."""

    def test_the_plugin_folders_are_namespace_packages(self) -> None:
        """An ``__init__`` there would hide Twisted itself or the plugin."""
        self.assertFalse((ROOT / "twisted" / "__init__.py").exists())
        self.assertFalse((ROOT / "twisted" / "plugins" / "__init__.py").exists())

    def test_broad_excepts_stand_at_the_two_borders_only(self) -> None:
        """The dispatcher and the recipient loop; everywhere else an error has a class."""
        found = []
        for name, path in modules().items():
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ExceptHandler):
                    kind = getattr(node.type, "id", "") if node.type else "everything"
                    if kind in {"everything", "Exception", "BaseException"}:
                        found.append(name)
        self.assertEqual(sorted(found), ["encchat.server.dispatch", "encchat.server.hub"])

    def test_every_limit_has_a_reason(self) -> None:
        """A docstring stands below each constant of `encchat.limits`."""
        body = ast.parse((PACKAGE / "limits.py").read_text()).body
        for node, following in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.AnnAssign):
                reason = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                self.assertTrue(reason, ast.unparse(node))

    def test_no_private_key_or_password_file_is_in_the_repository(self) -> None:
        """Keys are made at first start, never shipped."""
        if not (ROOT / ".git").exists():
            raise SkipTest("not a git checkout")
        names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        marker = "-----BEGIN " + "PRIVATE KEY"
        for name in names.split():
            path = ROOT / name
            self.assertNotIn(path.suffix, {".pem", ".key", ".sqlite"}, name)
            if path.is_file():
                self.assertNotIn(marker, path.read_text(errors="replace"), name)

    def test_the_ci_script_is_executable(self) -> None:
        """``.ci/run`` can be called as it is."""
        self.assertTrue((ROOT / ".ci" / "run").stat().st_mode & stat.S_IXUSR)
