"""02, What stops when each part stops? Its exercises."""

from __future__ import annotations

from typing import Any

from kubelab.learn import ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.units.board import writable
from kubelab.learn.ways import require

PARTS = (
    "apiserver-1",
    "etcd-1",
    "controller-manager",
    "scheduler",
    "kubelet/node-2",
    "kube-proxy/node-1",
)


def find_culprit(thing: Any, seed: int) -> str:
    """Six clusters, in a drawn order; in each another part is stopped."""
    function = ways.a_function(thing, "c")
    parts = worlds.drawn(seed, "culprit").shuffled(PARTS)
    count = ways.compare(function, (hidden_stop(seed, n, part) for n, part in enumerate(parts)))
    return f"In {count} clusters it named the part that had stopped."


def hidden_stop(seed: int, number: int, part: str) -> tuple[str, tuple[Any, ...], Any]:
    """A cluster of two nodes, a client on each, with one part stopped a while ago."""
    case = seed * 10 + number + 1
    c = worlds.cluster(2, case)
    clients = [{**worlds.client(f"client-{n}")} for n in (1, 2)]
    for n, one in enumerate(clients, 1):
        one["spec"] = {**one["spec"], "nodeName": f"node-{n}"}
    c.apply([worlds.deployment("web", 2), worlds.service("web"), *clients])
    c.settle()
    c.faults.stop(part)
    c.run(60)
    return f"a hidden cluster (seed {case})", (ways.Outsider(c),), part


def spare(thing: Any, seed: int) -> str:
    """Each part of the control plane is stopped in turn, and a write is tried."""
    c = ways.a_cluster(thing)
    parts = [
        name
        for name in c.world.components
        if name.startswith(("etcd-", "apiserver-")) or name in ("scheduler", "controller-manager")
    ]
    for part in parts:
        twin = c.fork()
        twin.run(5)
        twin.faults.stop(part)
        twin.run(15)
        require(
            writable(twin),
            f"a write with {part} stopped, on a copy",
            "no answer but an error",
            "it is accepted",
        )
    return f"Each of {len(parts)} parts was stopped in turn; a write was accepted every time."


EXERCISES = (
    Exercise("02.1", "write culprit(c): the name of the part that is stopped, as c.faults.stop "
             "takes it", "function", find_culprit,
             ("try one verb after the other: read, scale, start, connect; each needs other parts",
              "a refused connection (503): apiserver-1; an error from behind it (500): etcd-1. A "
              "Deployment without pods: controller-manager. A pod without a node: scheduler. A "
              "node that is NotReady: kubelet/NODE",
              "a new Service that one node's client cannot reach while the other can: "
              "kube-proxy/NODE"),
             ("V3",), "open", ("c",)),
    Exercise("02.2", "make a cluster in which any one part of the control plane may stop and "
             "writes go on", "cluster", spare,
             ("which two parts does every write pass through? How many of each are there?",
              "etcd needs a majority: with 2 of 3 it goes on. API servers need no majority",
              "Cluster(…, etcd=3, apiservers=2)"),
             ("V2",), "half"),
)  # fmt: skip
