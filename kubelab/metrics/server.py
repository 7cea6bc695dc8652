"""metrics-server: asks every kubelet what its pods use, and answers for the API metrics.k8s.io.

What it shows is as old as its last round; rounds are 15 s apart. A round is made only when somebody
asks, but counts from the moment when it was due, so that nobody can tell, and a cluster whose
metrics nobody reads pays nothing for them. A container that has run for less than 10 s at that
moment has no metric yet, and then its whole pod has none.

In Kubernetes: sigs.k8s.io/metrics-server (pkg/scraper, pkg/storage, pkg/api). There it is an
ordinary Deployment; here it is a process beside the cluster, without pods or a Service of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api import errors, kinds, quantity
from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, labels_of, name_of, namespace_of
from kubelab.api.rest import Request, Response, url
from kubelab.api.selectors import parse_fields, parse_labels
from kubelab.client import sentences
from kubelab.client.client import Client
from kubelab.sim.kernel import SECOND, Event, timestamp

NAME = "metrics-server"
ROUND_NS, FRESH_NS = 15 * SECOND, 10 * SECOND
API_VERSION = "metrics.k8s.io/v1beta1"
WINDOW = f"{ROUND_NS // SECOND}s"

# Of a pod: namespace, name, and of each container its name, cpu, bytes and start.
Row = tuple[str, str, tuple[tuple[str, int, int, int], ...]]


class Ask(NamedTuple):
    """A question that waits: who asked, and what."""

    reply_to: str
    token: int
    request: Request
    # The parts of the path behind the version: [namespaces, NS,] pods [, NAME].
    parts: tuple[str, ...]


class MetricsServer(Client):
    """The process `metrics-server`."""

    def __init__(self, servers: tuple[str, ...] = ("apiserver-1",)) -> None:
        super().__init__(
            NAME, servers=servers, agent="metrics-server",
            user="system:serviceaccount:kube-system:metrics-server",
        )  # fmt: skip

    def start(self) -> None:
        super().start()
        self.begun_ns = self.now
        self.round_ns = -1
        self.open: list[Ask] = []
        # Kubelets that have not answered in this round, and what the others said, by node.
        self.waiting: dict[str, None] = {}
        self.scraping = False
        self.rows: dict[str, tuple[Row, ...]] = {}
        self.nodes: dict[str, Obj] = {}

    def serve_api(self, reply_to: str, token: int, request: Request) -> None:
        """A request for metrics.k8s.io, passed on by an API server."""
        parts = tuple(part for part in request.path.split("/") if part)[3:]
        self.note(path=request.path)
        self.open.append(Ask(reply_to, token, request, parts))
        due = self.begun_ns + (self.now - self.begun_ns) // ROUND_NS * ROUND_NS
        if not self.scraping and due != self.round_ns:
            self.scraping, self.round_ns = True, due
            self.request("GET", url(kinds.named("v1/Node")), reply="nodes_listed")
        elif not self.scraping:
            self._look_up()

    def nodes_listed(self, response: Response) -> None:
        """All nodes: each one's kubelet is asked what its pods use."""
        items = response.body.get("items") if response.ok else None
        self.nodes = {name_of(node): node for node in items or NOTHING}
        self.rows = {}
        self.waiting = dict.fromkeys(self.nodes)
        for node in self.nodes:
            self.send(f"kubelet/{node}", "usage", self.name, self.round_ns)
        self.note(nodes=len(self.nodes))
        if not self.nodes:
            self._scraped()

    def measured(self, node: str, round_ns: int, rows: tuple[Row, ...]) -> None:
        """A kubelet has answered."""
        self.note(node=node, pods=len(rows))
        if round_ns == self.round_ns and node in self.waiting:
            self.rows[node] = rows
            self._done(node)

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        if verb != "usage":
            super().undelivered(target, verb, args, reason)
        elif args[1] == self.round_ns:
            self.note(node=target, why=reason)
            self._done(target.partition("/")[2])

    def _done(self, node: str) -> None:
        self.waiting.pop(node, None)
        if not self.waiting:
            self._scraped()

    def _scraped(self) -> None:
        """The round is over."""
        self.scraping = False
        self._look_up()

    def _look_up(self) -> None:
        """Questions about pods need the pods' labels; those about nodes are answered at once."""
        asked, self.open = self.open, []
        for ask in asked:
            if "pods" not in ask.parts:
                self._answer(ask, _nodes(ask, self._usage_of_nodes(), self.round_ns))
                continue
            namespace = ask.parts[1] if ask.parts[0] == "namespaces" else ""
            query = {k: v for k, v in ask.request.query.items() if k == "labelSelector" and v}
            path = url(kinds.named("v1/Pod"), namespace)
            self.request("GET", path, query=Obj(query), reply="pods_listed", context=(ask,))

    def pods_listed(self, response: Response, ask: Ask) -> None:
        """The pods that are meant."""
        if not response.ok:
            self._answer(ask, response)
            return
        used = {(row[0], row[1]): row[2] for rows in self.rows.values() for row in rows}
        made = []
        for pod in response.body["items"]:
            found = used.get((namespace_of(pod), name_of(pod)))
            if found and all(item[3] + FRESH_NS <= self.round_ns for item in found):
                made.append(_pod(pod, found, self.round_ns))
        self._answer(ask, _chosen(ask, made, "PodMetrics"))

    def _usage_of_nodes(self) -> list[tuple[Obj, int, int]]:
        """Each node that answered with the cpu and memory of its containers."""
        used = []
        for name, node in self.nodes.items():
            if name in self.rows:
                containers = [item for row in self.rows[name] for item in row[2]]
                used.append((node, sum(c[1] for c in containers), sum(c[2] for c in containers)))
        return used

    def _answer(self, ask: Ask, response: Response) -> None:
        self.note(code=response.status)
        self.send(ask.reply_to, "aggregated", ask.token, response)

    @staticmethod
    def tell(event: Event) -> str:
        detail = event.detail
        if event.verb == "serve_api":
            return f"metrics-server is asked for {detail.get('path')}."
        if event.verb == "measured":
            return (
                f"metrics-server learns from the kubelet of {detail.get('node')} what "
                f"{detail.get('pods')} pods use."
            )
        return sentences.heard("metrics-server", event)


def _usage(cpu: int, memory: int) -> dict[str, str]:
    """cpu in billionths and memory in bytes, as quantities."""
    return {"cpu": quantity.canonical(f"{cpu}n"), "memory": quantity.write(memory, quantity.BINARY)}


def _head(obj: Obj, kind: str, round_ns: int) -> dict[str, Any]:
    """What the metrics of pods and nodes have in common."""
    meta = {"name": name_of(obj), "namespace": namespace_of(obj), "labels": labels_of(obj)}
    return {
        "kind": kind, "apiVersion": API_VERSION,
        "metadata": {
            **{field: value for field, value in meta.items() if value},
            "creationTimestamp": timestamp(round_ns),
        },
        "timestamp": timestamp(round_ns), "window": WINDOW,
    }  # fmt: skip


def _pod(pod: Obj, found: tuple[tuple[str, int, int, int], ...], round_ns: int) -> Obj:
    rows = [{"name": name, "usage": _usage(cpu, memory)} for name, cpu, memory, _ in found]
    made: Obj = freeze({**_head(pod, "PodMetrics", round_ns), "containers": rows})
    return made


def _nodes(ask: Ask, used: list[tuple[Obj, int, int]], round_ns: int) -> Response:
    wanted = parse_labels(str(ask.request.query.get("labelSelector") or ""))
    made = [
        freeze({**_head(node, "NodeMetrics", round_ns), "usage": _usage(cpu, memory)})
        for node, cpu, memory in used
        if wanted.matches(labels_of(node))
    ]
    return _chosen(ask, made, "NodeMetrics")


def _chosen(ask: Ask, items: list[Obj], kind: str) -> Response:
    """One of the items by its name, or all of them as a list."""
    if ask.parts[-1] not in ("pods", "nodes"):
        name = ask.parts[-1]
        for item in items:
            if name_of(item) == name:
                return Response(200, EMPTY, item)
        namespaced = f"{ask.parts[1]}/{name}" if kind == "PodMetrics" else name
        row = kind.lower()
        error = errors.failure(
            404, f'{row}.metrics.k8s.io "{namespaced}" not found', "NotFound",
            {"name": namespaced, "group": "metrics.k8s.io", "kind": row},
        )  # fmt: skip
        return Response(404, EMPTY, error.status)
    fields = parse_fields(str(ask.request.query.get("fieldSelector") or ""))
    kept = [item for item in items if fields.matches(item)]
    body = {"kind": f"{kind}List", "apiVersion": API_VERSION, "metadata": {}, "items": kept}
    return Response(200, EMPTY, freeze(body))
