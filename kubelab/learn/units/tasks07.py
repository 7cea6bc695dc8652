"""07, Which nodes can take this pod? Its exercises."""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.objects import get, name_of
from kubelab.cluster import Cluster
from kubelab.learn import traces, ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.ways import Refused, require

# What a node that a filter drops is called in exercise 3.
WORDS = {
    "NodeUnschedulable": "cordoned",
    "TaintToleration": "taint",
    "NodeAffinity": "selector",
    "NodeResourcesFit": "cpu",
}


def unblocked(thing: Any, seed: int) -> str:
    """The pod of `stuck` runs, asks for as much as before, and everybody else is still there."""
    c = ways.a_cluster(thing).fork()
    c.settle()
    fill = traces.stored(c, 0, "/registry/pods/default/fill-", "create")
    wish = traces.stored(c, 0, "/registry/deployments/default/stuck", "create")
    # Those that were there before: the DaemonSet may want one more on a node that opens.
    since = wish[0].id if wish else 0
    names = {str(e.detail["key"]).rpartition("/")[2] for e in fill if e.id < since}
    here = {name_of(pod) for pod in worlds.ready_pods(c, "app=fill")}
    require(
        names and names <= here,
        "the pods with app=fill",
        f"{len(names - here)} of {len(names)} are gone",
        "all that were there run on",
    )
    pods = worlds.ready_pods(c, "app=stuck")
    require(pods, "the pod with app=stuck", "none is ready", "ready")
    for pod in pods:
        asks = get(pod, "spec", "containers")[0]["resources"]["requests"].get("cpu")
        require(str(asks) == "3", f"pod {name_of(pod)}", f"asks {asks} cpu", "asks 3 cpu, as ever")
    ways.unplaced(c, pods)
    return f"{name_of(pods[0])} was placed on {pods[0]['spec']['nodeName']}; nobody else had to go."


def sorted_out(thing: Any, seed: int) -> str:
    """Three Deployments are scaled up in a hidden cluster of mixed nodes."""
    objects = ways.a_manifest(thing)
    names = sorted(str(get(obj, "metadata", "name")) for obj in objects)
    if names != ["db", "train", "web"] or any(o.get("kind") != "Deployment" for o in objects):
        raise Refused(
            f"this takes three Deployments db, train and web, and got {names}", "write all three"
        )
    c = Cluster(mixed(seed), seed=seed, dns=False)
    c.settle()
    try:
        c.apply(objects)
    except ApiError as error:
        raise Refused(f"the API server says: {ways.short(str(error))}", "mend it") from error
    for name in names:
        c.kubectl(f"scale deployment {name} --replicas=6")
    c.settle()
    kinds = {name_of(node): node["metadata"]["name"].rpartition("-")[0] for node in c.list("Node")}
    allowed = {"train": {"gpu"}, "db": {"ssd"}, "web": {"ssd", "plain"}}
    for name, fit in allowed.items():
        pods = [p for p in c.list("Pod", "default") if name_of(p).startswith(f"{name}-")]
        ready = [pod for pod in pods if ways.ready(pod)]
        require(len(ready) == 6, f"pods of {name}, scaled to 6", f"{len(ready)} ready", "6 ready")
        ways.unplaced(c, ready)
        wrong = [p for p in ready if kinds[p["spec"]["nodeName"]] not in fit]
        require(
            not wrong,
            f"pods of {name} on {len(kinds)} hidden nodes",
            f"{len(wrong)} on {wrong[0]['spec']['nodeName'] if wrong else ''}",
            f"all on {' or '.join(sorted(fit))} nodes",
        )
    return f"On {len(kinds)} hidden nodes all 18 pods went where they belong."


def mixed(seed: int) -> list[dict[str, Any]]:
    """GPU nodes with a taint, nodes with an SSD, plain ones; how many of each is drawn."""
    chance = worlds.drawn(seed, "nodes")
    nodes = []
    for kind, label, taints in (
        ("gpu", {"hardware": "gpu"}, [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]),
        ("ssd", {"disk": "ssd"}, []),
        ("plain", {"disk": "hdd"}, []),
    ):
        count = 2 + chance.below(2)
        nodes += [node(f"{kind}-{number + 1}", label, taints) for number in range(count)]
    return nodes


def node(
    name: str, labels: dict[str, str], taints: list[Any], cpu: str = "4", shut: bool = False
) -> dict[str, Any]:
    """A node of a hidden cluster."""
    spec: dict[str, Any] = {"taints": taints} if taints else {}
    if shut:
        spec["unschedulable"] = True
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
        "spec": spec,
        "status": {"capacity": {"cpu": cpu, "memory": "8Gi", "pods": "110"}},
    }


def why_not(thing: Any, seed: int) -> str:
    """The function is compared with the scheduler's own filters."""
    function = ways.a_function(thing, "pod", "node", "pods")
    count = ways.compare(function, hidden_verdicts(seed))
    return f"For {count} pairs of pod and node it said what the scheduler's filters said."


def hidden_verdicts(seed: int) -> list[tuple[str, tuple[Any, ...], Any]]:
    """Some pods, each against nodes of every kind; the own answers are the scheduler's."""
    taint = [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
    chance = worlds.drawn(seed, "verdicts")
    nodes = [
        node("a", {"disk": "ssd"}, []),
        node("b", {"disk": "hdd"}, taint),
        node("c", {"disk": "ssd"}, taint, cpu="8"),
        node("d", {"disk": "ssd"}, [], shut=True),
        node("e", {"disk": "hdd"}, [], cpu="2"),
        node("f", {"disk": "ssd"}, [], cpu="1"),
    ]
    c = Cluster(nodes, seed=seed, dns=False)
    for number, name in enumerate("abce"):
        asks = f"{500 * (1 + chance.below(3))}m"
        c.apply(worlds.pod(f"old-{number}", cpu=asks, spec={"nodeName": name}))
    c.settle()
    cases: list[tuple[str, tuple[Any, ...], Any]] = []
    for number in range(4):
        spec: dict[str, Any] = {}
        if number % 2:
            spec["tolerations"] = [{"key": "gpu", "operator": "Exists"}]
        if number >= 2:
            spec["nodeSelector"] = {"disk": "ssd"}
        before = [dict(pod) for pod in c.list("Pod")]
        known = [dict(one) for one in c.list("Node")]
        name = f"new-{number}"
        c.apply(worlds.pod(name, cpu=f"{750 + 500 * chance.below(4)}m", spec=spec))
        pod = dict(c.get("Pod", name))
        c.settle()
        filters = c.scheduler.explain(f"default/{name}").to_dict()["filters"]
        for one in known:
            said = filters[name_of(one)]
            own = next((WORDS[plugin] for plugin, why in said.items() if why), "fits")
            words = f"pod {name} and node {name_of(one)} of a hidden cluster (seed {seed})"
            cases.append((words, (pod, one, before), own))
    return cases


EXERCISES = (
    Exercise("07.1", "let the pod stuck run; it goes on asking for 3 cpus, and nobody else goes",
             "cluster", unblocked,
             ("views.scheduler(c, pod) has a column for each node: which one is nearest?",
              "one node has room enough, and a taint that somebody left there",
              "kubectl taint node NAME KEY- takes it away; a toleration would do as well"),
             ("V1", "V4"), "half"),
    Exercise("07.2", "Deployments train, db and web, each on its own kind of nodes", "manifest",
             sorted_out,
             ("what keeps pods away from a node, and what draws them there? Two different things",
              "nodeSelector draws; the taint on the gpu nodes keeps out who does not tolerate it",
              "train: nodeSelector hardware: gpu and a toleration for gpu; db: nodeSelector "
              "disk: ssd; web: nothing at all"),
             ("V1",), "open"),
    Exercise("07.3", "write why_not(pod, node, pods): \"cordoned\", \"taint\", \"selector\", "
             "\"cpu\" or \"fits\"", "function", why_not,
             ("the first filter that says no is what counts; the order is that of the words above",
              "free cpu = status.allocatable.cpu of the node less the requests of all pods whose "
              "spec.nodeName is that node; \"1500m\" is 1.5",
              "a taint with effect NoSchedule is tolerated if a toleration has its key (and "
              "operator Exists, or the same value)"),
             ("V3",), "transfer", ("pod", "node", "pods")),
)  # fmt: skip
