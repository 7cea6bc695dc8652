"""The controller of admission policies' status."""

from __future__ import annotations

from kubelab import Cluster

PATH = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
MERGE = {"Content-Type": "application/merge-patch+json"}


def test_each_generation_of_a_policy_is_looked_at() -> None:
    """The status names the generation, after a change the new one."""
    c = Cluster(nodes=0, dns=False)
    c.settle()
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
            "resources": ["pods"]}  # fmt: skip
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "true"}]}
    assert c.request("POST", PATH, {"metadata": {"name": "p"}, "spec": spec}).status == 201
    c.settle()
    first = c.request("GET", f"{PATH}/p").body
    assert first["status"] == {"observedGeneration": 1, "typeChecking": {}}
    change = {"spec": {"validations": [{"expression": "false"}]}}
    assert c.request("PATCH", f"{PATH}/p", change, MERGE).status == 200
    c.settle()
    second = c.request("GET", f"{PATH}/p").body
    assert second["status"]["observedGeneration"] == second["metadata"]["generation"] == 2
