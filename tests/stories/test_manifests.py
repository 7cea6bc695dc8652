"""Real manifests that others wrote come up as they are, and every Service answers by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubelab import Cluster
from kubelab.api.objects import get, name_of

MANIFESTS = Path(__file__).parent.parent / "manifests"
CLIENT = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers: [{name: client, image: "kubelab/sleep:1"}]
"""


def ready(pod: dict[str, object]) -> bool:
    """Whether a pod is Running and Ready."""
    conditions = get(pod, "status", "conditions", default=())
    is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return is_ready and get(pod, "status", "phase") == "Running"


@pytest.mark.parametrize(
    ("name", "pods", "services"),
    [("guestbook", 6, 3), ("voting-app", 5, 4), ("online-boutique", 12, 12)],
)
def test_a_manifest_comes_up_as_it_is(
    name: str, pods: int, services: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Applied unchanged, all pods are Ready and each Service answers by name on each port."""
    c = Cluster(nodes=3)
    c.apply(MANIFESTS / f"{name}.yaml")
    assert c.settle()
    found = c.list("Pod", "default")
    assert len(found) == pods
    assert [name_of(pod) for pod in found if not ready(pod)] == []
    c.apply(CLIENT)
    c.settle()
    listed = [s for s in c.list("Service", "default") if name_of(s) != "kubernetes"]
    assert len(listed) == services
    for service in listed:
        address = service["spec"]["clusterIP"]
        assert c.dns.resolve(name_of(service)).addresses == (address,)
        for port in service["spec"]["ports"]:
            exchange = c.connect("default/client", name_of(service), port["port"])
            assert exchange.error == ""
            assert exchange.pod is not None and exchange.pod.startswith("default/")
    assert capsys.readouterr().err == "", "nothing in these manifests is left out"
    assert [e.detail["panic"] for e in c.trace if "panic" in e.detail] == []
