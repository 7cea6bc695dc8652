"""A Deployment and a Service, from the user's request to a pod's answer, with causes all along."""

from __future__ import annotations

from itertools import pairwise

from kubelab import Cluster
from kubelab.api.objects import get, name_of

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "kubelab/http:1", ports: [{containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers: [{name: client, image: "kubelab/sleep:1"}]
"""


def cluster() -> Cluster:
    """A cluster with the three objects, settled before and after."""
    c = Cluster(nodes=3)
    c.settle()
    c.apply(WEB)
    assert c.settle()
    return c


def test_the_way_of_a_deployment() -> None:
    """The chain of a pod's last change begins with the user's apply and passes every component."""
    c = cluster()
    pod = name_of(c.list("Pod", "default", {"app": "web"})[0])
    chain = c.why(f"pod/{pod}")
    assert chain[0].actor == "you" and chain[0].cause is None
    assert "apply Deployment web" in c.tell(chain[0])
    actors = [event.target.partition("/")[0] for event in chain]
    firsts = list(dict.fromkeys(actors))
    assert firsts == [
        "you", "apiserver-1", "etcd-1", "controller-manager", "scheduler", "kubelet", "runtime",
    ]  # fmt: skip
    assert all(b.cause == a.id for a, b in pairwise(chain))


def test_every_event_has_a_sentence() -> None:
    """Each event of a whole story is told in a sentence that ends, and names somebody."""
    c = cluster()
    c.curl("default/client", "http://web/")
    for event in c.trace:
        text = c.tell(event)
        assert text.endswith(".") and len(text) > 10, (event, text)
        assert f" sends {event.verb} " not in text, f"no sentence for {event.verb}"
        assert f" handles {event.verb}" not in text, f"no sentence for {event.verb}"


def test_a_request_reaches_one_of_the_pods() -> None:
    """curl by name gets the answer of a pod, through the rules of the client's node."""
    c = cluster()
    exchange = c.curl("default/client", "http://web/")
    assert exchange.status == 200
    assert exchange.body.strip() == exchange.pod.removeprefix("default/")
    chains = [hop.chain for hop in exchange.hops]
    assert "KUBE-SERVICES" in chains and any(chain.startswith("KUBE-SEP-") for chain in chains)
    names = {c.curl("default/client", "http://web/").pod for _ in range(30)}
    assert len(names) == 3


def test_a_deleted_pod_is_replaced_by_another() -> None:
    """A pod of a Deployment that is deleted comes back under another name; a bare pod does not."""
    c = cluster()
    before = [name_of(pod) for pod in c.list("Pod", "default")]
    c.delete("pod", before[-1])
    c.delete("pod", "client")
    c.settle()
    after = [name_of(pod) for pod in c.list("Pod", "default")]
    assert len(after) == 3 and "client" not in after
    assert before[-1] not in after


def test_a_rollout_replaces_all_pods() -> None:
    """A changed template rolls out: a second ReplicaSet, all pods new, never below the wish."""
    c = cluster()
    old = [name_of(pod) for pod in c.list("Pod", "default", {"app": "web"})]
    low = []
    c.apply(WEB.replace("name: web, image", "name: web, env: [{name: A, value: '1'}], image"))
    while c.world.idle_until() is not None and c.step():
        ready = get(c.moment().get("Deployment", "web"), "status", "readyReplicas", default=0)
        low.append(ready)
        if len(low) > 20000:
            break
    new = [name_of(pod) for pod in c.list("Pod", "default", {"app": "web"})]
    assert len(c.list("ReplicaSet", "default")) == 2
    assert len(new) == 3 and set(new).isdisjoint(old)
    assert min(low) >= 3


def test_dns_stops_when_its_pods_stop() -> None:
    """Names resolve through ordinary pods: with CoreDNS scaled to 0 they no longer do."""
    c = cluster()
    assert c.dns.resolve("web").rcode == "NOERROR"
    path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns/scale"
    headers = {"Content-Type": "application/merge-patch+json"}
    assert c.request("PATCH", path, {"spec": {"replicas": 0}}, headers).status == 200
    c.settle()
    assert c.dns.resolve("web").rcode != "NOERROR"
    exchange = c.curl("default/client", "http://web/")
    assert exchange.status == 0 and exchange.error.startswith("curl: (6) Could not resolve host")
    assert c.request("PATCH", path, {"spec": {"replicas": 2}}, headers).status == 200
    c.settle()
    assert c.curl("default/client", "http://web/").status == 200


def test_a_dead_node_is_replaced_after_its_pods_are_driven_away() -> None:
    """A node without power is NotReady within 55 s, and its pods are made anew some 5 min later."""
    c = cluster()
    victim = c.list("Pod", "default", {"app": "web"})[0]
    node = victim["spec"]["nodeName"]
    if node == c.moment().get("Pod", "client")["spec"]["nodeName"]:
        victim = next(
            p for p in c.list("Pod", "default", {"app": "web"}) if p["spec"]["nodeName"] != node
        )
        node = victim["spec"]["nodeName"]
    begun = c.now
    c.faults.stop_node(node)
    assert c.run_until(lambda c: status_of(c, node) != "True", timeout=120)
    assert 39 <= (c.now - begun).total_seconds() <= 56
    assert c.run_until(lambda c: len(running(c)) == 2, timeout=30)
    assert c.run_until(lambda c: len(running(c)) == 3, timeout=600)
    assert 300 <= (c.now - begun).total_seconds() <= 400
    assert name_of(victim) not in running(c)


def status_of(c: Cluster, node: str) -> str:
    """The status of a node's Ready condition."""
    conditions = c.get("Node", node)["status"]["conditions"]
    return str(next(x["status"] for x in conditions if x["type"] == "Ready"))


def running(c: Cluster) -> list[str]:
    """The web pods that are Ready and not on their way out."""
    return [
        name_of(pod)
        for pod in c.list("Pod", "default", {"app": "web"})
        if not pod["metadata"].get("deletionTimestamp")
        and any(
            x["type"] == "Ready" and x["status"] == "True"
            for x in get(pod, "status", "conditions", default=())
        )
    ]


def test_parts_stop_and_go_on() -> None:
    """Without a scheduler pods wait; without controllers nobody makes any; both catch up."""
    c = cluster()
    c.faults.stop("controller-manager")
    path = "/apis/apps/v1/namespaces/default/deployments/web/scale"
    headers = {"Content-Type": "application/merge-patch+json"}
    c.request("PATCH", path, {"spec": {"replicas": 5}}, headers)
    c.run(30)
    assert len(c.list("Pod", "default", {"app": "web"})) == 3
    c.faults.stop("scheduler")
    c.faults.start("controller-manager")
    c.run(30)
    waiting = [
        pod for pod in c.list("Pod", "default", {"app": "web"}) if not pod["spec"].get("nodeName")
    ]
    assert len(waiting) == 2
    c.faults.start("scheduler")
    c.run(30)
    assert len(running(c)) == 5


def test_a_restarted_api_server_has_forgotten_nothing() -> None:
    """The API server keeps nothing: restarted, it shows the same objects at the same versions."""
    c = cluster()
    before = c.list("Pod")
    revision = c.moment().revision
    c.faults.stop("apiserver-1")
    c.run(5)
    assert c.curl("default/client", "http://web/").status == 200, "traffic needs no API server"
    c.faults.start("apiserver-1")
    c.run(5)
    assert [p["metadata"]["uid"] for p in c.list("Pod")] == [p["metadata"]["uid"] for p in before]
    assert c.moment().revision >= revision
    c.run(120)
    assert all(status_of(c, f"node-{n}") == "True" for n in (1, 2, 3))
