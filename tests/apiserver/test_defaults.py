"""Defaults are what a real API server stores."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api import kinds
from kubelab.apiserver import defaults, schema_check
from kubelab.sim.tree import freeze
from tests.golden_data import cases

# What others fill in, by kind: the strategy, admission, the allocator of addresses.
OTHERS = {
    "*": {"metadata.name", "spec.clusterIP", "spec.clusterIPs"},
    "CertificateSigningRequest": {"spec.username", "spec.uid", "spec.groups"},
    "DaemonSet": {"metadata.annotations"},
    "Event": {"deprecatedSource", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"},
    "IPAddress": {"spec.parentRef.group"},
    "Job": {"metadata.labels", "spec.template.metadata.labels", "spec.selector"},
    "Namespace": {"metadata.labels", "spec.finalizers", "status.phase"},
    "Node": {"spec.taints"},
    "PersistentVolume": {"metadata.finalizers", "status.phase", "status.lastPhaseTransitionTime"},
    "PersistentVolumeClaim": {"metadata.finalizers", "status.phase"},
    "Pod": {
        "spec.serviceAccountName", "spec.serviceAccount", "spec.tolerations", "spec.priority",
        "spec.preemptionPolicy", "spec.volumes", "status.phase", "status.qosClass",
        "status.conditions",
    },
    "Service": {"spec.ipFamilies", "spec.ipFamilyPolicy", "spec.healthCheckNodePort"},
    "VolumeAttributesClass": {"metadata.finalizers"},
}  # fmt: skip
# An empty list of drivers is written as null.
OTHERS["CSINode"] = {"spec.drivers"}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """The paths at which two trees differ; generated mounts and node ports left aside."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for key in {**one, **other}
            if key not in ("nodePort", "volumeMounts")
            for found in (
                differences(one[key], other[key], f"{path}.{key}")
                if key in one and key in other
                else [f"{path}.{key}"]
            )
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return [found for left, right in pairs for found in differences(left, right, path)]
    return [] if one == other else [path]


@pytest.mark.parametrize("case", cases("kind_defaults"), ids=lambda case: case["name"])
def test_recorded_defaults(case):
    """All that is stored beyond what was sent, and beyond what others fill in, is filled in."""
    kind = kinds.named(case["kind"])
    clean, _, wrong = schema_check.check(kind, freeze(case["given"]))
    assert wrong is None
    found = differences(defaults.apply_defaults(kind, clean), case["stored"])
    expected = OTHERS["*"] | OTHERS.get(kind.kind, set())
    assert {path.lstrip(".") for path in found} <= expected


@pytest.mark.parametrize("case", cases("kind_defaults"), ids=lambda case: case["name"])
def test_defaults_are_filled_in_once(case):
    """A complete object comes back as the very same object."""
    kind = kinds.named(case["kind"])
    once = defaults.apply_defaults(kind, schema_check.check(kind, freeze(case["given"]))[0])
    assert defaults.apply_defaults(kind, once) is once


def test_volumes_of_a_pod_get_their_modes():
    """Sources of volumes have defaults of their own; without a source it is an empty directory."""
    volumes = [{"name": "e"}, {"name": "c", "configMap": {"name": "x"}}]
    pod = freeze({"spec": {"containers": [], "volumes": volumes}})
    filled = defaults.apply_defaults(kinds.named("v1/Pod"), pod)["spec"]["volumes"]
    assert filled == [
        {"name": "e", "emptyDir": {}},
        {"name": "c", "configMap": {"name": "x", "defaultMode": 420}},
    ]


def test_parts_that_need_nothing_are_shared():
    """Filling in one container leaves its neighbour the same object."""
    kind = kinds.named("v1/Pod")
    whole = defaults.apply_defaults(
        kind, freeze({"spec": {"containers": [{"name": "a", "image": "x"}]}})
    )
    first = whole["spec"]["containers"][0]
    longer = freeze({"spec": {"containers": [first, {"name": "b", "image": "y"}]}})
    assert defaults.apply_defaults(kind, longer)["spec"]["containers"][0] is first


def test_a_condition_of_a_pod_has_both_times():
    """A patch drops the null of a time that never was; what is stored has it again."""
    pod = freeze({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    filled = defaults.apply_defaults(kinds.named("v1/Pod"), pod)["status"]["conditions"][0]
    assert filled == {"type": "Ready", "status": "True", "lastProbeTime": None}
