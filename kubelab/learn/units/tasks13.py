"""13, How does a Service find its pods? Its exercises."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get, name_of
from kubelab.learn import traces, ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.ways import Failed, require

CONNECTIONS = 400


def fetched(c: Any, service: str, times: int) -> list[str]:
    """The names of the pods that answered so many requests. Raises Failed for the first failure."""
    names = []
    for number in range(1, times + 1):
        answer = c.curl("default/client", f"http://{service}/")
        if answer.status != 200:
            raise Failed(
                f"request {number} of {times} to http://{service}/ on a copy",
                answer.error or f"status {answer.status}",
                "200 each time",
            )
        names.append(str(answer.pod).rpartition("/")[2])
    return names


def _same_service(c: Any, name: str) -> Any:
    """The Service of the beginning: never made anew, its address unchanged."""
    found = worlds.found(c, "Service", name)
    require(found is not None, f"Service {name}", "it is gone", "the one of the beginning")
    made = traces.stored(c, 0, f"/registry/services/specs/default/{name}", "create")
    require(len(made) == 1, f"Service {name}", "it was made anew", "the same one, mended")
    return found


def mended(thing: Any, seed: int) -> str:
    """Every pod of both versions is reached by the name."""
    c = ways.a_cluster(thing).fork()
    c.settle()
    found = _same_service(c, "web")
    ports = [port["port"] for port in found["spec"]["ports"]]
    require(80 in ports, "Service web", f"ports {ports}", "port 80, as its clients know it")
    pods = worlds.ready_pods(c, "app=web")
    kinds = {pod["spec"]["containers"][0]["ports"][0]["containerPort"] for pod in pods}
    require(
        kinds >= {8080, 9090}, "pods with app=web", f"ports {sorted(kinds)}", "both versions, ready"
    )
    seen = set(fetched(c, "web", 60))
    missed = sorted(name_of(pod) for pod in pods if name_of(pod) not in seen)
    require(not missed, "60 requests on a copy", f"none reached {missed}", "all pods are reached")
    return f"60 requests were answered by {len(seen)} pods, on 8080 and on 9090."


def canary(thing: Any, seed: int) -> str:
    """A quarter of the connections goes to pods of version v2."""
    c = ways.a_cluster(thing).fork()
    ways.fair(c, first_act(c))
    c.settle()
    found = _same_service(c, "shop")
    selector = dict(get(found, "spec", "selector", default={}))
    require(selector == {"app": "shop"}, "selector of Service shop", selector, "{'app': 'shop'}")
    for version in ("v1", "v2"):
        pods = worlds.ready_pods(c, f"app=shop,version={version}")
        require(pods, f"ready pods with app=shop, version={version}", "none", "one or more")
    new = {name_of(pod) for pod in worlds.ready_pods(c, "version=v2")}
    hits = sum(name in new for name in fetched(c, "shop", CONNECTIONS))
    share = hits / CONNECTIONS
    require(
        0.18 <= share <= 0.32,
        f"{CONNECTIONS} connections on a copy",
        f"{hits} to v2 ({share:.0%})",
        "about a quarter, 18 to 32 %",
    )
    return f"Of {CONNECTIONS} connections {hits} went to v2; the Service was not touched."


def first_act(c: Any) -> int:
    """The event of the user's first apply."""
    event = traces.first(c, 0, lambda e: e.actor == "you" and e.verb in ("act", "ask"))
    return event.id if event else len(c.trace)


def lists_rows(thing: Any, seed: int) -> str:
    """The function is compared with the slices of hidden clusters."""
    function = ways.a_function(thing, "service", "pods")
    count = ways.compare(function, hidden_rows(seed))
    return f"In {count} hidden cases it listed the rows as the EndpointSlice controller did."


def hidden_rows(seed: int) -> list[tuple[str, tuple[Any, ...], Any]]:
    """Pods in all states: ready, unready, leaving, without an address, done, next door."""
    cases: list[tuple[str, tuple[Any, ...], Any]] = []
    for case in (seed * 2 + 1, seed * 2 + 2):
        app = worlds.name(case, "app")
        c = _zoo(app, case)
        pods = [dict(pod) for pod in c.list("Pod") if pod["metadata"]["namespace"] != "kube-system"]
        for service in (app, "early", "none"):
            chosen = f"kubernetes.io/service-name={service}"
            own = {
                end["addresses"][0]: end["conditions"]["ready"]
                for piece in c.list("EndpointSlice", "default", chosen)
                for end in piece.get("endpoints") or ()
            }
            words = f"Service {service} in a hidden cluster (seed {case})"
            cases.append((words, (dict(c.get("Service", service)), pods), own))
    return cases


def _zoo(app: str, case: int) -> Any:
    c = worlds.cluster(2, case)
    c.kubectl("create namespace next-door")
    probe = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5}
    labels = {"app": app, "tier": "front"}
    never = {"nodeSelector": {"disk": "none"}}
    once = {"restartPolicy": "Never"}
    c.apply([
        worlds.deployment(app, 2 + worlds.drawn(case, "wish").below(2), labels={"tier": "front"}),
        worlds.pod("ill", labels, env={"FAIL_AFTER": 1}, readinessProbe=probe),
        worlds.pod("leaving", labels, env={"TERM_DELAY": 25}),
        worlds.pod("unplaced", labels, spec=never),
        worlds.pod("done", labels, image="kubelab/job:1", spec=once),
        worlds.pod("half", {"app": app}),
        {**worlds.pod("stranger", labels),
         "metadata": {"name": "stranger", "namespace": "next-door", "labels": labels}},
        worlds.service(app, selector=labels),
        worlds.service("early", selector={"app": app}, publishNotReadyAddresses=True),
        worlds.service("none", selector={"app": app, "tier": "back"}),
    ])  # fmt: skip
    c.run(30)
    c.request("DELETE", "/api/v1/namespaces/default/pods/leaving")
    c.run(4)
    return c


EXERCISES = (
    Exercise("13.1", "mend the Service web, so that all pods of both versions are reached",
             "cluster", mended,
             ("kubectl get endpointslices shows which addresses the Service lists, and which port",
              "the old version listens on 8080, the new one on 9090, and both call that port http",
              "targetPort: http: each pod is asked at the port that it calls so"),
             ("V1", "V4"), "half"),
    Exercise("13.2", "send a quarter of the connections to version v2, and leave the Service "
             "alone", "cluster", canary,
             ("a Service chooses a listed address by chance, each as likely as the others",
              "its selector says app: shop only; pods of any Deployment may carry that label",
              "three pods of v1 and one of v2: a second Deployment with one replica and the "
              "labels app: shop, version: v2"),
             ("V2",), "open"),
    Exercise("13.3", "write endpoints(service, pods): a dict from address to ready, as its slices "
             "list them", "function", lists_rows,
             ("which pods have a row? Same namespace, all labels of the selector, an address, "
              "and a phase that is not over",
              "a row is ready if the pod is Ready and not leaving "
              "(metadata.deletionTimestamp)",
              "spec.publishNotReadyAddresses makes every row ready"),
             ("V3",), "transfer", ("service", "pods")),
)  # fmt: skip
