"""Charts say what has happened, in numbers first."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import views
from tests.views.test_owners import web

MANIFEST: Any = [
    *web(),
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big"},
     "spec": {"containers": [{"name": "main", "image": "nginx",
                              "resources": {"requests": {"cpu": "2"}}}]}},
]  # fmt: skip


def test_pods_by_state_end_as_the_cluster_is(cluster: Any) -> None:
    """The last numbers are those of the cluster now, and the first those of its start."""
    data = views.series(cluster, "pods")
    ready = sum(1 for pod in cluster.list("Pod") if pod["status"]["phase"] == "Running")
    assert data.lines["ready"][-1] == ready
    assert data.lines["ready"][0] == 0
    assert max(data.lines["working"]) >= 1


def test_usage_counts_what_is_asked_for(cluster: Any) -> None:
    """Two of eight cpu are asked for by the pod that asks for two; the addons add their small
    part."""
    cpu = views.series(cluster, "usage").lines["cpu"][-1]
    assert 25 <= cpu < 30


def test_an_unknown_chart_is_refused_in_words(cluster: Any) -> None:
    """A wrong name is answered with those that there are."""
    with pytest.raises(ValueError, match="there are pods, usage, queue"):
        views.series(cluster, "cats")


@pytest.mark.native
def test_a_figure_has_a_line_for_each_row(cluster: Any) -> None:
    """Every line has a name and a pattern of its own."""
    pytest.importorskip("matplotlib", reason="no matplotlib: pip install matplotlib")
    axes = cluster.chart("pods").axes[0]
    names = [line.get_label() for line in axes.lines]
    assert names == list(views.series(cluster, "pods").lines)
    assert len({str(line.get_linestyle()) + str(line.get_color()) for line in axes.lines}) == len(
        names
    )
