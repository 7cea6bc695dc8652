"""The cluster view: what runs where?

The control plane above, the nodes below, and between them the pods that have no node yet: a pod has
no place before it is bound, and never moves from one node to another. The message of the step shown
is an arrow from who sent it to who handled it. Bars show what pods ask for, which is what counts
for the scheduler. Objects are read at the moment looked at; which processes are stopped follows
from the faults up to then.

In Kubernetes: `kubectl get nodes,pods -o wide`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api.objects import get
from kubelab.sim.kernel import Event
from kubelab.views import floor, search
from kubelab.views.cursor import Cursor, Stops
from kubelab.views.desk import desk_of
from kubelab.views.kind import Side
from kubelab.views.palette import actor_of, label_of
from kubelab.views.picture import Picture
from kubelab.views.room import Room, amount_text, rooms
from kubelab.views.view import Kind, View
from kubelab.views.words import Table, Words, listed, natural, plural

# Background chatter that no step stops at: heartbeats, Events, and what is only read.
NOISE = ("/registry/leases/", "/registry/events/", "compact_rev_key", "/registry/masterleases/")
NOISY_KINDS = ("Lease", "Event")
# What a controller notes as its act when it finds nothing to do.
IDLE = "—"
READS = ("GET", "")
# What a container runtime and a program in a pod do; the others of their verbs are answers.
RUNTIME_CALLS = ("run_pod_sandbox", "pull_image", "start_container", "stop_container", "kill")
PROGRAMS = ("curl", "connect", "resolve")


def show(
    cluster: Any, *, by: str = "decision", play: bool = False, projector: bool = False
) -> View:
    """What runs where, and who tells whom."""
    return View(cluster, KIND, {}, by=by, play=play, projector=projector)


def is_stop(event: Event, by: str, options: dict[str, Any]) -> bool:
    """By decision: somebody decides or acts; by message also the messages that carry it out."""
    if is_decision(event):
        return True
    if by != "message":
        return False
    detail, verb = event.detail, event.verb
    if event.target.startswith("etcd"):
        return verb in ("txn", "put", "delete_range") and _is_change(event)
    if verb == "request":
        return detail.get("method") not in READS and detail.get("kind") not in NOISY_KINDS
    if verb == "watched":
        return detail.get("kind") not in NOISY_KINDS and detail.get("type") not in (
            "BOOKMARK",
            None,
        )
    return verb == "create_container"


def is_decision(event: Event) -> bool:
    """Whether somebody decides or acts in an event, rather than hearing or carrying out."""
    detail, verb, target = event.detail, event.verb, event.target
    role = target.partition("/")[0]
    if role in ("you", "faults"):
        return verb == "act" or (role == "faults" and verb != "start")
    if role == "scheduler":
        return verb == "schedule_one" and bool(detail.get("pod")) and not detail.get("skipped")
    if role == "controller-manager":
        # The Endpoints controller repeats for old clients what EndpointSlices say.
        idle = detail.get("act", IDLE) == IDLE or verb == "response"
        return not idle and detail.get("controller") != "endpoints"
    if role == "kubelet":
        return bool(detail.get("status"))
    if role == "runtime":
        return verb in RUNTIME_CALLS
    if role == "kube-proxy":
        return verb == "sync" and bool(detail.get("changed"))
    if role == "tools":
        return verb in PROGRAMS or bool(detail.get("answered_by") or detail.get("error"))
    return False


def _is_change(event: Event) -> bool:
    detail = event.detail
    return bool(detail.get("change")) and not str(detail.get("key", "")).startswith(NOISE)


def matters(cluster: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The test for the view's stops."""
    return lambda event: is_stop(event, by, options)


def frame(cluster: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see at a moment."""
    moment = cluster.at(event=cursor.event)
    nodes, pods = moment.list("Node"), moment.list("Pod")
    place = rooms(nodes, pods)
    down = stopped_at(cluster, cursor.event)
    event = cluster.trace[cursor.focus - 1] if cursor.focus else None
    shown = [pod_row(pod) for pod in pods]
    there: dict[str, list[dict[str, Any]]] = {}
    for row in shown:
        there.setdefault(row["node"], []).append(row)
    rows = [node_row(node, place, there.get(node["metadata"]["name"], []), down) for node in nodes]
    known = {row["name"] for row in rows}
    rows.sort(key=lambda row: natural(row["name"]))
    tray = [row for row in shown if row["node"] not in known]
    return {
        "revision": moment.revision,
        "nodes": rows,
        "tray": tray,
        "focus": cursor.focus,
        "components": _control_plane(cluster, down),
        "touched": touched(event) if event else "",
        "message": _message(event) if event else None,
        "found": search.found(rows, str(options.get("find") or "")),
        "lens": search.lens(cluster, rows),
        "cut": search.is_parted(cluster) and cursor.event >= len(cluster.trace),
    }


def stopped_at(cluster: Any, event: int) -> set[str]:
    """The components that were stopped at a moment, by the faults up to then."""
    desk = desk_of(cluster)
    if desk.faults is None:
        desk.faults = Stops(lambda: _is_fault)
    desk.faults.update(cluster.trace)
    down: set[str] = set()
    for number in desk.faults.ids:
        if number > event:
            break
        detail = cluster.trace[number - 1].detail
        down |= set(detail.get("stopped") or ())
        down -= set(detail.get("started") or ())
    return down


def _is_fault(event: Event) -> bool:
    return event.target == "faults" and event.verb in ("halt", "begin")


def _control_plane(cluster: Any, down: set[str]) -> list[dict[str, Any]]:
    names = [
        name
        for name in cluster.world.components
        if name in ("you", "controller-manager", "scheduler")
        or name.startswith(("apiserver-", "etcd-"))
    ]
    order = ("you", "apiserver", "etcd", "controller-manager", "scheduler")
    names.sort(
        key=lambda name: (next(i for i, head in enumerate(order) if name.startswith(head)), name)
    )
    return [
        {"name": name, "label": label_of(name), "actor": actor_of(name), "stopped": name in down}
        for name in names
    ]


def pod_row(pod: Any) -> dict[str, Any]:
    """What is drawn of a pod: its name, node, state and kubectl's word for it."""
    metadata = pod["metadata"]
    state, word = pod_state(pod)
    owner = next((ref.get("name") for ref in metadata.get("ownerReferences") or ()), "")
    return {
        "name": f"{metadata.get('namespace', '')}/{metadata['name']}",
        "short": metadata["name"],
        "node": get(pod, "spec", "nodeName", default=""),
        "state": state,
        "word": word,
        "owner": owner,
        "ip": get(pod, "status", "podIP", default=""),
    }


def pod_state(pod: Any) -> tuple[str, str]:
    """A pod's state (a pattern) and the word that `kubectl get pods` prints."""
    phase = get(pod, "status", "phase", default="Pending")
    word = phase
    for status in get(pod, "status", "containerStatuses") or ():
        state = status.get("state") or {}
        for part in ("waiting", "terminated"):
            reason = (state.get(part) or {}).get("reason")
            if reason:
                word = reason
    if pod["metadata"].get("deletionTimestamp"):
        lost = get(pod, "status", "reason") == "NodeLost"
        return ("unknown", "Unknown") if lost else ("leaving", "Terminating")
    if not get(pod, "spec", "nodeName"):
        return "waiting", "Pending"
    if phase == "Failed" or word.endswith(("BackOff", "Error")) or word.startswith("Err"):
        return "failed", word
    if phase == "Succeeded":
        return "stopped", "Completed"
    ready = any(
        item.get("type") == "Ready" and item.get("status") == "True"
        for item in get(pod, "status", "conditions") or ()
    )
    return ("ready", word) if ready else ("working", word)


def node_row(node: Any, place: Any, pods: list[dict[str, Any]], down: set[str]) -> dict[str, Any]:
    """What is drawn of a node; `pods` are the rows of those on it."""
    name = node["metadata"]["name"]
    ready = next(
        (
            item.get("status")
            for item in get(node, "status", "conditions") or ()
            if item.get("type") == "Ready"
        ),
        "False",
    )
    state = {"True": "ready", "Unknown": "unknown"}.get(str(ready), "failed")
    word = "Ready" if ready == "True" else "NotReady"
    if get(node, "spec", "unschedulable"):
        word += ",SchedulingDisabled"
    room = place.get(name, {})
    mine = pods
    if state == "unknown":
        # Nobody hears of these pods any more: the last that is known of them may be wrong.
        mine = [{**row, "state": "unknown"} for row in mine]
    return {
        "name": name,
        "state": state,
        "word": word,
        "bars": [
            {"resource": res, "share": round(room[res].share, 4), "text": _asked(res, room[res])}
            for res in ("cpu", "memory")
            if res in room
        ],
        "pods": mine,
        "parts": [
            {
                "name": f"{part}/{name}",
                "label": part,
                "actor": actor_of(part),
                "stopped": f"{part}/{name}" in down,
            }
            for part in ("kubelet", "kube-proxy")
        ],
    }


def _asked(resource: str, room: Room) -> str:
    return f"{amount_text(resource, room.asked)} of {amount_text(resource, room.total)}"


def touched(event: Event) -> str:
    """The object that an event is about, as `Kind namespace/name`, or the empty string."""
    detail = event.detail
    key = str(detail.get("key", ""))
    if key.startswith("/registry/pods/"):
        return f"Pod {key[15:]}"
    if key.startswith("/registry/minions/"):
        return f"Node {key[18:]}"
    if detail.get("pod"):
        pod = str(detail["pod"])
        return f"Pod {pod if '/' in pod else 'default/' + pod}"
    kind, name = detail.get("kind"), detail.get("name")
    if kind in ("Pod", "Node") and name:
        return f"Pod {detail.get('namespace')}/{name}" if kind == "Pod" else f"Node {name}"
    return ""


def _message(event: Event) -> dict[str, Any]:
    """The arrow of a step: the message itself, or for a decision where it will act."""
    detail = event.detail
    about = detail.get("name") or str(detail.get("key", "")).rpartition("/")[2]
    about = about or detail.get("kind")
    verb = str(detail.get("verb") or event.verb).replace("_", " ")
    start, end = event.actor, event.target
    role = end.partition("/")[0]
    if event.verb == "schedule_one":
        start, end, verb = "scheduler", f"node/{detail.get('node')}", "picks"
        about = detail.get("node") or "no node"
    elif role == "controller-manager" and detail.get("act"):
        start, end, verb = "controller-manager", "apiserver-1", str(detail["act"])
    elif role == "kubelet" and detail.get("status"):
        start, end, verb = event.target, "apiserver-1", "reports"
        about = (
            f"{detail['status'].get('phase', '')} {str(detail.get('pod', '')).rpartition('/')[2]}"
        )
    elif role == "runtime":
        end, about = f"pod/{detail.get('pod')}", detail.get("image") or detail.get("ip") or ""
    actor = actor_of(event.target if start == event.target else start)
    return {
        "from": start,
        "to": end,
        "verb": verb,
        "about": str(about or ""),
        "actor": actor,
        "event": event.id,
        "dashed": event.verb in ("watched", "watch_response"),
    }


def words(data: dict[str, Any]) -> Words:
    """Alt text and tables."""
    nodes = data["nodes"]
    pods = [pod for node in nodes for pod in node["pods"]]
    ready = sum(node["state"] == "ready" for node in nodes)
    counts: dict[str, int] = {}
    for pod in pods:
        counts[pod["word"]] = counts.get(pod["word"], 0) + 1
    said = [f"{count} {word}" for word, count in sorted(counts.items())]
    waiting = plural(len(data["tray"]), "pod")
    alt = f"{ready} of {plural(len(nodes), 'node')} ready, {plural(len(pods), 'pod')} on nodes"
    alt += f" ({listed(said, 5)})" if said else ""
    alt += f", {waiting} without a node." if data["tray"] else "."
    stopped = [part["label"] for part in data["components"] if part["stopped"]]
    if stopped:
        alt += f" Stopped: {listed(stopped)}."
    node_rows = tuple(
        (node["name"], node["word"], *(bar["text"] for bar in node["bars"]), str(len(node["pods"])))
        for node in nodes
    )
    pod_rows = tuple(
        (pod["name"], pod["word"], pod["node"] or "none", pod["ip"] or "none")
        for pod in [*data["tray"], *pods]
    )
    tables = (
        Table("Nodes", ("node", "status", "cpu asked", "memory asked", "pods"), node_rows),
        Table("Pods", ("pod", "status", "node", "address"), pod_rows),
    )
    return Words(alt=alt, tables=tuple(table for table in tables if table.rows))


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return f"cluster · {plural(len(data['nodes']), 'node')}"


def cut(data: dict[str, Any], picture: Picture, side: Side) -> tuple[list[str], list[str]]:
    """Nodes and parts of the control plane on the two sides of a line."""
    groups: tuple[list[str], list[str]] = ([], [])
    for piece in picture.pieces:
        node = piece.kind == "Node" and piece.key.startswith("no/")
        part = piece.kind == "component" and "/" not in piece.name and piece.name != "you"
        if node or part:
            groups[side(piece.x + 24, piece.y + 14)].append(piece.name)
    return groups


KIND = Kind(
    "cluster", title, frame, floor.draw, words, matters, inputs=search.inputs, use=search.use,
    cut=cut,
)  # fmt: skip
