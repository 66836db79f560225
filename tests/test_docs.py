"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent


MANUALS = sorted((ROOT / "docs" / "man").iterdir())


def generator() -> ModuleType:
    """``docs/generate.py`` as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages() -> list[Path]:
    """README and every page of ``docs/``."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Documentation(SynchronousTestCase):
    """Tables are generated, links lead somewhere."""

    def test_generated_tables_are_current(self) -> None:
        """After a change of a type, limit, command or option: ``python docs/generate.py``."""
        for path, fresh in generator().files().items():
            text = path.read_text() if path.exists() else ""
            self.assertEqual(fresh, text, f"{path.name} is stale: run python docs/generate.py")

    def test_every_table_the_generator_makes_stands_in_a_page(self) -> None:
        """Nothing is generated for nobody."""
        used = {name for path in pages() for name in re.findall(r"<!-- generated: ([\w-]+) -->", path.read_text())}
        self.assertEqual(used, set(generator().REGIONS))
        manuals = generator().manuals
        self.assertEqual(manuals.regions(path.read_text() for path in MANUALS), set(manuals.REGIONS))

    def test_links_between_pages_lead_to_files(self) -> None:
        """A reader who follows a link arrives."""
        for path in pages():
            for target in re.findall(r"\]\((?!https?:|#|encchat:)([^)#\s]+)", path.read_text()):
                self.assertTrue((path.parent / target).exists(), f"{path.name} links to {target}")
