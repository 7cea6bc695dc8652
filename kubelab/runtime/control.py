"""The shell's commands for time and control: sleep, exit, trap, set, kill.

A command is a function of the script and its words that returns an exit code, or WAIT when it takes
time: then a timer or an answer from the network ends it.

In Kubernetes: no counterpart; there, images bring a real shell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kubelab.runtime.shelllexer import SyntaxProblem
from kubelab.runtime.shellparser import compile_script

if TYPE_CHECKING:
    from kubelab.runtime.expansion import Expansion
    from kubelab.runtime.shell import Script


class WAIT:
    """What a command returns that is not over yet."""


class READ:
    """What a command returns that needs more input than has come so far."""


FOREVER_SECONDS = 100 * 365 * 86400.0


def _seconds(text: str) -> float | None:
    if text in ("inf", "infinity"):
        return FOREVER_SECONDS
    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)([smhd]?)", text)
    if found is None:
        return None
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


def sleep(script: Script, args: list[str]) -> Any:
    """sleep N."""
    total = 0.0
    for word in args:
        seconds = _seconds(word)
        if seconds is None:
            script.error(f"sleep: invalid number '{word}'")
            return 1
        total += seconds
    if not args:
        script.error("BusyBox v1.38.0 multi-call binary.\n\nUsage: sleep [N]...")
        return 1
    return wait(script, total)


def wait(script: Script, seconds: float) -> type[WAIT]:
    """The script goes on after so long."""
    script.process.after(seconds, script.key, background=True if script.periodic else None)
    return WAIT


def exit_(script: Script, args: list[str]) -> int:
    """exit [N]."""
    code = script.status
    if args:
        if not args[0].lstrip("-").isdigit():
            script.error(f"sh: exit: Illegal number: {args[0]}")
            code = 2
        else:
            code = int(args[0]) & 255
    script.leave(code)
    return code


def true(script: Script, args: list[str]) -> int:
    """true and `:`."""
    return 0


def false(script: Script, args: list[str]) -> int:
    """false."""
    return 1


def trap(script: Script, args: list[str]) -> int:
    """trap 'COMMANDS' SIGNAL…"""
    if len(args) < 2:
        return 0
    try:
        code = compile_script(args[0])
    except SyntaxProblem as problem:
        script.error(f"sh: {problem}")
        return 2
    for name in args[1:]:
        plain = {"15": "TERM", "2": "INT", "3": "QUIT"}.get(name, name.removeprefix("SIG"))
        if args[0] == "-":
            script.traps.pop(plain, None)
        else:
            script.traps[plain] = code
    return 0


def set_(script: Script, args: list[str]) -> int:
    """set -e, set +e; other options do nothing here."""
    for word in args:
        if word.startswith("-") and "e" in word:
            script.errexit = True
        elif word.startswith("+") and "e" in word:
            script.errexit = False
    return 0


def export(script: Script, args: list[str]) -> int:
    """export NAME=VALUE."""
    for word in args:
        name, equals, value = word.partition("=")
        if equals:
            script.variables[name] = value
        if name in script.variables:
            script.exported[name] = None
    return 0


def kill(script: Script, args: list[str]) -> int:
    """kill [-SIGNAL] 1: a signal to the first process."""
    names = [word.lstrip("-") for word in args if word.startswith("-")]
    if "1" in args:
        name = (names or ["TERM"])[0].removeprefix("SIG")
        known = {"9": "KILL", "15": "TERM", "2": "INT", "3": "QUIT"}
        script.process.runtime.signal(script.process.container_id, f"SIG{known.get(name, name)}")
    return 0


def arithmetic(script: Expansion, text: str) -> str:
    """The value of `$((…))`: sums of numbers and variables."""
    filled = re.sub(r"\$?([A-Za-z_]\w*)", _Variables(script), text)
    if not re.fullmatch(r"[\d\s+*/%()<>=!-]*", filled):
        return "0"
    total, sign = 0, 1
    for piece in re.findall(r"[+-]|\d+(?:\s*[*/%]\s*\d+)*", filled):
        if piece in "+-":
            sign = 1 if piece == "+" else -1
        else:
            total += sign * _product(piece)
            sign = 1
    return str(total)


class _Variables:
    """Puts the values of variables into an arithmetic text."""

    def __init__(self, script: Expansion) -> None:
        self.script = script

    def __call__(self, found: re.Match[str]) -> str:
        return self.script.variable(found[1]) or "0"


def _product(text: str) -> int:
    numbers = [int(n) for n in re.findall(r"\d+", text)]
    result = numbers[0]
    for operator, operand in zip(re.findall(r"[*/%]", text), numbers[1:], strict=False):
        if operator == "*":
            result *= operand
        elif operand:
            result = result // operand if operator == "/" else result % operand
    return result


COMMANDS: dict[str, Any] = {
    "sleep": sleep, "exit": exit_, "true": true, ":": true, "false": false, "trap": trap,
    "wait": true, "set": set_, "export": export, "kill": kill, "chmod": true, "chown": true,
}  # fmt: skip
