"""The Corefile as the cluster has it: a ConfigMap that the CoreDNS pods mount."""

from __future__ import annotations

from kubelab.cluster import Cluster
from tests.dns.zoo import CLIENT, zoo

MERGE = {"Content-Type": "application/merge-patch+json"}
MAP = "/api/v1/namespaces/kube-system/configmaps/coredns"


def with_corefile(cluster: Cluster, change: tuple[str, str]) -> None:
    """Replaces a part of the Corefile and starts the CoreDNS pods anew."""
    text = cluster.get("ConfigMap", "coredns", "kube-system")["data"]["Corefile"]
    assert change[0] in text
    patch = {"data": {"Corefile": text.replace(*change)}}
    assert cluster.request("PATCH", MAP, patch, MERGE).ok
    for pod in cluster.list("Pod", "kube-system", {"k8s-app": "kube-dns"}):
        cluster.delete("Pod", pod["metadata"]["name"], "kube-system")
    cluster.settle()
    cluster.run(20)


def test_a_changed_corefile_is_obeyed_by_new_pods() -> None:
    """A rewrite in the ConfigMap gives a service a second name; a ttl changes the records."""
    cluster = zoo()
    with_corefile(
        cluster, ("ready\n", "ready\n    rewrite name shop.example web.default.svc.cluster.local\n")
    )
    assert cluster.dns.resolve("shop.example.", "A", CLIENT).addresses == ("10.97.3.4",)
    with_corefile(cluster, ("ttl 30", "ttl 7"))
    assert cluster.dns.resolve("web", "A", CLIENT).answers[0].ttl == 7


def test_pods_disabled() -> None:
    """With `pods disabled` the names of addresses are gone."""
    cluster = zoo()
    name = "10-244-1-5.default.pod.cluster.local."
    assert cluster.dns.resolve(name, "A", CLIENT).rcode == "NOERROR"
    with_corefile(cluster, ("pods insecure", "pods disabled"))
    assert cluster.dns.resolve(name, "A", CLIENT).rcode == "NXDOMAIN"


def test_a_broken_corefile_ends_the_process() -> None:
    """CoreDNS does not start with a directive that it does not know; its pods crash, names fail."""
    cluster = zoo()
    with_corefile(cluster, ("ready\n", "nonsense\n"))
    pods = cluster.list("Pod", "kube-system", {"k8s-app": "kube-dns"})
    assert pods
    for pod in pods:
        status = pod["status"]["containerStatuses"][0]
        assert not status["ready"]
        assert status["restartCount"] > 0
    assert cluster.dns.resolve("web", "A", CLIENT).rcode == "REFUSED"


def test_a_running_server_takes_up_a_changed_corefile() -> None:
    """With `reload` nobody has to restart the pods; a mistake leaves the old settings in force."""
    cluster = zoo()
    text = cluster.get("ConfigMap", "coredns", "kube-system")["data"]["Corefile"]
    for old, new, ttl in (("ttl 30", "ttl 9", 9), ("ttl 30", "nonsense 1", 9)):
        patch = {"data": {"Corefile": text.replace(old, new)}}
        assert cluster.request("PATCH", MAP, patch, MERGE).ok
        cluster.run(150)
        assert cluster.dns.resolve("web", "A", CLIENT).answers[0].ttl == ttl
    told = {cluster.tell(event) for event in cluster.trace if event.verb == "reload"}
    assert any("takes up the changed Corefile" in words for words in told)
    assert any("keeps its old Corefile" in words for words in told)
