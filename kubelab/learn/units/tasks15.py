"""15, Who answers for a name? Its exercises."""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.objects import get, name_of
from kubelab.learn import ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.ways import Failed, Refused, require

# A silent node is called NotReady after 50 s; then its pods are no longer listed.
FORGOTTEN_SECONDS = 75


def names_survive(thing: Any, seed: int) -> str:
    """Each node in turn loses its power; clients on the others look names up."""
    c = ways.a_cluster(thing).fork()
    nodes = sorted(name_of(node) for node in c.list("Node"))
    for node in nodes:
        probe = worlds.client(f"probe-{node}")
        c.apply({**probe, "spec": {**probe["spec"], "nodeName": node}})
    c.settle()
    for lost in nodes:
        twin = c.fork()
        twin.faults.stop_node(lost)
        twin.run(FORGOTTEN_SECONDS)
        for node in nodes:
            if node == lost:
                continue
            for _ in range(3):
                found = twin.dns.resolve(
                    "kubernetes.default.svc.cluster.local", pod=f"default/probe-{node}"
                )
                require(
                    found.rcode == "NOERROR",
                    f"a lookup on {node}, {FORGOTTEN_SECONDS} s after {lost} lost its power",
                    found.rcode,
                    "an address",
                )
    return f"Each of {len(nodes)} nodes was lost once; on all others names resolved."


def applied(manifest: Any, seed: int, extra: list[Any]) -> Any:
    """A hidden cluster with a manifest applied. Raises Refused with the API server's words."""
    c = worlds.cluster(3, seed)
    try:
        c.apply([*extra, *manifest])
    except ApiError as error:
        raise Refused(f"the API server says: {ways.short(str(error))}", "mend it") from error
    c.run(60)
    return c


def stable_names(thing: Any, seed: int) -> str:
    """db-0.db to db-2.db resolve to one pod each, also after a pod has gone."""
    c = applied(ways.a_manifest(thing), seed + 1, [worlds.client()])
    first = {name: _pod_behind(c, name) for name in ("db-0.db", "db-1.db", "db-2.db")}
    require(
        len(set(first.values())) == 3,
        "db-0.db, db-1.db and db-2.db",
        f"{len(set(first.values()))} different pods",
        "3, one for each name",
    )
    c.delete("Pod", first["db-1.db"])
    c.run(60)
    again = {name: _pod_behind(c, name) for name in first}
    require(
        again["db-0.db"] == first["db-0.db"] and len(set(again.values())) == 3,
        "the three names, a minute after db-1's pod was deleted",
        str(again),
        "the same pods behind the others, and a pod behind db-1.db again",
    )
    return "Three names led to three pods, and the name of a deleted one to its successor."


def _pod_behind(c: Any, name: str) -> str:
    """The pod whose own address a name resolves to. Raises Failed."""
    found = c.dns.resolve(name)
    addresses = [row.data for row in found.answers if row.type == "A"]
    pods = {
        get(pod, "status", "podIP"): name_of(pod)
        for pod in c.list("Pod", "default")
        if not pod["metadata"].get("deletionTimestamp")
    }
    if len(addresses) != 1 or addresses[0] not in pods:
        saw = f"{found.rcode}, {addresses}" if addresses else found.rcode
        raise Failed(f"{name}, asked by default/client", saw, "one address, a pod's own")
    return pods[addresses[0]]


def few_questions(thing: Any, seed: int) -> str:
    """One question for a name outside; short names as ever."""
    pods = [obj for obj in ways.a_manifest(thing) if obj.get("kind") == "Pod"]
    if len(pods) != 1:
        raise Refused(f"this takes one Pod, and got {len(pods)}", "write one manifest of kind Pod")
    pod = {**pods[0], "metadata": {"name": "asker", "namespace": "default"}}
    app, other = worlds.name(seed, "app"), worlds.name(seed, "other")
    next_door = worlds.service(other)
    next_door["metadata"]["namespace"] = "prod"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}}
    c = applied([pod], seed, [space, worlds.service(app), next_door])
    found = worlds.found(c, "Pod", "asker")
    require(ways.ready(found), "your pod, a minute on", "not ready", "Ready")
    for name, most in ((app, 1), (f"{other}.prod", 3), ("example.com", 1)):
        seen = c.dns.resolve(name, pod="default/asker")
        asked = len(seen.steps)
        require(seen.rcode == "NOERROR", f"{name}, asked by your pod", seen.rcode, "an address")
        require(
            asked <= most,
            f"{name}, asked by your pod",
            f"{asked} questions",
            f"{most}" if most == 1 else f"at most {most}",
        )
    return f"{app} and {other}.prod resolve, and example.com takes one question."


def lists_questions(thing: Any, seed: int) -> str:
    """The function is compared with what a pod's resolver asks for names that nobody has."""
    function = ways.a_function(thing, "name", "namespace")
    count = ways.compare(function, hidden_names(seed), same=lambda a, b: list(a or ()) == b)
    return f"For {count} names it listed the questions as the resolver asked them."


def hidden_names(seed: int) -> list[tuple[str, tuple[Any, ...], Any]]:
    """Names with no dot, with some, with many, with one at the end; from two namespaces."""
    c = worlds.cluster(2, seed)
    spaces = ("default", worlds.name(seed, "space"))
    c.kubectl(f"create namespace {spaces[1]}")
    for space in spaces:
        c.apply({**worlds.client(), "metadata": {"name": "client", "namespace": space}})
    c.settle()
    cases = []
    for number, dots in enumerate((0, 1, 4, 5, 6, 0, 2)):
        words = [worlds.name(seed * 10 + number + n, "word") for n in range(dots + 1)]
        name = ".".join(words) + ("." if number >= 5 else "")
        space = spaces[worlds.drawn(seed, name).below(2)]
        steps = c.dns.resolve(name, pod=f"{space}/client").steps
        own: list[str] = []
        for step in steps:
            if step.name not in own:
                own.append(step.name)
        cases.append((f"{name} from namespace {space}", (name, space), own))
    return cases


EXERCISES = (
    Exercise("15.1", "make names survive the loss of any one node", "cluster", names_survive,
             ("who answers names here, how many are there, and on which nodes do they run?",
              "CoreDNS is a Deployment: kubectl get deployment coredns -n kube-system",
              "two replicas are enough if they are on different nodes; they prefer that anyway"),
             ("V2",), "half"),
    Exercise("15.2", "a manifest of three pods with the names db-0.db, db-1.db and db-2.db",
             "manifest", stable_names,
             ("pods of which kind have names that last?",
              "a StatefulSet names its pods, and its serviceName names a headless Service",
              "StatefulSet db with serviceName: db, and a Service db with clusterIP: None that "
              "selects its pods"),
             ("V1", "V2"), "open"),
    Exercise("15.3", "a Pod that asks once for example.com and still finds short names",
             "manifest", few_questions,
             ("why are three names in the cluster tried first? Count the dots of example.com",
              "ndots: 5 says: names with fewer than five dots go through the search list first",
              "spec.dnsConfig.options: [{name: ndots, value: \"1\"}]"),
             ("V1",), "open"),
    Exercise("15.4", "write questions(name, namespace): the full names that are asked, in order, "
             "if none is found", "function", lists_questions,
             ("each full name ends with a dot; the search list has three entries",
              "NAMESPACE.svc.cluster.local, svc.cluster.local, cluster.local; a name that ends "
              "with a dot is asked as it is, and only so",
              "fewer than 5 dots: the search list first, then the name as it is; otherwise the "
              "name as it is first"),
             ("V3",), "transfer", ("name", "namespace")),
)  # fmt: skip
