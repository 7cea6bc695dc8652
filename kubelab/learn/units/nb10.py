"""10, How does a bound pod come to run? What the kubelet does between "bound" and "running"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubelab.api.objects import get, uid_of
from kubelab.cluster import Cluster
from kubelab.learn import traces, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks10 import EXERCISES
from kubelab.sim.kernel import Event

APP = worlds.pod(
    "app",
    {"app": "app"},
    env={},
    volumeMounts=[{"name": "db", "mountPath": "/etc/db"}],
    spec={"volumes": [{"name": "db", "secret": {"secretName": "db"}}]},
)
APP["spec"]["containers"][0]["env"] = [
    {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
]


def secret(password: str, name: str = "db") -> dict[str, Any]:
    """A Secret with one key."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"password": password},
    }


def of_pod(c: Any, name: str, *verbs: str) -> Iterator[Event]:
    """The events of kubelets and runtimes about the last pod of a name."""
    made = traces.stored(c, 0, f"/registry/pods/default/{name}", "create")
    for event in traces.after(c, made[-1].id if made else len(c.trace)):
        if event.verb in verbs and event.detail.get("pod") == f"default/{name}":
            yield event


# Moments.


def arrived(c: Any) -> str | None:
    """How the kubelet came to know of the pod `app`."""
    event = next(of_pod(c, "app", "watched"), None)
    if event is None:
        return None
    return "watch" if event.actor.startswith("apiserver") else "called"


def tell_arrived(c: Any) -> str:
    """The sentence of the event by which it arrived."""
    event = next(of_pod(c, "app", "watched"))
    bound = traces.ancestors(c, event.id)
    took = traces.seconds(c, bound[-1], event.id) * 1000
    return f"{c.tell(event.id)} That was {took:.0f} ms after your apply; nothing runs yet."


def arrival(c: Any) -> tuple[int, ...]:
    """The write of the binding."""
    event = next(of_pod(c, "app", "watched"), None)
    if event is None:
        return ()
    return tuple(n for n in traces.ancestors(c, event.id) if c.trace[n - 1].verb == "txn")[:1]


def stage_waiting(seed: int) -> Cluster:
    """The pod is applied, and its Secret is not there."""
    c = worlds.cluster(3, seed)
    c.apply(APP)
    c.run(40)
    return c


def stage_running(seed: int) -> Cluster:
    """The Secret comes later, and the pod goes on."""
    c = stage_waiting(seed)
    c.apply(secret("one"))
    c.run(130)
    return c


def missing(c: Any) -> str | None:
    """What became of the pod whose Secret came late."""
    asked = [e for e in of_pod(c, "app", "response") if e.detail.get("code") == 404]
    found = worlds.found(c, "Pod", "app")
    started = list(of_pod(c, "app", "start_container"))
    if not asked or found is None or not started:
        return None
    made = traces.stored(c, 0, "/registry/pods/default/app", "create")
    return "same" if len(made) == 1 else "anew"


def tell_missing(c: Any) -> str:
    """How often it asked, and how long it took after the Secret came."""
    asked = [e for e in of_pod(c, "app", "response") if e.detail.get("code") == 404]
    came = traces.stored(c, 0, "/registry/secrets/default/db", "create")
    started = next(of_pod(c, "app", "start_container"))
    pod = worlds.found(c, "Pod", "app")
    took = traces.seconds(c, came[-1].id, started.id)
    return (
        f"The kubelet asked {len(asked)} times in vain. {took:.0f} s after the Secret was stored "
        f"it started the container: the same pod, UID {uid_of(pod)[:8]}…"
    )


def stations(c: Any) -> str | None:
    """Which came first for the pod `app`: its address or its image."""
    first = next(of_pod(c, "app", "run_pod_sandbox", "pull_image"), None)
    last = next(of_pod(c, "app", "start_container"), None)
    if first is None or last is None:
        return None
    return "address" if first.verb == "run_pod_sandbox" else "image"


def tell_stations(c: Any) -> str:
    """The runtime's calls in their order."""
    calls = ("run_pod_sandbox", "create_container", "start_container")
    found = list(of_pod(c, "app", *calls))
    address = found[0].detail.get("ip")
    order = " → ".join(
        "".join(word.capitalize() for word in event.verb.split("_")) for event in found[:3]
    )
    return f"The calls: {order}. RunPodSandbox gave {address}, before any container existed."


def sandboxed(c: Any) -> tuple[int, ...]:
    """The call that made the sandbox."""
    return tuple(event.id for event in of_pod(c, "app", "run_pod_sandbox"))[:1]


def rotated(c: Any) -> str | None:
    """What a running container sees of a changed Secret."""
    changes = traces.stored(c, 0, "/registry/secrets/default/db", "update")
    started = next(of_pod(c, "app", "start_container"), None)
    if not changes or started is None or traces.seconds(c, changes[-1].id, len(c.trace)) < 100:
        return None
    if worlds.found(c, "Pod", "app")["status"]["containerStatuses"][0]["restartCount"]:
        return "restart"
    file, env = inside(c)
    if file == env:
        return "neither"
    return "file" if changes[-1].id > started.id else None


def inside(c: Any) -> tuple[str, str]:
    """The password in the file and in the environment, as the container has them; on a copy."""
    twin = c.fork()
    return (
        twin.kubectl("exec app -- cat /etc/db/password").strip(),
        twin.kubectl("exec app -- printenv PASSWORD").strip(),
    )


def tell_rotated(c: Any) -> str:
    """Both values."""
    file, env = inside(c)
    return f"The file says {file!r}, the environment {env!r}; the container was not restarted."


def stage_rotated(seed: int) -> Cluster:
    """The Secret changes while the app runs."""
    c = stage_running(seed)
    c.apply(secret("two"))
    c.run(120)
    return c


def silent(c: Any) -> str | None:
    """How long after its kubelet stopped a node was called NotReady."""
    took = silence(c)
    if took is None:
        return None
    return "ten" if took < 15 else "fifty" if took < 100 else "minutes"


def silence(c: Any) -> float | None:
    """The seconds from the stop of a kubelet to the write of Unknown."""
    event, node = _stopped(c)
    if not event:
        return None
    for write in traces.writes(c, event, "Node"):
        if write.detail.get("name") == node and write.actor == "controller-manager":
            return traces.seconds(c, event, write.id)
    return None


def _stopped(c: Any) -> tuple[int, str]:
    event = traces.last(
        c,
        lambda e: (
            e.target == "faults"
            and e.verb == "halt"
            and any(str(name).startswith("kubelet/") for name in e.detail.get("stopped", ()))
        ),
    )
    names = c.trace[event - 1].detail["stopped"] if event else ("kubelet/",)
    return event, next(n for n in names if n.startswith("kubelet/")).partition("/")[2]


def tell_silent(c: Any) -> str:
    """The seconds, and the last lease."""
    event, node = _stopped(c)
    lease = traces.last(c, lambda e: e.id < event and _renews(e, node))
    gap = traces.seconds(c, lease, event) if lease else 0
    return (
        f"{node}'s last lease was {gap:.1f} s old when its kubelet stopped; {silence(c):.1f} s "
        "after the stop the node controller wrote Unknown. It allows 50 s without a sign."
    )


def _renews(event: Event, node: str) -> bool:
    return event.actor == f"kubelet/{node}" and event.detail.get("kind") == "Lease"


def stage_silent(seed: int) -> Cluster:
    """A kubelet stops."""
    c = stage_running(seed)
    c.faults.stop(f"kubelet/{get(worlds.found(c, 'Pod', 'app'), 'spec', 'nodeName')}")
    c.run(90)
    return c


MOMENTS = (
    Moment(
        "10.a", "The scheduler has written a node's name into the pod app. How does that node "
        "come to know of it?",
        (
            Option("called", "the scheduler calls the kubelet of the node", "M18"),
            Option("watch", "the kubelet sees it in its own watch on the API server"),
            Option("etcd", "the kubelet reads it from etcd", "M04"),
            Option("runs", "it need not: a bound pod is running already", "M06"),
        ),
        arrived, tell_arrived, stage_waiting, arrival,
        why="Which write did it hear of?", todo="apply the pod and run on a little",
    ),
    Moment(
        "10.b", "The Secret that the pod wants is not there. You create it 40 seconds later. "
        "What must be done to the pod?",
        (
            Option("anew", "it has failed: delete it and make it anew", "M02"),
            Option("restart", "its container must be restarted, since it runs without it", "M06"),
            Option("same", "nothing: the same pod goes on by itself"),
            Option("owner", "its owner must notice the new Secret", "M22"),
        ),
        missing, tell_missing, stage_running,
        todo="create the Secret and run on for two minutes",
    ),
    Moment(
        "10.c", "When does the pod get its IP address?",
        (
            Option("bound", "when it is bound: the scheduler hands it out", "M18"),
            Option("image", "after the image was pulled, when the container starts", "M19"),
            Option("address", "before any image is pulled, with the empty sandbox"),
        ),
        stations, tell_stations, stage_running, sandboxed,
        why="Which event gave the address?", todo="let the pod start first",
    ),
    Moment(
        "10.d", "The app runs. You change the password in the Secret and wait two minutes. What "
        "does the container see?",
        (
            Option("restart", "both are new: the kubelet restarts the container", "M22"),
            Option("file", "the new one in the file, the old one in the environment"),
            Option("both", "both are new, without a restart", "M22"),
            Option("neither", "neither is new until the pod is made anew", "M22"),
        ),
        rotated, tell_rotated, stage_rotated,
        todo="change the Secret while the app runs, then run on for two minutes",
    ),
    Moment(
        "10.e", "A kubelet falls silent. After how long does the cluster call its node NotReady?",
        (
            Option("ten", "about 10 s: one report is missing", "M31"),
            Option("fifty", "40 to 50 s: several reports are missing"),
            Option("minutes", "5 minutes, when its pods are given up", "M32"),
        ),
        silent, tell_silent, stage_silent,
        todo="stop the kubelet of the app's node and run on for 90 seconds",
    ),
)  # fmt: skip


UNIT = Unit(
    "10",
    "How does a bound pod come to run?",
    45,
    MOMENTS,
    EXERCISES,
    ("S34", "S35", "S36", "S38"),
    ("M06", "M18", "M22"),
)

__all__ = ["APP", "UNIT", "secret"]
