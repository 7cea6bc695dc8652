"""01, Who brought the pod back? Its exercises."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get, name_of, owners_of, uid_of
from kubelab.learn import ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.ways import require


def survives(thing: Any, seed: int) -> str:
    """Every pod with app=solo is taken away, three times, in two ways."""
    c = ways.a_cluster(thing).fork()
    if not worlds.ready_pods(c, "app=solo"):
        c.run(30)
    looked = "pods labelled app=solo, one minute after deleting all of them on a copy"
    for round_ in range(3):
        pods = worlds.ready_pods(c, "app=solo")
        require(
            len(pods) == 1,
            looked if round_ else "pods labelled app=solo",
            f"{len(pods)} ready",
            "1 ready",
        )
        for pod in c.list("Pod", "default", "app=solo"):
            c.delete("Pod", name_of(pod))
        c.run(60)
    pods = worlds.ready_pods(c, "app=solo")
    require(len(pods) == 1, looked, f"{len(pods)} ready", "1 ready")
    node = pods[0]["spec"]["nodeName"]
    c.faults.stop_node(node)
    c.run(400)
    alive = [p for p in worlds.ready_pods(c, "app=solo") if p["spec"]["nodeName"] != node]
    require(
        alive,
        f"pods labelled app=solo, 400 s after cutting {node}'s power",
        "none elsewhere",
        "1 ready on another node",
    )
    return "Three times all its pods were deleted, once its node died: each time another came."


def isolated(thing: Any, seed: int) -> str:
    """The pod leaves the Service, keeps its UID, and another takes its place."""
    function = ways.a_function(thing, "c", "pod")
    for case in (seed * 2 + 1, seed * 2 + 2):
        app = worlds.name(case, "app")
        c = worlds.cluster(3, case)
        c.apply([worlds.deployment(app, 3), worlds.service(app), worlds.client()])
        c.settle()
        before = worlds.drawn(case, "pod").choice(worlds.ready_pods(c, f"app={app}"))
        since, name = len(c.trace), name_of(before)
        ways.ask(function, c, name)
        c.run(40)
        ways.fair(c, since)
        _judge_isolated(c, app, before)
    return "In two clusters the pod left the Service and kept its UID, and three others served."


def _judge_isolated(c: Any, app: str, before: Any) -> None:
    name = name_of(before)
    found = worlds.found(c, "Pod", name)
    require(
        found is not None and uid_of(found) == uid_of(before),
        f"pod {name}",
        "it is gone" if found is None else "another of its name",
        "the same pod, by its UID",
    )
    require(
        ways.ready(found) and _restarts(found) == _restarts(before),
        f"pod {name}",
        "stopped, restarted or not ready",
        "running on, untouched",
    )
    serving = worlds.backends(c, app)
    require(
        name not in serving,
        f"the addresses of Service {app}",
        f"{name} is among them",
        f"{name} out of service",
    )
    require(
        len(serving) == 3, f"the addresses of Service {app}", f"{len(serving)} ready", "3 ready"
    )
    answer = c.curl("default/client", f"http://{app}/")
    require(answer.status == 200, f"a request to {app}", answer.error or answer.status, "200")
    owned = [p for p in worlds.ready_pods(c, f"app={app}") if owners_of(p)]
    require(len(owned) == 3, f"pods of Deployment {app}", f"{len(owned)} ready", "3 ready")


def _restarts(pod: Any) -> int:
    return sum(
        one.get("restartCount", 0) for one in get(pod, "status", "containerStatuses", default=())
    )


def next_actor(thing: Any, seed: int) -> str:
    """The function is asked in clusters that stand still at different stations."""
    function = ways.a_function(thing, "c")
    count = ways.compare(function, hidden_stations(seed))
    return f"In {count} clusters it named the one whose work was pending."


def hidden_stations(seed: int) -> list[tuple[str, tuple[Any, ...], Any]]:
    """Clusters in which one part after the other has work to do, in a drawn order."""
    stations = (
        ("controller-manager", "controller-manager"),
        ("scheduler", "scheduler"),
        ("kubelet", "kubelet"),
        ("", "nobody"),
    )
    cases = []
    for number, (stopped, own) in enumerate(worlds.drawn(seed, "stations").shuffled(stations)):
        case = seed * 10 + number + 1
        c = worlds.cluster(2, case)
        for one in ["kubelet/node-1", "kubelet/node-2"] if stopped == "kubelet" else [stopped]:
            if one:
                c.faults.stop(one)
        app = worlds.name(case, "app")
        wish = worlds.drawn(case, "wish").below(3) + 1
        c.apply(worlds.deployment(app, wish))
        c.run(8)
        # Its reader may look, and no more: what is stopped cannot be asked for.
        words = f"a hidden cluster (seed {case}) with Deployment {app}"
        cases.append((words, (ways.Outsider(c),), own))
    return cases


EXERCISES = (
    Exercise("01.1", "change the cluster so that a pod labelled app=solo always comes back",
             "cluster", survives,
             ("who counts pods here? views.owners(c) shows who owns what",
              "a ReplicaSet or a Deployment counts the pods that its selector finds",
              "apply a Deployment with replicas: 1 whose selector and template say app: solo, and "
              "remove the bare pod if there is one too many"),
             ("V2",), "half"),
    Exercise("01.2", "write take_out(c, pod): it leaves the Service but lives on", "function",
             isolated,
             ("what joins a pod to its Service and to its ReplicaSet? The same thing for both",
              "a label can be changed on a running pod: kubectl label --overwrite",
              "give the pod another value of the label app; the ReplicaSet counts one too few"),
             ("V1", "V4"), "open", ("c", "pod")),
    Exercise("01.3", "write next_actor(c): \"controller-manager\", \"scheduler\", \"kubelet\" or "
             "\"nobody\"", "function", next_actor,
             ("which of the objects says that something is missing, and who looks at that object?",
              "fewer pods than replicas: the controllers; a pod without spec.nodeName: the "
              "scheduler; a pod with a node that is not Running: the kubelet",
              "compare spec.replicas with the number of pods first, then look at each pod"),
             ("V3",), "transfer", ("c",)),
)  # fmt: skip
