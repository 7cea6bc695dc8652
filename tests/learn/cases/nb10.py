"""What is tried on the exercises of notebook 10."""

from __future__ import annotations

from typing import Any

from kubelab.learn import worlds
from kubelab.learn.units import nb10
from tests.learn.case import Case, always


def start(seed: int) -> Any:
    """The Secret lacks the key that the pod wants."""
    c = worlds.cluster(3, seed)
    c.apply([{**nb10.secret(""), "stringData": {"user": "joe"}}, nb10.APP])
    c.run(40)
    return c


def patched(seed: int) -> Any:
    """One key more."""
    c = start(seed)
    c.kubectl("""patch secret db -p '{"stringData": {"password": "one"}}'""")
    return c


def applied(seed: int) -> Any:
    """The Secret is applied with both keys, and time passes."""
    c = start(seed)
    c.apply({**nb10.secret(""), "stringData": {"user": "joe", "password": "x"}})
    c.run(60)
    return c


def anew(seed: int) -> Any:
    """The pod is deleted and made again beside the whole Secret."""
    c = patched(seed)
    c.delete("Pod", "app")
    c.run(40)
    c.apply(nb10.APP)
    c.settle()
    return c


def careless(seed: int) -> Any:
    """A pod of the same name that wants no Secret."""
    c = start(seed)
    c.delete("Pod", "app")
    c.run(40)
    c.apply(worlds.pod("app"))
    c.settle()
    return c


def lost(seed: int) -> Any:
    """The Secret is replaced, and what it held before is lost."""
    c = start(seed)
    c.delete("Secret", "db")
    c.apply(nb10.secret("one"))
    return c


def by_patch(c: Any, password: str) -> None:
    """A merge patch of the one key."""
    for one in c.list("Secret", "default", "app=reader"):
        name = one["metadata"]["name"]
        c.request(
            "PATCH",
            f"/api/v1/namespaces/default/secrets/{name}",
            {"stringData": {"password": password}},
            {"Content-Type": "application/merge-patch+json"},
        )


def by_put(c: Any, password: str) -> None:
    """The whole Secret is read and replaced."""
    one = c.list("Secret", "default", "app=reader")[0]
    path = f"/api/v1/namespaces/default/secrets/{one['metadata']['name']}"
    c.request("PUT", path, {**one, "stringData": {"password": password}})


def restarted(c: Any, password: str) -> None:
    """The Secret, and then all pods anew."""
    by_patch(c, password)
    c.kubectl("rollout restart deployment reader")


def dropped(c: Any, password: str) -> None:
    """The Secret is replaced by one without the user."""
    one = c.list("Secret", "default", "app=reader")[0]
    path = f"/api/v1/namespaces/default/secrets/{one['metadata']['name']}"
    c.request("PUT", path, {**one, "data": {}, "stringData": {"password": password}})


def shop(*init: dict[str, Any], beside: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A pod with such init containers."""
    made = worlds.pod("shop")
    made["spec"] |= {"initContainers": list(init)}
    made["spec"]["containers"] += list(beside)
    return made


WAIT = {"name": "wait", "image": "busybox",
        "command": ["sh", "-c", "until nslookup db; do sleep 2; done"]}  # fmt: skip
SHORT = {"name": "wait", "image": "busybox", "command": ["nslookup", "db"]}
SLEEP = {"name": "wait", "image": "busybox", "command": ["sleep", "15"]}
PLAIN = {"name": "log", "image": "busybox", "command": ["sleep", "infinity"]}
SIDECAR = {**PLAIN, "restartPolicy": "Always"}


CASES = {
    "10.1": Case(start, {"a patch": patched, "an apply": applied},
                 {"made anew": anew, "without the Secret": careless, "a key lost": lost}),
    "10.2": Case(always(...), {"a patch": always(by_patch), "a replacement": always(by_put)},
                 {"restart": always(restarted), "a key lost": always(dropped),
                  "nothing": always(lambda c, password: c.now)}),
    "10.3": Case(always(...),
                 {"a loop": always(shop(SIDECAR, WAIT)),
                  "YAML": always(YAML := """
apiVersion: v1
kind: Pod
metadata: {name: shop}
spec:
  initContainers:
  - {name: log, image: "kubelab/sleep:1", restartPolicy: Always}
  - {name: wait, image: busybox, command: [sh, -c, "until nslookup db; do sleep 5; done"]}
  containers:
  - {name: main, image: "kubelab/http:1"}
""")},
                 {"no wait": always(shop(SIDECAR)), "no helper": always(shop(WAIT)),
                  "a fixed sleep": always(shop(SIDECAR, SLEEP)),
                  "helper beside only": always(shop(WAIT, beside=(PLAIN,)))}),
}  # fmt: skip
