"""Conditions to run until: kubectl's `--for` grammar after a resource name.

`pod/web condition=Ready`, `deployment/web jsonpath={.status.readyReplicas}=3`, `pod/web delete`,
`pod/web create`; a namespace may stand before the name: `pod/shop/web`.

In Kubernetes: k8s.io/kubectl/pkg/cmd/wait.
"""

from __future__ import annotations

from typing import NamedTuple

from kubelab.api import jsonpath
from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj, get
from kubelab.api.rest import kind_of


class Wanted(NamedTuple):
    """A condition taken apart: about which object, and what must hold of it."""

    kind: Kind
    namespace: str
    name: str
    what: str
    path: str
    value: str | None

    def holds(self, obj: Obj | None) -> bool:
        """Whether it holds of the object as it is (None: it is not there)."""
        if self.what == "delete":
            return obj is None
        if obj is None:
            return False
        if self.what == "create":
            return True
        if self.what == "condition":
            return self._condition(obj)
        found = [jsonpath.as_text(item) for item in jsonpath.values(self.path, obj)]
        return bool(found) if self.value is None else found == [self.value]

    def _condition(self, obj: Obj) -> bool:
        for condition in get(obj, "status", "conditions", default=()):
            if condition.get("type", "").lower() == self.path.lower():
                seen = condition.get("observedGeneration")
                generation = get(obj, "metadata", "generation")
                if seen and generation and seen < generation:
                    return False
                return str(condition.get("status", "")).lower() == (self.value or "true").lower()
        return False


def parse(condition: str) -> Wanted:
    """Takes a condition apart; raises ValueError with the grammar."""
    resource, _, wish = condition.strip().partition(" ")
    wish = wish.strip().removeprefix("--for=").removeprefix("for=")
    parts = resource.split("/")
    if len(parts) not in (2, 3) or not wish:
        raise ValueError(
            f"{condition!r} is no condition; write 'pod/web condition=Ready', "
            "'deployment/web jsonpath={.status.readyReplicas}=3' or 'pod/web delete'"
        )
    kind = kind_of(parts[0])
    namespace = parts[1] if len(parts) == 3 else "default"
    name = parts[-1]
    verb, equals, rest = wish.partition("=")
    if verb in ("delete", "create") and not equals:
        return Wanted(kind, namespace, name, verb, "", None)
    if verb == "condition" and rest:
        path, _, value = rest.partition("=")
        return Wanted(kind, namespace, name, verb, path, value or None)
    if verb == "jsonpath" and rest:
        return _jsonpath(kind, namespace, name, rest)
    raise ValueError(
        f"{wish!r} is no condition; known are condition=TYPE[=STATUS], jsonpath={{PATH}}[=VALUE], "
        "create and delete"
    )


def _jsonpath(kind: Kind, namespace: str, name: str, rest: str) -> Wanted:
    rest = rest.strip("'\"")
    if rest.startswith("{"):
        end = rest.rindex("}") if "}" in rest else len(rest) - 1
        path, tail = rest[: end + 1], rest[end + 1 :]
    else:
        path, equals, tail = rest.partition("=")
        tail = equals + tail
    value = tail[1:].strip("'\"") if tail.startswith("=") else None
    return Wanted(kind, namespace, name, "jsonpath", path, value)
