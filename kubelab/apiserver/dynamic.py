"""The part of admission that users add: policies in CEL and webhooks, in their order.

What changes objects comes before validation, what only refuses after it. Where there is neither a
policy nor a webhook, nothing is looked at.

In Kubernetes: the order of plugins in pkg/kubeapiserver/options/plugins.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj
from kubelab.apiserver import matching, policies, webhooks
from kubelab.apiserver.pending import Pending

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer


def mutated(
    server: APIServer, pending: Pending, kind: Kind, operation: str, obj: Obj, old: Obj | None
) -> Obj:
    """The object as policies and webhooks want it. Raises ApiError or Call."""
    if not matching.anything(server):
        return obj
    asked = matching.attributes(pending, kind, operation, obj, old)
    obj = policies.mutate(server, pending, asked)
    return webhooks.mutate(server, pending, asked._replace(obj=obj))


def judge(
    server: APIServer,
    pending: Pending,
    kind: Kind,
    operation: str,
    obj: Obj | None,
    old: Obj | None,
) -> None:
    """Raises ApiError where a policy or webhook refuses; Call where a webhook must be asked."""
    if matching.anything(server):
        asked = matching.attributes(pending, kind, operation, obj, old)
        policies.validate(server, pending, asked)
        webhooks.validate(server, pending, asked)
