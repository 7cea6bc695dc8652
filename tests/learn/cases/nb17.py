"""What is tried on the exercises of notebook 17."""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import ApiError
from kubelab.learn import worlds
from tests.learn.case import Case, Maker, always


def app(seconds: int | None, replicas: int = 2, **more: Any) -> Maker:
    """A Deployment that tolerates a silent node for so long."""
    keys = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    rows = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        for key in keys
    ]
    spec = {"tolerations": rows} if seconds is not None else {}
    return always(worlds.deployment("shop", replicas, spec=spec, **more))


def by_kubectl(c: Any, node: str) -> None:
    """The command for it."""
    c.kubectl(f"drain {node} --ignore-daemonsets")


def by_evictions(c: Any, node: str) -> None:
    """One eviction after the other, again where the budget says no."""
    c.kubectl(f"cordon {node}")
    for _ in range(60):
        pods = [p for p in c.list("Pod", "default") if p["spec"].get("nodeName") == node]
        if not pods:
            return
        for pod in pods:
            name = pod["metadata"]["name"]
            c.request("POST", f"/api/v1/namespaces/default/pods/{name}/eviction", {
                "apiVersion": "policy/v1", "kind": "Eviction",
                "metadata": {"name": name, "namespace": "default"},
            })  # fmt: skip
        c.run(5)


def by_deletion(c: Any, node: str) -> None:
    """Deletes all at once."""
    c.kubectl(f"cordon {node}")
    for pod in c.list("Pod", "default"):
        if pod["spec"].get("nodeName") == node:
            c.delete("Pod", pod["metadata"]["name"])
    c.run(90)


def cordoned_only(c: Any, node: str) -> None:
    """Closes the node and leaves."""
    c.kubectl(f"cordon {node}")


def by_force(c: Any, pod: str, off: bool) -> None:
    """By force, where nobody can be running."""
    if off:
        c.kubectl(f"delete pod {pod} --grace-period=0 --force")


def by_taint(c: Any, pod: str, off: bool) -> None:
    """Says that the node is out of service; the pods of it are then let go."""
    if off:
        node = c.get("Pod", pod)["spec"]["nodeName"]
        c.kubectl(f"taint nodes {node} node.kubernetes.io/out-of-service=off:NoExecute")


def always_force(c: Any, pod: str, off: bool) -> None:
    """By force, whatever was seen."""
    try:
        c.kubectl(f"delete pod {pod} --grace-period=0 --force")
    except ApiError:
        return


def plain_deletion(c: Any, pod: str, off: bool) -> None:
    """Asks once more, politely."""
    c.delete("Pod", pod)


CASES = {
    "17.1": Case(app(None), {"30": app(30), "20": app(20, 3)},
                 {"at once": app(0), "a minute": app(60), "many": app(None, 9)}),
    "17.2": Case(always(lambda c, node: ...),
                 {"drain": always(by_kubectl), "evictions": always(by_evictions)},
                 {"deletion": always(by_deletion), "cordon": always(cordoned_only)}),
    "17.3": Case(always(lambda c, pod, off: ...),
                 {"force": always(by_force), "taint": always(by_taint)},
                 {"always": always(always_force), "politely": always(plain_deletion)}),
}  # fmt: skip
