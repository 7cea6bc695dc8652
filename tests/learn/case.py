"""What is tried on one exercise: the start, right ways to solve it, and ways to cheat.

Each unit has a module in `cases/` with `CASES`, a dict from the exercise's id to a `Case`. A thing
is made anew for each try by calling what is in the case with a seed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from kubelab.learn import catalogue

Maker = Callable[[int], Any]
# Two seeds in the everyday run; KUBELAB_SEEDS=20 tries as many as are asked of each check.
SEEDS = range(int(os.environ.get("KUBELAB_SEEDS", "1")))


class Case(NamedTuple):
    """The untouched start, at least two right ways, at least two named cheats."""

    start: Maker
    right: dict[str, Maker]
    cheats: dict[str, Maker]


def always(thing: Any) -> Maker:
    """A maker of a thing that needs no cluster of its own."""
    return lambda seed: thing


def cases() -> dict[str, Case]:
    """The cases of all units."""
    found: dict[str, Case] = {}
    for number in catalogue.numbers():
        if catalogue.unit(number).exercises:
            found |= import_module(f"tests.learn.cases.nb{number}").CASES
    return found
