"""`python -m tests.bench [NAME…] [--full]`: runs the benchmarks and prints one table.

The previous run of each row stands beside it; both are kept in `.bench.json`. A row whose hash
changed did other work than before, so its times cannot be compared.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

from tests.bench.harness import Benchmark, Result, benchmarks

KEPT = Path(__file__).resolve().parents[2] / ".bench.json"
HEADS = ("benchmark", "size", "count", "CPU s", "count/s", "ms each", "mark", "before", "")


def main() -> None:
    """Runs what was asked for."""
    known = benchmarks()
    names = ", ".join(each.name for each in known)
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("names", nargs="*", help=names)
    parser.add_argument("--full", action="store_true", help="the largest sizes too")
    wanted = parser.parse_args()
    # A name of several words belongs to the group that its first word names.
    groups = {each.name.partition(" ")[0] for each in known}
    unknown = sorted({*wanted.names} - groups - {each.name for each in known})
    if unknown:
        parser.error(f"no benchmark is named {unknown[0]}; there are {names}")
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    print(f"Python {platform.python_version()}, CPU time, best of three where it is short")
    print(line(HEADS))
    for each in known:
        group = each.name.partition(" ")[0]
        if not wanted.names or each.name in wanted.names or group in wanted.names:
            run(each, each.usual + (each.full if wanted.full else ()), kept)
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def run(benchmark: Benchmark, sizes: tuple[int, ...], kept: dict[str, Any]) -> None:
    """One benchmark at its sizes, a row each, then what each further one costs."""
    smaller: tuple[int, Result] | None = None
    for size in sizes:
        result = benchmark.best(size)
        key = f"{benchmark.name} {size}"
        print(line(row(benchmark, size, result, kept.get(key))), flush=True)
        kept[key] = result._asdict()
        if smaller is not None:
            more, longer = size - smaller[0], result.seconds - smaller[1].seconds
            grown = f"each further one of the {benchmark.of}: {longer / more * 1000:.3f} ms"
            print(f"{'':14}from {smaller[0]:,} to {size:,}, {grown}", flush=True)
        smaller = (size, result)


def row(
    benchmark: Benchmark, size: int, result: Result, before: dict[str, Any] | None
) -> tuple[str, ...]:
    """The cells of one row of the table."""
    mark, seconds = benchmark.marks.get(size), result.seconds
    told = ""
    if before is not None:
        change = (seconds / before["seconds"] - 1) * 100 if before["seconds"] else 0.0
        told = f"{change:+.0f} %" if before["hash"] == result.hash else "other work than before"
    return (
        benchmark.name,
        f"{size:,} {benchmark.of}",
        f"{result.count:,} {result.unit}",
        f"{seconds:.4f}",
        f"{result.count / seconds:,.0f}" if seconds and "/" not in result.unit else "",
        f"{seconds / size * 1000:.3f}",
        f"{mark:g}" if mark is not None else "",
        f"{before['seconds']:.4f}" if before else "",
        told,
    )


def line(cells: tuple[str, ...]) -> str:
    """Cells in columns: the first two to the left, numbers to the right."""
    widths = (12, 16, 18, 9, 10, 9, 7, 9)
    left = [cell.ljust(width) for cell, width in zip(cells[:2], widths, strict=False)]
    right = [cell.rjust(width) for cell, width in zip(cells[2:8], widths[2:], strict=True)]
    return "  ".join([*left, *right, *cells[8:]]).rstrip()


if __name__ == "__main__":
    main()
