"""Validation of what governs admission: policies in CEL, their bindings, and webhooks.

An expression is compiled when it is written; one that is none is refused with the place where it
ceases to be. Names that no variable has are refused, too.

In Kubernetes: pkg/apis/admissionregistration/validation. Left out: what the type checker finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from kubelab.api.fielderrors import (
    duplicate,
    not_allowed,
    required,
    too_many,
    unsupported,
    wrong,
)
from kubelab.apiserver import cel, formats
from kubelab.apiserver.validation_meta import Errors, each_wrong, selector
from kubelab.sim.tree import EMPTY, Obj, get

GROUP = "admissionregistration.k8s.io"
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
NO_EFFECTS = ("None", "NoneOnDryRun")
REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
VERSIONS = ("v1", "v1beta1")
MOST_CONDITIONS = 64
_URL = "desired format: https://host[/path]"
KNOWN = (
    "object", "oldObject", "request", "params", "namespaceObject", "authorizer", "variables",
    # The names of types are values, too.
    "int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type",
)  # fmt: skip


def _choice(value: Any, field: str, allowed: Iterable[str]) -> Errors:
    if value is not None and value not in allowed:
        yield unsupported(field, value, allowed)


def _expression(text: str, field: str, *, params: bool = True) -> Errors:
    """A CEL expression that compiles and speaks of nothing unknown."""
    if not text.strip():
        return
    try:
        names = cel.free_names(text)
    except cel.CelError as error:
        yield wrong(field, text, f"compilation failed: {error}")
        return
    known = KNOWN if params else tuple(name for name in KNOWN if name != "params")
    for name, at in names:
        if name not in known:
            why = cel.undeclared(text, name, at)
            yield wrong(field, text, f"compilation failed: {why}")
            return


# Rules.


def _rule(rule: Any, path: str) -> Errors:
    operations = rule.get("operations") or ()
    if not operations:
        yield required(f"{path}.operations")
    if len(operations) > 1 and "*" in operations:
        message = "if '*' is present, must not specify other operations"
        yield wrong(f"{path}.operations", operations, message)
    for at, operation in enumerate(operations):
        yield from _choice(operation, f"{path}.operations[{at}]", OPERATIONS)
    for key, words in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        held = rule.get(key) or ()
        if not held:
            yield required(f"{path}.{key}")
        if len(held) > 1 and "*" in held:
            message = f"if '*' is present, must not specify other {words}"
            yield wrong(f"{path}.{key}", held, message)
        for at, version in enumerate(held if key == "apiVersions" else ()):
            if not version:
                yield required(f"{path}.{key}[{at}]")
    yield from _resources(rule.get("resources") or (), f"{path}.resources")
    yield from _choice(rule.get("scope"), f"{path}.scope", ("*", "Cluster", "Namespaced"))


def _resources(held: Any, path: str) -> Errors:
    if not held:
        yield required(path)
    all_of: list[str] = []
    for_all: list[str] = []
    for at, word in enumerate(held):
        if not word:
            yield required(f"{path}[{at}]")
        resource, slash, subresource = word.partition("/")
        if not slash:
            continue
        if resource in all_of:
            message = f"if '{resource}/*' is present, must not specify {word}"
            yield wrong(f"{path}[{at}]", word, message)
        if subresource in for_all:
            message = f"if '*/{subresource}' is present, must not specify {word}"
            yield wrong(f"{path}[{at}]", word, message)
        if subresource == "*":
            all_of.append(resource)
        if resource == "*":
            for_all.append(subresource)
    if len(held) > 1 and "*/*" in held:
        yield wrong(path, held, "if '*/*' is present, must not specify other resources")
    if "*" in held and any("/" not in word and word != "*" for word in held):
        message = "if '*' is present, must not specify other resources without subresources"
        yield wrong(path, held, message)


def _match(held: Any, path: str) -> Errors:
    yield from _choice(held.get("matchPolicy"), f"{path}.matchPolicy", ("Equivalent", "Exact"))
    for key in ("namespaceSelector", "objectSelector"):
        yield from selector(held.get(key), f"{path}.{key}")
    for key in ("resourceRules", "excludeResourceRules"):
        for at, rule in enumerate(held.get(key) or ()):
            names: list[str] = []
            for number, name in enumerate(rule.get("resourceNames") or ()):
                place = f"{path}.{key}[{at}].resourceNames[{number}]"
                yield from each_wrong(place, name, formats.path_segment(name))
                if name in names:
                    yield duplicate(place, name)
                names.append(name)
            yield from _rule(rule, f"{path}.{key}[{at}]")


def _conditions(rows: Any, path: str, *, params: bool) -> Errors:
    if len(rows) > MOST_CONDITIONS:
        yield too_many(path, len(rows), MOST_CONDITIONS)
    names: list[str] = []
    for at, row in enumerate(rows):
        text, name = (row.get("expression") or "").strip(), row.get("name") or ""
        if not text:
            yield required(f"{path}[{at}].expression")
        else:
            yield from _expression(text, f"{path}[{at}].expression", params=params)
        if not name:
            yield required(f"{path}[{at}].name")
        else:
            yield from each_wrong(f"{path}[{at}].name", name, formats.qualified(name))
            if name in names:
                yield duplicate(f"{path}[{at}].name", name)
            names.append(name)


# Policies.


def _policy(obj: Obj) -> Errors:
    """What policies of both kinds have."""
    spec = obj.get("spec") or EMPTY
    params = spec.get("paramKind") is not None
    yield from _choice(spec.get("failurePolicy"), "spec.failurePolicy", ("Fail", "Ignore"))
    for key in ("apiVersion", "kind") if params else ():
        if not spec["paramKind"].get(key):
            yield required(f"spec.paramKind.{key}")
    constraints = spec.get("matchConstraints")
    if constraints is None:
        yield required("spec.matchConstraints")
    else:
        yield from _match(constraints, "spec.matchConstraints")
        if not constraints.get("resourceRules"):
            yield required("spec.matchConstraints.resourceRules")
    rows = spec.get("matchConditions") or ()
    yield from _conditions(rows, "spec.matchConditions", params=params)
    for at, row in enumerate(spec.get("variables") or ()):
        path = f"spec.variables[{at}]"
        name, text = row.get("name") or "", row.get("expression") or ""
        if not name.strip():
            yield required(f"{path}.name", "name is not specified")
        elif not name.isidentifier():
            yield wrong(f"{path}.name", name, "name is not a valid CEL identifier")
        if not text.strip():
            yield required(f"{path}.expression", "expression is not specified")
        else:
            yield from _expression(text, f"{path}.expression", params=params)


def validating_policy(obj: Obj) -> Errors:
    """A ValidatingAdmissionPolicy."""
    yield from _policy(obj)
    spec = obj.get("spec") or EMPTY
    params = spec.get("paramKind") is not None
    rows, notes = spec.get("validations") or (), spec.get("auditAnnotations") or ()
    if not rows and not notes:
        message = "validations or auditAnnotations must contain at least one item"
        yield required("spec.validations", message)
        yield required("spec.auditAnnotations", message)
    for at, row in enumerate(rows):
        yield from _validation(row, f"spec.validations[{at}]", params)
    keys: list[str] = []
    for at, row in enumerate(notes):
        path, key = f"spec.auditAnnotations[{at}]", row.get("key") or ""
        if not (row.get("valueExpression") or "").strip():
            yield required(f"{path}.valueExpression", "valueExpression is not specified")
        else:
            yield from _expression(row["valueExpression"], f"{path}.valueExpression", params=params)
        if key in keys:
            yield duplicate(f"{path}.key", key)
        keys.append(key)


def _validation(row: Any, path: str, params: bool) -> Errors:
    text, message = row.get("expression") or "", row.get("message") or ""
    if not text.strip():
        yield required(f"{path}.expression", "expression is not specified")
    else:
        yield from _expression(text, f"{path}.expression", params=params)
    said = row.get("messageExpression") or ""
    if said and not said.strip():
        yield wrong(f"{path}.messageExpression", said, "must be non-empty if specified")
    else:
        yield from _expression(said, f"{path}.messageExpression", params=params)
    if message and not message.strip():
        yield wrong(f"{path}.message", message, "message must be non-empty if specified")
    elif "\n" in message.strip():
        yield wrong(f"{path}.message", message, "message must not contain line breaks")
    yield from _choice(row.get("reason"), f"{path}.reason", REASONS)


def mutating_policy(obj: Obj) -> Errors:
    """A MutatingAdmissionPolicy."""
    yield from _policy(obj)
    spec = obj.get("spec") or EMPTY
    params = spec.get("paramKind") is not None
    if not spec.get("mutations"):
        yield required("spec.mutations", "mutations must contain at least one item")
    for at, row in enumerate(spec.get("mutations") or ()):
        path, kind = f"spec.mutations[{at}]", row.get("patchType") or ""
        part = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}.get(kind)
        if part is None:
            yield unsupported(f"{path}.patchType", kind, ("ApplyConfiguration", "JSONPatch"))
        elif not get(row, part, "expression", default="").strip():
            yield required(f"{path}.{part}.expression", "expression is not specified")
        else:
            text = row[part]["expression"]
            yield from _expression(text, f"{path}.{part}.expression", params=params)
    policy = spec.get("reinvocationPolicy")
    if not policy:
        yield required("spec.reinvocationPolicy")
    yield from _choice(policy or None, "spec.reinvocationPolicy", ("IfNeeded", "Never"))


def binding(obj: Obj) -> Errors:
    """The binding of a policy."""
    spec = obj.get("spec") or EMPTY
    name = spec.get("policyName") or ""
    if not name:
        yield required("spec.policyName")
    else:
        yield from each_wrong("spec.policyName", name, formats.subdomain(name))
    reference = spec.get("paramRef")
    if reference is not None:
        yield from _param_reference(reference, "spec.paramRef")
    if spec.get("matchResources") is not None:
        yield from _match(spec["matchResources"], "spec.matchResources")
    if obj.get("kind") != "ValidatingAdmissionPolicyBinding":
        return
    actions = spec.get("validationActions") or ()
    for at, action in enumerate(actions):
        yield from _choice(action, f"spec.validationActions[{at}]", ("Audit", "Deny", "Warn"))
        if action in actions[:at]:
            yield duplicate(f"spec.validationActions[{at}]", action)
    if "Deny" in actions and "Warn" in actions:
        yield wrong(
            "spec.validationActions", actions,
            "must not contain both Deny and Warn (repeating the same validation failure "
            "information in the API response and headers serves no purpose)",
        )  # fmt: skip
    if not actions:
        yield required("spec.validationActions", "at least one validation action is required")


def _param_reference(reference: Any, path: str) -> Errors:
    name, chosen = reference.get("name"), reference.get("selector")
    if name:
        yield from each_wrong(f"{path}.name", name, formats.path_segment(name))
        if chosen is not None:
            yield not_allowed(f"{path}.name", "name and selector are mutually exclusive")
    elif chosen is None:
        yield required(path, "one of name or selector must be specified")
    action = reference.get("parameterNotFoundAction")
    if not action:
        yield required(f"{path}.parameterNotFoundAction")
    yield from _choice(action or None, f"{path}.parameterNotFoundAction", ("Allow", "Deny"))


# Webhooks.


def webhooks(obj: Obj) -> Errors:
    """A configuration of webhooks."""
    names: list[str] = []
    for at, hook in enumerate(obj.get("webhooks") or ()):
        path, name = f"webhooks[{at}]", hook.get("name") or ""
        yield from _webhook(hook, path)
        versions = hook.get("admissionReviewVersions") or ()
        listed = ", ".join(VERSIONS)
        if not versions:
            yield required(f"{path}.admissionReviewVersions", f"must specify one of {listed}")
        elif not any(version in VERSIONS for version in versions):
            message = f"must include at least one of {listed}"
            yield wrong(f"{path}.admissionReviewVersions", versions, message)
        if name and name in names:
            yield duplicate(f"{path}.name", name)
        names.append(name)


def _webhook(hook: Any, path: str) -> Errors:
    name = hook.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    elif name.count(".") < 2:
        message = "should be a domain with at least three segments separated by dots"
        yield wrong(f"{path}.name", name, message)
    else:
        yield from each_wrong(f"{path}.name", name, formats.subdomain(name))
    for at, rule in enumerate(hook.get("rules") or ()):
        yield from _rule(rule, f"{path}.rules[{at}]")
    yield from _choice(hook.get("failurePolicy"), f"{path}.failurePolicy", ("Fail", "Ignore"))
    yield from _choice(hook.get("matchPolicy"), f"{path}.matchPolicy", ("Equivalent", "Exact"))
    effects = hook.get("sideEffects")
    if effects is None:
        yield required(f"{path}.sideEffects", f"must specify one of {', '.join(NO_EFFECTS)}")
    yield from _choice(effects, f"{path}.sideEffects", NO_EFFECTS)
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        message = "the timeout value must be between 1 and 30 seconds"
        yield wrong(f"{path}.timeoutSeconds", seconds, message)
    for key in ("namespaceSelector", "objectSelector"):
        yield from selector(hook.get(key), f"{path}.{key}")
    yield from _client(hook.get("clientConfig") or EMPTY, f"{path}.clientConfig")
    rows = hook.get("matchConditions") or ()
    yield from _conditions(rows, f"{path}.matchConditions", params=False)


def _client(client: Any, path: str) -> Errors:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        yield required(path, "exactly one of url or service is required")
    elif url is not None and urlsplit(url).scheme != "https":
        scheme = urlsplit(url).scheme
        message = f"'https' is the only allowed URL scheme, not '{scheme}'; {_URL}"
        yield wrong(f"{path}.url", scheme, message)
    elif url is not None and not urlsplit(url).netloc:
        yield wrong(f"{path}.url", "", f"host must be specified; {_URL}")
    for key in ("name", "namespace") if service is not None else ():
        if not service.get(key):
            yield required(f"{path}.service.{key}", f"service {key} is required")


CREATE: dict[tuple[str, str], Callable[[Obj], Errors]] = {
    (GROUP, "MutatingAdmissionPolicy"): mutating_policy,
    (GROUP, "MutatingAdmissionPolicyBinding"): binding,
    (GROUP, "MutatingWebhookConfiguration"): webhooks,
    (GROUP, "ValidatingAdmissionPolicy"): validating_policy,
    (GROUP, "ValidatingAdmissionPolicyBinding"): binding,
    (GROUP, "ValidatingWebhookConfiguration"): webhooks,
}
UPDATE: dict[tuple[str, str], Callable[[Obj, Obj], Errors]] = {
    (GROUP, "MutatingWebhookConfiguration"): lambda old, new: webhooks(new),
    (GROUP, "ValidatingWebhookConfiguration"): lambda old, new: webhooks(new),
}
