"""Clusters and manifests for hidden cases: names and sizes are drawn, so none can be guessed."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import name_of
from kubelab.api.rest import kind_of
from kubelab.cluster import Cluster
from kubelab.learn.ways import ready
from kubelab.sim.chance import Chance

NAMES = ("cart", "shop", "mail", "quote", "search", "ads", "rates", "stock", "bill", "maps")


def drawn(seed: int, what: str) -> Chance:
    """A stream of chance for one purpose of one hidden case."""
    return Chance(seed, f"learn/{what}")


def name(seed: int, what: str = "name") -> str:
    """A drawn name."""
    chance = drawn(seed, what)
    return f"{chance.choice(NAMES)}-{chance.suffix(3)}"


def cluster(nodes: int = 3, seed: int = 0, **more: Any) -> Cluster:
    """A cluster whose own parts have started."""
    made = Cluster(nodes, seed=seed, **more)
    made.settle()
    return made


def container(image: str = "kubelab/http:1", **more: Any) -> dict[str, Any]:
    """A container named `main`; `env` is a dict, `cpu` a request."""
    made: dict[str, Any] = {"name": more.pop("name", "main"), "image": image}
    if "env" in more:
        made["env"] = [{"name": k, "value": str(v)} for k, v in more.pop("env").items()]
    if "cpu" in more:
        made["resources"] = {"requests": {"cpu": str(more.pop("cpu"))}}
    return made | more


def pod(name: str, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A bare pod; what is not of the container goes in by `spec`."""
    spec = more.pop("spec", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": [container(**more)], **spec},
    }


def client(name: str = "client") -> dict[str, Any]:
    """A pod from which to send requests."""
    return pod(name, {"role": "client"}, image="busybox", command=["sleep", "infinity"])


def deployment(name: str, replicas: int = 3, **more: Any) -> dict[str, Any]:
    """A Deployment whose pods have the label app=NAME."""
    labels = {"app": name, **more.pop("labels", {})}
    spec = more.pop("spec", {})
    extra = more.pop("extra", {})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container(**more)], **spec},
            },
            **extra,
        },
    }


def service(name: str, port: int = 80, target: Any = 8080, **more: Any) -> dict[str, Any]:
    """A Service for the pods with the label app=NAME."""
    selector = more.pop("selector", {"app": name})
    spec = {"selector": selector, "ports": [{"port": port, "targetPort": target}], **more}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def found(c: Any, kind: str, name: str, namespace: str = "default") -> Any:
    """An object as it is in the store, or None; nothing moves."""
    return c.moment().find(kind_of(kind), name, namespace)


def ready_pods(c: Any, label: str, namespace: str = "default") -> list[Any]:
    """The Ready pods with a label, by name."""
    pods = [one for one in c.moment().list("Pod", namespace, label) if ready(one)]
    return sorted(pods, key=name_of)


def backends(c: Any, service: str, namespace: str = "default") -> list[str]:
    """The names of the ready pods behind a Service, as its slices list them."""
    chosen = f"kubernetes.io/service-name={service}"
    rows = [
        end
        for piece in c.moment().list("EndpointSlice", namespace, chosen)
        for end in piece.get("endpoints") or ()
    ]
    ready_rows = [end for end in rows if end.get("conditions", {}).get("ready", True)]
    return sorted(end["targetRef"]["name"] for end in ready_rows if end.get("targetRef"))
