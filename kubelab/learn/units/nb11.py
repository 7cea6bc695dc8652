"""11, Who says a container is ill? Probes, restarts, and what they do not do."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get
from kubelab.cluster import Cluster
from kubelab.learn import traces, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks11 import EXERCISES, probe
from kubelab.sim.kernel import Event

ILL = {"FAIL_AFTER": 20}
PAIR = [
    worlds.pod("live", {"app": "live"}, env=ILL, livenessProbe=probe()),
    worlds.pod("ready", {"app": "ready"}, env=ILL, readinessProbe=probe()),
    worlds.service("live"),
    worlds.service("ready"),
    worlds.client(),
]
SLOW = worlds.pod("slow", {"app": "slow"}, env={"START_DELAY": 60}, livenessProbe=probe())


# Moments.


def restarts(c: Any, pod: str) -> int:
    """The restarts of a pod's first container, as its status says; -1 if there is no pod."""
    found = worlds.found(c, "Pod", pod)
    if found is None:
        return -1
    return int(get(found, "status", "containerStatuses", default=({},))[0].get("restartCount", 0))


def events(c: Any, pod: str, verb: str) -> list[Event]:
    """The events of one verb about a pod."""
    return [
        event
        for event in traces.after(c, 0)
        if event.verb == verb and event.detail.get("pod") == f"default/{pod}"
    ]


def failures(c: Any, pod: str) -> list[Event]:
    """The probes of a pod that failed."""
    found = [*events(c, pod, "probe"), *events(c, pod, "answered")]
    bad = [event for event in found if event.detail.get("outcome") == "failure"]
    return sorted(bad, key=lambda event: event.id)


def killed(c: Any, pod: str) -> list[Event]:
    """The calls that stopped a pod's container."""
    return events(c, pod, "stop_container")


def by_liveness(c: Any) -> str | None:
    """What became of a pod whose liveness probe failed."""
    stops = killed(c, "live")
    if not stops or restarts(c, "live") < 1:
        return None
    made = traces.stored(c, 0, "/registry/pods/default/live", "create")
    return "same" if len(made) == 1 else "anew"


def tell_by_liveness(c: Any) -> str:
    """Failures, restarts and the address."""
    stop = killed(c, "live")[0]
    before = [event for event in failures(c, "live") if event.id < stop.id]
    addresses = {event.detail.get("ip") for event in events(c, "live", "run_pod_sandbox")}
    pod = worlds.found(c, "Pod", "live")
    return (
        f"After {len(before)} failures in a row the kubelet had the container stopped and started "
        f"again: {restarts(c, 'live')} restarts, {len(addresses)} sandbox, the address is still "
        f"{get(pod, 'status', 'podIP')}."
    )


def last_failure(c: Any) -> tuple[int, ...]:
    """The failed probe after which the container was stopped."""
    stops = killed(c, "live")
    before = [event.id for event in failures(c, "live") if stops and event.id < stops[0].id]
    return tuple(before[-1:])


def by_readiness(c: Any) -> str | None:
    """What became of a pod whose readiness probe failed."""
    if len(failures(c, "ready")) < 3 or worlds.found(c, "Pod", "ready") is None:
        return None
    if restarts(c, "ready"):
        return "restart"
    return "serves" if "ready" in worlds.backends(c, "ready") else "out"


def tell_by_readiness(c: Any) -> str:
    """Failures, restarts and what a client hears."""
    answer = c.fork().curl("default/client", "http://ready/")
    heard = answer.error or f"status {answer.status}"
    return (
        f"{len(failures(c, 'ready'))} failed probes, {restarts(c, 'ready')} restarts. The pod is "
        f"Running and out of its Service. A client hears: {heard}"
    )


def stage_pair(seed: int) -> Cluster:
    """The same ill app twice: once with a liveness probe, once with a readiness probe."""
    c = worlds.cluster(3, seed)
    c.apply(PAIR)
    c.run(75)
    return c


def too_slow(c: Any) -> str | None:
    """How long an app that needs a minute to start was left alone."""
    stops = killed(c, "slow")
    if not stops:
        return None
    took = lifetime(c)
    return "ten" if took < 15 else "thirty" if took < 45 else "sixty"


def lifetime(c: Any) -> float:
    """The seconds from the first start of `slow` to its first kill."""
    started = events(c, "slow", "start_container")[0]
    return traces.seconds(c, started.id, killed(c, "slow")[0].id)


def tell_too_slow(c: Any) -> str:
    """The seconds, the restarts since, and whether it ever listened."""
    count = len(killed(c, "slow"))
    return (
        f"{lifetime(c):.0f} s after its start: a probe every 10 s, and the third failure kills. It "
        f"has been killed {count} time{'s' if count > 1 else ''}, each time before it was up."
    )


def stage_slow(seed: int) -> Cluster:
    """An app that needs a minute, and a liveness probe that does not wait."""
    c = worlds.cluster(3, seed)
    c.apply(SLOW)
    c.run(120)
    return c


MOMENTS = (
    Moment(
        "11.a", "The pod live begins to answer 500 twenty seconds after its start. It has a "
        "liveness probe. What happens to it?",
        (
            Option("anew", "it is deleted, and another pod takes its place", "M19"),
            Option("same", "its container is restarted; pod and address stay"),
            Option("out", "it is taken out of its Service, and no more", "M20"),
            Option("nothing", "nothing: its process is running", "M21"),
        ),
        by_liveness, tell_by_liveness, stage_pair, last_failure,
        why="Which probe was the last straw?", todo="apply the pods and run on for 75 seconds",
    ),
    Moment(
        "11.b", "The pod ready falls ill in the same way; the same probe stands there as its "
        "readiness probe. What happens to it?",
        (
            Option("restart", "its container is restarted", "M20"),
            Option("out", "it is taken out of its Service, and runs on"),
            Option("serves", "it goes on serving: it is Running", "M21"),
        ),
        by_readiness, tell_by_readiness, stage_pair,
        todo="apply the pods and run on for 75 seconds",
    ),
    Moment(
        "11.c", "The app slow needs 60 s until it listens. Its liveness probe has the usual "
        "settings: every 10 s, 3 failures. When is it killed?",
        (
            Option("ten", "after 10 s, at the first failure", "M20"),
            Option("thirty", "after 20 to 30 s, at the third failure"),
            Option("sixty", "never: a probe waits until the app is up", "M21"),
        ),
        too_slow, tell_too_slow, stage_slow, todo="apply the pod slow and run on for two minutes",
    ),
)  # fmt: skip


UNIT = Unit(
    "11",
    "Who says a container is ill?",
    45,
    MOMENTS,
    EXERCISES,
    ("S39",),
    ("M19", "M20", "M21"),
)
