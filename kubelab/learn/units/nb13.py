"""13, How does a Service find its pods? Selectors, slices, readiness and ports."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get, name_of
from kubelab.cluster import Cluster
from kubelab.learn import traces, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks13 import EXERCISES
from kubelab.sim.kernel import Event

PORTS = [{"containerPort": 8080}]
SHOP = [worlds.deployment("web", 3, ports=PORTS), worlds.service("web"), worlds.client()]
SICK = [
    worlds.deployment(
        "sick",
        2,
        env={"FAIL_AFTER": 30},
        readinessProbe={"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5},
    ),
    worlds.service("sick"),
]


def start(seed: int) -> Cluster:
    """Three web pods, their Service, and a client."""
    c = worlds.cluster(3, seed)
    c.apply(SHOP)
    c.settle()
    return c


# Moments.


def asked(c: Any, service: str) -> str:
    """What a client hears from a Service, on a copy: a status, `refused` or `timeout`."""
    answer = c.fork().curl("default/client", f"http://{service}/")
    if answer.status:
        return str(answer.status)
    return {"(7)": "refused", "(28)": "timeout"}.get(answer.error.split()[1], "unknown")


def labelled(c: Any) -> int:
    """The last time that the user changed a pod of web."""

    def holds(event: Event) -> bool:
        detail = event.detail
        named = str(detail.get("name", "")).startswith("web-") and detail.get("kind") == "Pod"
        wrote = event.verb == "request" and detail.get("method") in ("PATCH", "PUT")
        return event.actor == "you" and named and wrote

    return traces.last(c, holds)


def rewrites(c: Any, since: int, service: str = "default/web") -> list[Event]:
    """The reconciles that changed a Service's slices after an event."""
    return [
        event
        for event in traces.after(c, since)
        if event.verb == "sync"
        and event.detail.get("controller") == "endpointslice"
        and event.detail.get("key") == service
        and event.detail.get("act") not in ("—", None)
    ]


def unlisted(c: Any) -> str | None:
    """Who took the pod with the changed label out of the slice."""
    since = labelled(c)
    found = rewrites(c, since) if since else []
    return str(found[0].detail["controller"]) if found else None


def tell_unlisted(c: Any) -> str:
    """The sentence of the reconcile, and how long it took."""
    since = labelled(c)
    event = rewrites(c, since)[0]
    return f"{traces.seconds(c, since, event.id) * 1000:.0f} ms later: {c.tell(event.id)}"


def unlisting(c: Any) -> tuple[int, ...]:
    """The reconcile."""
    return tuple(event.id for event in rewrites(c, labelled(c)))[:1]


def stage_unlisted(seed: int) -> Cluster:
    """One of three pods gets another label."""
    c = start(seed)
    pod = name_of(worlds.ready_pods(c, "app=web")[0])
    c.kubectl(f"label pod {pod} app=other --overwrite")
    c.settle()
    return c


def changed_service(c: Any) -> int:
    """The last time that the user changed the Service web."""
    return max(traces.asked(c, verb, "/services/web") for verb in ("PATCH", "PUT"))


def typo(c: Any) -> str | None:
    """What a client hears of a Service that finds no pods."""
    if not changed_service(c) or worlds.backends(c, "web"):
        return None
    return asked(c, "web")


def tell_typo(c: Any) -> str:
    """The selector, the labels, and curl's own words."""
    wish = dict(get(worlds.found(c, "Service", "web"), "spec", "selector", default={}))
    answer = c.fork().curl("default/client", "http://web/")
    return f"The selector {wish} fits no pod, so no address is listed. {answer.error}"


def emptied(c: Any) -> tuple[int, ...]:
    """The reconcile that found no pods."""
    found = rewrites(c, changed_service(c))
    return tuple(event.id for event in found if not event.detail.get("wish"))[:1]


def stage_typo(seed: int) -> Cluster:
    """A letter of the selector is wrong."""
    c = start(seed)
    c.kubectl("""patch service web -p '{"spec": {"selector": {"app": "wbe"}}}'""")
    c.settle()
    return c


def rows(c: Any, service: str) -> list[Any]:
    """The rows of a Service's slices."""
    chosen = f"kubernetes.io/service-name={service}"
    return [
        end
        for piece in c.moment().list("EndpointSlice", "default", chosen)
        for end in piece.get("endpoints") or ()
    ]


def sick(c: Any) -> str | None:
    """What became of the rows of pods whose readiness fails."""
    if worlds.found(c, "Service", "sick") is None:
        return None
    pods = c.moment().list("Pod", "default", "app=sick")
    ever = any(event.detail.get("ready") == 2 for event in rewrites(c, 0, "default/sick"))
    if not pods or not ever or worlds.ready_pods(c, "app=sick"):
        return None
    if any(get(pod, "status", "containerStatuses")[0]["restartCount"] for pod in pods):
        return "restart"
    listed = rows(c, "sick")
    if not listed:
        return "gone"
    return "marked" if not any(row["conditions"]["ready"] for row in listed) else "nothing"


def tell_sick(c: Any) -> str:
    """Rows and restarts."""
    listed = rows(c, "sick")
    states = ", ".join(
        f"{row['addresses'][0]} ready={row['conditions']['ready']}" for row in listed
    )
    return f"The slice has {len(listed)} rows: {states}. The pods are Running, with 0 restarts."


def stage_sick(seed: int) -> Cluster:
    """The pods of sick fail half a minute after their start."""
    c = worlds.cluster(3, seed)
    c.apply([*SICK, worlds.client()])
    c.run(25)
    c.run(60)
    return c


def undeclared(c: Any) -> str | None:
    """What a client hears once no container declares its port."""
    wish = worlds.found(c, "Deployment", "web")
    if wish is None or not traces.asked(c, "PATCH", "/deployments/web"):
        return None
    if get(wish, "spec", "template", "spec", "containers")[0].get("ports"):
        return None
    if len(worlds.backends(c, "web")) < wish["spec"]["replicas"]:
        return None
    return "same" if asked(c, "web") == "200" else "refused"


def tell_undeclared(c: Any) -> str:
    """The status, and the address that answered."""
    answer = c.fork().curl("default/client", "http://web/")
    return (
        f"{answer.status} from {answer.pod}: the process listens on 8080, whatever its manifest "
        "says of it. The Service's targetPort is a number, and needs no name."
    )


def stage_undeclared(seed: int) -> Cluster:
    """The line containerPort is taken out of the template."""
    c = start(seed)
    path = "/spec/template/spec/containers/0/ports"
    c.kubectl(f"""patch deployment web --type=json -p '[{{"op": "remove", "path": "{path}"}}]'""")
    c.settle()
    return c


MOMENTS = (
    Moment(
        "13.a", "One of three web pods gets another value of the label app. Who takes it out of "
        "the Service?",
        (
            Option("service", "the Service, a process that asks its pods", "M24"),
            Option("proxy", "kube-proxy, when the next packet comes through it", "M25"),
            Option("replicaset", "the ReplicaSet controller, which tells the Service", "M10"),
            Option("endpointslice", "the EndpointSlice controller, which compares labels"),
        ),
        unlisted, tell_unlisted, stage_unlisted, unlisting,
        todo="change the label of a web pod and settle",
    ),
    Moment(
        "13.b", "The selector of the Service gets a typing error: app: wbe. A client asks for "
        "http://web/. What does it hear?",
        (
            Option("unknown", "that there is no such name: the Service is broken", "M28"),
            Option("503", "503 from the Service, which has no pods to ask", "M24"),
            Option("timeout", "nothing, until it loses patience", "M25"),
            Option("refused", "connection refused, at once"),
        ),
        typo, tell_typo, stage_typo, emptied,
        todo="change the selector of the Service web and settle",
    ),
    Moment(
        "13.c", "Both pods of sick begin to answer their readiness probe with 500. What changes?",
        (
            Option("restart", "their containers are restarted", "M20"),
            Option("gone", "they are deleted, and others are made", "M21"),
            Option("marked", "their rows in the slice stay, and say ready: false"),
            Option("nothing", "nothing: they are Running", "M21"),
        ),
        sick, tell_sick, stage_sick,
        todo="apply sick.yaml and run on for a minute and a half",
    ),
    Moment(
        "13.d", "You take the line containerPort: 8080 out of the pods' template. What does a "
        "client of the Service hear then?",
        (
            Option("refused", "connection refused: the port is closed now", "M26"),
            Option("same", "200, as before"),
            Option("timeout", "nothing: the Service no longer knows the port", "M26"),
        ),
        undeclared, tell_undeclared, stage_undeclared,
        todo="remove the ports from the template of web and settle",
    ),
)  # fmt: skip


UNIT = Unit(
    "13",
    "How does a Service find its pods?",
    40,
    MOMENTS,
    EXERCISES,
    ("S13", "S14"),
    ("M21", "M24", "M26"),
)
