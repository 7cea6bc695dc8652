"""Elastic tab stops: cells that end in a tab line up with the cells above and below them.

A column is a run of neighbouring lines that all have a cell there, and each run has a width of its
own; the last cell of a line belongs to no column. This is what makes kubectl's tables and the
indented blocks of `describe` come out as they do.

In Kubernetes: Go's text/tabwriter, set up in k8s.io/cli-runtime/pkg/printers and in describe.go.
"""

from __future__ import annotations

from collections.abc import Sequence


def columns(text: str, *, least: int = 0, padding: int = 2) -> str:
    """The text with its tabs replaced by blanks."""
    lines = [line.split("\t") for line in text.split("\n")]
    out: list[str] = []
    _format(lines, 0, len(lines), [], least, padding, out)
    return "\n".join(out)


def rows(table: Sequence[Sequence[str]], *, least: int = 6, padding: int = 3) -> str:
    """A table, line by line, as `kubectl get` prints it."""
    text = "\n".join("\t".join(row) for row in table)
    return columns(text, least=least, padding=padding) + "\n" if table else ""


def _format(
    lines: list[list[str]],
    first: int,
    end: int,
    widths: list[int],
    least: int,
    padding: int,
    out: list[str],
) -> None:
    column, at = len(widths), first
    while at < end:
        if column >= len(lines[at]) - 1:
            at += 1
            continue
        _write(lines[first:at], widths, out)
        first, width = at, least
        while at < end and column < len(lines[at]) - 1:
            width = max(width, len(lines[at][column]) + padding)
            at += 1
        _format(lines, first, at, [*widths, width], least, padding, out)
        first = at
        at += 1
    _write(lines[first:end], widths, out)


def _write(lines: list[list[str]], widths: list[int], out: list[str]) -> None:
    for line in lines:
        cells = [
            cell.ljust(widths[at]) if at < len(widths) else cell for at, cell in enumerate(line)
        ]
        out.append("".join(cells))
