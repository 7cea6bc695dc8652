"""What can be asked: moments (a guess before something happens) and exercises, by their ids.

A moment `01.a` has options and a function that reads the right one from a cluster's trace; an
exercise `01.1` has a function that judges what the learner made. Each unit (one notebook) has a
module in `units/`, which is imported when one of its questions is asked for. What must hold: an
`answer` looks at the cluster alone and gives None while the thing has not happened; a `judge`
changes only forks and clusters of its own.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from kubelab.learn import units

LETTERS = "abcdefgh"


@dataclass(frozen=True)
class Option:
    """A possible guess; where it is wrong, it is the misconception that makes people choose it."""

    key: str
    text: str
    misconception: str = ""


@dataclass(frozen=True)
class Moment:
    """A question about what will happen.

    `answer(c)` is the key of the option that came true, or None. `tells(c)` says in a sentence or
    two what the trace shows. `cause(c)` gives the events that may be named as what made it happen,
    the best first. `stage(seed)` makes a cluster in which it has happened: for recall and tests.
    """

    id: str
    asks: str
    options: tuple[Option, ...]
    answer: Callable[[Any], str | None]
    tells: Callable[[Any], str]
    stage: Callable[[int], Any]
    cause: Callable[[Any], tuple[int, ...]] | None = None
    why: str = "Which event made this happen?"
    todo: str = "run the cells below the question first"

    def letter(self, key: str) -> str:
        """The letter of an option."""
        return LETTERS[[option.key for option in self.options].index(key)]

    def option(self, key: str) -> Option:
        """The option with a key."""
        return next(option for option in self.options if option.key == key)


@dataclass(frozen=True)
class Exercise:
    """Something to make: a cluster, a function or a manifest (`takes`), judged by `judge`.

    `judge(thing, seed)` returns a sentence on what held, or raises `Failed` or `Refused`. `ways`
    are the ways of checking that it uses; `form` tells how much is given (worked, half, open,
    transfer); `names` are the function's arguments.
    """

    id: str
    asks: str
    takes: str
    judge: Callable[[Any, int], str]
    hints: tuple[str, ...]
    ways: tuple[str, ...]
    form: str = "open"
    names: tuple[str, ...] = ()
    points: int = 1


@dataclass(frozen=True)
class Unit:
    """One notebook: its question, and what is asked in it."""

    number: str
    title: str
    minutes: int
    moments: tuple[Moment, ...]
    exercises: tuple[Exercise, ...]
    statements: tuple[str, ...] = ()
    kills: tuple[str, ...] = ()


class Unknown(LookupError):
    """There is no question with this id; the message names the nearest."""


def numbers() -> list[str]:
    """The numbers of the units that there are."""
    found = (module.name for module in pkgutil.iter_modules(units.__path__))
    return sorted(name[2:] for name in found if name.startswith("nb") and len(name) == 4)


def unit(number: str) -> Unit:
    """A unit by its number (`01`). Raises Unknown."""
    if number not in numbers():
        raise Unknown(f"there is no notebook {number!r}; there are: {', '.join(numbers())}")
    made = import_module(f"kubelab.learn.units.nb{number}").UNIT
    assert isinstance(made, Unit)
    return made


def find(what: object) -> Moment | Exercise:
    """A question or exercise by its id (`01.a`, `01.1`). Raises Unknown."""
    text = str(what).strip()
    number, _, _ = text.partition(".")
    known: list[str] = []
    for one in [number] if number in numbers() else numbers():
        items: list[Moment | Exercise] = [*unit(one).moments, *unit(one).exercises]
        for item in items:
            if item.id == text:
                return item
            known.append(item.id)
    near = difflib.get_close_matches(text, known, n=1, cutoff=0) or known[:1]
    raise Unknown(f"there is no question {text!r}; did you mean {near[0]!r}?")


def everything() -> list[Unit]:
    """All units, in order."""
    return [unit(number) for number in numbers()]
