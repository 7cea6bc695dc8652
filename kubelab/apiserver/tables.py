"""Tables: objects as rows of cells, as `kubectl get` shows them.

The server makes the cells, so that a client need not know a kind to list it. Each kind has a line
of column names and a function from object to cells; they stand in the files beside this one, by the
family of the kind. A kind without either (a custom resource) has its printer columns, or name and
age. Ages are differences to the server's clock.

In Kubernetes: pkg/printers/internalversion and apiserver's registry/rest/table.go. The columns'
descriptions are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from kubelab.api import errors, jsonpath, kinds
from kubelab.api.durations import since
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import NOTHING, Arr, Obj, get, name_of
from kubelab.apiserver import tables_access, tables_cluster, tables_network, tables_workloads
from kubelab.apiserver.tables_pods import COMPLETED

INCLUDES = ("Metadata", "Object", "None", "")
ROWS = {
    **tables_workloads.ROWS,
    **tables_network.ROWS,
    **tables_cluster.ROWS,
    **tables_access.ROWS,
}
# A kind that has no columns of its own.
PLAIN = "Name!, Created At@"
TYPES = {"#": "integer", "?": "boolean", "@": "date"}


@cache
def definitions(line: str) -> Arr:
    """The columnDefinitions of a line of names.

    Behind a name: `!` the object's name, `#` an integer, `?` a boolean, `@` a date, `+` shown only
    when wide.
    """
    columns = []
    for word in line.split(", "):
        name = word.rstrip("!#?@+")
        marks = word[len(name) :]
        type_ = next((TYPES[mark] for mark in marks if mark in TYPES), "string")
        columns.append(_column(name, type_, "name" if "!" in marks else "", "+" in marks))
    return Arr(columns)


def _column(name: str, type_: str, format_: str, priority: int) -> Obj:
    return Obj(name=name, type=type_, format=format_, description="", priority=int(priority))


def table(
    kind: Kind, body: Obj, now_ns: int, include: str = "Metadata", printer: Sequence[Any] = ()
) -> Obj:
    """The Table of an object or a List. Raises ApiError for a wrong `includeObject`.

    `printer` holds the additionalPrinterColumns of a custom resource.
    """
    if include not in INCLUDES:
        raise errors.bad_request(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{include}": '
            "must be 'Metadata', 'Object', 'None', or empty"
        )
    listed = "items" in body
    items = body["items"] if listed else [body]
    word = kind.kind if listed else body.get("kind", kind.kind)
    columns, cells = _maker(word, kind, printer)
    rows = []
    for item in items:
        row = {"cells": Arr(cells(item, now_ns)), "object": _object(kind, item, include)}
        if word == "Pod" and get(item, "status", "phase") in COMPLETED:
            row["conditions"] = COMPLETED[item["status"]["phase"]]
        rows.append(Obj(row))
    if listed:
        metadata = body["metadata"]
    else:
        metadata = Obj(resourceVersion=get(body, "metadata", "resourceVersion", default=""))
    return Obj(
        kind="Table", apiVersion="meta.k8s.io/v1", metadata=metadata, columnDefinitions=columns,
        rows=Arr(rows),
    )  # fmt: skip


def _maker(word: str, kind: Kind, printer: Sequence[Any]) -> tuple[Arr, Any]:
    if isinstance(kind, CustomKind):
        return custom_columns(printer), Custom(printer).cells
    if word in ROWS:
        line, cells = ROWS[word]
        return definitions(line), cells
    if kinds.find(kind.api_version, kind.kind) is not None:
        return definitions(PLAIN), _plain
    return custom_columns(printer), Custom(printer).cells


def _plain(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), get(obj, "metadata", "creationTimestamp")]


def _object(kind: Kind, item: Obj, include: str) -> Any:
    if include == "None":
        return None
    if include == "Object":
        return Obj({"kind": kind.kind, "apiVersion": kind.api_version, **item})
    return Obj(
        kind="PartialObjectMetadata", apiVersion="meta.k8s.io/v1", metadata=item["metadata"]
    )  # fmt: skip


# Custom resources.


def custom_columns(printer: Sequence[Any]) -> Arr:
    """The columns of a custom resource: its name, then what its definition says."""
    if not printer:
        return definitions("Name!, Age@")
    columns = [
        _column(item["name"], item["type"], item.get("format", ""), item.get("priority", 0))
        for item in printer
    ]
    return Arr([_column("Name", "string", "name", 0), *columns])


class Custom:
    """Makes the cells of custom resources."""

    def __init__(self, printer: Sequence[Any]) -> None:
        self.printer = printer or ({"type": "date", "jsonPath": ".metadata.creationTimestamp"},)

    def cells(self, obj: Obj, now_ns: int) -> list[Any]:
        """The name, and what each path finds; None where it finds nothing."""
        return [name_of(obj), *(self._cell(column, obj, now_ns) for column in self.printer)]

    @staticmethod
    def _cell(column: Any, obj: Obj, now_ns: int) -> Any:
        found = jsonpath.values("{" + column["jsonPath"] + "}", obj) or NOTHING
        if not found:
            return None
        value = found[0]
        if column["type"] == "date":
            return since(value, now_ns) if isinstance(value, str) else "<invalid>"
        if column["type"] == "string":
            return jsonpath.as_text(value)
        return value
