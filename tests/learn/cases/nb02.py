"""What is tried on the exercises of notebook 02."""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import ApiError
from kubelab.cluster import Cluster
from kubelab.learn import worlds
from kubelab.learn.units.tasks02 import PARTS
from tests.learn.case import Case, Maker, always


def culprit(c: Any) -> str:
    """One verb after the other, each of which needs other parts."""
    try:
        nodes = c.list("Node")
    except ApiError as error:
        return "apiserver-1" if error.code == 503 else "etcd-1"
    for node in nodes:
        ready = next(o for o in node["status"]["conditions"] if o["type"] == "Ready")
        if ready["status"] != "True":
            return f"kubelet/{node['metadata']['name']}"
    c.apply([worlds.deployment("test", 1), worlds.service("late", selector={"app": "web"})])
    c.run(20)
    pods = c.list("Pod", "default", "app=test")
    if not pods:
        return "controller-manager"
    if not pods[0]["spec"].get("nodeName"):
        return "scheduler"
    address = c.get("Service", "late")["spec"]["clusterIP"]
    for number in (1, 2):
        if c.curl(f"default/client-{number}", f"http://{address}/").status != 200:
            return f"kube-proxy/node-{number}"
    return "nothing"


def by_leases(c: Any) -> str:
    """Leases of controller manager, scheduler and nodes grow old; the rest by traffic."""
    answer = c.request("GET", "/api/v1/nodes")
    if not answer.ok:
        return "apiserver-1" if "refused" in answer.body["message"] else "etcd-1"
    c.run(60)
    table = c.kubectl("get nodes --no-headers")
    for row in table.splitlines():
        if "NotReady" in row:
            return f"kubelet/{row.split()[0]}"
    for name, part in (("kube-controller-manager", "controller-manager"),
                       ("kube-scheduler", "scheduler")):  # fmt: skip
        lease = c.get("Lease", name, "kube-system")
        if c.now.timestamp() - _seconds(lease["spec"]["renewTime"]) > 30:
            return part
    c.apply(worlds.service("late", selector={"app": "web"}))
    c.run(5)
    address = c.get("Service", "late")["spec"]["clusterIP"]
    return "kube-proxy/node-1" if c.curl("default/client-1", f"http://{address}/").error else "?"


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def peek(c: Any) -> str:
    """Looks into the simulation."""
    return next(name for name, part in c.world.components.items() if part.stopped)


def built(**options: Any) -> Maker:
    """A cluster built so."""
    return lambda seed: Cluster(1, seed=seed, dns=False, **options)


CASES = {
    "02.1": Case(always(...), {"verbs": always(culprit), "leases": always(by_leases)},
                 {"one guess": always(lambda c: PARTS[2]), "peek": always(peek)}),
    "02.2": Case(built(), {"3 and 2": built(etcd=3, apiservers=2),
                           "5 and 3": built(etcd=5, apiservers=3)},
                 {"only etcd": built(etcd=3), "only API servers": built(apiservers=3)}),
}  # fmt: skip
