"""Tables are those of a real Kubernetes 1.36.2, recorded: columns and cells of every kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from kubelab.api import kinds
from kubelab.api.errors import ApiError
from kubelab.api.objects import freeze
from kubelab.apiserver import tables
from kubelab.sim.kernel import EPOCH_NS, SECOND, timestamp
from tests.apiserver.replay import Server, load, replay

UNEQUAL = (
    "ResourceQuota rq",  # no usage is counted yet
    "APIService",
    "ServiceCIDR",
    "ComponentStatus",
)
AGE = re.compile(r"\d+[smhdy](\d+[smhd])?")


def masked(answer: Any) -> Any:
    """An answer without ages, column descriptions and addresses that were drawn."""
    body = answer.get("body")
    if not isinstance(body, dict) or body.get("kind") != "Table":
        return answer
    columns = [
        {key: value for key, value in column.items() if key != "description"}
        for column in body["columnDefinitions"]
    ]
    rows = [{**row, "cells": [cell(item) for item in row["cells"]]} for row in body["rows"]]
    return {**answer, "body": {**body, "columnDefinitions": columns, "rows": rows}}


def cell(value: Any) -> Any:
    """A cell with what differs from run to run replaced."""
    if not isinstance(value, str):
        return value
    if AGE.fullmatch(value):
        return "<age>"
    value = re.sub(r"10\.(9[6-9]|10\d|11[01])\.\d+\.\d+", "<clusterIP>", value)
    value = re.sub(r"(\d+):3\d{4}/", r"\1:<nodePort>/", value)
    return re.sub(r"\(\d+\w+ ago\)", "(<age> ago)", value)


def quiet(entries: list[Any], server: Server) -> Iterator[Any]:
    """The entries; no controller runs once the namespaces are there, as when they were recorded."""
    for entry in entries:
        if "/pods" in entry["request"]["path"]:
            server.history.world.halt("controller-manager")
        yield entry


def test_tables_are_those_recorded() -> None:
    """Every recorded table is ours too, but for those in UNEQUAL, which may only shrink."""
    server, different = Server(), []
    for entry, theirs, ours in replay(quiet(load("tables.json"), server), server):
        if masked(theirs) != masked(ours):
            different.append(entry)
    fresh = [entry for entry in different if entry not in UNEQUAL]
    mended = [entry for entry in UNEQUAL if entry not in different]
    assert not fresh, f"answered otherwise than a real server: {fresh}"
    assert not mended, f"equal now, so take them off the list: {mended}"


def pod(status: Any, **metadata: Any) -> Any:
    """A pod with one container `c` and an init container `side` that stays."""
    return freeze(
        {
            "metadata": {"name": "p", "creationTimestamp": timestamp(EPOCH_NS), **metadata},
            "spec": {
                "containers": [{"name": "c"}],
                "initContainers": [{"name": "side", "restartPolicy": "Always"}],
            },
            "status": status,
        }
    )


def row(obj: Any) -> list[Any]:
    """The cells of a pod ten minutes after it was made."""
    kind = kinds.named("v1/Pod")
    cells: list[Any] = tables.table(kind, obj, EPOCH_NS + 600 * SECOND)["rows"][0]["cells"]
    return cells


def test_sidecar_counts_as_a_container() -> None:
    """A restartable init container that has started counts, and its restarts count on."""
    side = {"name": "side", "restartCount": 2, "ready": True, "started": True,
            "state": {"running": {}}}  # fmt: skip
    main = {"name": "c", "restartCount": 1, "ready": True, "state": {"running": {}}}
    status = {"phase": "Running", "initContainerStatuses": [side], "containerStatuses": [main]}
    assert row(pod(status))[1:5] == ["2/2", "Running", "3", "10m"]


def test_restarts_say_when_the_last_one_was() -> None:
    """The latest end of a container stands beside the number of restarts."""
    ended = {"terminated": {"exitCode": 1, "finishedAt": timestamp(EPOCH_NS + 300 * SECOND)}}
    main = {"name": "c", "restartCount": 4, "ready": False, "lastState": ended,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}}  # fmt: skip
    status = {"phase": "Running", "containerStatuses": [main]}
    assert row(pod(status))[1:4] == ["0/2", "CrashLoopBackOff", "4 (5m ago)"]


def test_completed_beside_running_is_running_or_not_ready() -> None:
    """A container that has completed does not hide one that still runs."""
    states = [
        {"name": "d", "restartCount": 0, "ready": False,
         "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
        {"name": "c", "restartCount": 0, "ready": True, "state": {"running": {}}},
    ]  # fmt: skip
    status = {"phase": "Running", "containerStatuses": states}
    assert row(pod(status))[2] == "NotReady"
    ready = {**status, "conditions": [{"type": "Ready", "status": "True"}]}
    assert row(pod(ready))[2] == "Running"


def test_pod_that_is_being_deleted_is_terminating_unless_its_node_is_lost() -> None:
    """`Terminating`, or `Unknown` where the node is gone; a pod that has ended keeps its word."""
    gone = {"deletionTimestamp": timestamp(EPOCH_NS)}
    assert row(pod({"phase": "Running"}, **gone))[2] == "Terminating"
    assert row(pod({"phase": "Running", "reason": "NodeLost"}, **gone))[2] == "Unknown"
    assert row(pod({"phase": "Succeeded"}, **gone))[2] == "Succeeded"


def test_every_kind_that_is_kept_has_a_table() -> None:
    """A List without items has columns for each kind, the first of them with the name's format."""
    for kind in kinds.ALL:
        if "list" not in kind.verbs:
            continue
        empty = freeze({"kind": kind.list_kind, "metadata": {}, "items": []})
        columns = tables.table(kind, empty, EPOCH_NS)["columnDefinitions"]
        assert [column["name"] for column in columns if column["format"] == "name"], kind


def test_custom_resource_shows_its_printer_columns() -> None:
    """Dates are shown as ages, lists as JSON, and what is not there as null."""
    kind = kinds.Kind(
        "x.example", "v1", "Thing", "things", "thing", True, (), (), kinds.ALL_VERBS, (), "/x/", ()
    )
    obj = freeze({"metadata": {"name": "a", "creationTimestamp": timestamp(EPOCH_NS)},
                  "spec": {"size": 4}})  # fmt: skip
    printer = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Made", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Nope", "type": "string", "jsonPath": ".spec.nope", "priority": 1},
    ]
    made = tables.table(kind, obj, EPOCH_NS + 5 * SECOND, "None", printer)
    assert made["rows"][0]["cells"] == ["a", 4, "5s", None]
    assert [column["priority"] for column in made["columnDefinitions"]] == [0, 0, 0, 1]
    plain = tables.table(kind, obj, EPOCH_NS + 5 * SECOND, "None")
    assert plain["rows"][0]["cells"] == ["a", "5s"]


def test_wrong_include_object_is_refused() -> None:
    """`includeObject` is one of Metadata, Object and None."""
    with pytest.raises(ApiError, match="must be 'Metadata', 'Object', 'None', or empty"):
        tables.table(kinds.named("v1/Pod"), pod({}), EPOCH_NS, "Foo")
