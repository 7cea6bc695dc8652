"""kubectl top: what pods and nodes use, as the metrics API says.

In Kubernetes: k8s.io/kubectl/pkg/cmd/top and pkg/metricsutil.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds, quantity
from kubelab.api.objects import Obj, get, name_of, namespace_of
from kubelab.kubectl import tabwriter
from kubelab.kubectl.errors import fail, usage
from kubelab.kubectl.session import Session, quote
from kubelab.sim.kernel import SECOND, parse_timestamp

FLAGS = (
    "selector,l= field-selector= all-namespaces,A containers sort-by= no-headers "
    "use-protocol-buffers sum show-capacity show-swap"
)
API = "/apis/metrics.k8s.io/v1beta1"
PODS, NODES = ("pod", "pods", "po"), ("node", "nodes", "no")
POD, NODE = kinds.named("v1/Pod"), kinds.named("v1/Node")
MEBIBYTE = 1 << 20
# A pod older than this should have metrics.
DELAY_SECONDS = 120


def top(session: Session, args: list[str]) -> None:
    """Runs `kubectl top`."""
    if not args or args[0] not in PODS + NODES:
        raise usage("top", f"Unexpected args: [{' '.join(args)}]")
    order = session.flags.text("sort-by")
    if order not in ("", "cpu", "memory"):
        raise fail("--sort-by accepts only cpu or memory")
    groups = session.call("GET", "/apis")["groups"]
    if not any(group["name"] == "metrics.k8s.io" for group in groups):
        raise fail("Metrics API not available")
    if args[0] in PODS:
        _pods(session, args[1] if len(args) > 1 else "", order)
    else:
        _nodes(session, args[1] if len(args) > 1 else "", order)


def _metrics(session: Session, path: str, name: str) -> list[Any]:
    """The items under a path: one, or all that the selectors choose."""
    if name:
        return [session.call("GET", f"{path}/{name}")]
    query = [
        f"{parameter}={quote(session.flags.text(flag))}"
        for flag, parameter in (("selector", "labelSelector"), ("field-selector", "fieldSelector"))
        if session.flags.text(flag)
    ]
    items: list[Any] = session.call("GET", f"{path}?{'&'.join(query)}" if query else path)["items"]
    return items


def _used(usages: list[Any]) -> tuple[int, int]:
    """Thousandths of a cpu and bytes, of all together."""
    cpu = sum(quantity.parse(usage_.get("cpu", "0")) for usage_ in usages)
    memory = sum(quantity.parse(usage_.get("memory", "0")) for usage_ in usages)
    return quantity.ceiling(cpu * 1000), quantity.ceiling(memory)


def _cells(used: tuple[int, int]) -> list[str]:
    return [f"{used[0]}m", f"{used[1] // MEBIBYTE}Mi"]


def _sorted(items: list[Any], order: str, key: Any) -> list[Any]:
    """By namespace and name, or the most used first."""
    items = sorted(items, key=lambda item: (namespace_of(item), name_of(item)))
    if order:
        at = ("cpu", "memory").index(order)
        items.sort(key=lambda item: -_used(key(item))[at])
    return items


def _print(session: Session, head: list[str], rows: list[list[str]]) -> None:
    table = rows if session.flags.on("no-headers") else [head, *rows]
    # Each cell ends in a tab there, the last one too.
    session.out.append(tabwriter.rows([[*row, ""] for row in table]))


# Pods.


def _pods(session: Session, name: str, order: str) -> None:
    everywhere = session.flags.on("all-namespaces")
    if everywhere and name:
        raise fail("a resource cannot be retrieved by name across all namespaces")
    path = f"{API}/pods" if everywhere else f"{API}/namespaces/{session.namespace}/pods"
    items = _metrics(session, path, name)
    if not items:
        _explain(session, everywhere)
        return
    by_container = session.flags.on("containers")
    rows: list[list[str]] = []
    for item in _sorted(items, order, _usages):
        head = [namespace_of(item)] if everywhere else []
        if by_container:
            rows.extend(
                [*head, name_of(item), row["name"], *_cells(_used([row["usage"]]))]
                for row in sorted(item["containers"], key=lambda held: held["name"])
            )
        else:
            rows.append([*head, name_of(item), *_cells(_used(_usages(item)))])
    columns = ["POD", "NAME"] if by_container else ["NAME"]
    columns = [*(["NAMESPACE"] if everywhere else []), *columns, "CPU(cores)", "MEMORY(bytes)"]
    if session.flags.on("sum"):
        blank = [""] * (len(columns) - 2)
        rows.append([*blank, "________", "________"])
        rows.append([*blank, *_cells(_used([use for item in items for use in _usages(item)]))])
    _print(session, columns, rows)


def _usages(item: Any) -> list[Any]:
    return [row["usage"] for row in item["containers"]]


def _explain(session: Session, everywhere: bool) -> None:
    """There are no metrics: are there pods, and should they have some by now?"""
    labels = session.flags.text("selector")
    pods = session.list(POD, "" if everywhere else session.namespace, labels)
    if not pods:
        where = "" if everywhere else f" in {session.namespace} namespace."
        session.warn(f"No resources found{where}")
        return
    for pod in pods:
        age_ns = session.now_ns - parse_timestamp(pod["metadata"]["creationTimestamp"])
        if age_ns > DELAY_SECONDS * SECOND:
            minutes, rest = divmod(age_ns / SECOND, 60)
            age = f"{minutes:.0f}m{rest:.9g}s"
            raise fail(f"Metrics not available for pod {namespace_of(pod)}/{name_of(pod)}, "
                       f"age: {age}")  # fmt: skip
    raise fail("metrics not available yet")


# Nodes.


def _nodes(session: Session, name: str, order: str) -> None:
    items = _metrics(session, f"{API}/nodes", name)
    if not items:
        raise fail("metrics not available yet")
    known = {name_of(node): node for node in session.list(NODE)}
    field = "capacity" if session.flags.on("show-capacity") else "allocatable"
    rows = []
    for item in _sorted(items, order, lambda held: [held["usage"]]):
        used = _used([item["usage"]])
        room = get(known.get(name_of(item), Obj()), "status", field, default=Obj())
        cpu, memory = _cells(used)
        shares = (
            _share(used[0], quantity.milli_value(room.get("cpu", "0"))),
            _share(used[1], quantity.value(room.get("memory", "0"))),
        )
        rows.append([name_of(item), cpu, shares[0], memory, shares[1]])
    _print(session, ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"], rows)


def _share(used: int, room: int) -> str:
    return f"{int(used / room * 100)}%" if room else "<unknown>"
