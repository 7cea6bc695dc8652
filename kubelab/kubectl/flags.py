"""The command line: words into flags and arguments, as kubectl's parser (pflag) takes them.

A command says its flags in one line, and they go before those that all commands take. `name` is a
switch, `name=` takes a value, `name=*` may stand several times, `name?x` takes a value but may
stand without one and then means `x`; a short form stands behind a comma: `output,o=`. What stands
behind `--` is left as it is.

In Kubernetes: spf13/pflag and spf13/cobra.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from kubelab.kubectl.errors import Failed

GLOBAL = (
    "namespace,n= as= as-group=* as-uid= request-timeout= context= cluster= user= kubeconfig= "
    "server,s= token= v,v= warnings-as-errors insecure-skip-tls-verify disable-compression "
    "cache-dir= match-server-version tls-server-name= certificate-authority= help,h"
)
TRUE = ("true", "True", "TRUE", "t", "T", "1")
FALSE = ("false", "False", "FALSE", "f", "F", "0")


class Flag(NamedTuple):
    """One flag: its long name and what it takes."""

    name: str
    switch: bool
    many: bool
    alone: str | None


@cache
def table(line: str) -> dict[str, Flag]:
    """The flags of a line by long and short name."""
    flags: dict[str, Flag] = {}
    for word in line.split():
        names, optional, alone = word.partition("?")
        names, equals, star = names.partition("=")
        name, _, short = names.partition(",")
        flag = Flag(name, not equals and not optional, star == "*", alone if optional else None)
        flags[name] = flag
        if short:
            flags[short] = flag
    return flags


class Flags:
    """A command line taken apart: `args` are the arguments, `rest` what stood behind `--`."""

    def __init__(self, command: str, words: Sequence[str], line: str) -> None:
        self.command = command
        self.args: list[str] = []
        self.rest: list[str] | None = None
        self.values: dict[str, Any] = {}
        self._table = table(f"{GLOBAL} {line}")
        self._words = list(words)
        while self._words:
            self._take(self._words.pop(0))

    def _take(self, word: str) -> None:
        if word == "--":
            self.rest, self._words = self._words, []
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            flag = self._table.get(name) if len(name) > 1 or name == "v" else None
            if flag is None:
                raise self._wrong(f"unknown flag: --{name}")
            self._set(flag, value if equals else None, f"--{name}")
        elif word.startswith("-") and word != "-":
            self._shorts(word[1:])
        else:
            self.args.append(word)

    def _shorts(self, letters: str) -> None:
        while letters:
            letter, rest = letters[0], letters[1:]
            flag = self._table.get(letter)
            if flag is None:
                raise self._wrong(f"unknown shorthand flag: '{letter}' in -{letters}")
            if rest.startswith("="):
                self._set(flag, rest[1:], f"-{letter}")
                return
            if flag.switch or flag.alone is not None:
                self._set(flag, None, f"-{letter}")
                letters = rest
                continue
            self._set(flag, rest or None, f"'{letter}' in -{letter}")
            return

    def _set(self, flag: Flag, value: str | None, shown: str) -> None:
        if flag.switch:
            if value is not None and value not in (*TRUE, *FALSE):
                raise self._wrong(
                    f'invalid argument "{value}" for "{shown}" flag: strconv.ParseBool: '
                    f'parsing "{value}": invalid syntax'
                )
            self.values[flag.name] = value is None or value in TRUE
            return
        if value is None:
            if flag.alone is not None:
                value = flag.alone
            elif self._words:
                value = self._words.pop(0)
            else:
                raise self._wrong(f"flag needs an argument: {shown}")
        if flag.many:
            self.values.setdefault(flag.name, []).append(value)
        else:
            self.values[flag.name] = value

    def _wrong(self, text: str) -> Failed:
        return Failed(f"error: {text}\nSee 'kubectl {self.command} --help' for usage.")

    # What a command asks.

    def on(self, name: str, default: bool = False) -> bool:
        """Whether a switch is set."""
        return bool(self.values.get(name, default))

    def text(self, name: str, default: str = "") -> str:
        """A flag's value."""
        return str(self.values.get(name, default))

    def has(self, name: str) -> bool:
        """Whether a flag stands on the command line."""
        return name in self.values

    def many(self, name: str) -> list[str]:
        """All values of a flag that may stand several times."""
        return list(self.values.get(name, ()))

    def number(self, name: str, default: int = 0) -> int:
        """A flag's value as a whole number."""
        if name not in self.values:
            return default
        text = self.values[name]
        try:
            return int(text)
        except ValueError:
            raise self._wrong(
                f'invalid argument "{text}" for "--{name}" flag: strconv.ParseInt: '
                f'parsing "{text}": invalid syntax'
            ) from None

    def require(self, *names: str) -> None:
        """Fails where one of the flags is not set."""
        missing = [f'"{name}"' for name in names if name not in self.values]
        if missing:
            raise Failed(f"error: required flag(s) {', '.join(missing)} not set")


UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}


def seconds(text: str) -> float:
    """A length of time in Go's form (`1m30s`) in seconds. Raises ValueError."""
    total, number, rest = 0.0, "", text
    if rest in ("0", ""):
        return 0.0
    sign = -1.0 if rest.startswith("-") else 1.0
    rest = rest.lstrip("+-")
    while rest:
        size = 0
        while size < len(rest) and (rest[size].isdigit() or rest[size] == "."):
            size += 1
        number, rest = rest[:size], rest[size:]
        unit = next((u for u in ("ms", "us", "ns", "h", "m", "s") if rest.startswith(u)), None)
        if unit is None or not number:
            raise ValueError(f'time: invalid duration "{text}"')
        total += float(number) * UNITS[unit]
        rest = rest[len(unit) :]
    return sign * total
