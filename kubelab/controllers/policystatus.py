"""The status of admission policies: that somebody has looked at the expressions.

For each generation of a ValidatingAdmissionPolicy the controller says in `status.typeChecking` what
it thinks of the expressions and in `status.observedGeneration` which generation it speaks of. Who
makes a policy waits for that before relying on it.

In Kubernetes: pkg/controller/validatingadmissionpolicystatus. Left out: the check of types itself,
which is why no expression is ever warned of.
"""

from __future__ import annotations

from kubelab.api.objects import EMPTY, Obj, get, key_of, merged, with_
from kubelab.client.controller import Controller

KIND = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"


class PolicyStatusController(Controller):
    """Keeps the status of ValidatingAdmissionPolicies."""

    name = "validatingadmissionpolicy-status"

    def begin(self) -> None:
        self.policies = self.watch(KIND, "on_policy")

    def on_policy(self, old: Obj | None, new: Obj | None) -> None:
        """A policy is new or changed."""
        if new is not None:
            self.enqueue(key_of(new))

    def sync(self, key: str) -> None:
        """Writes the status of one policy, if it is of an older generation."""
        policy = self.policies.get(key)
        if policy is None:
            return
        wish = get(policy, "metadata", "generation", default=0)
        seen = get(policy, "status", "observedGeneration", default=0)
        self.note(wish=wish, seen=seen, act="—")
        if wish != seen:
            self.note(act="look at the expressions")
            status = merged(
                policy.get("status") or EMPTY, observedGeneration=wish, typeChecking=EMPTY
            )
            self.update_status(with_(policy, ("status",), status))
