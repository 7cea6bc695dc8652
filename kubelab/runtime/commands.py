"""The table of the small shell's commands, and how a command line is read.

A command is a function of the script and its words that returns an exit code, or WAIT when it takes
time: then a timer or an answer from the network ends it. Messages are busybox' own.

In Kubernetes: no counterpart; there, images bring busybox or the GNU tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.runtime import control, netcommands, textcommands
from kubelab.runtime.shelllexer import SyntaxProblem
from kubelab.runtime.shellparser import compile_script

if TYPE_CHECKING:
    from kubelab.runtime.shell import Script


class Inline(NamedTuple):
    """The text behind `sh -c`, and the other flags."""

    text: str
    flags: str


SHELLS = ("sh", "bash", "ash", "dash")


def base(word: str) -> str:
    """The command that a path names."""
    return word.rpartition("/")[2]


def inline_script(argv: tuple[str, ...]) -> Inline | None:
    """The script of `sh -c TEXT`, or None if the words are another command."""
    if base(argv[0]) not in SHELLS:
        return None
    flags = ""
    for place, word in enumerate(argv[1:], 1):
        if not word.startswith("-"):
            break
        flags += word.lstrip("-")
        if "c" in word and not word.startswith("--"):
            return Inline(argv[place + 1] if place + 1 < len(argv) else "", flags)
    return Inline("", flags)


def understood(argv: tuple[str, ...]) -> bool:
    """Whether the words are a command of this shell."""
    return base(argv[0]) in SHELLS or base(argv[0]) in COMMANDS


def call(script: Script, argv: list[str]) -> Any:
    """Runs one command; returns its exit code or WAIT."""
    name = base(argv[0])
    if name in SHELLS:
        return _subshell(script, tuple(argv))
    command = COMMANDS.get(name)
    if command is None:
        script.error(f"sh: {argv[0]}: not found")
        return 127
    return command(script, argv[1:])


def _subshell(script: Script, argv: tuple[str, ...]) -> Any:
    """`sh -c` within a script: its instructions are put in its place."""
    inner = inline_script(argv)
    try:
        script.splice(compile_script(inner.text if inner else ""), shell=True)
    except SyntaxProblem as problem:
        script.error(f"sh: {problem}")
        return 2
    return script.status


def exec_(script: Script, args: list[str]) -> Any:
    """exec COMMAND: nothing of the script comes after it."""
    if not args:
        return 0
    script.at = len(script.code)
    return call(script, args)


COMMANDS: dict[str, Any] = {
    **control.COMMANDS,
    **textcommands.COMMANDS,
    **netcommands.COMMANDS,
    "exec": exec_,
}
