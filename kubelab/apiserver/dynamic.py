"""The rest of the admission chain: plugins of few kinds, then policies in CEL and webhooks.

What changes objects comes before validation, what only refuses after it. Where there is neither a
policy nor a webhook, none is looked for.

In Kubernetes: the order of plugins in pkg/kubeapiserver/options/plugins.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj
from kubelab.apiserver import defaults, matching, plugins, policies, webhooks
from kubelab.apiserver.pending import Pending

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer


def mutated(
    server: APIServer, pending: Pending, kind: Kind, operation: str, obj: Obj, old: Obj | None
) -> Obj:
    """The object as policies and webhooks want it. Raises ApiError or Call."""
    obj = plugins.fill(server, pending, kind, operation, obj, old)
    if not matching.anything(server):
        return obj
    asked = matching.attributes(pending, kind, operation, obj, old)
    wished = policies.mutate(server, pending, asked)
    wished = webhooks.mutate(server, pending, asked._replace(obj=wished))
    return obj if wished is obj else defaults.apply_defaults(kind, wished)


def judge(
    server: APIServer,
    pending: Pending,
    kind: Kind,
    operation: str,
    obj: Obj | None,
    old: Obj | None,
) -> None:
    """Raises ApiError where a policy or webhook refuses; Call where a webhook must be asked."""
    plugins.check(server, pending, kind, operation, obj, old)
    if matching.anything(server):
        asked = matching.attributes(pending, kind, operation, obj, old)
        policies.validate(server, pending, asked)
        webhooks.validate(server, pending, asked)
