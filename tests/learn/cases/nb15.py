"""What is tried on the exercises of notebook 15."""

from __future__ import annotations

from typing import Any

from kubelab.learn import worlds
from tests.learn.case import Case, Maker, always

SCALE = "scale deployment coredns -n kube-system --replicas={}"


def lone(seed: int) -> Any:
    """One CoreDNS pod."""
    c = worlds.cluster(3, seed)
    c.kubectl(SCALE.format(1))
    c.settle()
    return c


def scaled(replicas: int, together: bool = False) -> Maker:
    """More CoreDNS pods, or all of them on one node."""

    def make(seed: int) -> Any:
        c = lone(seed)
        if together:
            path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
            pin = {"nodeSelector": {"kubernetes.io/hostname": "node-2"}}
            patch = {"spec": {"template": {"spec": pin}}}
            kind = {"Content-Type": "application/merge-patch+json"}
            assert c.request("PATCH", path, patch, kind).ok
        c.kubectl(SCALE.format(replicas))
        c.settle()
        return c

    return make


def headless(name: str = "db", **more: Any) -> dict[str, Any]:
    """A headless Service for app=db."""
    return worlds.service(name, selector={"app": "db"}, clusterIP="None", **more)


def database(service: str = "db") -> dict[str, Any]:
    """A StatefulSet of three."""
    made = worlds.deployment("db", 3)
    made["kind"] = "StatefulSet"
    made["spec"]["serviceName"] = service
    return made


def three(kind: str) -> list[Any]:
    """Three things with a hostname each."""
    made = []
    for number in range(3):
        name = f"db-{number}"
        own = {"hostname": name, "subdomain": "db"}
        if kind == "Pod":
            made.append(worlds.pod(name, {"app": "db"}, spec=own))
        else:
            one = worlds.deployment(name, 1, labels={"app": "db", "number": str(number)}, spec=own)
            one["spec"]["selector"] = {"matchLabels": {"number": str(number)}}
            made.append(one)
    return made


def asker(**spec: Any) -> dict[str, Any]:
    """A pod with such settings of DNS."""
    return worlds.pod("asker", spec=spec)


def ndots(value: str) -> dict[str, Any]:
    """The option ndots."""
    return {"dnsConfig": {"options": [{"name": "ndots", "value": value}]}}


OWN = {
    "dnsPolicy": "None",
    "dnsConfig": {
        "nameservers": ["10.96.0.10"],
        "searches": ["default.svc.cluster.local", "svc.cluster.local"],
        "options": [{"name": "ndots", "value": "1"}],
    },
}
BARE = {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"]}}


def questions(name: str, namespace: str) -> list[str]:
    """By the number of dots."""
    if name.endswith("."):
        return [name]
    tails = (f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local")
    ladder = [f"{name}.{tail}." for tail in tails]
    return [*ladder, f"{name}."] if name.count(".") < 5 else [f"{name}.", *ladder]


def as_tuple(name: str, namespace: str) -> tuple[str, ...]:
    """The same, built otherwise."""
    if name[-1] == ".":
        return (name,)
    tail = "svc.cluster.local"
    rungs = (f"{name}.{namespace}.{tail}.", f"{name}.{tail}.", f"{name}.cluster.local.")
    full = (name + ".",)
    return full + rungs if len(name.split(".")) > 5 else rungs + full


CASES = {
    "15.1": Case(lone, {"two": scaled(2), "three": scaled(3)},
                 {"three on one node": scaled(3, together=True), "none": scaled(0)}),
    "15.2": Case(always(worlds.deployment("db", 3)),
                 {"a StatefulSet": always([database(), headless()]),
                  "three Deployments": always([*three("Deployment"), headless()])},
                 {"no Service": always([database()]), "another Service": always(
                     [database("other"), headless()]),
                  "bare pods": always([*three("Pod"), headless()]),
                  "a Deployment": always([worlds.deployment("db", 3), headless()])}),
    "15.3": Case(always(asker()),
                 {"ndots": always(asker(**ndots("1"))), "own": always(asker(**OWN))},
                 {"ndots 2": always(asker(**ndots("2"))), "no search": always(asker(**BARE)),
                  "the node's": always(asker(dnsPolicy="Default"))}),
    "15.4": Case(always(...), {"by dots": always(questions), "by parts": always(as_tuple)},
                 {"as it is": always(lambda name, namespace: [f"{name}."]),
                  "one more": always(lambda name, space: questions(name + ".x", space))}),
}  # fmt: skip
