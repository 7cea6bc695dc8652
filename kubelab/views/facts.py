"""What is known of a selected thing at a moment: the side panel's rows.

Facts first, few and in kubectl's own words, then the kubectl line that shows the same on a real
cluster. Nothing here sends a request: objects are read at the moment the viewer looks at.

In Kubernetes: `kubectl describe` says the same at more length.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from kubelab.api.objects import Obj, get
from kubelab.views.changes import at_key, changed
from kubelab.views.palette import label_of

CHANGES_SHOWN = 8
HEAL = ["Heal all links", "heal"]

# Kinds that have no namespace, among those that views show.
CLUSTERED = ("Node", "Namespace", "PersistentVolume")

# What views draw that is neither an object nor a process.
NO_OBJECTS = ("key", "revision", "query", "column", "hop", "log", "quorum", "loop", "station",
              "call", "container", "file", "answer",
              "outcome")  # fmt: skip


def _event(cluster: Any, number: int) -> dict[str, Any]:
    """An event of the trace."""
    event = cluster.trace[number - 1]
    return {
        "kind": "event",
        "name": str(number),
        "title": f"event {number}",
        "rows": [["who", label_of(event.target)], ["what", cluster.tell(event)]],
        "kubectl": "",
        "event": number,
    }


def _link(cluster: Any, name: str) -> dict[str, Any]:
    """The link that a message came along, and what can be done to it."""
    start, _, end = name.partition(">")
    members = start.startswith("etcd-") and end.startswith("etcd-")
    actions = [["Lose all that comes this way", "drop"], ["Delay it by 1 s", "delay"]]
    return {
        "kind": "message", "name": name, "title": f"from {start} to {end}", "kubectl": "",
        "event": 0, "rows": [["from", label_of(start)], ["to", label_of(end)]],
        "actions": [*actions, HEAL] if members else [HEAL],
    }  # fmt: skip


def split(name: str) -> tuple[str, str]:
    """`namespace/name` taken apart."""
    namespace, _, short = name.rpartition("/")
    return namespace, short


def find(moment: Any, kind: str, name: str) -> Obj | None:
    """An object at a moment, or None."""
    namespace, short = split(name)
    try:
        found = moment.get(kind, short, namespace or "default")
    except Exception:
        return None
    return found if isinstance(found, dict) else None  # type: ignore[return-value]


def facts_of(
    cluster: Any, event: int, selection: tuple[str, str] | None, focus: int = 0
) -> dict[str, Any] | None:
    """Title, rows, the kubectl line and the last change of what is selected.

    Where the step shown (`focus`) has written it, also the fields that changed.
    """
    if selection is None:
        return None
    kind, name = selection
    if kind == "component":
        return _component(cluster, event, name)
    if kind == "event":
        return _event(cluster, int(name))
    if kind == "message":
        return _link(cluster, name)
    if kind in NO_OBJECTS:
        return {"kind": kind, "name": name, "title": name, "rows": [], "kubectl": "", "event": 0}
    obj = find(cluster.at(event=event), kind, name)
    namespace, short = split(name)
    scope = f" -n {namespace}" if namespace and namespace != "default" else ""
    out: dict[str, Any] = {
        "kind": kind,
        "name": name,
        "title": f"{kind} {short}",
        "kubectl": f"kubectl describe {kind.lower()} {short}{scope}",
        "event": 0,
        "rows": [],
        "actions": [],
    }
    if obj is None:
        out["rows"] = [["exists", "no, not at this moment"]]
        return out
    out["rows"] = [[label, value] for label, value in _rows(kind, obj) if value]
    out["yaml"] = _yaml(obj)
    out["actions"] = _actions(cluster, kind, name)
    out["event"] = _last_change(cluster, event, kind, name)
    out["changes"] = _changes(cluster, focus, out["event"])
    return out


def _changes(cluster: Any, focus: int, last: int) -> list[list[str]]:
    """What the step shown has changed in the selected thing: field, old and new."""
    if not focus or not last:
        return []
    detail = cluster.trace[last - 1].detail
    step = cluster.trace[focus - 1]
    # The write itself, or what asked for it or came of it at once.
    near = focus == last or str(step.detail.get("revision", "")) == str(detail.get("revision"))
    near = near or focus in [link.id for link in cluster.why(last)[-4:]]
    revision, key = int(detail.get("revision") or 0), str(detail.get("key", ""))
    if not near or revision < 2 or not key:
        return []
    rows = changed(at_key(cluster, revision - 1, key), at_key(cluster, revision, key))
    return [[row.path, row.old or "–", row.new or "–"] for row in rows[:CHANGES_SHOWN]]


def _yaml(obj: Obj) -> str:
    """The object as `kubectl get -o yaml` prints it, without the bookkeeping of field owners."""
    plain = json.loads(json.dumps(obj))
    plain.get("metadata", {}).pop("managedFields", None)
    return str(yaml.safe_dump(plain, sort_keys=False))


def _actions(cluster: Any, kind: str, name: str) -> list[list[str]]:
    """What can be done to a thing from its panel: the word on the button, and the command."""
    if kind == "Node":
        part = cluster.world.components.get(f"kubelet/{name}")
        if getattr(part, "stopped", False):
            return [["Switch on", "start_node"]]
        return [["Cut its power", "stop_node"], ["Cut it off from the network", "cutoff"], HEAL]
    if kind == "component":
        part = cluster.world.components.get(name)
        if name in ("you", "kubeadm", "faults") or part is None:
            return []
        if getattr(part, "stopped", False):
            return [["Start", "start"]]
        return [["Stop", "stop"], *(_of_member(cluster) if name.startswith("etcd-") else [])]
    return [["Delete", "delete"]] if kind != "Namespace" else []


def _of_member(cluster: Any) -> list[list[str]]:
    """What can be done to one etcd member among others."""
    if "etcd-2" not in cluster.world.components:
        return []
    return [["Let its timer run out", "time_out"], ["Cut it off from the others", "cutoff"], HEAL]


def _rows(kind: str, obj: Obj) -> list[tuple[str, str]]:
    metadata = obj.get("metadata") or {}
    labels = metadata.get("labels") or {}
    rows = [
        ("namespace", metadata.get("namespace", "")),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))),
        ("resourceVersion", str(metadata.get("resourceVersion", ""))),
    ]
    if kind == "Pod":
        rows += [
            ("phase", get(obj, "status", "phase", default="")),
            ("node", get(obj, "spec", "nodeName", default="none yet")),
            ("address", get(obj, "status", "podIP", default="none yet")),
            ("image", ", ".join(c.get("image", "") for c in get(obj, "spec", "containers") or ())),
        ]
        rows += _conditions(obj)
    elif kind == "Node":
        rows += [
            ("cpu", str(get(obj, "status", "allocatable", "cpu", default=""))),
            ("memory", str(get(obj, "status", "allocatable", "memory", default=""))),
            ("pod addresses", get(obj, "spec", "podCIDR", default="")),
            ("taints", ", ".join(t.get("key", "") for t in get(obj, "spec", "taints") or ())),
        ]
        rows += _conditions(obj)
    elif kind == "Service":
        rows += [
            ("type", get(obj, "spec", "type", default="")),
            ("cluster IP", get(obj, "spec", "clusterIP", default="")),
            (
                "selector",
                ", ".join(
                    f"{key}={value}" for key, value in (get(obj, "spec", "selector") or {}).items()
                ),
            ),
        ]
    elif get(obj, "spec", "replicas") is not None:
        rows += [
            ("wished replicas", str(get(obj, "spec", "replicas"))),
            ("ready replicas", str(get(obj, "status", "readyReplicas", default=0))),
        ]
    return rows


def _conditions(obj: Obj) -> list[tuple[str, str]]:
    out = []
    for condition in get(obj, "status", "conditions") or ():
        reason = f" ({condition['reason']})" if condition.get("reason") else ""
        out.append((str(condition.get("type")), f"{condition.get('status')}{reason}"))
    return out


def _component(cluster: Any, event: int, name: str) -> dict[str, Any]:
    trace = cluster.trace
    last = next(
        (
            trace[i]
            for i in range(event - 1, max(event - 3000, 0) - 1, -1)
            if trace[i].target == name
        ),
        None,
    )
    rows = [["process", name]]
    if last is not None:
        rows.append(["last did", cluster.tell(last)])
    return {
        "kind": "component",
        "name": name,
        "title": label_of(name),
        "actions": _actions(cluster, "component", name),
        "rows": rows,
        "kubectl": "kubectl get componentstatuses" if name.startswith("etcd") else "",
        "event": last.id if last is not None else 0,
    }


def _last_change(cluster: Any, event: int, kind: str, name: str) -> int:
    """The event that last wrote the object, as the cluster's own `why` finds it."""
    try:
        chain = cluster.why(f"{kind.lower()}/{name}")
    except Exception:
        return 0
    return next((item.id for item in reversed(chain) if item.id <= event), 0)
