"""ClusterRole aggregation: a role whose rules are those of all roles with certain labels.

A ClusterRole with an `aggregationRule` says by label selectors whose rules it has; its own `rules`
are written by this controller, so that whoever installs a new kind adds a small role with the right
label, and `view` or `edit` learn of it. What must hold: the rules stand in the order of the roles'
names, each once, and a role never aggregates itself.

In Kubernetes: pkg/controller/clusterroleaggregation. It writes by server-side apply; here it is an
update.
"""

from __future__ import annotations

from kubelab.api.objects import NOTHING, Arr, Obj, get, key_of, labels_of, name_of, with_
from kubelab.api.selectors import compile_selector
from kubelab.client.controller import Controller

KIND = "rbac.authorization.k8s.io/v1/ClusterRole"


def is_aggregated(role: Obj) -> bool:
    """Whether a role's rules come from others."""
    return role.get("aggregationRule") is not None


class ClusterRoleAggregationController(Controller):
    """Keeps the rules of aggregated ClusterRoles."""

    name = "clusterrole-aggregation"

    def begin(self) -> None:
        self.roles = self.watch(KIND, "on_role")

    def on_role(self, old: Obj | None, new: Obj | None) -> None:
        """Any role has changed: every aggregated one may have to."""
        if new is not None and is_aggregated(new):
            self.enqueue(key_of(new))
        for role in self.roles:
            if is_aggregated(role):
                self.enqueue(key_of(role))

    def sync(self, key: str) -> None:
        """Writes the rules of one role, if they are not those of its sources."""
        role = self.roles.get(key)
        if role is None or not is_aggregated(role):
            return
        rules = self._gather(role)
        held = role.get("rules") or NOTHING
        self.note(wish=len(rules), seen=len(held), act="—")
        if list(held) != rules:
            self.note(act="write the rules")
            self.update(with_(role, ("rules",), Arr(rules)))

    def _gather(self, role: Obj) -> list[Obj]:
        rules: list[Obj] = []
        for selector in get(role, "aggregationRule", "clusterRoleSelectors", default=NOTHING):
            compiled = compile_selector(selector)
            for source in sorted(self.roles, key=name_of):
                if name_of(source) != name_of(role) and compiled.matches(labels_of(source)):
                    rules += [rule for rule in source.get("rules") or () if rule not in rules]
        return rules
