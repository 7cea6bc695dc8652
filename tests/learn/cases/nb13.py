"""What is tried on the exercises of notebook 13."""

from __future__ import annotations

from typing import Any

from kubelab.learn import worlds
from tests.learn.case import Case, Maker, always


def version(name: str, port: int, replicas: int = 2) -> dict[str, Any]:
    """A Deployment of web pods that call their port http."""
    made = worlds.deployment(
        name,
        replicas,
        env={"PORT": port},
        ports=[{"name": "http", "containerPort": port}],
        labels={"app": "web", "version": name},
    )
    made["spec"]["selector"] = {"matchLabels": {"version": name}}
    return made


def start_ports(seed: int) -> Any:
    """Two versions on two ports, and a Service whose targetPort has a wrong letter."""
    c = worlds.cluster(3, seed)
    c.apply([version("old", 8080), version("new", 9090), worlds.client(),
             worlds.service("web", target="htpp")])  # fmt: skip
    c.settle()
    return c


def ports(*commands: str) -> Maker:
    """Mended by kubectl."""

    def make(seed: int) -> Any:
        c = start_ports(seed)
        for command in commands:
            c.kubectl(command)
        c.settle()
        return c

    return make


def by_apply(seed: int) -> Any:
    """Mended by applying the Service anew."""
    c = start_ports(seed)
    c.apply(worlds.service("web", target="http"))
    return c


def target(value: str) -> str:
    """A patch of the port."""
    return (
        f'patch service web -p \'{{"spec": {{"ports": [{{"port": 80, "targetPort": {value}}}]}}}}\''
    )


def start_shop(seed: int) -> Any:
    """Three pods of version v1."""
    c = worlds.cluster(3, seed)
    old = worlds.deployment("shop", 3, labels={"version": "v1"})
    c.apply([old, worlds.service("shop"), worlds.client()])
    c.settle()
    return c


def second(replicas: int, app: str = "shop") -> dict[str, Any]:
    """A Deployment of version v2."""
    made = worlds.deployment("canary", replicas, labels={"app": app, "version": "v2"})
    made["spec"]["selector"] = {"matchLabels": {"version": "v2"}}
    return made


def shop(*made: dict[str, Any], then: str = "") -> Maker:
    """The shop, and something more."""

    def make(seed: int) -> Any:
        c = start_shop(seed)
        c.apply(list(made))
        if then:
            c.kubectl(then)
        c.settle()
        return c

    return make


def endpoints(service: Any, pods: Any) -> dict[str, bool]:
    """Labels, namespace, address, phase, readiness."""
    spec = service["spec"]
    found = {}
    for pod in pods:
        meta, status = pod["metadata"], pod["status"]
        if meta["namespace"] != service["metadata"]["namespace"]:
            continue
        labels = meta.get("labels", {})
        if any(labels.get(key) != value for key, value in spec["selector"].items()):
            continue
        if not status.get("podIP") or status["phase"] in ("Succeeded", "Failed"):
            continue
        ready = any(
            one["type"] == "Ready" and one["status"] == "True" for one in status["conditions"]
        )
        found[status["podIP"]] = spec.get("publishNotReadyAddresses", False) or (
            ready and "deletionTimestamp" not in meta
        )
    return found


def by_items(service: Any, pods: Any) -> dict[str, bool]:
    """The same, by sets of labels."""
    want = set(service["spec"]["selector"].items())
    early = bool(service["spec"].get("publishNotReadyAddresses"))
    rows = {}
    for pod in pods:
        if pod["metadata"]["namespace"] == "default" and want <= set(
            pod["metadata"]["labels"].items()
        ):
            state = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
            alive = pod["status"]["phase"] in ("Pending", "Running")
            if alive and pod["status"].get("podIP"):
                ok = state.get("Ready") == "True" and not pod["metadata"].get("deletionTimestamp")
                rows[pod["status"]["podIP"]] = early or ok
    return rows


def only_labels(service: Any, pods: Any) -> dict[str, bool]:
    """Every pod with the labels, called ready."""
    want = service["spec"]["selector"].items()
    return {pod["status"].get("podIP", ""): True for pod in pods
            if want <= pod["metadata"].get("labels", {}).items()}  # fmt: skip


def only_ready(service: Any, pods: Any) -> dict[str, bool]:
    """Rows that are not ready are left out."""
    return {address: ready for address, ready in endpoints(service, pods).items() if ready}


SIX = "scale deployment shop --replicas=6"
CASES = {
    "13.1": Case(start_ports, {"a patch": ports(target('"http"')), "an apply": by_apply},
                 {"one number": ports(target("8080")), "the other": ports(target("9090")),
                  "made anew": ports("delete service web",
                                     "expose deployment old --name=web --port=80 "
                                     "--target-port=http"),
                  "the new away": ports(target("8080"), "scale deployment new --replicas=0")}),
    "13.2": Case(start_shop, {"3 and 1": shop(second(1)),
                              "6 and 2": shop(second(2), then=SIX)},
                 {"3 and 3": shop(second(3)), "another label": shop(second(1, "canary")),
                  "another Service": shop(second(1), worlds.service("shop", selector={
                      "app": "shop", "version": "v2"}))}),
    "13.3": Case(always(...), {"by conditions": always(endpoints), "by sets": always(by_items)},
                 {"labels only": always(only_labels), "ready only": always(only_ready)}),
}  # fmt: skip
