"""KubeSchedulerConfiguration: merging plugins, weights, arguments, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import Obj, freeze
from kubelab.scheduler import config
from kubelab.scheduler.cycle import enough
from kubelab.scheduler.profile import default_points
from tests.scheduler.lab import Scene, node, pod


def settings(**fields: Any) -> config.Settings:
    """What a configuration with these fields comes to."""
    head = {"apiVersion": config.API_VERSION, "kind": "KubeSchedulerConfiguration"}
    return config.load(freeze({**head, **fields}))


def points(plugins: Any) -> dict[str, list[tuple[str, int]]]:
    """The plugins by point of one profile with this `plugins` field."""
    return settings(profiles=[{"plugins": plugins}]).resolved[0].points


LIGHT = {"name": "ImageLocality", "weight": -1}
HEAVY = {"name": "InterPodAffinity", "args": {"hardPodAffinityWeight": 101}}


def test_nothing_given() -> None:
    """No configuration is one profile, default-scheduler, with the default plugins."""
    assert config.load(None).resolved[0].points == default_points()
    assert settings().resolved[0].name == "default-scheduler"


def test_default_order() -> None:
    """Filters and scores stand in Kubernetes' order with Kubernetes' weights."""
    found = default_points()
    assert [name for name, _ in found["filter"]] == [
        "NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts",
        "NodeResourcesFit", "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding",
        "VolumeZone", "PodTopologySpread", "InterPodAffinity", "DynamicResources",
        "NodeDeclaredFeatures",
    ]  # fmt: skip
    assert found["score"] == [
        ("TaintToleration", 3), ("NodeAffinity", 2), ("NodeResourcesFit", 1), ("VolumeBinding", 1),
        ("PodTopologySpread", 2), ("InterPodAffinity", 2), ("DynamicResources", 2),
        ("NodeResourcesBalancedAllocation", 1), ("ImageLocality", 1),
    ]  # fmt: skip


def test_enabled_without_weight_is_one() -> None:
    """A default plugin that is enabled by name without a weight has weight 1."""
    found = points({"score": {"enabled": [{"name": "TaintToleration"}]}})
    assert found["score"][0] == ("TaintToleration", 1)
    found = points({"multiPoint": {"enabled": [{"name": "PodTopologySpread"}]}})
    assert dict(found["score"])["PodTopologySpread"] == 1


def test_score_wins_over_multipoint() -> None:
    """A weight in `score` wins over that in `multiPoint`; what overrides comes first."""
    found = points(
        {
            "multiPoint": {"enabled": [{"name": "ImageLocality", "weight": 7}]},
            "score": {"enabled": [{"name": "ImageLocality", "weight": 9}]},
        }
    )
    assert found["score"][0] == ("ImageLocality", 9)
    assert len(found["score"]) == 9


def test_disabled() -> None:
    """A star drops all, a name drops one, at a point or everywhere."""
    found = points({"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeAffinity"}]}})
    assert found["score"] == [("NodeAffinity", 1)]
    assert len(found["filter"]) == 14
    found = points({"multiPoint": {"disabled": [{"name": "TaintToleration"}]}})
    assert "TaintToleration" not in dict(found["filter"])
    assert "TaintToleration" not in dict(found["score"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"profiles": [{"plugins": {"score": {"enabled": [{"name": "TaintTolerance"}]}}}]},
            "profiles[0].plugins.score.enabled[0]: there is no plugin 'TaintTolerance'; "
            "did you mean TaintToleration?",
        ),
        (
            {"profiles": [{"plugins": {"score": {"enabled": [LIGHT]}}}]},
            "profiles[0].plugins.score.enabled[0].weight: Invalid value: -1: "
            "must be a whole number, 0 or more",
        ),
        (
            {"profiles": [{"plugins": {"scores": {}}}]},
            "profiles[0].plugins: there is no extension point 'scores'; did you mean score?",
        ),
        (
            {"profiles": [{"plugins": {"score": {"enabled": [{"name": "NodeName"}]}}}]},
            "plugin 'NodeName' does not extend score plugin",
        ),
        (
            {"extenders": [{"urlPrefix": "http://x"}]},
            "extenders: extenders over HTTP are not modelled (http://x)",
        ),
        (
            {"percentageOfNodesToScore": 101},
            "percentageOfNodesToScore: Invalid value: 101: "
            "must be a whole number between 0 and 100",
        ),
        (
            {"podInitialBackoffSeconds": 5, "podMaxBackoffSeconds": 2},
            "podMaxBackoffSeconds: Invalid value: 2: must be greater than or equal to "
            "PodInitialBackoffSeconds",
        ),
        ({"profiles": [{}, {}]}, 'profiles[1].schedulerName: Duplicate value: "default-scheduler"'),
        (
            {"profiles": [{"pluginConfig": [HEAVY]}]},
            "profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: "
            "must be in the range [0, 100]",
        ),
        ({"profils": []}, "there is no field 'profils'; did you mean profiles?"),
        (
            {"profiles": [{"plugins": {"multiPoint": {"disabled": [{"name": "*"}]}}}]},
            "profiles[0].plugins.queueSort: exactly one plugin is needed",
        ),
    ],
)  # fmt: skip
def test_refused(fields: Any, message: str) -> None:
    """What cannot be meant is one clear sentence that names the field."""
    with pytest.raises(ValueError) as caught:
        settings(**fields)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("nodes", "percentage", "wanted"),
    [
        (99, 0, 99), (100, 0, 100), (200, 0, 100), (250, 0, 120), (375, 0, 176), (500, 0, 230),
        (1000, 0, 420), (2000, 0, 680), (5000, 0, 500), (6000, 0, 300), (250, 60, 150),
    ],
)  # fmt: skip
def test_how_many_nodes(nodes: int, percentage: int, wanted: int) -> None:
    """The search ends after a share of the nodes that shrinks as the cluster grows."""
    assert enough(nodes, percentage) == wanted


def manifest(**profile: Any) -> Obj:
    """A configuration with the default profile and a second one."""
    return freeze({"profiles": [{}, {"schedulerName": "packer", **profile}]})


def test_second_profile() -> None:
    """A pod chooses its profile by schedulerName; events come in that name."""
    packing = {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 1}]}
    profile = {
        "plugins": {
            "score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit"}]}
        },
        "pluginConfig": [{"name": "NodeResourcesFit", "args": {"scoringStrategy": packing}}],
    }
    scene = Scene(
        node("a"), node("b"), pod("u", "b", {"cpu": "1"}),
        pod("p", requests={"cpu": "1"}, schedulerName="packer"),
        pod("q", requests={"cpu": "1"}),
        configuration=manifest(**profile),
    )  # fmt: skip
    assert scene.node_of("p") == "b"
    reporters = {
        event["involvedObject"]["name"]: event["reportingComponent"]
        for event in scene.server.store["events"].values()
    }
    assert reporters == {"p": "packer", "q": "default-scheduler"}


def test_without_post_filter() -> None:
    """Without any PostFilter plugin the message has no tail."""
    plugins = {"postFilter": {"disabled": [{"name": "*"}]}}
    configuration = freeze({"profiles": [{"plugins": plugins}]})
    scene = Scene(node("a", "1"), pod("p", requests={"cpu": "2"}), configuration=configuration)
    assert scene.message("p") == "0/1 nodes are available: 1 Insufficient cpu."
