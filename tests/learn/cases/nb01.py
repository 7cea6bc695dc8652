"""What is tried on the exercises of notebook 01."""

from __future__ import annotations

from typing import Any

from kubelab.learn import worlds
from kubelab.learn.units import nb01
from tests.learn.case import Case, always


def owned(kind: str) -> Any:
    """The bare pod gives way to an owner of some kind."""

    def make(seed: int) -> Any:
        c = nb01.start(seed)
        c.delete("Pod", "solo")
        wish = worlds.deployment("solo", 1)
        if kind == "ReplicaSet":
            wish["kind"] = "ReplicaSet"
        c.apply(wish)
        c.settle()
        return c

    return make


def adopted(seed: int) -> Any:
    """A ReplicaSet adopts the bare pod as it is."""
    c = nb01.start(seed)
    c.apply({**worlds.deployment("solo", 1), "kind": "ReplicaSet"})
    c.settle()
    return c


def many(seed: int) -> Any:
    """Three bare pods, so that one is left after each deletion."""
    c = nb01.start(seed)
    c.apply([worlds.pod(f"solo-{n}", {"app": "solo"}) for n in range(3)])
    c.settle()
    return c


def again(seed: int) -> Any:
    """The same bare pod, deleted and made again by hand."""
    c = nb01.start(seed)
    c.delete("Pod", "solo")
    c.run(40)
    c.apply(worlds.pod("solo", {"app": "solo"}))
    c.settle()
    return c


def relabel(c: Any, pod: str) -> None:
    """kubectl takes the pod out by its label."""
    c.kubectl(f"label pod {pod} app=ill --overwrite")


def unlabel(c: Any, pod: str) -> None:
    """The label is taken away by a patch."""
    path = f"/api/v1/namespaces/default/pods/{pod}"
    header = {"Content-Type": "application/merge-patch+json"}
    c.request("PATCH", path, {"metadata": {"labels": {"app": None}}}, header)


def delete(c: Any, pod: str) -> None:
    """The pod is recreated, not taken out."""
    c.delete("Pod", pod)


def scale(c: Any, pod: str) -> None:
    """One more beside it: the ill pod goes on serving."""
    c.kubectl(f"scale deployment {pod.rsplit('-', 2)[0]} --replicas=4")


def set_status(c: Any, pod: str) -> None:
    """The status is written by hand."""
    c.request("PATCH", f"/api/v1/namespaces/default/pods/{pod}/status",
              {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
              {"Content-Type": "application/strategic-merge-patch+json"})  # fmt: skip


def next_actor(c: Any) -> str:
    """Wish against pods first, then each pod."""
    pods = c.list("Pod", "default")
    for wish in c.list("Deployment", "default"):
        if len(pods) < wish["spec"]["replicas"]:
            return "controller-manager"
    if any(not pod["spec"].get("nodeName") for pod in pods):
        return "scheduler"
    if any(pod["status"]["phase"] != "Running" for pod in pods):
        return "kubelet"
    return "nobody"


def by_kubectl(c: Any) -> str:
    """The same from kubectl's table."""
    pods = c.kubectl("get pods -o wide --no-headers")
    want = int(c.kubectl("get deployments -o jsonpath={.items[0].spec.replicas}"))
    rows = [line.split() for line in pods.splitlines() if "1/1" in line or "0/1" in line]
    if len(rows) < want:
        return "controller-manager"
    if any("<none>" in row[5:7] and row[6] == "<none>" for row in rows):
        return "scheduler"
    return "kubelet" if any(row[2] != "Running" for row in rows) else "nobody"


def peek(c: Any) -> str:
    """Looks into the simulation instead of at the objects."""
    return next(name for name, part in c.world.components.items() if part.stopped)


CASES = {
    "01.1": Case(nb01.start, {"a Deployment": owned("Deployment"),
                              "a ReplicaSet": owned("ReplicaSet"), "adoption": adopted},
                 {"three bare pods": many, "made again by hand": again}),
    "01.2": Case(always(...), {"kubectl label": always(relabel),
                               "a patch": always(unlabel)},
                 {"delete": always(delete), "scale": always(scale), "status": always(set_status),
                  "nothing": always(lambda c, pod: c.now)}),
    "01.3": Case(always(...), {"by the API": always(next_actor), "by kubectl": always(by_kubectl)},
                 {"always the same": always(lambda c: "scheduler"), "peek": always(peek)}),
}  # fmt: skip
