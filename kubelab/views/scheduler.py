"""The scheduler view: why there, why not here?

Nodes are columns, plugins are rows: a sieve above (Filter), a scale below (Score times weight). A
decision is one event, told in parts: the pod is taken, each node passes or is dropped with the
numbers compared, each scoring plugin adds its points, then one node is picked or none is left. The
record of the decision is the scheduler's own; only asked and free amounts are read from the objects
at that moment. With many nodes only some columns are drawn, and all are counted.

In Kubernetes: k8s.io/kubernetes/pkg/scheduler logs the same at verbosity 10; `kubectl describe pod`
shows only the last message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api.objects import get
from kubelab.scheduler.resources import pod_requests
from kubelab.sim.kernel import Event
from kubelab.views import roles, sieve, sweeps
from kubelab.views.cursor import Cursor
from kubelab.views.facts import find
from kubelab.views.room import comparison, distance, exact, fitting, miss, rooms
from kubelab.views.view import Kind, View
from kubelab.views.words import Table, Words, listed, natural, plural

# With more nodes than this a part is a plugin's row, and only some columns are drawn.
NODES_SINGLY = 12
COLUMNS = 6
WAITING_SHOWN = 7


def show(
    cluster: Any,
    pod: str | None = None,
    *,
    by: str = "message",
    play: bool = False,
    projector: bool = False,
) -> View:
    """Why a pod went to its node, or to none; without a pod, whatever is decided next."""
    name = None if pod is None else pod if "/" in pod else f"default/{pod}"
    return View(cluster, KIND, {"pod": name}, by=by, play=play, projector=projector)


def subject(event: Event) -> str:
    """The pod that an event of the scheduler is about, or the empty string."""
    detail = event.detail
    if event.verb == "schedule_one":
        return str(detail.get("pod") or "")
    if event.verb == "watched" and detail.get("kind") == "Pod":
        return f"{detail.get('namespace')}/{detail.get('name')}"
    if event.verb == "response" and str(detail.get("path", "")).endswith("/binding"):
        parts = str(detail["path"]).split("/")
        return f"{parts[4]}/{parts[6]}" if len(parts) > 6 else ""
    return ""


def is_stop(event: Event, by: str, options: dict[str, Any]) -> bool:
    """A decision; by message also the pod's arrival in the queue and the answer to the binding."""
    if event.target != "scheduler":
        return False
    wanted = options.get("pod")
    about = subject(event)
    if not about or (wanted and about != wanted):
        return False
    if event.verb == "schedule_one":
        return True
    if by != "message":
        return False
    return event.verb == "response" or event.detail.get("type") == "ADDED"


def decision_of(cluster: Any, event: int, pod: str | None) -> tuple[dict[str, Any], int] | None:
    """The decision shown at a moment, with its event: the last one on the pod up to then."""
    trace = cluster.trace
    if not pod:
        at = event
        while at and not (trace[at - 1].target == "scheduler" and subject(trace[at - 1])):
            at -= 1
        if not at:
            return None
        pod = subject(trace[at - 1])
    for item in reversed(cluster.scheduler.decisions(pod)):
        at = event_of(cluster.trace, item, pod)
        if at and at <= event:
            numbers = {
                name: status.detail.get("short", {})
                for name, status in item.verdicts
                if status is not None
            }
            return {**item.to_dict(), "numbers": numbers}, at
    return None


def event_of(trace: Any, decision: Any, pod: str) -> int:
    """The event in which a decision was made: a cycle on that pod at that time; 0 if forgotten."""
    low, high = 0, len(trace)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if trace[middle].ns < decision.ns else (low, middle)
    while low < len(trace) and trace[low].ns == decision.ns:
        event = trace[low]
        if event.verb == "schedule_one" and event.detail.get("pod") == pod:
            return int(event.id)
        low += 1
    return 0


def plan(decision: dict[str, Any]) -> list[tuple[str, str]]:
    """The parts in which a decision is told, in order."""
    nodes = sorted(decision["filters"], key=natural)
    parts = [("take", "")]
    if len(nodes) <= NODES_SINGLY:
        parts += [("node", name) for name in nodes]
    else:
        parts += [("filter", name) for name in sieve.order(decision["filters"])]
    parts += [("score", name) for name in sieve.order(decision["scores"])]
    return [*parts, ("end", "")]


def parts(cluster: Any, event: Event, options: dict[str, Any]) -> int:
    """How many parts an event has."""
    if event.verb != "schedule_one":
        return 1
    found = decision_of(cluster, event.id, subject(event) or options.get("pod"))
    return len(plan(found[0])) if found and found[1] == event.id else 1


def matters(cluster: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The test for the view's stops."""
    return lambda event: is_stop(event, by, options)


def frame(cluster: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see: the decision as far as it is told, its numbers, who else waits."""
    moment = cluster.at(event=cursor.event)
    pods, nodes = moment.list("Pod"), moment.list("Node")
    about = options.get("pod")
    if not about and cursor.focus:
        about = subject(cluster.trace[cursor.focus - 1])
    found = decision_of(cluster, cursor.focus or cursor.event, about)
    data: dict[str, Any] = {
        "revision": moment.revision,
        "pod": about or "",
        "decided": False,
        "waiting": [],
        "nodes": len(nodes),
        "names": sorted((node["metadata"]["name"] for node in nodes), key=natural),
        "focus": cursor.focus,
        "step": ("", ""),
    }
    if found is not None:
        decision, event = found
        if options.get("weights"):
            decision = reweighed(cluster, decision, options["weights"])
        data["pod"] = decision["pod"]
        whole = plan(decision)
        told = whole[: cursor.part + 1] if event == cursor.focus else whole
        place = rooms(nodes, pods, without=decision["pod"])
        data |= _told(decision, told, event == cursor.focus, whole)
        data["event"] = event
        data |= _numbers(find(moment, "Pod", decision["pod"]), place, data["columns"], decision)
    data["waiting"] = _waiting(pods, data["pod"])
    return data


def reweighed(cluster: Any, decision: dict[str, Any], weights: dict[str, int]) -> dict[str, Any]:
    """The decision as it would be with other weights, worked out by the scheduler itself."""
    after = cluster.scheduler.what_if(decision["pod"], weights=weights).after
    return {**after.to_dict(), "numbers": decision["numbers"]}


def use(view: View, name: str, value: str) -> View:
    """Chooses a plugin, or gives it another weight: in a what-if, since weights are the world's."""
    if name == "plugin":
        return view.change(plugin=value)
    if name != "weight":
        raise ValueError(f"the scheduler view has no input {name!r}")
    plugin = next(row["value"] for row in sweeps.sliders(view.frame, view.options))
    weights = {**(view.options.get("weights") or {}), plugin: int(value)}
    if view.origin is not None:
        return view.change(weights=weights, plugin=plugin)
    twin = view.twin if view.twin is not None and view.twin.live is not None else view.fork()
    return twin.change(weights=weights, plugin=plugin)


def _told(
    decision: dict[str, Any], told: list[tuple[str, str]], current: bool,
    whole: list[tuple[str, str]],
) -> dict[str, Any]:  # fmt: skip
    """The decision as far as it is told."""
    filters, scores = decision["filters"], decision["scores"]
    done = told[-1][0] == "end"
    seen = [name for what, name in told if what == "node"]
    passed = [name for what, name in told if what == "filter"]
    scored = [name for what, name in told if what == "score"]
    many = len(filters) > NODES_SINGLY
    columns = sieve.columns(decision, COLUMNS if many else NODES_SINGLY)
    return {
        "decided": True,
        "done": done,
        "step": told[-1] if current else ("", ""),
        "next": whole[len(told)] if current and len(told) < len(whole) else ("", ""),
        "many": many,
        "columns": columns,
        "all": len(filters),
        "rows": sieve.filter_rows(filters, columns, None if many else seen, passed),
        "scale": sieve.score_rows(scores, columns, scored),
        "totals": {
            name: sum(
                scores[name][plugin]["weighted"] for plugin in scored if plugin in scores[name]
            )
            for name in columns
            if name in scores
        },
        "dropped": sieve.dropped(filters, seen if not many else None, passed),
        "kept": sorted(scores) or [n for n in filters if not sieve.failure(filters[n])],
        "winner": decision["node"] if done else None,
        "node": decision["node"],
        "message": decision["message"] if done else "",
        "assembled": sieve.assembled(filters, seen if not many else None, passed),
        "victims": decision.get("victims") or [],
        "best": _ranking(decision),
    }


def _ranking(decision: dict[str, Any]) -> list[list[Any]]:
    totals = decision.get("totals") or {}
    return [list(pair) for pair in sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))][:3]


def _numbers(pod: Any, place: Any, columns: list[str], decision: dict[str, Any]) -> dict[str, Any]:
    """What is asked and free behind each refusal, and the smallest change that would help."""
    asks = pod_requests(pod) if pod is not None else {}
    compared: dict[str, str] = {}
    short: list[tuple[float, str]] = []
    for name in columns:
        bad = sieve.failure(decision["filters"].get(name, {}))
        for reason in bad[1] if bad else ():
            room = exact(place.get(name, {}), decision["numbers"].get(name) or {})
            text = comparison(asks, room, reason)
            if text:
                compared[name] = text
                short.append((distance(asks, room, reason), f"{name}, {miss(asks, room, reason)}"))
    free = {}
    for name in columns:
        if "cpu" in place.get(name, {}):
            free[name] = fitting(asks, place[name])
    near = min((pair for pair in short if pair[1][-5:] == "short"), default=(0.0, ""))
    return {"compared": compared, "near": near[1], "free": free}


def _waiting(pods: list[Any], shown: str) -> list[dict[str, str]]:
    """The pods without a node: not looked at yet, or refused for now."""
    out = []
    for pod in pods:
        if get(pod, "spec", "nodeName") or get(pod, "metadata", "deletionTimestamp"):
            continue
        refused = any(
            item.get("type") == "PodScheduled" and item.get("status") == "False"
            for item in get(pod, "status", "conditions") or ()
        )
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        out.append({"name": name, "state": "unschedulable" if refused else "active"})
    out.sort(key=lambda row: (row["name"] != shown, row["state"], row["name"]))
    return out


def sentence(data: dict[str, Any]) -> str:
    """The sentence of the part shown; empty where the event's own says it best."""
    what, name = data["step"]
    pod = data["pod"].rpartition("/")[2]
    if what == "take":
        return f"Scheduler takes {pod} off the queue; {plural(data['all'], 'node')} to look at."
    if what == "node":
        return _verdict(data, pod, name)
    if what == "filter":
        lost = data["dropped"].get(name, 0)
        if lost:
            return f"Scheduler drops {plural(lost, 'node')} because {name} refuses them."
        return f"Scheduler asks {name}; every node left passes it."
    if what == "score":
        row = next(row for row in data["scale"] if row["plugin"] == name)
        most = max((cell["weighted"] for cell in row["cells"].values()), default=0)
        best = [node for node, cell in row["cells"].items() if cell["weighted"] == most]
        verb = "gets" if len(best) == 1 else "get"
        return (
            f"Scheduler asks {name} for points (weight {row['weight']}): {listed(best)} {verb} "
            f"{most}."
        )
    return ""


def _verdict(data: dict[str, Any], pod: str, name: str) -> str:
    bad = next((row for row in data["rows"] if row["cells"].get(name, {}).get("reasons")), None)
    if bad is None:
        free = data["free"].get(name, "")
        return f"Scheduler keeps {name} because no filter refuses it" + (
            f"; {pod} {free}." if free else "."
        )
    numbers = data["compared"].get(name)
    reason = ", ".join(bad["cells"][name]["reasons"])
    if numbers:
        return f"Scheduler drops {name} because of {reason}: {pod} {numbers}."
    return f"Scheduler drops {name} because {bad['plugin']} refuses it: {reason}."


def words(data: dict[str, Any]) -> Words:
    """Alt text, sentence and tables."""
    if not data["decided"]:
        waiting = plural(len(data["waiting"]), "pod")
        return Words(alt=f"No decision yet. {waiting} without a node.", tables=_queue(data))
    pod = data["pod"]
    if data["winner"]:
        end = f"It goes to {data['winner']}."
    elif data["done"]:
        end = f"No node fits: {data['message']}"
    else:
        end = "Not decided yet."
    gone = sum(1 for name in data["columns"] if sieve.is_out(data["rows"], name))
    alt = (
        f"Decision on pod {pod}: {plural(data['all'], 'node')}, {gone} of the "
        f"{len(data['columns'])} drawn dropped. {end}"
    )
    sieve_rows = tuple(
        (row["plugin"], *(_cell(data, row, name) for name in data["columns"]))
        for row in data["rows"]
    )
    scale_rows = [
        (
            f"{row['plugin']} ×{row['weight']}",
            *(
                str(row["cells"][n]["weighted"]) if n in row["cells"] else ""
                for n in data["columns"]
            ),
        )
        for row in data["scale"]
    ]
    totals = ("total", *(str(data["totals"].get(name, "")) for name in data["columns"]))
    tables = [Table("Filters", ("plugin", *data["columns"]), sieve_rows)]
    if scale_rows:
        tables.append(Table("Scores", ("plugin", *data["columns"]), (*scale_rows, totals)))
    return Words(alt=alt, sentence=sentence(data), tables=(*tables, *_queue(data)))


def _cell(data: dict[str, Any], row: dict[str, Any], name: str) -> str:
    cell = row["cells"].get(name)
    if cell is None:
        return "not asked"
    if not cell["reasons"]:
        return "passes"
    numbers = data["compared"].get(name)
    return ", ".join(cell["reasons"]) + (f" ({numbers})" if numbers else "")


def _queue(data: dict[str, Any]) -> tuple[Table, ...]:
    rows = tuple((row["name"], row["state"]) for row in data["waiting"])
    return (Table("Pods without a node", ("pod", "queue"), rows),) if rows else ()


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return f"scheduler · {data['pod'] or 'all pods'}"


def draw(data: dict[str, Any]) -> Any:
    """The picture."""
    return sieve.draw(data)


KIND = Kind(
    "scheduler", title, frame, draw, words, matters, parts,
    inputs=sweeps.sliders, use=use, play=roles.SCHEDULER, sweep=sweeps.WEIGHT,
)  # fmt: skip
