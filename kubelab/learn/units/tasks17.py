"""17, What happens when machines die? Its exercises."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get, name_of
from kubelab.cluster import Cluster
from kubelab.learn import traces, ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.ways import Refused, require

FAILOVER_SECONDS = 90
BLIP_SECONDS = 58


# 17.1


def fail_over(thing: Any, seed: int) -> str:
    """The Deployment is put on two new clusters; a node of it dies, then one is only silent."""
    objects = ways.a_manifest(thing)
    app = [one for one in objects if one.get("kind") == "Deployment"]
    if len(app) != 1:
        raise Refused(
            f"the manifest has {len(app)} Deployments", "hand over one Deployment, as YAML"
        )
    wish = int(get(app[0], "spec", "replicas", default=1))
    require(1 <= wish <= 3, "replicas", wish, "1 to 3")
    name = app[0]["metadata"]["name"]
    for case in (seed * 2 + 1, seed * 2 + 2):
        c = _with(objects, case)
        _survives_death(c.fork(), name, wish)
        _survives_silence(c, name)
    return (
        f"A dead node was made good within {FAILOVER_SECONDS} s; one that was silent for "
        f"{BLIP_SECONDS} s cost no pod."
    )


def _with(objects: list[Any], seed: int) -> Cluster:
    c = worlds.cluster(4, seed, dns=False)
    c.apply(objects)
    c.settle()
    return c


def _pods(c: Any, name: str) -> list[Any]:
    """The pods of a Deployment, by their names."""
    return [p for p in c.moment().list("Pod", "default") if name_of(p).startswith(f"{name}-")]


def _home(c: Any, name: str) -> str:
    """A node with a ready pod of the app."""
    found = [p for p in _pods(c, name) if ways.ready(p)]
    require(found, f"the pods of {name} on a new cluster", "none is ready", "all ready")
    return str(found[0]["spec"]["nodeName"])


def _survives_death(c: Any, name: str, wish: int) -> None:
    node = _home(c, name)
    c.faults.stop_node(node)
    c.run(FAILOVER_SECONDS)
    alive = [
        p for p in _pods(c, name) if ways.ready(p) and get(p, "spec", "nodeName") != node
    ]  # fmt: skip
    require(
        len(alive) >= wish, f"ready pods elsewhere, {FAILOVER_SECONDS} s after {node} lost its "
        "power", len(alive), wish,
    )  # fmt: skip


def _survives_silence(c: Any, name: str) -> None:
    node = _home(c, name)
    before = {p["metadata"]["uid"] for p in _pods(c, name)}
    c.faults.stop(f"kubelet/{node}")
    c.run(BLIP_SECONDS)
    c.faults.start(f"kubelet/{node}")
    c.run(60)
    after = {p["metadata"]["uid"] for p in _pods(c, name)}
    require(
        before == after, f"the pods, after {node} was silent for {BLIP_SECONDS} s",
        f"{len(before - after)} replaced", "the same pods",
    )  # fmt: skip


# 17.2


def empty_node(thing: Any, seed: int) -> str:
    """A hidden cluster whose app takes its time to start and has a budget."""
    function = ways.a_function(thing, "c", "node")
    c, name = _budgeted(seed + 1)
    node = _home(c, name)
    since = len(c.trace)
    ways.ask(function, c, node)
    if not [e for e in traces.after(c, since) if e.actor == "you"]:
        raise ways.Open
    left = [p for p in _pods(c, name) if get(p, "spec", "nodeName") == node]
    require(not left, f"the app's pods on {node} afterwards", len(left), 0)
    shut = get(c.moment().get("Node", node), "spec", "unschedulable", default=False)
    require(shut, f"{node}", "open for new pods", "closed (cordoned)")
    ways.fair(c, since)
    least = _fewest_ready(c, name, since)
    require(least >= 2, "ready pods at the worst moment", least, "2, as the budget says")
    return f"{node} is empty, and at the worst moment {least} of 3 pods were ready."


def _budgeted(seed: int) -> tuple[Cluster, str]:
    name = worlds.name(seed, "budget")
    probe = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
    app = worlds.deployment(name, 3, env={"START_DELAY": "15"}, readinessProbe=probe)
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": name}}},
    }
    c = worlds.cluster(2, seed, dns=False)
    c.apply([app, budget])
    c.settle()
    return c, name


def _fewest_ready(c: Any, name: str, since: int) -> int:
    """The fewest ready pods at any write of a pod."""
    counts = []
    for event in traces.stored(c, since, "/registry/pods/default/"):
        pods = c.at(event=event.id).list("Pod", "default", f"app={name}")
        counts.append(sum(map(ways.ready, pods)))
    return min(counts, default=0)


# 17.3


def free_stuck(thing: Any, seed: int) -> str:
    """A machine that is off, and one that is only cut off."""
    function = ways.a_function(thing, "c", "pod", "off")
    dead = _database(seed + 1)
    node = _database_node(dead)
    dead.faults.stop_node(node)
    dead.run(400)
    since = len(dead.trace)
    ways.ask(function, dead, "db-0", True)
    if not [e for e in traces.after(dead, since) if e.actor == "you"]:
        raise ways.Open
    dead.run(120)
    pod = worlds.found(dead, "Pod", "db-0")
    where = get(pod or {}, "spec", "nodeName", default="nowhere")
    require(
        pod is not None and ways.ready(pod) and where != node,
        "db-0, two minutes after you acted on a machine that is off", f"on {where}, not ready",
        f"ready, on another node than {node}",
    )  # fmt: skip
    cut = _database(seed + 2)
    node = _database_node(cut)
    cut.faults.partition([f"kubelet/{node}"], ["apiserver-1"])
    cut.run(400)
    ways.ask(function, cut, "db-0", False)
    cut.run(120)
    twice = _running(cut)
    require(twice == 1, "containers of db-0 that run, on a machine that is only cut off",
            twice, "1: never two with one name and one disk")  # fmt: skip
    cut.faults.heal()
    cut.run(120)
    pod = worlds.found(cut, "Pod", "db-0")
    require(pod is not None and ways.ready(pod) and _running(cut) == 1,
            "db-0 after the link is mended", "not ready", "ready, once")  # fmt: skip
    return "On a dead machine it was let go; on one that is cut off nothing was done twice."


def _database(seed: int) -> Cluster:
    spec = {"containers": [worlds.container()], "terminationGracePeriodSeconds": 1}
    body = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "replicas": 1,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": spec},
        },
    }
    c = worlds.cluster(3, seed, dns=False)
    c.apply(body)
    c.settle()
    return c


def _database_node(c: Any) -> str:
    return str(worlds.found(c, "Pod", "db-0")["spec"]["nodeName"])


def _running(c: Any) -> int:
    """How many containers of db-0 run on all machines, whoever knows of them."""
    count = 0
    for name, part in c.world.components.items():
        if name.startswith("runtime/") and not part.stopped:
            boxes = part.containers.values()
            count += sum(box.running and box.sandbox.config.name == "db-0" for box in boxes)
    return count


EXERCISES = (
    Exercise("17.1", f"write a Deployment (1 to 3 replicas) that is whole again within "
             f"{FAILOVER_SECONDS} s of a node's power-off, and loses no pod when a kubelet is "
             f"silent for {BLIP_SECONDS} s", "manifest", fail_over,
             ("which number makes a pod wait five minutes? kubectl get pod NAME -o yaml, "
              "tolerations",
              "tolerations for node.kubernetes.io/not-ready and node.kubernetes.io/unreachable, "
              "effect NoExecute, with tolerationSeconds",
              "silence takes up to 55 s to be called NotReady: tolerate it for 15 to 30 s more"),
             ("V1", "V2"), "half"),
    Exercise("17.2", "write drain(c, node): it closes a node, empties it of its app, and never "
             "breaks the app's PodDisruptionBudget", "function", empty_node,
             ("first nothing new may come: kubectl cordon",
              "a deletion asks nobody; an eviction asks the budget, and is refused with 429",
              'c.kubectl(f"drain {node} --ignore-daemonsets") does both, and waits'),
             ("V2", "V4"), "open", ("c", "node")),
    Exercise("17.3", "write rescue(c, pod, off) for a StatefulSet's pod that has been Terminating "
             "for minutes on a silent node; off says whether somebody has seen that the machine is "
             "off", "function", free_stuck,
             ("why does nobody make a new db-0? Who could still be running?",
              "if the machine is off, nobody is running: the pod may be deleted by force",
              "if it may be on, wait: c.kubectl('delete pod db-0 --grace-period=0 --force') would "
              "let two run"),
             ("V2",), "transfer", ("c", "pod", "off")),
)  # fmt: skip
