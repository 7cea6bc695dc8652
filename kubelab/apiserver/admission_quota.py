"""ResourceQuota: nothing is created that would use more than a namespace may.

What is used stands in the quota's status, which a controller keeps. Between an object's admission
and the controller's next count the server remembers for itself what it has let in, so that many
creates at one moment do not pass together; what it remembers is given up after two seconds.

In Kubernetes: k8s.io/apiserver/pkg/admission/plugin/resourcequota, which writes the status itself.
Left out: several API servers at one moment.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from kubelab.api import quantity, quotas
from kubelab.api.objects import EMPTY, NOTHING, Obj, get, key_of, name_of
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

# Of these a pod must name a value for each container, where a quota limits them.
COMPUTE = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
MEMORY_NS = 2 * SECOND
NANO = 10**9


def check(
    server: APIServer, kind: str, obj: Obj, namespace: str, *, dry: bool, old: Obj | None = None
) -> str:
    """Why an object may not be created, or changed from `old`; empty if it may.

    `kind` is `v1/Pod`; of a change only what it uses more counts.
    """
    quotas_held = server.caches["/registry/resourcequotas/"].all(namespace)
    asked: list[tuple[str, dict[str, Fraction]]] = []
    for quota in quotas_held:
        use = _use(kind, obj, quota)
        if old is not None:
            before = _use(kind, old, quota)
            more = {key: amount - before.get(key, Fraction(0)) for key, amount in use.items()}
            use = {key: amount for key, amount in more.items() if amount > 0}
        if not use:
            continue
        missing = _missing(obj, quota) if kind == "v1/Pod" else ""
        if missing:
            return f"failed quota: {name_of(quota)}: must specify {missing}"
        problem = _exceeds(server, quota, use)
        if problem:
            return problem
        asked.append((key_of(quota), use))
    if not dry:
        for key, use in asked:
            _remember(server, key, use)
    return ""


def _use(kind: str, obj: Obj, quota: Obj) -> dict[str, Fraction]:
    """What the object would add to each resource that a quota limits."""
    scopes = list(get(quota, "spec", "scopes", default=NOTHING))
    use: dict[str, Fraction] = {}
    for resource in get(quota, "spec", "hard", default=EMPTY):
        if quotas.kind_counted(resource) != kind:
            continue
        if kind != "v1/Pod":
            use[resource] = quotas.use_of(obj, resource)
        elif resource.startswith("count/"):
            use[resource] = Fraction(1)
        elif quotas.in_scopes(obj, scopes):
            use[resource] = quotas.pod_use(obj, resource)
    return use


def _missing(pod: Obj, quota: Obj) -> str:
    """The resources that containers must name and do not, as the refusal lists them."""
    found = []
    for resource in sorted(get(quota, "spec", "hard", default=EMPTY)):
        if resource not in COMPUTE:
            continue
        part, _, name = resource.rpartition(".")
        names = [
            container["name"]
            for field in ("containers", "initContainers")
            for container in get(pod, "spec", field, default=NOTHING)
            if get(container, "resources", part or "requests", name) is None
        ]
        if names:
            found.append(f"{resource} for: {','.join(sorted(names))}")
    return "; ".join(found)


def _used(server: APIServer, quota: Obj) -> dict[str, Fraction]:
    used = {
        resource: quantity.parse(text)
        for resource, text in get(quota, "status", "used", default=EMPTY).items()
    }
    until, held = server.reserved.get(key_of(quota), (0, EMPTY))
    if server.now < until:
        for resource, amount in held.items():
            used[resource] = max(used.get(resource, Fraction(0)), Fraction(amount, NANO))
    return used


def _exceeds(server: APIServer, quota: Obj, use: dict[str, Fraction]) -> str:
    used = _used(server, quota)
    hard = quota["spec"]["hard"]
    over = [
        resource
        for resource in sorted(use)
        if use[resource]
        and used.get(resource, Fraction(0)) + use[resource] > quantity.parse(hard[resource])
    ]
    if not over:
        return ""

    def texts(amounts: dict[str, Fraction]) -> str:
        return ",".join(f"{r}={_text(amounts.get(r, Fraction(0)), hard[r])}" for r in over)

    limited = ",".join(f"{r}={hard[r]}" for r in over)
    server.note(quota=name_of(quota), over=over)
    return (
        f"exceeded quota: {name_of(quota)}, requested: {texts(use)}, used: {texts(used)}, "
        f"limited: {limited}"
    )


def _text(amount: Fraction, like: str) -> str:
    return quantity.write(amount, quantity.family_of(like))


def _remember(server: APIServer, key: str, use: dict[str, Fraction]) -> None:
    quota = server.cached("/registry/resourcequotas/", key)
    assert quota is not None
    used = _used(server, quota)
    total = {
        resource: int((used.get(resource, Fraction(0)) + amount) * NANO)
        for resource, amount in use.items()
    }
    _, held = server.reserved.get(key, (0, EMPTY))
    server.reserved[key] = (server.now + MEMORY_NS, Obj({**held, **total}))
