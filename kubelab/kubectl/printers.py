"""The tables of `kubectl get`: which columns are shown, and in what order the rows stand.

The server made the cells; here columns that are wide only are left out, the namespace and labels
are put beside them, and names get their kind where several kinds are listed at once.

In Kubernetes: k8s.io/cli-runtime/pkg/printers/tableprinter.go and kubectl/pkg/cmd/get.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelab.api import jsonpath, quantity
from kubelab.api.objects import Obj, labels_of, namespace_of
from kubelab.kubectl import tabwriter
from kubelab.kubectl.errors import fail
from kubelab.kubectl.flags import Flags

NONE = "<none>"


def table_text(
    tables: Sequence[Obj], flags: Flags, *, prefix: str = "", headers: bool = True
) -> str:
    """Tables of one kind as text (several pages make one table)."""
    wide = flags.text("output") == "wide"
    definitions = tables[0]["columnDefinitions"]
    shown = [at for at, column in enumerate(definitions) if wide or not column.get("priority")]
    label_columns = [key for given in flags.many("label-columns") for key in given.split(",")]
    lines: list[list[str]] = []
    if headers and not flags.on("no-headers"):
        head = [definitions[at]["name"].upper() for at in shown]
        if flags.on("all-namespaces"):
            head.insert(0, "NAMESPACE")
        head += [key.rpartition("/")[2].upper() for key in label_columns]
        lines.append([*head, "LABELS"] if flags.on("show-labels") else head)
    for row in sorted_rows(tables, flags.text("sort-by")):
        cells = [_cell(row["cells"][at]) for at in shown]
        for at, column in enumerate(shown):
            if prefix and definitions[column].get("format") == "name":
                cells[at] = f"{prefix}/{cells[at]}"
                break
        if flags.on("all-namespaces"):
            cells.insert(0, namespace_of(row["object"]))
        labels = labels_of(row["object"] or {})
        cells += [labels.get(key, "") for key in label_columns]
        if flags.on("show-labels"):
            cells.append(",".join(f"{key}={labels[key]}" for key in sorted(labels)) or NONE)
        lines.append(cells)
    return tabwriter.rows(lines)


def _cell(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    line, newline, _ = text.partition("\n")
    return f"{line}..." if newline else text


def sorted_rows(tables: Sequence[Obj], path: str) -> list[Obj]:
    """The rows of all tables, in the order of what the path finds in their objects."""
    rows = [row for table in tables for row in table["rows"]]
    if not path:
        return rows
    keys = [sort_keys(row["object"], path) for row in rows]
    order = sorted(range(len(rows)), key=lambda at: keys[at])
    return [rows[at] for at in order]


def sort_keys(obj: Any, path: str) -> tuple[int, Any]:
    """Numbers by size, quantities by amount, all else as text; what is not there comes first."""
    try:
        found = jsonpath.values(jsonpath.relaxed(path), obj)
    except jsonpath.JSONPathError as error:
        raise fail(f"error parsing jsonpath {path}, {error}") from None
    if not found or found[0] is None:
        return (0, 0)
    value = found[0]
    if isinstance(value, (int, float)):
        return (1, value)
    try:
        return (1, quantity.parse(value))
    except (quantity.QuantityError, TypeError):
        return (2, jsonpath.as_text(value))


def columns_file(path: str) -> str:
    """The columns of a file: a line of names, and below them a line of paths."""
    try:
        with open(path, encoding="utf-8") as file:
            names, paths = file.readline().split(), file.readline().split()
    except OSError:
        raise fail(f"error reading template {path}, open {path}: no such file or directory") from (
            None
        )
    if not names or len(names) != len(paths):
        raise fail(f"number of headers ({len(names)}) and field specifications ({len(paths)}) "
                   "don't match")  # fmt: skip
    return ",".join(f"{name}:{path}" for name, path in zip(names, paths, strict=True))


def custom_columns(template: str, objects: Sequence[Obj], *, headers: bool = True) -> str:
    """`NAME:.metadata.name,NODE:.spec.nodeName` of each object."""
    if not template:
        raise fail("custom-columns format specified but no custom columns given")
    names, paths = [], []
    for part in template.split(","):
        name, colon, path = part.partition(":")
        if not colon or not name or not path:
            raise fail(
                f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"
            )
        names.append(name)
        paths.append(jsonpath.relaxed(path))
    lines = [names] if headers else []
    for obj in objects:
        cells = []
        for path in paths:
            try:
                found = jsonpath.values(path, obj)
            except jsonpath.JSONPathError as error:
                raise fail(f"error parsing jsonpath {path}, {error}") from None
            cells.append(",".join(_plain(value) for value in found) or NONE)
        lines.append(cells)
    return tabwriter.rows(lines)


def _plain(value: Any) -> str:
    """A value as Go prints it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_plain(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(_plain(item) for item in value)}]"
    return str(value)
