"""The owners view: who owns whom, who selects whom?

Trees from the top owner (a Deployment) down to its pods by `ownerReferences`, drawn solid; and from
a Service to its slices and to the pods that its selector fits, drawn dashed, with the label text on
the line. Where a selector fits no pod, the nearest pod's labels stand beside it, so that a typo is
seen. A step is one link made or cut, or a number of an owner changed.

In Kubernetes: `kubectl get deploy,rs,po,svc,endpointslices --show-labels`, and the references in
each object's metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api.objects import get
from kubelab.sim.kernel import Event
from kubelab.views import tree
from kubelab.views.cluster import pod_state
from kubelab.views.cursor import Cursor
from kubelab.views.view import Kind, View, is_act
from kubelab.views.words import Table, Words, natural, plural

TOPS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "ReplicaSet",
        "ReplicationController")  # fmt: skip
FOLDERS = tuple(f"/registry/{name}/" for name in (
    "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs", "controllers",
    "pods", "services/specs", "endpointslices"))  # fmt: skip
WRITES = ("put", "txn", "delete_range", "apply")
# Pods of one owner drawn by name; more are folded into a count.
SHOWN = 5
SYSTEM = "kube-system"


def show(
    cluster: Any,
    namespace: str | None = None,
    *,
    by: str = "decision",
    play: bool = False,
    projector: bool = False,
) -> View:
    """Owners and selectors, in one namespace or in all but the system's."""
    return View(cluster, KIND, {"namespace": namespace}, by=by, play=play, projector=projector)


def is_stop(event: Event, by: str, options: dict[str, Any]) -> bool:
    """By decision: an object comes or goes, or you act; by message every write of one shown."""
    if is_act(event):
        return True
    detail = event.detail
    if event.verb not in WRITES or not event.target.startswith("etcd"):
        return False
    key = str(detail.get("key", ""))
    if not detail.get("change") or not key.startswith(FOLDERS):
        return False
    space = key.removeprefix(next(f for f in FOLDERS if key.startswith(f))).partition("/")[0]
    wanted = options.get("namespace")
    if space != wanted if wanted else space == SYSTEM:
        return False
    return by == "message" or detail["change"] != "update"


def matters(cluster: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The test for the view's stops."""
    return lambda event: is_stop(event, by, options)


def frame(cluster: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see: rows of trees, and what each Service selects."""
    moment = cluster.at(event=cursor.event)
    space = options.get("namespace")

    def listed(kind: str) -> list[Any]:
        found = moment.list(kind, space)
        return [o for o in found if space or o["metadata"].get("namespace") != SYSTEM]

    objects = {kind: listed(kind) for kind in (*TOPS, "Pod")}
    children: dict[str, list[tuple[str, Any]]] = {}
    known = {o["metadata"].get("uid") for group in objects.values() for o in group}
    roots: list[tuple[str, Any]] = []
    for kind, group in objects.items():
        for obj in group:
            refs = obj["metadata"].get("ownerReferences") or ()
            owner = next((r["uid"] for r in refs if r.get("controller")), None)
            if owner in known and owner is not None:
                children.setdefault(owner, []).append((kind, obj))
            else:
                roots.append((kind, obj))
    event = cluster.trace[cursor.focus - 1] if cursor.focus else None
    key = str(event.detail.get("key", "")) if event is not None else ""
    changed = "/".join(key.split("/")[-2:]) if key.startswith(FOLDERS) else ""
    trees = [_node(kind, obj, children, changed) for kind, obj in roots]
    trees.sort(key=lambda row: (not row["children"], row["kind"] == "Pod", natural(row["name"])))
    return {
        "revision": moment.revision,
        "focus": cursor.focus,
        "event": event.id if event is not None else 0,
        "namespace": space or "",
        "trees": trees,
        "services": [
            _service(svc, objects["Pod"], listed("EndpointSlice"), changed)
            for svc in listed("Service")
            if get(svc, "spec", "selector")
        ],
    }


def _node(kind: str, obj: Any, children: Any, changed: str) -> dict[str, Any]:
    metadata = obj["metadata"]
    name = f"{metadata.get('namespace', '')}/{metadata['name']}"
    below = [_node(k, o, children, changed) for k, o in children.get(metadata.get("uid"), ())]
    # An old ReplicaSet without pods stands after the one at work.
    below.sort(key=lambda row: (not row["children"], natural(row["name"])))
    if kind == "Pod":
        state, word = pod_state(obj)
    else:
        wish, ready = _wish(kind, obj), get(obj, "status", "readyReplicas", default=0)
        ready = get(obj, "status", "numberReady", default=ready)
        ready = get(obj, "status", "succeeded", default=ready) if kind == "Job" else ready
        word = f"{ready} of {wish} ready" if wish is not None else ""
        word = word.replace("ready", "done") if kind == "Job" else word
        state = "ready" if wish is None or ready == wish else "working"
        if wish == 0:
            state = "stopped"
    if metadata.get("deletionTimestamp"):
        state = "leaving"
    notes = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    return {
        "kind": kind, "name": name, "short": metadata["name"], "state": state, "word": word,
        "revision": str(notes.get("deployment.kubernetes.io/revision", "")),
        "labels": [f"{k}={v}" for k, v in sorted(labels.items())],
        "changed": name == changed,
        "children": below,
    }  # fmt: skip


def _wish(kind: str, obj: Any) -> int | None:
    if kind == "DaemonSet":
        return int(get(obj, "status", "desiredNumberScheduled", default=0))
    if kind == "Job":
        return int(get(obj, "spec", "completions", default=1))
    if kind == "CronJob":
        return None
    return int(get(obj, "spec", "replicas", default=1))


def _service(svc: Any, pods: list[Any], slices: list[Any], changed: str) -> dict[str, Any]:
    metadata, space = svc["metadata"], svc["metadata"].get("namespace", "")
    selector = dict(get(svc, "spec", "selector") or {})
    mine = [pod for pod in pods if pod["metadata"].get("namespace") == space]
    fits, near, best = [], None, 0
    for pod in mine:
        labels = pod["metadata"].get("labels") or {}
        equal = sum(labels.get(key) == value for key, value in selector.items())
        alike = equal + sum(key in labels for key in selector)
        if equal == len(selector):
            fits.append(pod["metadata"]["name"])
        elif alike > best:
            near, best = pod, alike
    rows = [
        endpoint
        for item in slices
        if (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        == metadata["name"]
        and item["metadata"].get("namespace") == space
        for endpoint in item.get("endpoints") or ()
    ]
    ready = sum(get(row, "conditions", "ready", default=True) is not False for row in rows)
    close = (near["metadata"].get("labels") or {}) if near is not None and not fits else {}
    return {
        "name": f"{space}/{metadata['name']}", "short": metadata["name"],
        "selector": [[f"{k}={v}", not close or close.get(k) == v] for k, v in selector.items()],
        "fits": fits,
        "endpoints": len(rows), "ready": ready,
        "near": near["metadata"]["name"] if close and near is not None else "",
        "near_labels": [
            [f"{k}={v}", selector.get(k) == v] for k, v in sorted(close.items()) if k in selector
        ],
        "changed": changed == f"{space}/{metadata['name']}",
    }  # fmt: skip


def words(data: dict[str, Any]) -> Words:
    """Alt text and tables."""
    rows: list[tuple[str, ...]] = []

    def walk(row: dict[str, Any], owner: str) -> None:
        named = f"{row['kind']} {row['name']}"
        rows.append((named, owner or "nobody", row["word"], ", ".join(row["labels"])))
        for child in row["children"]:
            walk(child, named)

    for root in data["trees"]:
        walk(root, "")
    services = tuple(
        (
            svc["name"],
            ", ".join(text for text, _ in svc["selector"]),
            ", ".join(svc["fits"]) or "none",
            f"{svc['ready']} of {svc['endpoints']} ready",
        )
        for svc in data["services"]
    )
    alt = f"{plural(len(rows), 'object')} in {plural(len(data['trees']), 'tree')} of owners, "
    alt += f"{plural(len(services), 'Service')}."
    for svc in data["services"]:
        if not svc["fits"]:
            alt += f" Service {svc['name']} selects no pod."
            if svc["near"]:
                texts = ", ".join(text for text, _ in svc["near_labels"])
                alt += f" The nearest is {svc['near']} with {texts}."
    tables = (
        Table("Owners", ("object", "owned by", "state", "labels"), tuple(rows)),
        Table("Services", ("service", "selector", "fits pods", "endpoints"), services),
    )
    return Words(alt=alt, tables=tuple(table for table in tables if table.rows))


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return f"owners · {data['namespace'] or 'all namespaces but kube-system'}"


KIND = Kind("owners", title, frame, tree.draw, words, matters)
