"""15, Who answers for a name? Search paths, CoreDNS, headless names and the names of pods."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get
from kubelab.cluster import Cluster
from kubelab.learn import traces, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks15 import EXERCISES
from kubelab.sim.kernel import Event

HEADLESS = worlds.service("pods", selector={"app": "web"}, clusterIP="None")
PROD = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}},
    {**worlds.client(), "metadata": {"name": "client", "namespace": "prod"}},
]
SHOP = [worlds.deployment("web", 3), worlds.service("web"), HEADLESS, worlds.client(), *PROD]


def start(seed: int) -> Cluster:
    """A web with a Service and a headless one, a client beside it and one in prod."""
    c = worlds.cluster(3, seed)
    c.apply(SHOP)
    c.settle()
    return c


# Moments. Each looks for the last lookup of a name.


def lookup(c: Any, name: str, pod: str) -> int:
    """The last lookup of a name from a pod; 0 if there is none."""

    def holds(event: Event) -> bool:
        if event.verb != "lookup" or event.detail.get("name") != name or not event.cause:
            return False
        return bool(c.trace[event.cause - 1].detail.get("pod") == pod)

    return traces.last(c, holds)


def replies(c: Any, since: int) -> list[Event]:
    """The resolver's answers that a lookup got, in their order."""
    found = []
    for event in traces.after(c, since):
        if event.verb == "answered" and event.target == c.trace[since - 1].target:
            found.append(event)
            if event.detail.get("result"):
                break
    return found if found and found[-1].detail.get("result") else []


def elsewhere(c: Any) -> str | None:
    """What became of `web` from another namespace."""
    since = lookup(c, "web", "prod/client")
    got = replies(c, since) if since else []
    if not got:
        return None
    return "found" if got[-1].detail["result"] == "NOERROR" else "none"


def tell_ladder(name: str, pod: str) -> Any:
    """What was asked, one full name after the other."""

    def tell(c: Any) -> str:
        got = replies(c, lookup(c, name, pod))
        rungs = " → ".join(f"{e.detail['name']} {e.detail['rcode']}" for e in got)
        return f"{len(got)} question{'s' if len(got) > 1 else ''}: {rungs}."

    return tell


def ladder_of(name: str, pod: str) -> Any:
    """The lookup that set the questions going."""

    def cause(c: Any) -> tuple[int, ...]:
        since = lookup(c, name, pod)
        return tuple(traces.ancestors(c, since)[:1]) if since else ()

    return cause


def stage_elsewhere(seed: int) -> Cluster:
    """A client in prod asks for web."""
    c = start(seed)
    c.dns.resolve("web", pod="prod/client")
    return c


def outside(c: Any) -> str | None:
    """How many questions a name outside took."""
    since = lookup(c, "example.com", "default/client")
    got = replies(c, since) if since else []
    return {1: "one", 2: "two", 4: "four"}.get(len(got)) if got else None


def stage_outside(seed: int) -> Cluster:
    """A client asks for a name outside."""
    c = start(seed)
    c.dns.resolve("example.com")
    return c


def headless(c: Any) -> str | None:
    """What a headless name answers with."""
    since = lookup(c, "pods", "default/client")
    got = replies(c, since) if since else []
    if not got or worlds.found(c, "Service", "pods") is None:
        return None
    if got[-1].detail["result"] != "NOERROR":
        return "none"
    count = len(got[-1].detail.get("found", ()))
    return "pods" if count == len(worlds.backends(c, "pods")) != 1 else "one"


def tell_headless(c: Any) -> str:
    """The addresses, and whose they are."""
    found = replies(c, lookup(c, "pods", "default/client"))[-1].detail["found"]
    whose = {
        get(pod, "status", "podIP"): pod["metadata"]["name"]
        for pod in worlds.ready_pods(c, "app=web")
    }
    pairs = ", ".join(f"{one} ({whose.get(one, 'gone')})" for one in sorted(found))
    return f"{len(found)} addresses, one for each ready pod: {pairs}."


def stage_headless(seed: int) -> Cluster:
    """A client asks for the headless name."""
    c = start(seed)
    c.dns.resolve("pods")
    return c


def no_dns(c: Any) -> str | None:
    """What works without a single CoreDNS pod."""
    wish = worlds.found(c, "Deployment", "coredns", "kube-system")
    if wish is None or worlds.found(c, "Service", "web") is None:
        return None
    if wish["spec"]["replicas"] or worlds.backends(c, "kube-dns", "kube-system"):
        return None
    by_name, by_address = (answer.status == 200 for answer in _both(c))
    if by_name:
        return "both"
    return "address" if by_address else "nothing"


def _both(c: Any) -> list[Any]:
    address = get(worlds.found(c, "Service", "web"), "spec", "clusterIP")
    return [c.fork().curl("default/client", f"http://{host}/") for host in ("web", address)]


def tell_no_dns(c: Any) -> str:
    """Curl's words for both."""
    by_name, by_address = _both(c)
    return (
        f"By name: {by_name.error or by_name.status}. By the Service's address: "
        f"{by_address.error or by_address.status}. The rules on the nodes need no names."
    )


def stage_no_dns(seed: int) -> Cluster:
    """CoreDNS is scaled to nothing."""
    c = start(seed)
    c.kubectl("scale deployment coredns -n kube-system --replicas=0")
    c.settle()
    return c


MOMENTS = (
    Moment(
        "15.a", "The Service web is in namespace default. A pod in namespace prod asks for web. "
        "What does it get?",
        (
            Option("found", "the address of web: names are known in the whole cluster", "M28"),
            Option("none", "NXDOMAIN: no such name"),
            Option("pods", "the addresses of its pods instead", "M29"),
        ),
        elsewhere, tell_ladder("web", "prod/client"), stage_elsewhere,
        todo="look web up from prod/client",
    ),
    Moment(
        "15.b", "A pod asks for example.com (one address type). How many questions does that "
        "take?",
        (
            Option("one", "one: a name with a dot is complete", "M28"),
            Option("two", "two: inside first, then outside", "M28"),
            Option("four", "four: three in the cluster, then outside"),
            Option("zero", "none: the node knows the names outside", "M28"),
        ),
        outside, tell_ladder("example.com", "default/client"), stage_outside,
        todo="look example.com up from default/client",
    ),
    Moment(
        "15.c", "The Service pods has clusterIP: None; it is headless. A client asks for its "
        "name. What does it get?",
        (
            Option("none", "NXDOMAIN: a headless Service has no name", "M29"),
            Option("one", "one address, chosen by CoreDNS in turn", "M27"),
            Option("pods", "the addresses of all its ready pods"),
        ),
        headless, tell_headless, stage_headless, ladder_of("pods", "default/client"),
        why="Which event began the lookup?", todo="look pods up from default/client",
    ),
    Moment(
        "15.d", "CoreDNS is scaled to 0. What still works?",
        (
            Option("nothing", "nothing: all traffic needs it", "M05"),
            Option("both", "all: DNS is built into every node", "M28"),
            Option("address", "requests to an address; requests to a name fail"),
        ),
        no_dns, tell_no_dns, stage_no_dns,
        todo="scale the Deployment coredns in kube-system to 0 and settle",
    ),
)  # fmt: skip


UNIT = Unit(
    "15",
    "Who answers for a name?",
    45,
    MOMENTS,
    EXERCISES,
    ("S24", "S25", "S26", "S27", "S28"),
    ("M28", "M29"),
)
