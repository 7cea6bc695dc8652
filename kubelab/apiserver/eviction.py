"""Eviction: a deletion that a disruption budget may forbid.

The server takes the disruption off the budget's status itself, in the transaction that deletes the
pod, and only if the budget is still as it was when it was looked at: so that two evictions of one
moment never share the last disruption that is allowed. The disruption controller counts anew
afterwards. A pod that does not run, or is on its way out, costs no budget; one that is not ready
only if the budget says so.

In Kubernetes: pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api import errors, kinds, selectors
from kubelab.api.objects import (
    EMPTY,
    NOTHING,
    Obj,
    freeze,
    get,
    labels_of,
    merged,
    name_of,
    namespace_of,
    with_,
)
from kubelab.api.rest import Response
from kubelab.apiserver import decoding, deletion, registry, stored
from kubelab.apiserver.pending import Pending, Write
from kubelab.sim.kernel import timestamp

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

BUDGETS = "/registry/poddisruptionbudgets/"
WOULD_VIOLATE = "Cannot evict pod as it would violate the pod's disruption budget."
MOST_DISRUPTED = 2000
RETRY_SECONDS = 10
SUCCESS: Obj = freeze(
    {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
)


def evict(server: APIServer, pending: Pending) -> Write | Response:
    """POST of an Eviction."""
    body = decoding.tree(pending.request) or EMPTY
    named = get(body, "metadata", "name", default="")
    if named and named != pending.route.name:
        raise errors.bad_request("name in URL does not match name in Eviction object")
    old, revision = registry.current(server, pending)
    options = Obj(get(body, "deleteOptions", default=EMPTY))
    pending.dry = pending.dry or bool(options.get("dryRun"))
    changed = _budget_for(server, old)
    marked = old if changed is None else _marked(old, timestamp(server.now))
    outcome = deletion.deleted(server, pending, pending.route.kind, marked, revision, options)
    if isinstance(outcome, Write):
        beside = () if changed is None else (changed,)
        return outcome._replace(answer=SUCCESS, status=201, stamp=False, beside=beside)
    return Response(201, EMPTY, SUCCESS)


def _marked(pod: Obj, now: str) -> Obj:
    """The pod with the condition that says why it goes."""
    condition = {
        "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastProbeTime": None, "lastTransitionTime": now,
    }  # fmt: skip
    others = [c for c in get(pod, "status", "conditions", default=NOTHING)
              if c["type"] != "DisruptionTarget"]  # fmt: skip
    return with_(pod, ("status", "conditions"), [*others, condition])  # type: ignore[no-any-return]


def _budget_for(server: APIServer, pod: Obj) -> tuple[str, Obj, int] | None:
    """The budget that pays for the disruption, as it stands after that. Raises ApiError."""
    over = get(pod, "status", "phase") in ("Succeeded", "Failed", "Pending")
    if over or get(pod, "metadata", "deletionTimestamp"):
        return None
    found = [
        budget
        for budget in server.caches[BUDGETS].all(namespace_of(pod))
        if selectors.compile_selector(get(budget, "spec", "selector")).matches(labels_of(pod))
    ]
    if len(found) > 1:
        text = (
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does "
            "not support."
        )
        raise errors.failure(500, text)
    if not found or _free(found[0], pod):
        return None
    budget = found[0]
    server.note(budget=name_of(budget), status=budget.get("status") or EMPTY)
    return _charged(budget, name_of(pod), timestamp(server.now))


def _free(budget: Obj, pod: Obj) -> bool:
    """Whether a pod that is not ready may go without a disruption being counted."""
    conditions = get(pod, "status", "conditions", default=NOTHING)
    if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
        return False
    if get(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or EMPTY
    wanted = status.get("desiredHealthy", 0)
    return bool(status.get("currentHealthy", 0) >= wanted > 0)


def _charged(budget: Obj, pod: str, now: str) -> tuple[str, Obj, int]:
    """The budget with one disruption less. Raises ApiError where it has none to give."""
    status, name = budget.get("status") or EMPTY, name_of(budget)
    kind = kinds.named("policy/v1/PodDisruptionBudget")
    if status.get("observedGeneration", 0) < get(budget, "metadata", "generation", default=0):
        said = f"The disruption budget {name} is still being processed by the server."
        raise _refused(said, retry_after=RETRY_SECONDS)
    left, disrupted = status.get("disruptionsAllowed", 0), status.get("disruptedPods") or EMPTY
    if left < 0:
        raise errors.forbidden(kind, name, "pdb disruptions allowed is negative")
    if len(disrupted) > MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.forbidden(kind, name, why)
    if not left:
        raise _refused(_why_not(name, status))
    changed = merged(status, disruptionsAllowed=left - 1, disruptedPods={**disrupted, pod: now})
    key = stored.path(kind, namespace_of(budget), name)
    revision = int(budget["metadata"]["resourceVersion"])
    return key, merged(budget, status=changed), revision


def _why_not(name: str, status: Obj) -> str:
    for row in status.get("conditions") or NOTHING:
        if (row.get("type"), row.get("reason")) == ("DisruptionAllowed", "SyncFailed"):
            return (
                f"The disruption budget {name} does not allow evicting pods currently because it "
                f"failed sync: {row.get('message', '')}"
            )
    return (
        f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods and "
        f"has {status.get('currentHealthy', 0)} currently"
    )


def _refused(said: str, *, retry_after: int = 0) -> errors.ApiError:
    cause: Any = Obj(reason="DisruptionBudget", message=said)
    return errors.too_many_requests(WOULD_VIOLATE, retry_after=retry_after, causes=[cause])
