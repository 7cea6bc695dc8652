"""11, Who says a container is ill? Its exercises."""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.objects import get, name_of
from kubelab.learn import ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.ways import Failed, Refused, require


def probe(path: str = "/healthz", **more: Any) -> dict[str, Any]:
    """An HTTP probe, every ten seconds."""
    return {"httpGet": {"path": path, "port": 8080}, "periodSeconds": 10, **more}


def applied(c: Any, objects: list[Any]) -> None:
    """Applies. Raises Refused with the API server's words."""
    try:
        c.apply(objects)
    except ApiError as error:
        raise Refused(f"the API server says: {ways.short(str(error))}", "mend it") from error


def watched(thing: Any, seed: int) -> str:
    """The app is given drawn starting times, and a drawn moment at which it falls ill."""
    pods = ways.a_manifest(thing)
    if len(pods) != 1 or pods[0].get("kind") != "Pod":
        raise Refused("this takes one Pod and nothing else", "write one manifest of kind Pod")
    for case in (seed * 3 + 1, seed * 3 + 2):
        chance = worlds.drawn(case, "ill")
        delay = 40 - chance.below(6)
        ill = delay + 40 + chance.below(30)
        c = worlds.cluster(1, case)
        applied(c, [_with(pods[0], START_DELAY=delay, FAIL_AFTER=ill)])
        c.run_until(lambda c: _started(c) is not None, timeout=30)
        c.run(ill - 1)
        require(
            _restarts(c) == 0,
            f"an app that needs {delay} s to start and is well until {ill} s",
            f"{_restarts(c)} restarts while it starts or is well",
            "none",
        )
        c.run(22)
        require(
            _restarts(c) + _ending(c) == 1,
            f"the same app, 21 s after it began to answer 500 ({ill} s after its start)",
            "it was not restarted",
            "restarted within 20 s",
        )
    return "Slow starts were waited for, and each illness was caught within 20 s."


def _with(pod: Any, **env: int) -> dict[str, Any]:
    first = pod["spec"]["containers"][0]
    mine = [one for one in first.get("env", ()) if one.get("name") not in env]
    mine += [{"name": key, "value": str(value)} for key, value in env.items()]
    container = {**first, "image": "kubelab/http:1", "env": mine}
    return {
        **pod,
        "metadata": {"name": "app"},
        "spec": {**pod["spec"], "containers": [container]},
    }


def _status(c: Any) -> Any:
    pod = worlds.found(c, "Pod", "app")
    return get(pod, "status", "containerStatuses", default=({},))[0] if pod else {}


def _started(c: Any) -> Any:
    return get(_status(c), "state", "running", "startedAt", default=None)


def _restarts(c: Any) -> int:
    return int(_status(c).get("restartCount", 0))


def _ending(c: Any) -> int:
    """1 if the container was stopped and is not yet counted as restarted."""
    return int(get(_status(c), "state", "running", default=None) is None)


def unbroken(thing: Any, seed: int) -> str:
    """The Deployment is restarted under a stream of requests; none may fail."""
    objects = ways.a_manifest(thing)
    names = [str(get(obj, "metadata", "name")) for obj in objects]
    if names != ["web"] or objects[0].get("kind") != "Deployment":
        raise Refused(f"this takes one Deployment web, and got {names}", "write it alone")
    spec = objects[0]["spec"]["template"]["spec"]
    first = spec["containers"][0]
    mine = [one for one in first.get("env", ()) if one.get("name") != "START_DELAY"]
    late = {"name": "START_DELAY", "value": str(8 + worlds.drawn(seed, "late").below(8))}
    spec = {**spec, "containers": [{**first, "env": [*mine, late]}]}
    template = {**objects[0]["spec"]["template"], "spec": spec}
    wish = {**objects[0], "spec": {**objects[0]["spec"], "replicas": 3, "template": template}}
    c = worlds.cluster(3, seed + 1)
    applied(c, [wish, worlds.service("web"), worlds.client()])
    c.run(60)
    before = {name_of(pod) for pod in worlds.ready_pods(c, "app=web")}
    require(len(before) == 3, "web, a minute after it was applied", f"{len(before)} ready", "3")
    c.kubectl("rollout restart deployment web")
    for number in range(240):
        c.run(0.5)
        answer = c.curl("default/client", "http://web/")
        if answer.status != 200:
            raise Failed(
                f"request {number + 1} of 240, {number / 2:g} s into the replacement",
                answer.error or f"status {answer.status}",
                "200 each time",
            )
    after = {name_of(pod) for pod in worlds.ready_pods(c, "app=web")}
    require(
        len(after) == 3 and not before & after,
        "web, two minutes after rollout restart",
        f"{len(after - before)} new pods ready",
        "3 new ones",
    )
    return "All pods were replaced, and 240 requests were answered meanwhile."


EXERCISES = (
    Exercise("11.1", "a Pod whose app may take 40 s to start and is restarted within 20 s when it "
             "falls ill", "manifest", watched,
             ("two things are asked for, and one liveness probe can hardly do both",
              "a startupProbe holds the other probes back until it has succeeded once",
              "startupProbe: periodSeconds 5, failureThreshold 12; livenessProbe: periodSeconds "
              "5, failureThreshold 3"),
             ("V1",), "half"),
    Exercise("11.2", "a Deployment web that can be replaced pod by pod under load, without one "
             "failed request", "manifest", unbroken,
             ("when does a new pod get its first request, and when does it listen?",
              "a readiness probe lets the rollout wait, and keeps the Service away; and an old "
              "pod must go on serving while the proxies learn of its end",
              "readinessProbe: periodSeconds 2; env TERM_DELAY=10, or a preStop hook that sleeps "
              "some seconds"),
             ("V2",), "open"),
)  # fmt: skip
