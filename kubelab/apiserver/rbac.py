"""Whether somebody may do something: roles and the bindings that give them to people.

A rule allows verbs on resources or paths; a Role holds rules for its namespace, a ClusterRole for
all; a binding gives a role to users, groups and service accounts. There is no rule that forbids:
what no rule allows is refused. Members of `system:masters` are not asked. The components of the
cluster are trusted here, as their roles would be made for what they do.

Who writes a role or a binding may not give away more than he holds, unless he may `escalate`, or
`bind` that role.

In Kubernetes: plugin/pkg/auth/authorizer/rbac and pkg/registry/rbac (escalation_check.go). Left
out: webhooks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.api import errors, selectors
from kubelab.api.kinds import Kind
from kubelab.api.objects import EMPTY, NOTHING, Obj, get, labels_of, name_of, namespace_of
from kubelab.api.rest import Request
from kubelab.apiserver import node_authorizer, routes
from kubelab.apiserver.routes import Route

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

MASTERS = "system:masters"
GROUP = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = "/registry/roles/", "/registry/clusterroles/"
BINDINGS, CLUSTER_BINDINGS = "/registry/rolebindings/", "/registry/clusterrolebindings/"
CACHES = (ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS)
WORDS = {"get": "get", "head": "get", "post": "post", "put": "put", "patch": "patch",
         "delete": "delete", "options": "options"}  # fmt: skip


class Ask(NamedTuple):
    """What somebody wants to do: a verb on a resource, or (`path`) on a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full(self) -> str:
        """`pods`, `pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def ask_of(route: Route) -> Ask:
    """What a request for a resource wants to do."""
    kind = route.kind
    own = kind.kind == "Namespace" and not kind.group
    namespace = route.name if own else route.namespace
    return Ask(route.verb, kind.group, kind.plural, route.subresource, namespace, route.name)


def authorize(server: APIServer, request: Request, route: Route | None) -> None:
    """Raises ApiError 403 unless who asks may do what the request says."""
    unknown = routes.unknown(request) if route is None else None
    if unknown is not None:
        check(server, request, Ask(*unknown))
    elif route is None:
        verb = WORDS.get(request.method.lower(), request.method.lower())
        check(server, request, Ask(verb, path=request.path))
    else:
        check(server, request, ask_of(route))


def check(server: APIServer, request: Request, ask: Ask) -> None:
    """Raises ApiError 403 unless it is allowed."""
    allowed, reason = allows(server, request.user, request.groups, ask)
    server.note(authorized_by=reason)
    if allowed:
        return
    if ask.path:
        raise errors.forbidden_path(request.user, ask.verb, ask.path)
    where = f'in the namespace "{ask.namespace}"' if ask.namespace else "at the cluster scope"
    why = (
        f'User "{request.user}" cannot {ask.verb} resource "{ask.full}" '
        f'in API group "{ask.group}" {where}'
    )
    why += f": {reason}" if reason else ""
    raise errors.forbidden_named(ask.resource, ask.group, ask.name, why)


def allows(server: APIServer, user: str, groups: Any, ask: Ask) -> tuple[bool, str]:
    """Whether, and by which binding."""
    if MASTERS in groups:
        return True, MASTERS
    why = ""
    node = node_authorizer.node_of(user, groups)
    if node:
        why = node_authorizer.refusal(server, node, ask)
        rules = rules_of(server, Obj(kind="ClusterRole", name="system:node"), "")
        if not why and any(permits(rule, ask) for rule in rules):
            return True, f"node {node}"
    for binding, rules in grants(server, user, groups, ask.namespace):
        if any(permits(rule, ask) for rule in rules):
            return True, _because(binding, user)
    return False, why


def _because(binding: Obj, user: str) -> str:
    role, kind = binding["roleRef"], binding["kind"]
    key = f"{namespace_of(binding)}/{name_of(binding)}".lstrip("/")
    subject = next(
        (s for s in binding.get("subjects") or NOTHING if s.get("name") == user), None
    ) or next(iter(binding.get("subjects") or NOTHING), EMPTY)
    who = f'{subject.get("kind")} "{subject.get("name")}"'
    if subject.get("kind") == "ServiceAccount":
        who = f'ServiceAccount "{subject.get("name")}/{subject.get("namespace", "")}"'
    scope = f'{kind} "{key}" of {role["kind"]} "{role["name"]}" to {who}'
    return f"RBAC: allowed by {scope}"


def grants(
    server: APIServer, user: str, groups: Any, namespace: str
) -> Iterator[tuple[Obj, list[Obj]]]:
    """The bindings that hold for somebody in a namespace, each with its role's rules."""
    for binding in _objects(server, CLUSTER_BINDINGS):
        if _binds(binding, user, groups):
            yield binding, rules_of(server, binding["roleRef"], "")
    if namespace:
        for binding in _objects(server, BINDINGS):
            if namespace_of(binding) == namespace and _binds(binding, user, groups):
                yield binding, rules_of(server, binding["roleRef"], namespace)


def _objects(server: APIServer, prefix: str) -> list[Obj]:
    cache = server.caches.get(prefix)
    return list(cache.objects.values()) if cache is not None else []


def _binds(binding: Obj, user: str, groups: Any) -> bool:
    for subject in binding.get("subjects") or NOTHING:
        kind, name = subject.get("kind"), subject.get("name")
        if (kind == "User" and name == user) or (kind == "Group" and name in groups):
            return True
        if kind == "ServiceAccount":
            namespace = subject.get("namespace") or namespace_of(binding)
            if user == f"system:serviceaccount:{namespace}:{name}":
                return True
    return False


def rules_of(server: APIServer, reference: Obj, namespace: str) -> list[Obj]:
    """The rules of a role; of an aggregated one, all that its selectors gather."""
    cluster = reference.get("kind") == "ClusterRole"
    prefix = CLUSTER_ROLES if cluster else ROLES
    cache = server.caches.get(prefix)
    key = reference["name"] if cluster else f"{namespace}/{reference['name']}"
    role = cache.objects.get(key) if cache is not None else None
    if role is None:
        return []
    rules = list(role.get("rules") or NOTHING)
    for selector in get(role, "aggregationRule", "clusterRoleSelectors") or NOTHING:
        chosen = selectors.compile_selector(selector)
        for other in _objects(server, CLUSTER_ROLES):
            if other is not role and chosen.matches(labels_of(other)):
                rules += [rule for rule in other.get("rules") or NOTHING if rule not in rules]
    return rules


def permits(rule: Obj, ask: Ask) -> bool:
    """Whether a rule allows something."""
    if not _has(rule.get("verbs"), ask.verb):
        return False
    if ask.path:
        return any(
            path in (ask.path, "*") or (path.endswith("*") and ask.path.startswith(path[:-1]))
            for path in rule.get("nonResourceURLs") or NOTHING
        )
    if not _has(rule.get("apiGroups"), ask.group):
        return False
    resources = rule.get("resources") or NOTHING
    if not (_has(resources, ask.full) or (ask.subresource and f"*/{ask.subresource}" in resources)):
        return False
    names = rule.get("resourceNames")
    return not names or ask.name in names


def _has(values: Any, wanted: str) -> bool:
    return "*" in (values or NOTHING) or wanted in (values or NOTHING)


# Nobody gives away what he does not hold.


def check_escalation(server: APIServer, request: Request, kind: Kind, obj: Obj) -> None:
    """Raises ApiError 403 where a role or binding would give more than its writer holds."""
    if kind.group != GROUP or not request.groups or MASTERS in request.groups:
        return
    namespace = namespace_of(obj)
    if kind.kind in ("Role", "ClusterRole"):
        verb, wanted, resource = "escalate", list(obj.get("rules") or NOTHING), kind.plural
        name = name_of(obj)
    else:
        reference = obj["roleRef"]
        verb = "bind"
        resource = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
        name = reference["name"]
    special = Ask(verb, GROUP, resource, "", namespace, name)
    if allows(server, request.user, request.groups, special)[0]:
        return
    if verb == "bind":
        wanted = _bound_rules(server, kind, obj["roleRef"], namespace)
    held = [
        rule for _, rules in grants(server, request.user, request.groups, namespace)
        for rule in rules
    ]  # fmt: skip
    missing = [rule for rule in wanted if not _covered(rule, held)]
    if missing:
        groups = " ".join(f'"{group}"' for group in request.groups)
        why = (
            f'user "{request.user}" (groups=[{groups}]) is attempting to grant RBAC permissions '
            "not currently held:\n" + "\n".join(_shown(rule) for rule in missing)
        )
        raise errors.forbidden(kind, name_of(obj), why)


def _bound_rules(server: APIServer, kind: Kind, reference: Obj, namespace: str) -> list[Obj]:
    """What a binding would give away; of a role that is not there nobody knows."""
    cluster = reference.get("kind") == "ClusterRole"
    key = reference["name"] if cluster else f"{namespace}/{reference['name']}"
    if server.cached(CLUSTER_ROLES if cluster else ROLES, key) is None:
        raise errors.not_found(kind, reference["name"])
    return rules_of(server, reference, namespace)


def _covered(rule: Obj, held: list[Obj]) -> bool:
    """Whether each single thing that a rule allows is allowed by some rule that is held."""
    for verb in rule.get("verbs") or NOTHING:
        for path in rule.get("nonResourceURLs") or NOTHING:
            if not any(permits(other, Ask(verb, path=path)) for other in held):
                return False
        for group in rule.get("apiGroups") or NOTHING:
            for full in rule.get("resources") or NOTHING:
                resource, _, subresource = full.partition("/")
                for name in rule.get("resourceNames") or ("",):
                    ask = Ask(verb, group, resource, subresource, "", name)
                    if not any(permits(other, ask) for other in held):
                        return False
    return True


def _shown(rule: Obj) -> str:
    titles = {"apiGroups": "APIGroups", "resources": "Resources", "resourceNames": "ResourceNames",
              "nonResourceURLs": "NonResourceURLs", "verbs": "Verbs"}  # fmt: skip
    parts = [
        f"{title}:[" + " ".join(f'"{value}"' for value in rule[field]) + "]"
        for field, title in titles.items()
        if rule.get(field)
    ]
    return "{" + ", ".join(parts) + "}"
