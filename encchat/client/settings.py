"""The settings of the client: `Preferences` in force now, and ``client.toml``, where they are kept with its comments.

The file is read when the client starts, and again before each change: what was edited by hand meanwhile, comments and
order included, stays. A file that is wrong is never written to.
"""

from __future__ import annotations

import difflib
import fcntl
import os
import re
import tempfile
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import define, evolve, field

from encchat.client.preferences import OPTIONS, Option, Preferences, Value, shown_text
from encchat.errors import ConfigurationError, UsageError
from encchat.limits import MAX_SETTINGS_FILE

__all__ = ["OPTIONS", "Option", "Preferences", "Settings", "commented", "option_called", "settings_path"]

FILE: Final = "client.toml"
DEFAULT: Final = "default"
"""The word that stands for an option's default behind ``/set NAME``."""

_HEAD: Final = "# Settings of encchat-client; /set changes them, encchat-client --print-config shows all of them.\n"


def settings_path(home: Path | None, environment: Mapping[str, str]) -> Path:
    """``client.toml`` in ``home`` if one was named, else in ``$XDG_CONFIG_HOME/encchat`` (``~/.config/encchat``)."""
    if home is not None:
        return home / FILE
    base = environment.get("XDG_CONFIG_HOME", "")
    # XDG base directories: "If an implementation encounters a relative path ... it should ... ignore it."
    config = Path(base) if os.path.isabs(base) else Path.home() / ".config"
    return config / "encchat" / FILE


def option_called(name: str) -> Option:
    """The option of that name, typed with dashes or not; raise `UsageError` that names the nearest."""
    found = OPTIONS.get(name.strip().casefold().replace("-", "_"))
    if found is None:
        raise UsageError(_unknown(name.strip(), [option.typed for option in OPTIONS.values()]))
    return found


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.casefold(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"there is no setting {shown_text(name)}: {hint}"


@define
class Settings:
    """What is in force (``now``) and where it is kept; without ``path`` only for this run."""

    path: Path | None = None
    now: Preferences = field(factory=Preferences)

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Read ``path``, which need not be there; `ConfigurationError` says the line and what would be right."""
        return cls(path, _read(path)[1])

    def change(self, name: str, text: str) -> Preferences:
        """Put ``name`` in force as ``text`` says (`DEFAULT`: as it is by default), and keep it in the file.

        Raises `UsageError`: for a value that is not right nothing happens; where the file cannot be changed the value
        is in force until the client ends.
        """
        option = option_called(name)
        value = option.default if text.strip().casefold() == DEFAULT else option.parse(text)
        changed: dict[str, Any] = {option.name: value}
        self.now = evolve(self.now, **changed)
        if self.path is not None:
            try:
                self.now = _keep(self.path, option, value)
            except (ConfigurationError, OSError) as error:
                reason = error.text if isinstance(error, ConfigurationError) else _reason(self.path, error)
                shown = f"{option.typed} is {option.shown(value)} until you leave"
                raise UsageError(f"{shown}, but it is not kept: {reason}") from None
        return self.now


def commented(preferences: Preferences) -> str:
    """A whole ``client.toml`` that says what ``preferences`` say, and what each option is."""
    values = attrs.asdict(preferences)
    parts = [f"{_comment(option)}{option.name} = {_toml(values[option.name])}\n" for option in OPTIONS.values()]
    return "\n".join([_HEAD, *parts])


def _comment(option: Option) -> str:
    text = (
        f"{option.help[0].upper()}{option.help[1:]}. It takes {option.words_in_file}; default: {_toml(option.default)}"
    )
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, 98, break_long_words=False))


def _toml(value: Value) -> str:
    import tomlkit

    return tomlkit.item(value).as_string()


# The file -----------------------------------------------------------------------------------------
def _read(path: Path) -> tuple[str, Preferences]:
    """The file's text, and what it says."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SETTINGS_FILE + 1)
    except FileNotFoundError:
        return "", Preferences()
    except OSError as error:
        raise ConfigurationError(_reason(path, error)) from None
    if len(content) > MAX_SETTINGS_FILE:
        raise ConfigurationError(f"{path} is over {MAX_SETTINGS_FILE:,} bytes: that is no file of settings")
    try:
        text = content.decode()
        return text, _preferences(path, text, tomllib.loads(text))
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8: save it as that, or move it away") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f'{path} is not TOML: {error}; a line is like keys = "vi"') from None
    except RecursionError:
        raise ConfigurationError(f'{path} is nested too deeply: a line is like keys = "vi"') from None


def _preferences(path: Path, text: str, found: Mapping[str, object]) -> Preferences:
    values: dict[str, Any] = {}
    for name, value in found.items():
        where = f"{path}{_line(text, name)}"
        if name not in OPTIONS:
            raise ConfigurationError(f"{where}: {_unknown(name, list(OPTIONS))}")
        option = OPTIONS[name]
        wrong = f"{where}: {name} = {shown_text(_in_file(value))} is not right, it takes {option.words_in_file}"
        try:
            values[name] = option.check(value, wrong)
        except UsageError as error:
            raise ConfigurationError(error.text) from None
    return evolve(Preferences(), **values)


def _in_file(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _line(text: str, name: str) -> str:
    """Where ``name`` stands, as well as can be said without a parser that knows."""
    found = re.search(rf"^[ \t]*(?:\[+[ \t]*)?[\"']?{re.escape(name)}[\"']?[ \t]*[.=\]]", text, re.MULTILINE)
    return "" if found is None else f" line {text.count(chr(10), 0, found.start()) + 1}"


def _reason(path: Path, error: OSError) -> str:
    doing = "read" if isinstance(error, IsADirectoryError | PermissionError) and path.exists() else "used"
    return f"{path} cannot be {doing}: {error.strerror or error}"


def _keep(path: Path, option: Option, value: Value) -> Preferences:
    """Change one value in the file; what it says then. Raises `ConfigurationError` for its faults and `OSError`."""
    target = Path(os.path.realpath(path))  # a link into a folder of one's own stays a link
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(target.parent):
        text, _ = _read(target)
        changed = _changed(text or f"{_HEAD}\n", option, value)
        preferences = _preferences(target, changed, tomllib.loads(changed))
        if changed != text:
            _replace(target, changed)
    return preferences


def _changed(text: str, option: Option, value: Value) -> str:
    import tomlkit  # not above: nobody waits for it who changes nothing
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        if option.name in document:
            document[option.name] = value
            return tomlkit.dumps(document)
    except TOMLKitError as error:  # what tomllib has read it need not read as well
        raise ConfigurationError(f"edit the file yourself, it cannot be changed here: {error}") from None
    end = "" if text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{end}{_comment(option)}{option.name} = {_toml(value)}\n"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two clients that change the file at once do not lose each other's changes."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    """Write the file whole or not at all; a new one is for its owner's eyes, an old one keeps its mode."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    handle, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        Path(new).unlink(missing_ok=True)
        raise
