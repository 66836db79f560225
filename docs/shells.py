"""Completion of encchat's command lines for bash, zsh and fish, made from `docs.programs`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from docs import programs
from docs.programs import Argument, Flag, Program, Value

_MADE: Final = "# Completion of {name} for {kind}; made by docs/generate.py from the program's own options.\n"


def _function(name: str) -> str:
    return "_" + name.replace("-", "_")


def _quoted(text: str) -> str:
    """``text`` between single quotes, as bash and zsh read them."""
    return "'" + text.replace("'", "'\\''") + "'"


# bash ---------------------------------------------------------------------------------------------
def bash(program: Program) -> str:
    """A script for ``bash-completion``, which also works without it."""
    name, function = program.name, _function(program.name)
    return (
        _MADE.format(name=name, kind="bash")
        + f"""{function}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} place= value= number=0 words= i
    # --option=value is three words here.
    if [[ $current == = ]]; then
        current=
    elif [[ $before == = ]]; then
        before=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${{COMP_WORDS[i]}} == = ]]; then
            value=1
        elif [[ -n $value ]]; then
            value=
        else
            case $place,${{COMP_WORDS[i]}} in
{_bash_commands(program)}{_bash_values(program)}                *,-*) ;;
                *) number=$((number + 1)) ;;
            esac
        fi
    done
    COMPREPLY=()
    case $place,$before in
{_bash_after(program)}    esac
    if [[ -n $words ]]; then
        :
    elif [[ $current == -* ]]; then
        case $place in
{_bash_flags(program)}        esac
    else
        case $place,$number in
{_bash_arguments(program)}        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -F {function} {name}
"""
    )


def _bash_path(path: Iterable[str]) -> str:
    return "/".join(path)


def _bash_case(patterns: Iterable[str], then: str, indent: int) -> str:
    joined = " | ".join(patterns)
    return f"{' ' * indent}{joined}) {then} ;;\n" if joined else ""


def _bash_commands(program: Program) -> str:
    """Commands lead further down."""
    return "".join(
        _bash_case([f"{_bash_path(path)},{command.name}"], f"place={_bash_path((*path, command.name))} number=0", 16)
        for path, one in program.tree()
        for command in one.commands
    )


def _bash_values(program: Program) -> str:
    """Options whose value is the next word."""
    taken = [
        f"{_bash_path(path)},{name}"
        for path, one in program.tree()
        for flag in one.flags
        if flag.value is not None
        for name in flag.names
    ]
    return _bash_case(taken, "value=1", 16)


def _bash_offer(value: Value) -> str:
    """Fills ``words``, or leaves."""
    if value.words:
        return f"words={_quoted(' '.join(value.words))}"
    if value.is_file or value.is_folder:
        return f"compopt -o {'default' if value.is_file else 'dirnames'}; return"
    return "return"


def _bash_after(program: Program) -> str:
    """What the option before the cursor takes, all with the same together."""
    found: dict[str, list[str]] = {}
    for path, one in program.tree():
        for flag in one.flags:
            if flag.value is not None:
                places = [f"{_bash_path(path)},{name}" for name in flag.names]
                found.setdefault(_bash_offer(flag.value), []).extend(places)
    return "".join(_bash_case(places, offer, 8) for offer, places in found.items())


def _bash_flags(program: Program) -> str:
    return "".join(
        _bash_case(
            [_bash_path(path) or "''"],
            f"words={_quoted(' '.join(name for flag in one.flags for name in flag.names))}",
            12,
        )
        for path, one in program.tree()
    )


def _bash_arguments(program: Program) -> str:
    """Commands, or what the next argument is."""
    rows = []
    for path, one in program.tree():
        if one.commands:
            words = _quoted(" ".join(command.name for command in one.commands))
            files = "compopt -o default; " if one.arguments else ""
            rows.append(_bash_case([f"{_bash_path(path)},*"], f"{files}words={words}", 12))
        else:
            rows += [
                _bash_case([f"{_bash_path(path)},{number}"], _bash_offer(argument.value), 12)
                for number, argument in enumerate(one.arguments)
            ]
    return "".join(rows)


# zsh ----------------------------------------------------------------------------------------------
def zsh(program: Program) -> str:
    """A file for a folder of ``$fpath``."""
    head = f"#compdef {program.name}\n" + _MADE.format(name=program.name, kind="zsh")
    functions = [_zsh_function(program, path, one) for path, one in program.tree()]
    return "\n".join([head, *functions, f'{_function(program.name)} "$@"\n'])


def _zsh_name(program: Program, path: Iterable[str]) -> str:
    return "_".join([_function(program.name), *path])


def _zsh_function(program: Program, path: tuple[str, ...], one: Program) -> str:
    specs = [_zsh_flag(flag) for flag in one.flags]
    if one.commands:
        return _zsh_commands(program, path, one, specs)
    specs += [_quoted(f":{_zsh_text(argument.value.name)}:{_zsh_action(argument.value)}") for argument in one.arguments]
    return f"{_zsh_name(program, path)}() {{\n    _arguments -s{_lines(specs, 8)}\n}}\n"


def _zsh_commands(program: Program, path: tuple[str, ...], one: Program, specs: list[str]) -> str:
    words = [_quoted(f"{command.name}:{_zsh_colon(command.help)}") for command in one.commands]
    calls = "".join(
        f"                {command.name}) {_zsh_name(program, (*path, command.name))} ;;\n" for command in one.commands
    )
    specs = [*specs, "'1: :->command'", "'*:: :->rest'"]
    return f"""{_zsh_name(program, path)}() {{
    local curcontext=$curcontext state line
    typeset -A opt_args
    _arguments -s -C{_lines(specs, 8)}
    case $state in
        command)
            local -a commands=({_lines(words, 16, end="")}
            )
            _describe -t commands command commands
            ;;
        rest)
            case $line[1] in
{calls}            esac
            ;;
    esac
}}
"""


def _lines(words: Iterable[str], indent: int, end: str = " \\") -> str:
    return "".join(f"{end}\n{' ' * indent}{word}" for word in words)


def _zsh_colon(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _zsh_text(text: str) -> str:
    return _zsh_colon(text).replace("[", "\\[").replace("]", "\\]")


def _zsh_flag(flag: Flag) -> str:
    """One spec; names that mean the same exclude each other."""
    explained = f"[{_zsh_text(flag.help)}]"
    value = "" if flag.value is None else f":{_zsh_text(flag.value.name)}:{_zsh_action(flag.value)}"
    if len(flag.names) == 1:
        equals = "" if flag.value is None else "="
        return _quoted(f"{flag.long}{equals}{explained}{value}")
    names = ",".join(name + ("=" if flag.value and name.startswith("--") else "") for name in flag.names)
    return f"{_quoted('(' + ' '.join(flag.names) + ')')}{{{names}}}{_quoted(explained + value)}"


def _zsh_action(value: Value) -> str:
    if value.words:
        return f"({' '.join(value.words)})"
    return "_files" if value.is_file else "_files -/" if value.is_folder else " "


# fish ---------------------------------------------------------------------------------------------
def fish(program: Program) -> str:
    """A file for fish's ``vendor_completions.d``."""
    rows = [_MADE.format(name=program.name, kind="fish")]
    if not any(argument.value.is_file for argument in program.arguments):
        rows.append(f"complete -c {program.name} -f\n")
    for path, one in program.tree():
        within = _fish_within(program, path)
        rows += [_fish_command(program, within, command) for command in one.commands]
        rows += [_fish_argument(program, within, argument) for argument in one.arguments if path]
        rows += [_fish_flag(program, within, flag) for flag in one.flags]
    return "".join(rows)


def _fish_within(program: Program, path: tuple[str, ...]) -> str:
    """The condition under which what stands at ``path`` may be typed."""
    here = program
    for word in path:
        here = next(command for command in here.commands if command.name == word)
    behind = [f"__fish_seen_subcommand_from {word}" for word in path]
    if here.commands:
        behind.append(f"not __fish_seen_subcommand_from {' '.join(command.name for command in here.commands)}")
    return f" -n {_fish(' ; and '.join(behind))}" if behind else ""


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_command(program: Program, within: str, command: Program) -> str:
    return f"complete -c {program.name}{within} -a {command.name} -d {_fish(command.help)}\n"


def _fish_argument(program: Program, within: str, argument: Argument) -> str:
    if not argument.value.is_file and not argument.value.words:
        return ""
    offer = f"-a {_fish(' '.join(argument.value.words))}" if argument.value.words else "-F"
    return f"complete -c {program.name}{within} {offer}\n"


def _fish_flag(program: Program, within: str, flag: Flag) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names)
    return f"complete -c {program.name}{within} {names}{_fish_value(flag.value)} -d {_fish(flag.help)}\n"


def _fish_value(value: Value | None) -> str:
    if value is None:
        return ""
    if value.words:
        return f" -x -a {_fish(' '.join(value.words))}"
    return " -r -F" if value.is_file else " -x -a '(__fish_complete_directories)'" if value.is_folder else " -x"


# The files ----------------------------------------------------------------------------------------
_SHELLS: Final[tuple[tuple[Callable[[Program], str], str], ...]] = (
    (bash, "bash/{0}"),
    (zsh, "zsh/_{0}"),
    (fish, "fish/{0}.fish"),
)


def files(folder: Path) -> dict[Path, str]:
    """The text of every file. zsh's own completion of ``twistd`` asks twistd itself, and so knows encchat already."""
    found = {
        folder / place.format(program.name): shell(program)
        for program in (programs.client(), programs.admin(), programs.twistd())
        for shell, place in _SHELLS
    }
    del found[folder / "zsh" / "_twistd"]
    return found
