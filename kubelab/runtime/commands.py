"""The table of the small shell's commands, and how a command line is read.

A command is a function of the script and its words that returns an exit code, or WAIT when it takes
time: then a timer or an answer from the network ends it. Messages are busybox' own.

In Kubernetes: no counterpart; there, images bring busybox or the GNU tools.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.runtime import (
    control,
    filecommands,
    filters,
    netcommands,
    nodecommands,
    textcommands,
)
from kubelab.runtime.files import ReadOnly
from kubelab.runtime.shelllexer import SyntaxProblem
from kubelab.runtime.shellparser import compile_script

if TYPE_CHECKING:
    from kubelab.runtime.shell import Script


class Inline(NamedTuple):
    """What a shell is given: the text behind `-c` or a file, its other flags, and `$0 $1 …`."""

    text: str = ""
    flags: str = ""
    file: str = ""
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def talks(self) -> bool:
        """Whether it reads its commands from its input."""
        return not self.text and not self.file


SHELLS = ("sh", "bash", "ash", "dash")


def base(word: str) -> str:
    """The command that a path names."""
    return word.rpartition("/")[2]


def inline_script(argv: tuple[str, ...]) -> Inline | None:
    """The script of a shell's command line, or None if the words are another command."""
    if base(argv[0]) not in SHELLS:
        return None
    flags = ""
    for place, word in enumerate(argv[1:], 1):
        if not word.startswith("-"):
            return Inline("", flags, word, _parameters(argv[place:]))
        flags += word.lstrip("-")
        if "c" in word and not word.startswith("--"):
            more = argv[place + 1 :]
            return Inline(more[0] if more else ":", flags, "", _parameters(more[1:]))
    return Inline("", flags)


def _parameters(words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """`$0`, `$1` …, with `$#` and `$@`."""
    numbered = tuple((str(number), word) for number, word in enumerate(words))
    return (*numbered, ("#", str(max(0, len(words) - 1))), ("@", " ".join(words[1:])))


def understood(argv: tuple[str, ...]) -> bool:
    """Whether the words are a command of this shell."""
    return base(argv[0]) in SHELLS or base(argv[0]) in COMMANDS


def call(script: Script, argv: list[str]) -> Any:
    """Runs one command; returns its exit code or WAIT."""
    name = base(argv[0])
    body = script.functions.get(argv[0])
    if body is not None:
        return _function(script, body, tuple(argv))
    if name in SHELLS:
        return _subshell(script, tuple(argv))
    command = COMMANDS.get(name)
    if command is None:
        script.error(f"sh: {argv[0]}: not found")
        return 127
    try:
        return command(script, argv[1:])
    except (ReadOnly, FileNotFoundError) as problem:
        why = "Read-only file system" if isinstance(problem, ReadOnly) else textcommands.MISSING
        script.error(f"{name}: {problem}: {why}")
    except (ValueError, re.error) as problem:
        script.error(f"{name}: {problem}")
    return 1


def _function(script: Script, body: Any, argv: tuple[str, ...]) -> Any:
    """A function: its instructions are put in its place, with parameters of their own."""
    kept = tuple((name, script.variables.get(name, "")) for name in "123456789#@")
    for name in "123456789":
        script.variables.pop(name, None)
    script.variables.update(_parameters(argv))
    script.splice(body, shell=True, parameters=kept)
    return script.status


def return_(script: Script, args: list[str]) -> int:
    """return [N]: the function is over."""
    status = int(args[0]) & 255 if args and args[0].isdigit() else script.status
    if script.shells and script.shells[-1][2] is not None:
        script.back(status)
    return status


def _subshell(script: Script, argv: tuple[str, ...]) -> Any:
    """A shell within a script: its instructions are put in its place."""
    inner = inline_script(argv) or Inline()
    script.variables.update(inner.parameters)
    if inner.file:
        script.splice((("source", inner.file, False),), shell=True)
        return script.status
    text: str | None = inner.text
    if inner.talks:
        text = script.take_all()
        if text is None:
            return control.READ
    try:
        script.splice(compile_script(text or "", f"{len(script.code)}."), shell=True)
    except SyntaxProblem as problem:
        script.error(f"sh: {problem}")
        return 2
    return script.status


def source(script: Script, args: list[str]) -> Any:
    """. FILE: the commands of a file, as if they stood here."""
    if not args:
        script.error("sh: .: filename argument required")
        return 2
    script.splice((("source", args[0], False),))
    return script.status


def exec_(script: Script, args: list[str]) -> Any:
    """exec COMMAND: nothing of the script comes after it."""
    if not args:
        return 0
    script.at = len(script.code)
    return call(script, args)


def xargs(script: Script, args: list[str]) -> Any:
    """xargs COMMAND: once, with all words of the input behind its own."""
    text = script.take_all()
    if text is None:
        return control.READ
    words = [word for word in args if not word.startswith("-")] or ["echo"]
    return call(script, [*words, *text.split()])


def timeout(script: Script, args: list[str]) -> Any:
    """timeout SECONDS COMMAND: runs it; here no command hangs that would have to be ended."""
    return call(script, args[1:]) if len(args) > 1 else 1


COMMANDS: dict[str, Any] = {
    **control.COMMANDS,
    **textcommands.COMMANDS,
    **filecommands.COMMANDS,
    **filters.COMMANDS,
    **netcommands.COMMANDS,
    **nodecommands.COMMANDS,
    "exec": exec_,
    "return": return_,
    "local": control.export,
    "xargs": xargs,
    "timeout": timeout,
    ".": source,
    "source": source,
}
