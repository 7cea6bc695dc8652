"""What a benchmark is: a function of a size that returns what it counted, in how much CPU time.

The decorator `sizes` says at which sizes a function runs: one small one under pytest, the usual
ones, and those that take long, for `--full`. A function prepares what it needs, and measures only
what stands in `with stopwatch() as watch`. Its hash tells whether two runs did the same work.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

# A run this short is repeated, and the best of three counts.
SHORT_SECONDS = 2.0


class Result(NamedTuple):
    """How many of what, in how many seconds of CPU time, and the hash of what came out."""

    count: int
    unit: str
    seconds: float
    hash: str


class Benchmark(NamedTuple):
    """A function with its sizes; `of` names what a size counts, `mark` is what to beat."""

    name: str
    run: Callable[[int], Result]
    of: str
    small: int
    usual: tuple[int, ...]
    full: tuple[int, ...]
    marks: dict[int, float]

    def best(self, size: int) -> Result:
        """The best of three runs, or the only one if it takes long."""
        result = self.run(size)
        for _ in range(2):
            if result.seconds < SHORT_SECONDS:
                result = min(result, self.run(size), key=lambda each: each.seconds)
        return result


class Watch:
    """CPU seconds between its start and its stop."""

    seconds = 0.0


@contextmanager
def stopwatch() -> Iterator[Watch]:
    """Measures the CPU time of what stands under it."""
    watch = Watch()
    gc.collect()
    begin = time.process_time()
    yield watch
    watch.seconds = time.process_time() - begin


def sizes(
    of: str,
    *,
    small: int,
    usual: tuple[int, ...],
    full: tuple[int, ...] = (),
    marks: dict[int, float] | None = None,
) -> Callable[[Callable[[int], Result]], Benchmark]:
    """Makes a function a benchmark; `marks` are the CPU seconds to beat, by size."""

    def make(function: Callable[[int], Result]) -> Benchmark:
        name = function.__name__.removeprefix("bench_")
        return Benchmark(name, function, of, small, usual, full, marks or {})

    return make


def digest(rows: Iterable[Any]) -> str:
    """A short hash of a sequence of values that have a plain repr."""
    sha = hashlib.sha256()
    for row in rows:
        sha.update(repr(row).encode())
    return sha.hexdigest()[:12]


def trace_digest(trace: Iterable[Any]) -> str:
    """A short hash of what happened when, between whom."""
    return digest((event.ns, event.actor, event.verb, event.target) for event in trace)


def benchmarks() -> list[Benchmark]:
    """All benchmarks, in the order of their files."""
    here = Path(__file__).parent
    found = []
    for path in sorted(here.glob("bench_*.py")):
        module = importlib.import_module(f"tests.bench.{path.stem}")
        found += [value for value in vars(module).values() if isinstance(value, Benchmark)]
    return found
