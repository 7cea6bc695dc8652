"""kubectl top: the use of pods and nodes, in kubectl's own columns."""

from __future__ import annotations

import pytest

from kubelab import Cluster
from kubelab.kubectl.commands import KubectlError

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {0}, annotations: {{kubelab.io/usage-cpu: {1}}}}}
spec:
  containers:
  - {{name: one, image: "kubelab/sleep:1"}}
  - {{name: two, image: "kubelab/sleep:1"}}
"""


@pytest.fixture(scope="module")
def measured() -> Cluster:
    """Two pods of two containers that have run for half a minute."""
    cluster = Cluster(1, dns=False)
    cluster.apply(POD.format("big", "500m") + "---" + POD.format("also", "100m"))
    cluster.settle()
    cluster.run(30)
    return cluster


def test_pods_are_listed_by_name_or_by_use(measured: Cluster) -> None:
    """Each cell is followed by blanks, the last one too; `--sort-by` puts the most first."""
    assert measured.kubectl("top pods") == (
        "NAME   CPU(cores)   MEMORY(bytes)   \n"
        "also   100m         20Mi            \n"
        "big    500m         20Mi            \n"
    )
    lines = measured.kubectl("top pod -A --sort-by=cpu --no-headers").splitlines()
    assert [line.split()[1] for line in lines] == ["big", "also"]


def test_containers_and_sums(measured: Cluster) -> None:
    """`--containers` shows each container, `--sum` adds up."""
    assert measured.kubectl("top pod big --containers --sum") == (
        "POD   NAME   CPU(cores)   MEMORY(bytes)   \n"
        "big   one    250m         10Mi            \n"
        "big   two    250m         10Mi            \n"
        "             ________     ________        \n"
        "             500m         20Mi            \n"
    )


def test_nodes_are_shown_with_their_share(measured: Cluster) -> None:
    """600m of 4 cpu are 15 %."""
    assert measured.kubectl("top node") == (
        "NAME     CPU(cores)   CPU(%)   MEMORY(bytes)   MEMORY(%)   \n"
        "node-1   600m         15%      40Mi            0%          \n"
    )


def test_what_is_not_there(measured: Cluster) -> None:
    """No pods, no such pod, no metrics yet, and no metrics API are told apart."""
    assert measured.kubectl("top pod -n kube-public") == ""
    with pytest.raises(KubectlError, match=r'podmetrics.metrics.k8s.io "default/none" not'):
        measured.kubectl("top pod none")
    fresh = Cluster(1, dns=False)
    fresh.apply(POD.format("new", "1m"))
    fresh.settle()
    with pytest.raises(KubectlError, match="error: metrics not available yet"):
        fresh.kubectl("top pod")
    fresh.delete("APIService", "v1beta1.metrics.k8s.io")
    fresh.run(1)
    with pytest.raises(KubectlError, match="error: Metrics API not available"):
        fresh.kubectl("top pod")
