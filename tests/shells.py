"""Shells in a terminal, asked what they would complete."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from unittest import SkipTest

import pexpect

COMPLETIONS = Path(__file__).resolve().parent.parent / "docs" / "completions"
LIMIT = 20.0
"""Seconds an answer may take on a busy machine."""
_SHOW = "\x18\x0c"
_LIST = "\x18\x10"
_CLEAR = "\x15"


def needs(shell: str) -> str:
    """Where the shell is; the test is left out without it."""
    found = shutil.which(shell)
    if found is None:
        raise SkipTest(f"{shell} is not installed")
    return found


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the person's own settings."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "INPUTRC": "/dev/null", "LC_ALL": "C"}


class Bash:
    """An interactive bash in ``folder`` that has read our scripts."""

    def __init__(self, folder: Path) -> None:
        program = needs("bash")
        self.child = pexpect.spawn(
            program,
            ["--norc", "--noprofile", "-i"],
            cwd=str(folder),
            env={**environment(folder), "PS1": "> "},
            encoding="utf-8",
            timeout=LIMIT,
            dimensions=(200, 500),
            echo=False,
        )
        for variable in ("completion-query-items 0", "page-completions off", "bell-style none"):
            self.child.sendline(f"bind 'set {variable}'")
        self.child.sendline("bind 'set completion-display-width 0'; bind 'set enable-bracketed-paste off'")
        self.child.sendline(r"""bind '"\C-x\C-p": possible-completions'; bind '"\C-u": kill-whole-line'""")
        self.child.sendline(r"""bind -x '"\C-x\C-l": printf "[[%s]]\n" "$READLINE_LINE"'""")
        for script in sorted((COMPLETIONS / "bash").iterdir()):
            self.child.sendline(f". '{script}'")
        self.child.sendline("echo read''y")
        self.child.expect("ready\r?\n> ")

    def _type(self, keys: str) -> tuple[str, str]:
        """What was written before the line was shown, and the line."""
        self.child.send(keys + _SHOW)
        self.child.expect(r"\[\[(.*?)\]\]\r?\n")
        before, line = str(self.child.before), str(self.child.match.group(1))
        self.child.send(f"{_CLEAR}echo en''d\n")
        self.child.expect("end\r?\n> ")
        return before, line

    def completed(self, typed: str) -> str:
        """The line after Tab."""
        return self._type(typed + "\t")[1]

    def offered(self, typed: str) -> set[str]:
        """All that fits at the end of ``typed``."""
        before, _ = self._type(typed + _LIST)
        return {line.strip() for line in re.split(r"\r?\n", before)[1:-1] if line.strip()}

    def close(self) -> None:
        """End the shell."""
        self.child.close(force=True)


class Zsh:
    """An interactive zsh in ``folder`` that looks for completion functions in ours first."""

    def __init__(self, folder: Path) -> None:
        self.child = pexpect.spawn(
            needs("zsh"),
            ["-f", "-i"],
            cwd=str(folder),
            env={**environment(folder), "PS1": "> ", "TERM": "xterm"},
            encoding="utf-8",
            timeout=LIMIT,
            dimensions=(200, 200),
            echo=False,
        )
        self.child.sendline(f"fpath=('{COMPLETIONS / 'zsh'}' $fpath); autoload -U compinit; compinit -D -u; LISTMAX=0")
        self.child.sendline("show() { zle -I; print -r -- \"[[$BUFFER]]\" }; zle -N show; bindkey '^X^L' show")
        self.child.sendline(
            "bindkey -e; bindkey '^X^P' list-choices; bindkey '^U' kill-whole-line; unsetopt beep PROMPT_CR PROMPT_SP"
        )
        self.child.sendline("echo read''y")
        self.child.expect("ready\r?\n")

    def _type(self, keys: str) -> tuple[str, str]:
        self.child.send(keys + _SHOW)
        self.child.expect(r"\[\[(.*?)\]\]\r?\n")
        before, line = str(self.child.before), str(self.child.match.group(1))
        self.child.send(f"{_CLEAR}echo en''d\n")
        self.child.expect("end\r?\n")
        return before, line

    def completed(self, typed: str) -> str:
        """The line after Tab."""
        return self._type(typed + "\t")[1]

    def listed(self, typed: str) -> str:
        """What is shown of what fits, explanations included."""
        return self._type(typed + _LIST)[0]

    def close(self) -> None:
        """End the shell."""
        self.child.close(force=True)


def fish(folder: Path, typed: str) -> dict[str, str]:
    """What fish offers at the end of ``typed``, with its explanations."""
    program = needs("fish")
    name = typed.split()[0]
    code = f"source '{COMPLETIONS / 'fish'}/{name}.fish'; complete -C $argv[1]"
    done = subprocess.run(
        [program, "--no-config", "-c", code, typed],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment(folder),
        timeout=LIMIT,
    )
    if done.returncode or done.stderr:
        raise RuntimeError(done.stderr)
    rows = (line.partition("\t") for line in done.stdout.splitlines())
    return {word: help for word, _, help in rows}
