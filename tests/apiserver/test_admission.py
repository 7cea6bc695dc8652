"""What admission lets in, fills in and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelab import Cluster
from kubelab.api.objects import freeze
from kubelab.apiserver import admission_limits, podsecurity
from kubelab.user import make_request

PODS = "/api/v1/namespaces/default/pods"


def pod(name: str, cpu: str = "100m", **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "nginx", "resources": {"requests": {"cpu": cpu}}}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [container], **spec},
    }  # fmt: skip


def quota(**hard: str) -> dict[str, Any]:
    named = {key.replace("__", "."): value for key, value in hard.items()}
    return {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"},
        "spec": {"hard": named},
    }  # fmt: skip


@settings(max_examples=15)
@given(st.lists(st.integers(50, 400), min_size=1, max_size=8), st.integers(1, 4))
def test_creates_at_one_moment_never_pass_a_quota_together(cpus: list[int], count: int) -> None:
    """Whatever is asked at once, what is let in keeps to both limits of the quota."""
    c = Cluster(nodes=0, dns=False)
    c.run(2)
    c.apply(quota(pods=str(count), requests__cpu="1"))
    c.run(2)
    for number, cpu in enumerate(cpus):
        request = make_request("POST", PODS, pod(f"p{number}", f"{cpu}m"))
        c.history.inject("you", "ask", 1000 + number, request, False)
    c.run(3)
    held = [p["metadata"]["name"] for p in c.moment().list("Pod", "default")]
    assert len(held) <= count
    assert sum(cpus[int(name[1:])] for name in held) <= 1000
    assert len(held) >= 1


def test_server_side_apply_is_admitted_as_a_create() -> None:
    """An object that an apply makes counts under a quota too."""
    c = Cluster(nodes=0, dns=False)
    c.run(2)
    c.apply(quota(pods="0"))
    c.run(2)
    answer = c.request(
        "PATCH", f"{PODS}/p?fieldManager=me", pod("p"),
        {"Content-Type": "application/apply-patch+yaml"},
    )  # fmt: skip
    assert answer.message == (
        'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0'
    )


def test_a_dry_run_uses_nothing_up() -> None:
    """After a dry run of the only pod that fits, it still fits."""
    c = Cluster(nodes=0, dns=False)
    c.run(2)
    c.apply(quota(pods="1"))
    c.run(2)
    assert c.request("POST", f"{PODS}?dryRun=All", pod("p")).status == 201
    assert c.request("POST", PODS, pod("p")).status == 201


LIMITED = freeze({
    "spec": {"limits": [
        {"type": "Container", "min": {"memory": "8Mi"}, "max": {"cpu": "1"}},
    ]},
})  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"limits": {"cpu": "1"}, "requests": {"memory": "8Mi"}}, ""),
        ({"limits": {"cpu": "2"}, "requests": {"memory": "8Mi"}},
         "maximum cpu usage per Container is 1, but limit is 2"),
        ({"limits": {"cpu": "2"}},
         "[minimum memory usage per Container is 8Mi.  No request is specified, "
         "maximum cpu usage per Container is 1, but limit is 2]"),
        ({"requests": {"memory": "9Mi"}},
         "maximum cpu usage per Container is 1.  No limit is specified"),
    ],
)  # fmt: skip
def test_limits_of_a_container(resources: dict[str, Any], said: str) -> None:
    """Several faults are told in brackets, in order."""
    container = {"name": "c", "resources": resources}
    obj = freeze({"kind": "Pod", "spec": {"containers": [container]}})
    assert admission_limits.check(obj, [LIMITED]) == said


@pytest.mark.parametrize(
    ("spec", "level", "said"),
    [
        ({"containers": [{"name": "a"}]}, "baseline", []),
        ({"hostNetwork": True, "hostPID": True, "containers": [
            {"name": "a", "ports": [{"hostPort": 80}], "securityContext": {"privileged": True}},
            {"name": "b", "ports": [{"hostPort": 81}]}],
          "volumes": [{"name": "h", "hostPath": {"path": "/"}}]}, "baseline",
         ["host namespaces (hostNetwork=true, hostPID=true)",
          'hostPath volumes (volume "h")',
          'hostPort (containers "a", "b" use hostPorts 80, 81)',
          'privileged (container "a" must not set securityContext.privileged=true)']),
        ({"containers": [{"name": "a", "securityContext": {
            "capabilities": {"add": ["NET_ADMIN", "CHOWN"]},
            "seccompProfile": {"type": "Unconfined"}}}]}, "baseline",
         ['non-default capabilities (container "a" must not include "NET_ADMIN" in '
          "securityContext.capabilities.add)",
          'seccompProfile (container "a" must not set securityContext.seccompProfile.type to '
          '"Unconfined")']),
        ({"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
          "containers": [{"name": "a", "securityContext": {
              "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}]},
         "restricted", []),
    ],
)  # fmt: skip
def test_levels_of_pod_security(spec: dict[str, Any], level: str, said: list[str]) -> None:
    """Each check names what is wrong and where."""
    assert podsecurity.violations(freeze(spec), level) == said
