"""03, What happens to a request? Gates, versions, replicas of the API server."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get, name_of
from kubelab.cluster import Cluster
from kubelab.learn import traces, ways, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks03 import EXERCISES, MAPS, PODS

BOARD = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "board"},
    "data": {"text": "hello"},
}
BROKEN = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "Not_A_Name"},
    "spec": {"containers": []},
}


# Moments.


def codes(c: Any, method: str, ending: str) -> list[tuple[int, int]]:
    """(event, status code) of the user's requests with a method and such a path, in order."""
    return [
        (event.id, event.detail["code"])
        for event in traces.after(c, 0)
        if event.target == "you"
        and event.verb == "response"
        and event.detail.get("method") == method
        and str(event.detail.get("path", "")).endswith(ending)
    ]


def editors(c: Any) -> str | None:
    """What became of two replacements that were made from the same reading."""
    told = codes(c, "PUT", "/configmaps/board")
    if len(told) < 2:
        return None
    first, second = told[-2][1], told[-1][1]
    if first == 200 and second == 409:
        return "first"
    if first == second == 200:
        return "last"
    return "neither" if first == second == 409 else "first"


def tell_editors(c: Any) -> str:
    """The two answers, and what is stored."""
    told = codes(c, "PUT", "/configmaps/board")[-2:]
    text = get(worlds.found(c, "ConfigMap", "board"), "data", "text", default="")
    return (
        f"The answers were {told[0][1]} and {told[1][1]}; stored is {text!r}. The second named "
        "a resourceVersion that was no longer the newest."
    )


def editors_cause(c: Any) -> tuple[int, ...]:
    """The first editor's request: it moved the version on."""
    event = traces.asked(c, "PUT", "/configmaps/board")
    earlier = [
        e.id
        for e in traces.after(c, 0)
        if e.actor == "you"
        and e.verb == "ask"
        and e.detail.get("method") == "PUT"
        and e.id < event
        and str(e.detail.get("path", "")).endswith("/configmaps/board")
    ]
    stored = (
        [
            e.id
            for e in traces.stored(c, earlier[-1], "/registry/configmaps/default/board")
            if e.id < event
        ]
        if earlier
        else []
    )
    return tuple(earlier[-1:] + stored)


def stage_editors(seed: int) -> Cluster:
    """Two replacements of one reading."""
    c = worlds.cluster(1, seed)
    c.apply(BOARD)
    seen = c.get("ConfigMap", "board")
    for text in ("Ada was here", "Bob was here"):
        c.request("PUT", f"{MAPS}/board", {**seen, "data": {"text": text}})
    return c


def lost(c: Any) -> str | None:
    """What is gone after the replica that took a write has stopped."""
    stopped = traces.fault(c, "halt", "apiserver-1")
    if not stopped or "apiserver-2" not in c.world.components:
        return None
    twin = c.fork()
    read = twin.request("GET", f"{MAPS}/board")
    if read.ok:
        return "nothing"
    return "write" if read.status == 404 else "all"


def tell_lost(c: Any) -> str:
    """Where the object is, at which revision, and who answers."""
    twin = c.fork()
    read = twin.request("GET", f"{MAPS}/board")
    version = get(read.body, "metadata", "resourceVersion", default="?")
    heard = traces.first(
        twin,
        len(c.trace),
        lambda e: (
            e.verb == "request"
            and e.actor == "you"
            and e.target != "apiserver-1"
            and not e.detail.get("refused")
        ),
    )
    who = heard.target if heard else "another replica"
    return f"{who} answers the same GET with resourceVersion {version}; it read it from etcd."


def stage_lost(seed: int) -> Cluster:
    """Three replicas; the one that took the write is stopped."""
    c = worlds.cluster(1, seed, apiservers=3)
    c.apply(BOARD)
    c.faults.stop("apiserver-1")
    c.run(2)
    return c


def lost_cause(c: Any) -> tuple[int, ...]:
    """etcd's own write is what makes it last."""
    found = traces.stored(c, 0, "/registry/configmaps/default/board")
    return (found[-1].id,) if found else ()


def gate(c: Any) -> str | None:
    """At which gate a request failed that is both forbidden and invalid."""
    told = [code for event, code in codes(c, "POST", "/pods") if _is_broken(c, event)]
    if not told:
        return None
    return {401: "who", 403: "may", 422: "valid", 201: "stored"}.get(told[-1])


def _is_broken(c: Any, response: int) -> bool:
    for number in traces.ancestors(c, response):
        event = c.trace[number - 1]
        if event.verb == "request" and event.actor == "you":
            return str(event.detail.get("user")) == "jane"
    return False


def tell_gate(c: Any) -> str:
    """The server's own words."""
    told = [event for event, _ in codes(c, "POST", "/pods") if _is_broken(c, event)]
    detail = c.trace[told[-1] - 1].detail
    said = detail.get("message", "")
    words = f" and {said}" if said else ""
    return (
        f"The answer is {detail['code']}{words}. The gates stand in this order: who are you, "
        "may you, is it to be changed, is it valid; then etcd stores it."
    )


def stage_gate(seed: int) -> Cluster:
    """A broken pod, sent by somebody without rights."""
    c = worlds.cluster(1, seed)
    c.request("POST", PODS, BROKEN, {"Impersonate-User": "jane"})
    return c


def at_answer(c: Any) -> str | None:
    """How many pods a Deployment has when the API server says that it is created."""
    told = [event for event, code in codes(c, "POST", "/deployments") if code == 201]
    told += [
        e.id
        for e in traces.after(c, 0)
        if e.target == "you"
        and e.verb == "response"
        and e.detail.get("code") == 201
        and "/deployments/" in str(e.detail.get("path", ""))
    ]
    if not told:
        return None
    pods = [
        p for p in c.at(event=max(told)).list("Pod", "default") if name_of(p).startswith("web-")
    ]
    running = [p for p in pods if ways.ready(p)]
    if running:
        return "running"
    return "made" if pods else "none"


def tell_at_answer(c: Any) -> str:
    """When the answer came, and when the pods were stored and ready."""
    told = max(
        e.id
        for e in traces.after(c, 0)
        if e.target == "you"
        and e.verb == "response"
        and e.detail.get("code") == 201
        and "/deployments" in str(e.detail.get("path", ""))
    )
    made = traces.stored(c, told, "/registry/pods/default/web-", "create")
    if not made:
        return "The answer is 201, and no pod has been made so far."
    last = traces.seconds(c, told, made[-1].id)
    return (
        f"At the answer there was no pod. The last of {len(made)} was stored "
        f"{last * 1000:.0f} ms later, by the controllers; running takes longer still."
    )


def stage_at_answer(seed: int) -> Cluster:
    """A Deployment is created."""
    c = worlds.cluster(2, seed)
    c.apply(worlds.deployment("web", 3))
    c.settle()
    return c


MOMENTS = (
    Moment(
        "03.a", "Ada and Bob read the same ConfigMap. Ada replaces it, then Bob does. Who wins?",
        (
            Option("last", "Bob: the last one always wins", "M06"),
            Option("first", "Ada: Bob's request is refused with a conflict"),
            Option("neither", "neither: the object is locked while two have it open", "M01"),
            Option("both", "both: the server merges the two texts", "M06"),
        ),
        editors, tell_editors, stage_editors, editors_cause,
        why="Which event made Bob's version old?",
        todo="let both replace the ConfigMap",
    ),
    Moment(
        "03.b", "Three API servers. You write through the first, which is then stopped. What is "
        "lost?",
        (
            Option("nothing", "nothing: another one reads it from etcd"),
            Option("write", "the write: the others have not heard of it", "M04"),
            Option("all", "everything, until it is started again", "M05"),
            Option("late", "nothing, but it shows only after a minute, when they sync", "M03"),
        ),
        lost, tell_lost, stage_lost, lost_cause,
        why="Which event made the write last?",
        todo="write, stop apiserver-1, and run on",
    ),
    Moment(
        "03.c", "jane, who may do nothing, sends a pod that is invalid as well. Which answer?",
        (
            Option("who", "401 Unauthorized: nobody knows jane"),
            Option("may", "403 Forbidden: she may not create pods"),
            Option("valid", "422 Invalid: the object is looked at first"),
            Option("stored", "201 Created: it will fail later, at the kubelet", "M06"),
        ),
        gate, tell_gate, stage_gate, None,
        todo="send the request as jane",
    ),
    Moment(
        "03.d", "You create a Deployment with 3 replicas and get 201 Created. How many of its pods "
        "exist at that instant?",
        (
            Option("running", "three, and they run: that is what 201 says", "M06"),
            Option("made", "three, not running yet: the API server makes them at once", "M11"),
            Option("none", "none: only your wish is stored"),
            Option("one", "one: the API server calls the controllers, one pod at a time", "M10"),
        ),
        at_answer, tell_at_answer, stage_at_answer, None,
        todo="create the Deployment",
    ),
)  # fmt: skip


UNIT = Unit(
    "03",
    "What happens to a request?",
    40,
    MOMENTS,
    EXERCISES,
    ("S03", "S04", "S05"),
    ("M04", "M05", "M06"),
)
