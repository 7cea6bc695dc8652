"""Calls of a learner's own code, bounded: what never returns is ended, and the world goes on.

Lines of Python are counted while the call lasts. A count, not a clock, so that the same program is
ended at the same place in every run.

In Kubernetes: no counterpart; there a program that loops uses up its share of a CPU and nothing
else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

# So many lines are far more than any program of a few timers and requests needs at a time.
LIMIT = 300_000


class NeverReturns(BaseException):
    """Raised in code that runs on and on; no `except Exception` of a program catches it."""


class _Counter:
    """Counts lines, and gives up at the limit."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def __call__(self, frame: FrameType, event: str, arg: Any) -> _Counter:
        self.left -= 1
        if self.left < 0:
            raise NeverReturns("the program runs on and on without a pause")
        return self


def call(function: Callable[..., Any], *args: Any, limit: int = LIMIT) -> Any:
    """Calls a function; raises NeverReturns after `limit` lines of Python."""
    before = sys.gettrace()
    sys.settrace(_Counter(limit))
    try:
        return function(*args)
    finally:
        sys.settrace(before)
