"""Which pods use which claims, kept up to date by every change of a pod.

In Kubernetes: the index PodPVCIndex of pkg/controller/util/node, here by hand, as a pod may use
several claims.
"""

from __future__ import annotations

from kubelab.api.objects import NOTHING, Obj, get, key_of, name_of, namespace_of


def claims_of(pod: Obj) -> list[str]:
    """The keys of the claims that a pod's volumes name."""
    found = []
    for volume in get(pod, "spec", "volumes", default=NOTHING):
        claim = volume.get("persistentVolumeClaim")
        if claim:
            found.append(f"{namespace_of(pod)}/{claim['claimName']}")
        elif volume.get("ephemeral"):
            found.append(f"{namespace_of(pod)}/{name_of(pod)}-{volume['name']}")
    return found


class PodClaims:
    """The users of each claim."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, None]] = {}

    def move(self, old: Obj | None, new: Obj | None) -> list[str]:
        """Takes note of a change of a pod; the keys of the claims that it uses."""
        pod = new if new is not None else old
        assert pod is not None
        claims = claims_of(pod)
        for claim in claims:
            if new is not None:
                self.users.setdefault(claim, {})[key_of(pod)] = None
            else:
                self.users.get(claim, {}).pop(key_of(pod), None)
                if not self.users.get(claim, True):
                    del self.users[claim]
        return claims

    def of(self, claim: str) -> list[str]:
        """The keys of the pods that use a claim."""
        return list(self.users.get(claim, ()))
