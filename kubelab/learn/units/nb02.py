"""02, What stops when each part stops? One part after the other is taken away."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get, name_of
from kubelab.cluster import Cluster
from kubelab.learn import traces, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.board import answers, board, writable
from kubelab.learn.units.tasks02 import EXERCISES

__all__ = ["UNIT", "board", "start"]


SHOP = [worlds.deployment("web", 3), worlds.service("web"), worlds.client()]


def start(seed: int, **more: Any) -> Cluster:
    """A shop of three pods, its Service, and a client."""
    c = worlds.cluster(3, seed, **more)
    c.apply(SHOP)
    c.settle()
    return c


# Moments.


def no_scheduler(c: Any) -> str | None:
    """What became of old and new pods once the scheduler had stopped."""
    stopped = traces.fault(c, "halt", "scheduler")
    if not stopped or not traces.created(c, stopped):
        return None
    made = [
        str(e.detail["key"]).rpartition("/")[2]
        for e in traces.stored(c, stopped, "/registry/pods/default/", "create")
    ]
    fresh = [p for p in c.moment().list("Pod", "default") if name_of(p) in made]
    if not fresh:
        return None
    placed = any(get(p, "spec", "nodeName") for p in fresh)
    if not answers(c):
        return "stops"
    return "both" if placed else "waits"


def tell_no_scheduler(c: Any) -> str:
    """Which pods wait."""
    waiting = [
        name_of(p) for p in c.moment().list("Pod", "default") if not get(p, "spec", "nodeName")
    ]
    ready = len(worlds.ready_pods(c, "app=web"))
    return (
        f"{', '.join(waiting) or 'No pod'} waits with no node in it; {ready} older web pods "
        "are ready and answer. A pod needs the scheduler once: when it is placed."
    )


def stop_of(component: str) -> Any:
    """The cause of a moment: the fault that stopped a component."""

    def cause(c: Any) -> tuple[int, ...]:
        event = traces.fault(c, "halt", component)
        return (event,) if event else ()

    return cause


def stage_no_scheduler(seed: int) -> Cluster:
    """The scheduler is stopped, and one more pod is wished for."""
    c = start(seed)
    c.faults.stop("scheduler")
    c.kubectl("scale deployment web --replicas=4")
    c.run(30)
    return c


def no_server(c: Any) -> str | None:
    """What works half a minute after the API server stopped."""
    stopped = traces.fault(c, "halt", "apiserver-1")
    if not stopped or not c.world.components["apiserver-1"].stopped:
        return None
    if traces.seconds(c, stopped, len(c.trace)) < 20:
        return None
    reads = c.fork().request("GET", "/api/v1/namespaces/default/pods").ok
    if not answers(c):
        return "nothing"
    return "reads" if reads else "traffic"


def tell_no_server(c: Any) -> str:
    """One answer of a pod, one of the API server."""
    twin = c.fork()
    answer = twin.curl("default/client", "http://web/")
    said = twin.request("GET", "/api/v1/namespaces/default/pods")
    body = said.body.get("message", "") if not said.ok else "it answers"
    return (
        f"A request to web gives {answer.status or answer.error}, from {answer.pod}. "
        f"kubectl hears: {body}. The rules and the processes are on the nodes."
    )


def stage_no_server(seed: int) -> Cluster:
    """The API server is stopped for a minute."""
    c = start(seed)
    c.faults.stop("apiserver-1")
    c.run(60)
    return c


def stopped_kubelet(c: Any) -> tuple[int, str]:
    """The last kubelet that was stopped: the event, and its node."""
    event = traces.last(
        c,
        lambda e: (
            e.target == "faults"
            and e.verb == "halt"
            and not e.detail.get("node")
            and any(str(name).startswith("kubelet/") for name in e.detail.get("stopped", ()))
        ),
    )
    if not event:
        return 0, ""
    names = c.trace[event - 1].detail["stopped"]
    return event, next(n for n in names if n.startswith("kubelet/")).partition("/")[2]


def no_kubelet(c: Any) -> str | None:
    """What became of a node's containers two minutes after its kubelet stopped."""
    event, node = stopped_kubelet(c)
    if not event or traces.seconds(c, event, len(c.trace)) < 90:
        return None
    pods = [
        p
        for p in c.moment().list("Pod", "default", "app=web")
        if get(p, "spec", "nodeName") == node
    ]
    if not pods:
        return None
    twin = c.fork()
    alive = any(
        not twin.connect("default/client", get(p, "status", "podIP"), 8080).error for p in pods
    )
    ready = _node_ready(c, node)
    if not alive:
        return "stopped"
    return "unseen" if ready else "alive"


def _node_ready(c: Any, node: str) -> bool:
    conditions = c.moment().get("Node", node)["status"]["conditions"]
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def tell_no_kubelet(c: Any) -> str:
    """The node's condition, and what its pod says when asked directly."""
    _, node = stopped_kubelet(c)
    pod = next(
        p
        for p in c.moment().list("Pod", "default", "app=web")
        if get(p, "spec", "nodeName") == node
    )
    address = get(pod, "status", "podIP")
    answer = c.fork().connect("default/client", address, 8080)
    how = answer.error or "answers"
    state = "Ready" if _node_ready(c, node) else "NotReady"
    return (
        f"{node} is {state}, and its pod {name_of(pod)}, asked at {address}, {how}. The node "
        "controller only knows that nobody reports."
    )


def kubelet_cause(c: Any) -> tuple[int, ...]:
    """The fault."""
    event, _ = stopped_kubelet(c)
    return (event,) if event else ()


def stage_no_kubelet(seed: int) -> Cluster:
    """The kubelet of a node with a web pod is stopped for two minutes."""
    c = start(seed)
    client = c.moment().get("Pod", "client")["spec"]["nodeName"]
    pods = [p for p in worlds.ready_pods(c, "app=web") if p["spec"]["nodeName"] != client]
    c.faults.stop(f"kubelet/{pods[0]['spec']['nodeName']}")
    c.run(120)
    return c


def one_of_three(c: Any) -> str | None:
    """What three control-plane machines can still do when one is gone."""
    gone = [n for n, part in c.world.components.items() if n.startswith("etcd-") and part.stopped]
    if len(gone) != 1 or "etcd-3" not in c.world.components:
        return None
    if writable(c):
        return "writes"
    return "reads" if c.fork().request("GET", "/api/v1/nodes").ok else "nothing"


def tell_one_of_three(c: Any) -> str:
    """How many members are left, and who leads."""
    left = [
        n for n, part in c.world.components.items() if n.startswith("etcd-") and not part.stopped
    ]
    leads = [n for n in left if c.world.components[n].raft.role == "leader"]
    leader = f"{leads[0]} leads. " if leads else ""
    return f"{len(left)} of 3 etcd members agree, 2 are enough. {leader}Writes are accepted."


def stage_one_of_three(seed: int) -> Cluster:
    """One of three control-plane machines is lost."""
    c = start(seed, etcd=3, apiservers=3)
    c.faults.stop("etcd-1")
    c.faults.stop("apiserver-1")
    c.run(15)
    return c


MOMENTS = (
    Moment(
        "02.a", "The scheduler is stopped, then web is scaled from 3 to 4. What now?",
        (
            Option("both", "the fourth pod runs: the kubelets see it and one takes it", "M18"),
            Option("waits", "the three answer on; the fourth exists and waits without a node"),
            Option("stops", "web stops answering, since nobody directs it any more", "M01"),
            Option("none", "no fourth pod is made: there is nobody to make it", "M01"),
        ),
        no_scheduler, tell_no_scheduler, stage_no_scheduler, stop_of("scheduler"),
        todo="stop the scheduler, scale web and run on for half a minute",
    ),
    Moment(
        "02.b", "The only API server is stopped for a minute. What works meanwhile?",
        (
            Option("nothing", "nothing: the apps are down with it", "M05"),
            Option("reads", "web answers, and kubectl can still read, from etcd", "M04"),
            Option("traffic", "web answers its clients; kubectl gets no answer"),
            Option("late", "web answers until the nodes are NotReady, then no more", "M32"),
        ),
        no_server, tell_no_server, stage_no_server, stop_of("apiserver-1"),
        why="Which event ended the service of kubectl?",
        todo="stop apiserver-1 and run on for a minute",
    ),
    Moment(
        "02.c", "The kubelet of a node with a web pod is stopped. What is so two minutes later?",
        (
            Option("stopped", "its containers have stopped with it", "M32"),
            Option("alive", "its containers run on; the node is called NotReady"),
            Option("moved", "its pods have moved to another node", "M31"),
            Option("unseen", "nobody has noticed: the node is called Ready", "M21"),
        ),
        no_kubelet, tell_no_kubelet, stage_no_kubelet, kubelet_cause,
        todo="stop the kubelet of a node with a web pod and run on for two minutes",
    ),
    Moment(
        "02.d", "Three control-plane machines, each with etcd and an API server. The first loses "
        "its power. What is possible a quarter of a minute later?",
        (
            Option("nothing", "nothing: the first one was in charge", "M09"),
            Option("reads", "reading only, until it is back: its data are missing", "M08"),
            Option("writes", "reading and writing: two of three are enough"),
            Option("apps", "the apps are down until a new one is chosen by hand", "M05"),
        ),
        one_of_three, tell_one_of_three, stage_one_of_three,
        todo="stop one etcd member of three and its API server, then run on a little",
    ),
)  # fmt: skip


UNIT = Unit(
    "02",
    "What stops when each part stops?",
    30,
    MOMENTS,
    EXERCISES,
    ("S01", "S02", "S29"),
    ("M05", "M08", "M32"),
)
