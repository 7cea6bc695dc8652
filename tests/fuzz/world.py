"""A seeded world: random manifests, scalings, deletions and faults, then peace.

While it goes on, an oracle looks at the whole cluster from outside; when all faults have ended, the
cluster must come to rest with everything that is wished running. A seed decides everything, so that
a failure is repeated by one line: `python -m tests.fuzz.world SEED`. With a second number all
seeds from the first to before the second are played.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from kubelab import ApiError, Cluster
from kubelab.api import quantity
from kubelab.api.objects import get, name_of, namespace_of
from kubelab.sim.chance import Chance
from tests.fuzz.follower import Follower

NODES = 3
# A Deployment is asked for six pods at most; a rollout may add a quarter.
MOST, SURGE = 6, 2
# So many pods the quota of one namespace allows, and so many of `db` its budget keeps.
QUOTA, KEPT = 4, 2
PARTS = ("scheduler", "controller-manager", "apiserver-1", "kube-proxy/node-1", "kubelet/node-2")
# In every third world there are two of each, of which one leads.
SECOND = ("scheduler-2", "controller-manager-2")
SURROUNDINGS = (
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "small"}},
    {
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": "small"}, "spec": {"hard": {"pods": str(QUOTA)}},
    },
    {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "db"},
        "spec": {"minAvailable": KEPT, "selector": {"matchLabels": {"app": "db"}}},
    },
)  # fmt: skip


def deployment(name: str, replicas: int, image: str, cpu: str) -> dict[str, Any]:
    """A Deployment of plain pods."""
    container = {"name": "c", "image": image, "resources": {"requests": {"cpu": cpu}}}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}}, "spec": {"containers": [container]},
            },
        },
    }  # fmt: skip


def service(name: str) -> dict[str, Any]:
    """A Service in front of the pods of that name."""
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }  # fmt: skip


def stateful_set(name: str, replicas: int) -> dict[str, Any]:
    """A StatefulSet of plain pods that come all at once."""
    made = deployment(name, replicas, "kubelab/http:1", "50m")
    spec = {**made["spec"], "serviceName": name, "podManagementPolicy": "Parallel"}
    return {**made, "kind": "StatefulSet", "spec": spec}


class Fuzz:
    """One world and the dice that decide what happens in it."""

    def __init__(self, seed: int) -> None:
        self.dice = Chance(seed, "fuzz")
        count = 1 + (seed % 3 == 0)
        self.cluster = Cluster(
            nodes=NODES, seed=seed, dns=False, controller_managers=count, schedulers=count
        )
        self.parts = (*PARTS, *SECOND) if count > 1 else PARTS
        self.stream = Follower(self.cluster)
        self.wished: dict[str, int] = {}
        self.stopped: list[str] = []
        self.dark: list[str] = []

    def play(self, moves: int = 25) -> None:
        """Some moves, each followed by a look and some time; then peace."""
        self.cluster.settle()
        limited = deployment("limited", 3, "kubelab/sleep:1", "50m")
        limited["metadata"]["namespace"] = "small"
        self.cluster.apply([*SURROUNDINGS, stateful_set("db", 3), service("db"), limited])
        self.wished["db"] = 3
        for _ in range(moves):
            self.move()
            self.cluster.run(self.dice.below(20) + self.dice.random())
            check(self.cluster)
            self.stream.look()
        self.peace()

    def move(self) -> None:
        """One thing that a user or fate does."""
        kind = self.dice.choice(
            ("apply", "apply", "scale", "kill", "delete", "stop", "start", "power", "cut",
             "evict", "crowd")
        )  # fmt: skip
        # The API server may be away: the user will try again some other time.
        with contextlib.suppress(ApiError, TimeoutError):
            getattr(self, kind)()

    def apply(self) -> None:
        name = f"app-{self.dice.below(4)}"
        replicas = self.dice.below(6)
        image = self.dice.choice(("kubelab/http:1", "kubelab/sleep:1", "nginx:1.27"))
        cpu = self.dice.choice(("50m", "200m", "500m"))
        self.cluster.apply([deployment(name, replicas, image, cpu), service(name)])
        self.wished[name] = replicas

    def scale(self) -> None:
        name, replicas = self.dice.choice(list(self.wished)), self.dice.below(7)
        plural = "statefulsets" if name == "db" else "deployments"
        path = f"/apis/apps/v1/namespaces/default/{plural}/{name}/scale"
        headers = {"Content-Type": "application/merge-patch+json"}
        body = {"spec": {"replicas": replicas}}
        if self.cluster.request("PATCH", path, body, headers).status == 200:
            self.wished[name] = replicas

    def kill(self) -> None:
        pods = self.cluster.moment().list("Pod", "default")
        if pods:
            self.cluster.delete("pod", name_of(self.dice.choice(pods)))

    def delete(self) -> None:
        names = [name for name in self.wished if name != "db"]
        if names and self.dice.below(3) == 0:
            name = self.dice.choice(names)
            self.cluster.delete("deployment", name)
            self.wished.pop(name)

    def evict(self) -> None:
        """A pod of `db` is asked to go: its budget says no while too few others are healthy."""
        pods = self.cluster.list("Pod", "default", {"app": "db"})
        if not pods:
            return
        name = name_of(self.dice.choice(pods))
        body = {
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": name, "namespace": "default"},
        }  # fmt: skip
        pods = self.cluster.moment().list("Pod", "default")
        healthy = [name_of(pod) for pod in pods if name_of(pod).startswith("db-") and is_ready(pod)]
        budget = self.cluster.get("PodDisruptionBudget", "db")
        known = leaders(self.cluster, "controller-manager") == 1 and budget["status"].get(
            "currentHealthy"
        ) == len(healthy)
        answer = self.cluster.request("POST", f"/api/v1/namespaces/default/pods/{name}/eviction",
                                      body)  # fmt: skip
        # Where nobody counts the healthy pods, the last count holds.
        if answer.status == 201 and name in healthy and known:
            assert len(healthy) > KEPT, f"{name} was let go though only {healthy} are healthy"

    def crowd(self) -> None:
        """The Deployment under the quota is asked for more pods than it may have, or fewer."""
        path = "/apis/apps/v1/namespaces/small/deployments/limited/scale"
        headers = {"Content-Type": "application/merge-patch+json"}
        body = {"spec": {"replicas": self.dice.below(9)}}
        self.cluster.request("PATCH", path, body, headers)

    def stop(self) -> None:
        part = self.dice.choice(self.parts)
        if part not in self.stopped:
            self.cluster.faults.stop(part)
            self.stopped.append(part)

    def start(self) -> None:
        if self.stopped:
            part = self.stopped.pop()
            # With the machine off nothing starts on it; switched on it starts everything.
            if part.partition("/")[2] not in self.dark:
                self.cluster.faults.start(part)

    def power(self) -> None:
        node = f"node-{1 + self.dice.below(NODES)}"
        if node in self.dark:
            self.cluster.faults.start_node(node)
            self.dark.remove(node)
        elif not self.dark:
            self.cluster.faults.stop_node(node)
            self.dark.append(node)

    def cut(self) -> None:
        if self.dice.below(2):
            self.cluster.faults.partition(["node-1"], ["apiserver-1", "scheduler"])
        else:
            self.cluster.faults.heal()

    def peace(self) -> None:
        """Every fault ends; the cluster must become what is wished."""
        self.cluster.faults.heal()
        for node in self.dark:
            self.cluster.faults.start_node(node)
        for part in self.stopped:
            self.cluster.faults.start(part)
        self.cluster.run(900)
        self.cluster.settle(600)
        check(self.cluster)
        check_orphans(self.cluster)
        self.stream.look(final=True)
        for name, replicas in self.wished.items():
            ready = [
                name_of(pod)
                for pod in self.cluster.list("Pod", "default", {"app": name})
                if is_ready(pod)
            ]
            assert len(ready) == replicas, f"{name}: wished {replicas}, ready {ready}"
            slices = self.cluster.list(
                "EndpointSlice", "default", {"kubernetes.io/service-name": name}
            )
            rows = [
                row
                for s in slices
                for row in s.get("endpoints") or ()
                if row["conditions"]["ready"]
            ]
            assert len(rows) == replicas, f"{name}: {len(rows)} ready endpoints for {replicas}"


def leaders(cluster: Cluster, stem: str) -> int:
    """How many processes of a kind lead."""
    parts: Any = cluster.world.components.items()
    return sum(part.leading and not part.stopped for n, part in parts if n.startswith(stem))


def is_ready(pod: Any) -> bool:
    """Whether a pod is Ready and not on its way out."""
    conditions = get(pod, "status", "conditions", default=())
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def check(cluster: Cluster) -> None:
    """What must hold at any moment, whatever has happened."""
    moment = cluster.moment()
    pods = moment.list("Pod")
    addresses: dict[str, str] = {}
    asked: dict[str, Any] = {}
    for pod in pods:
        phase = get(pod, "status", "phase")
        node = get(pod, "spec", "nodeName")
        if node and phase not in ("Succeeded", "Failed"):
            for container in pod["spec"]["containers"]:
                cpu = get(container, "resources", "requests", "cpu", default="0")
                asked[node] = asked.get(node, 0) + quantity.parse(cpu)
    small = [pod for pod in pods if namespace_of(pod) == "small" and not is_over(pod)]
    assert len(small) <= QUOTA, f"{len(small)} pods under a quota of {QUOTA}"
    for stem in ("controller-manager", "scheduler"):
        assert leaders(cluster, stem) <= 1, f"two of {stem} lead"
    check_names(cluster)
    check_owners(moment)
    check_rollouts(moment)
    for node, cpu in asked.items():
        assert cpu <= 4, f"{node} is asked for {cpu} cpu"
    for name, component in cluster.world.components.items():
        if not name.startswith("kernel/node-"):
            continue
        for address, pod in component.pods.items():  # type: ignore[attr-defined]
            assert address not in addresses, f"{address} is {pod}'s and {addresses[address]}'s"
            addresses[address] = pod
    server: Any = cluster.world.components["apiserver-1"]
    store: Any = cluster.world.components["etcd-1"].store  # type: ignore[attr-defined]
    if not server.stopped:
        for prefix, cache in server.caches.items():
            if cache.filled and cache.revision == store.revision:
                held = {(namespace_of(o), name_of(o)) for o in cache.objects.values()}
                start = moment.keys(prefix)
                assert len(held) == len(start), f"the cache of {prefix} differs from the store"
    broken = [event.detail["panic"] for event in cluster.trace[-2000:] if "panic" in event.detail]
    assert broken == []


def check_names(cluster: Cluster) -> None:
    """No two nodes run a pod of a StatefulSet under the same name."""
    where: dict[str, str] = {}
    for name, component in cluster.world.components.items():
        if not name.startswith("runtime/") or component.stopped:
            continue
        for container in component.containers.values():  # type: ignore[attr-defined]
            pod = container.pod
            if container.running and pod.startswith("default/db-"):
                assert where.setdefault(pod, name) == name, f"{pod} runs on {where[pod]} and {name}"


def check_owners(moment: Any) -> None:
    """No more pods without end belong to a ReplicaSet than its greatest size ever asked for."""
    for replicaset in moment.list("ReplicaSet"):
        uid = replicaset["metadata"]["uid"]
        mine = [
            pod
            for pod in moment.list("Pod")
            if any(ref["uid"] == uid for ref in pod["metadata"].get("ownerReferences") or ())
            and not pod["metadata"].get("deletionTimestamp")
            and get(pod, "status", "phase") not in ("Succeeded", "Failed")
        ]
        assert len(mine) <= MOST, f"{name_of(replicaset)} has {len(mine)} pods"


def is_over(pod: Any) -> bool:
    """Whether a pod has ended."""
    return get(pod, "status", "phase") in ("Succeeded", "Failed")


def check_rollouts(moment: Any) -> None:
    """The ReplicaSets of a Deployment together wish for no more than its size and the surge."""
    wished: dict[str, int] = {}
    for replicaset in moment.list("ReplicaSet", "default"):
        for ref in replicaset["metadata"].get("ownerReferences") or ():
            wished[ref["uid"]] = wished.get(ref["uid"], 0) + replicaset["spec"]["replicas"]
    for uid, total in wished.items():
        assert total <= MOST + SURGE, f"the ReplicaSets of {uid} wish for {total} pods"


def check_orphans(cluster: Cluster) -> None:
    """No pod is left whose ReplicaSet or StatefulSet is gone."""
    uids = {
        item["metadata"]["uid"]
        for kind in ("ReplicaSet", "StatefulSet")
        for item in cluster.list(kind, "default")
    }
    for pod in cluster.list("Pod", "default"):
        for ref in pod["metadata"].get("ownerReferences") or ():
            assert ref["uid"] in uids, f"{name_of(pod)} has lost its owner {ref['name']}"


def main(words: list[str]) -> None:
    """Plays one seed, or all from the first to before the second."""
    first = int(words[0])
    last = int(words[1]) if len(words) > 1 else first + 1
    for seed in range(first, last):
        try:
            Fuzz(seed).play()
        except Exception as error:
            sys.stdout.write(f"{seed} failed: {type(error).__name__}: {error}\n")
            if last == first + 1:
                raise
        else:
            sys.stdout.write(f"{seed} held\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
