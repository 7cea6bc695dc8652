"""08, Which node is best? Its exercises."""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.objects import get, name_of
from kubelab.cluster import Cluster
from kubelab.learn import ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.units.tasks07 import node
from kubelab.learn.ways import Refused, require

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def repels(app: str, key: str = HOST) -> dict[str, Any]:
    """A pod's spec: never beside a pod of an app."""
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}
    return {
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    }


def deployments(thing: Any, *names: str) -> list[dict[str, Any]]:
    """The Deployments with these names, and nothing else. Raises Refused."""
    objects = ways.a_manifest(thing)
    found = sorted(str(get(obj, "metadata", "name")) for obj in objects)
    if found != sorted(names) or any(obj.get("kind") != "Deployment" for obj in objects):
        raise Refused(
            f"this takes {len(names)} Deployment{'s' if len(names) > 1 else ''} "
            f"({', '.join(names)}), and got {found}",
            "write these and nothing else",
        )
    return objects


def applied(c: Any, objects: list[dict[str, Any]], **replicas: int) -> None:
    """Applies, scales and settles. Raises Refused with the API server's words."""
    try:
        c.apply(objects)
    except ApiError as error:
        raise Refused(f"the API server says: {ways.short(str(error))}", "mend it") from error
    for name, count in replicas.items():
        c.kubectl(f"scale deployment {name} --replicas={count}")
    c.settle()


def placed(c: Any, name: str) -> dict[str, str]:
    """The nodes of the ready pods of a Deployment, by the pods' names."""
    return {
        name_of(pod): pod["spec"]["nodeName"]
        for pod in c.list("Pod", "default")
        if name_of(pod).startswith(f"{name}-") and ways.ready(pod)
    }


def zones(seed: int) -> list[dict[str, Any]]:
    """Three zones with three, two and one node, in a drawn order."""
    letters = worlds.drawn(seed, "zones").shuffled("abc")
    return [
        node(f"{letter}-{number + 1}", {ZONE: f"zone-{letter}"}, [])
        for letter, count in zip(letters, (3, 2, 1), strict=True)
        for number in range(count)
    ]


def even_zones(thing: Any, seed: int) -> str:
    """Scaled up, a node lost, scaled up again: the zones' shares differ by one at most."""
    objects = deployments(thing, "web")
    nodes = zones(seed)
    c = Cluster(nodes, seed=seed, dns=False)
    c.settle()
    applied(c, objects, web=7)
    _judge_zones(c, 7, "scaled to 7")
    lost = nodes[0]["metadata"]["name"]
    c.faults.stop_node(lost)
    c.run(420)
    _judge_zones(c, 7, f"seven minutes after {lost} lost its power")
    c.kubectl("scale deployment web --replicas=9")
    c.run(20)
    _judge_zones(c, 9, "scaled to 9")
    return "On six nodes in three zones the shares never differed by more than one."


def _judge_zones(c: Any, count: int, when: str) -> None:
    pods = placed(c, "web")
    require(len(pods) == count, f"web, {when}", f"{len(pods)} ready", f"{count} ready")
    shares = {f"zone-{letter}": 0 for letter in "abc"}
    for where in pods.values():
        shares[f"zone-{where[0]}"] += 1
    gap = max(shares.values()) - min(shares.values())
    require(gap <= 1, f"web's pods by zone, {when}", str(shares), "shares that differ by 1 at most")


def beside(thing: Any, seed: int) -> str:
    """Each web stands beside a cache, and no two caches stand together, even in want."""
    objects = deployments(thing, "cache", "web")
    c = worlds.cluster(5, seed)
    applied(c, objects, cache=3, web=6)
    caches, webs = placed(c, "cache"), placed(c, "web")
    require(len(caches) == 3, "cache, scaled to 3 on 5 nodes", f"{len(caches)} ready", "3 ready")
    require(len(webs) == 6, "web, scaled to 6 on 5 nodes", f"{len(webs)} ready", "6 ready")
    _no_two(caches)
    lonely = [name for name, where in webs.items() if where not in caches.values()]
    require(
        not lonely,
        "web's pods on 5 nodes",
        f"{len(lonely)} of 6 with no cache on their node",
        "each on a node with a cache",
    )
    small = worlds.cluster(2, seed + 1)
    applied(small, objects, cache=3)
    few = placed(small, "cache")
    require(len(few) == 2, "cache, scaled to 3 on 2 nodes", f"{len(few)} ready", "2, one waits")
    _no_two(few)
    return "Every web had a cache beside it, and no two caches shared a node."


def _no_two(caches: dict[str, str]) -> None:
    homes = list(caches.values())
    double = sorted({one for one in homes if homes.count(one) > 1})
    require(not double, "cache's pods", f"two on {double}", "never two on a node")


def packs(thing: Any, seed: int) -> str:
    """Under this configuration bare pods of drawn sizes fill as few nodes as they need."""
    found = ways.a_manifest(thing)
    if len(found) != 1 or found[0].get("kind") != "KubeSchedulerConfiguration":
        raise Refused(
            "this takes one KubeSchedulerConfiguration", "begin with apiVersion and that kind"
        )
    for case in (seed * 2 + 1, seed * 2 + 2):
        chance = worlds.drawn(case, "sizes")
        try:
            c = Cluster(5, seed=case, dns=False, scheduler_config=found[0])
            c.settle()
        except Exception as error:
            said = ways.short(str(error))
            raise Refused(f"the scheduler does not start with it: {said}", "mend it") from error
        sizes = [200 + 100 * chance.below(5) for _ in range(12)]
        for number, size in enumerate(sizes):
            c.apply(worlds.pod(f"job-{number}", cpu=f"{size}m"))
            c.settle()
        homes = set(placed(c, "job").values())
        ready = len(placed(c, "job"))
        require(ready == 12, "12 pods, one after the other, on 5 nodes", f"{ready} ready", "12")
        least = -(-sum(sizes) // 4000)
        require(
            len(homes) <= least + 1,
            f"12 pods that ask {sum(sizes) / 1000:g} cpu in all, on nodes of 4",
            f"{len(homes)} nodes used",
            f"{least}, or one more",
        )
    return "Twice a dozen pods were packed on as few nodes as they need, or one more."


EXERCISES = (
    Exercise("08.1", "a Deployment web whose shares of the zones never differ by more than one",
             "manifest", even_zones,
             ("by default the scheduler spreads over nodes and zones a little; a zone with more "
              "nodes gets more",
              "topologySpreadConstraints: topologyKey topology.kubernetes.io/zone",
              "maxSkew: 1, whenUnsatisfiable: DoNotSchedule, and the labelSelector of the pods"),
             ("V2",), "half"),
    Exercise("08.2", "Deployments cache and web: every web beside a cache, never two caches on a "
             "node", "manifest", beside,
             ("attraction and repulsion between pods: podAffinity and podAntiAffinity",
              "both are said from the point of view of the pod that is being placed; the "
              "topologyKey kubernetes.io/hostname means: on the same node",
              "web: required podAffinity to app: cache. cache: required podAntiAffinity to "
              "app: cache. Preferred would give way in want"),
             ("V1",), "open"),
    Exercise("08.3", "a KubeSchedulerConfiguration that packs pods on few nodes", "manifest", packs,
             ("which plugin gives points for free room?",
              "NodeResourcesFit scores by a strategy; LeastAllocated is the one by default",
              "pluginConfig: name NodeResourcesFit, args.scoringStrategy.type MostAllocated"),
             ("V3",), "transfer"),
)  # fmt: skip
