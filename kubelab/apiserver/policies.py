"""Admission policies in CEL: what they refuse, warn of, note, and change.

A policy has expressions; a binding puts it to use, perhaps with parameters from other objects. For
each binding that is concerned with a request, and each of its parameters, the match conditions are
asked first, then the validations (or mutations) in order. What cannot be evaluated counts as the
policy's `failurePolicy` says.

In Kubernetes: k8s.io/apiserver/pkg/admission/plugin/policy/{validating,mutating}. Left out: the
type check of expressions against the kinds that they will meet, the limits of their cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.api import apply, errors, fieldsets, kinds, patch, selectors
from kubelab.api.kinds import Kind
from kubelab.api.objects import EMPTY, NOTHING, Arr, Obj, freeze, get, labels_of, name_of
from kubelab.apiserver import cel, cel_eval, convert, matching, rbac
from kubelab.apiserver.cel_eval import CelError
from kubelab.apiserver.matching import Attributes
from kubelab.apiserver.pending import Pending

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

VALIDATING = "/registry/validatingadmissionpolicies/"
MUTATING = "/registry/mutatingadmissionpolicies/"
CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413}


class Refusal(NamedTuple):
    """Why a policy refuses; without a binding it is the policy itself that is wrong."""

    policy: Obj
    binding: Obj | None
    message: str
    reason: str = ""


class Turn(NamedTuple):
    """A policy, the binding that puts it to use, and one of its parameters."""

    policy: Obj
    binding: Obj
    param: Obj | None


class _Lazy(Mapping[str, Any]):
    """The variables of a policy: each is evaluated when it is first asked for."""

    def __init__(self, variables: Any, bound: dict[str, Any]) -> None:
        self._texts = {row["name"]: row["expression"] for row in variables or NOTHING}
        self._known: dict[str, Any] = {}
        self._bound = bound

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            try:
                self._known[name] = cel.program(self._texts[name]).evaluate(self._bound)
            except CelError as error:
                raise CelError(f'composited variable "{name}" fails to evaluate: {error}') from None
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def validate(server: APIServer, pending: Pending, asked: Attributes) -> None:
    """Raises ApiError where a ValidatingAdmissionPolicy refuses; warns where it only warns."""
    refusals: list[Refusal] = []
    looked = []
    for turn in _turns(server, VALIDATING, asked, refusals):
        looked.append(name_of(turn.policy))
        for found in _decisions(server, turn, asked):
            actions = get(turn.binding, "spec", "validationActions", default=NOTHING)
            if "Deny" in actions:
                refusals.append(found)
            if "Warn" in actions:
                pending.warn(
                    f"Validation failed for ValidatingAdmissionPolicy '{name_of(turn.policy)}' "
                    f"with binding '{name_of(turn.binding)}': {found.message}"
                )
            if "Audit" in actions:
                server.note(audit_failure=f"{name_of(turn.policy)}: {found.message}")
        refusals += _annotations(server, turn, asked)
    if looked:
        server.note(policies=looked)
        pending.passes("ValidatingAdmissionPolicy")
    if refusals:
        raise _refused(asked, refusals[0])


def _refused(asked: Attributes, refusal: Refusal) -> errors.ApiError:
    policy, binding = name_of(refusal.policy), refusal.binding
    by = f"'{policy}' with binding '{name_of(binding)}'" if binding is not None else f"'{policy}'"
    said = f"ValidatingAdmissionPolicy {by} denied request: {refusal.message}"
    return _status(asked, said, said, refusal.reason or "Invalid")


def _status(asked: Attributes, why: str, cause: str, reason: str) -> errors.ApiError:
    base = errors.forbidden(asked.kind, asked.name, why, [Obj(message=cause)])
    code = CODES.get(reason, 422)
    return errors.ApiError(Obj({**base.status, "reason": reason, "code": code}))


# Which policies are concerned.


def _turns(
    server: APIServer, prefix: str, asked: Attributes, refusals: list[Refusal]
) -> Iterator[Turn]:
    bindings = server.caches[prefix.replace("policies/", "policybindings/")].all()
    if not bindings or matching.exempt(asked.kind):
        return
    for policy in server.caches[prefix].all():
        own = [b for b in bindings if get(b, "spec", "policyName") == name_of(policy)]
        constraints = get(policy, "spec", "matchConstraints", default=EMPTY)
        if not own or not matching.matches(server, constraints, asked):
            continue
        closed = get(policy, "spec", "failurePolicy", default="Fail") == "Fail"
        param = get(policy, "spec", "paramKind")
        if param is not None and _kind_of(server, param) is None:
            version, kind = param.get("apiVersion"), param.get("kind")
            if closed:
                refusals.append(Refusal(
                    policy, None, "failed to configure policy: failed to find resource referenced "
                    f"by paramKind: '{version}, Kind={kind}'",
                ))  # fmt: skip
            continue
        for binding in own:
            if not matching.matches(server, get(binding, "spec", "matchResources") or EMPTY, asked):
                continue
            try:
                params = _params(server, param, get(binding, "spec", "paramRef"), asked)
            except CelError as error:
                if closed:
                    text = f"failed to configure binding: {error}"
                    refusals.append(Refusal(policy, binding, text))
                continue
            yield from (Turn(policy, binding, found) for found in params)


def _kind_of(server: APIServer, param: Any) -> Kind | None:
    version, kind = str(param.get("apiVersion", "")), str(param.get("kind", ""))
    known = kinds.find(version, kind)
    if known is not None:
        return known
    return next(
        (row for row in server.custom.values() if (row.api_version, row.kind) == (version, kind)),
        None,
    )


def _params(server: APIServer, param: Any, reference: Any, asked: Attributes) -> list[Obj | None]:
    """The parameters of a binding. Raises CelError where it has none and must."""
    if param is None or reference is None:
        return [None]
    kind = _kind_of(server, param)
    assert kind is not None
    namespace = reference.get("namespace") or ""
    if namespace and not kind.namespaced:
        raise CelError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    if kind.namespaced and not namespace:
        namespace = asked.namespace
        if not namespace:
            raise CelError(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped "
                "resources"
            )
    cache = server.caches.get(kind.prefix)
    found = cache.all(namespace) if cache is not None else []
    if reference.get("name"):
        found = [obj for obj in found if name_of(obj) == reference["name"]]
    elif reference.get("selector") is not None:
        chosen = selectors.compile_selector(reference["selector"])
        found = [obj for obj in found if chosen.matches(labels_of(obj))]
    if not found and reference.get("parameterNotFoundAction") == "Deny":
        raise CelError("no params found for policy binding with `Deny` parameterNotFoundAction")
    return [convert.from_stored(kind, obj) for obj in found]


# What they say.


def variables(server: APIServer, asked: Attributes, turn: Turn) -> dict[str, Any]:
    """What expressions may speak of."""
    kind = asked.kind
    own = kind.kind == "Namespace" and not kind.group
    namespace = "" if own else asked.namespace
    about = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    where = {"group": kind.group, "version": kind.version, "resource": kind.plural}
    request = {
        "kind": about, "resource": where, "subResource": asked.subresource, "requestKind": about,
        "requestResource": where, "requestSubResource": asked.subresource, "name": asked.name,
        "namespace": asked.namespace, "operation": asked.operation, "userInfo": asked.user,
        "dryRun": asked.dry, "options": asked.options,
    }  # fmt: skip
    home = server.cached("/registry/namespaces/", namespace) if namespace else None
    bound: dict[str, Any] = {
        "object": _whole(kind, asked.obj), "oldObject": _whole(kind, asked.old),
        "request": request, "params": turn.param, "namespaceObject": home,
        "authorizer": _authorizer(server, asked),
    }  # fmt: skip
    bound["variables"] = _Lazy(get(turn.policy, "spec", "variables"), bound)
    return bound


def _whole(kind: Kind, obj: Obj | None) -> Obj | None:
    return None if obj is None else Obj({**obj, "apiVersion": kind.api_version, "kind": kind.kind})


def _authorizer(server: APIServer, asked: Attributes) -> cel_eval.Authorizer:
    user, groups = asked.user.get("username", ""), tuple(asked.user.get("groups") or ())

    def allows(held: cel_eval.Authorizer, verb: str) -> tuple[bool, str]:
        ask = rbac.Ask(verb, held.group, held.resource, held.subresource, held.namespace,
                       held.name, held.path)  # fmt: skip
        return rbac.allows(server, held.user or user, groups if not held.user else (), ask)

    plain = cel_eval.Authorizer(allows)
    kind = asked.kind
    own = plain._replace(
        group=kind.group, resource=kind.plural, subresource=asked.subresource,
        namespace=asked.namespace, name=asked.name,
    )  # fmt: skip
    return plain._replace(request=own)


def _decisions(server: APIServer, turn: Turn, asked: Attributes) -> list[Refusal]:
    """What the validations of a policy refuse."""
    spec = turn.policy["spec"]
    closed = (spec.get("failurePolicy") or "Fail") == "Fail"
    bound = variables(server, asked, turn)
    try:
        if not conditions_hold(spec, bound, closed):
            return []
    except CelError as error:
        return [Refusal(turn.policy, turn.binding, str(error))]
    found = []
    for row in spec.get("validations") or NOTHING:
        text = row["expression"]
        try:
            holds = cel.program(text).evaluate(bound)
        except CelError as error:
            if closed:
                said = f"expression '{text}' resulted in error: {error}"
                found.append(Refusal(turn.policy, turn.binding, said))
            continue
        if holds is not True:
            said = _message(row, bound)
            reason = row.get("reason") or "Invalid"
            found.append(Refusal(turn.policy, turn.binding, said, reason))
    return found


def conditions_hold(spec: Any, bound: dict[str, Any], closed: bool) -> bool:
    """Whether all match conditions hold; one that does not decides, whatever the others say."""
    problems = []
    for row in spec.get("matchConditions") or NOTHING:
        try:
            if cel.program(row["expression"]).evaluate(bound) is False:
                return False
        except CelError as error:
            problems.append(f"expression '{row['expression']}' resulted in error: {error}")
    if problems and closed:
        raise CelError(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
    return not problems


def _message(row: Any, bound: dict[str, Any]) -> str:
    if row.get("messageExpression"):
        try:
            said = cel.program(row["messageExpression"]).evaluate(bound)
        except CelError:
            said = None
        if isinstance(said, str) and said.strip() and "\n" not in said.strip():
            return said.strip()
    plain = str(row.get("message") or "").strip()
    return plain or f"failed expression: {row['expression'].strip()}"


def _annotations(server: APIServer, turn: Turn, asked: Attributes) -> list[Refusal]:
    """The audit annotations that a policy makes are noted; one that fails may refuse."""
    rows = get(turn.policy, "spec", "auditAnnotations", default=NOTHING)
    found = []
    for row in rows:
        bound = variables(server, asked, turn)
        try:
            said = cel.program(row["valueExpression"]).evaluate(bound)
        except CelError as error:
            if get(turn.policy, "spec", "failurePolicy", default="Fail") == "Fail":
                text = f"expression '{row['valueExpression']}' resulted in error: {error}"
                found.append(Refusal(turn.policy, turn.binding, text))
            continue
        if isinstance(said, str) and said.strip():
            server.note(audit={f"{name_of(turn.policy)}/{row['key']}": said.strip()})
    return found


# What they change.


def mutate(server: APIServer, pending: Pending, asked: Attributes) -> Obj:
    """The object as MutatingAdmissionPolicies want it. Raises ApiError."""
    obj = asked.obj
    assert obj is not None
    refusals: list[Refusal] = []
    changed = []
    for turn in _turns(server, MUTATING, asked, refusals):
        spec = turn.policy["spec"]
        closed = (spec.get("failurePolicy") or "Fail") == "Fail"
        before = obj
        for row in spec.get("mutations") or NOTHING:
            bound = variables(server, asked._replace(obj=obj), turn)
            try:
                if not conditions_hold(spec, bound, closed):
                    break
                obj = _changed(asked.kind, obj, row, bound)
            except (CelError, errors.ApiError) as error:
                if closed:
                    refusals.append(Refusal(turn.policy, turn.binding, str(error)))
                break
        if obj is not before and obj != before:
            changed.append(name_of(turn.policy))
    if changed:
        server.note(mutated_by=changed)
        pending.passes("MutatingAdmissionPolicy")
    if refusals:
        first = refusals[0]
        by = f" with binding '{name_of(first.binding)}'" if first.binding is not None else ""
        said = f"policy '{name_of(first.policy)}'{by} denied request: {first.message}"
        status = _status(asked, said, said, "Invalid").status
        raise errors.ApiError(Obj({**status, "message": said}))
    return obj


def _changed(kind: Kind, obj: Obj, mutation: Any, bound: dict[str, Any]) -> Obj:
    """An object after one mutation."""
    whole = _whole(kind, obj)
    assert whole is not None
    if mutation.get("patchType") == "JSONPatch":
        text = get(mutation, "jsonPatch", "expression", default="")
        operations = _evaluated(text, bound)
        if not isinstance(operations, list):
            raise CelError("type mismatch: JSONPatchType.expression should evaluate to array")
        try:
            return patch.json_patch(whole, freeze(operations))
        except errors.ApiError:
            if any(row.get("op") == "test" for row in operations):
                # A test that fails means: leave it alone.
                return obj
            raise CelError("JSONPath: unable to apply the patch") from None
    text = get(mutation, "applyConfiguration", "expression", default="")
    wish = _evaluated(text, bound)
    if not isinstance(wish, dict):
        raise CelError("type mismatch: ApplyConfiguration.expression should evaluate to an Object")
    named = freeze({**wish, "apiVersion": kind.api_version, "kind": kind.kind})
    return apply.laid_over(fieldsets.type_of(kind), whole, named)


def _evaluated(text: str, bound: dict[str, Any]) -> Any:
    try:
        found = cel.program(text).evaluate(bound)
    except CelError as error:
        raise CelError(f"expression '{text}' resulted in error: {error}") from None
    return Arr(found) if isinstance(found, list) else found
