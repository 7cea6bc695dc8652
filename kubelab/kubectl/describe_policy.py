"""The pages of roles, bindings, disruption budgets and autoscalers.

In Kubernetes: k8s.io/kubectl/pkg/describe/describe.go.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, get, name_of
from kubelab.kubectl.page import Page, selector_text, when, words
from kubelab.kubectl.session import Session


def _role(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.write(0, f"Name:\t{name_of(obj)}")
    page.marks(obj)
    page.write(0, "PolicyRule:\n  Resources\tNon-Resource URLs\tResource Names\tVerbs")
    page.write(1, "---------\t-----------------\t--------------\t-----")
    for resource, urls, names, verbs in rule_rows(obj.get("rules") or ()):
        page.write(1, f"{resource}\t{words(urls)}\t{words(names)}\t{words(verbs)}")


Rule = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def rule_rows(rules: Any) -> list[Rule]:
    """One line a resource; what is granted of it by several rules stands together."""
    merged: dict[tuple[str, str, str, str], list[str]] = {}
    paths: list[tuple[tuple[str, str, str, str], list[str]]] = []
    for rule in rules:
        verbs = list(rule.get("verbs") or ())
        about = [
            (group, resource, name, "")
            for group in rule.get("apiGroups") or ()
            for resource in rule.get("resources") or ()
            for name in rule.get("resourceNames") or ("",)
        ]
        paths += [(("", "", "", path), verbs) for path in rule.get("nonResourceURLs") or ()]
        for key in about:
            held = merged.setdefault(key, [])
            held += [verb for verb in verbs if verb not in held]
    rows = sorted([*merged.items(), *paths], key=lambda item: _order(*item))
    return [
        (_resource(resource, group), (path,) if path else (), (name,) if name else (),
         tuple(verbs))
        for (group, resource, name, path), verbs in rows
    ]  # fmt: skip


def _resource(resource: str, group: str) -> str:
    """`deployments.apps/scale`: the group stands behind the resource, before the subresource."""
    if not group:
        return resource
    name, slash, subresource = resource.partition("/")
    return f"{name}.{group}{slash}{subresource}"


def _order(about: tuple[str, str, str, str], verbs: list[str]) -> str:
    """Rules in the order of their text, which begins with the verbs."""
    group, resource, name, path = about
    groups = [] if path else [group]
    resources = [resource] if resource else []
    return (
        f"{words(verbs)},APIGroups:{words(groups)},Resources:{words(resources)},"
        f"ResourceNames:{words([name] if name else [])},NonResourceURLs:{words([path])}"
    )


def _binding(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.write(0, f"Name:\t{name_of(obj)}")
    page.marks(obj)
    role = obj.get("roleRef") or {}
    page.write(0, f"Role:\n  Kind:\t{role.get('kind')}\n  Name:\t{role.get('name')}")
    page.write(0, "Subjects:\n  Kind\tName\tNamespace")
    page.write(1, "----\t----\t---------")
    for row in obj.get("subjects") or ():
        page.write(1, f"{row['kind']}\t{row['name']}\t{row.get('namespace', '')}")


def _budget(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    for title, field in (("Min available", "minAvailable"), ("Max unavailable", "maxUnavailable")):
        if get(obj, "spec", field) is not None:
            page.write(0, f"{title}:\t{obj['spec'][field]}")
    held = get(obj, "spec", "selector")
    page.write(0, f"Selector:\t{selector_text(held) if held else '<unset>'}")
    page.write(0, "Status:")
    for title, field in (
        ("Allowed disruptions", "disruptionsAllowed"), ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"), ("Total", "expectedPods"),
    ):  # fmt: skip
        page.write(2, f"{title}:\t{get(obj, 'status', field, default=0)}")
    page.events(events)


def _autoscaler(session: Session, page: Page, obj: Obj, events: Any) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    target = spec["scaleTargetRef"]
    page.head(obj)
    page.marks(obj)
    page.write(0, f"CreationTimestamp:\t{when(obj['metadata'].get('creationTimestamp'))}")
    page.write(0, f"Reference:\t{target['kind']}/{target['name']}")
    page.write(0, "Metrics:\t( current / target )")
    current = status.get("currentMetrics") or ()
    for at, metric in enumerate(spec.get("metrics") or ()):
        page.write(1, _metric(metric, get(current, at)))
    page.write(0, f"Min replicas:\t{spec.get('minReplicas', '<unset>')}")
    page.write(0, f"Max replicas:\t{spec.get('maxReplicas')}")
    if spec.get("behavior"):
        page.write(0, "Behavior:")
        for title, field in (("Scale Up", "scaleUp"), ("Scale Down", "scaleDown")):
            _scaling(page, title, spec["behavior"].get(field))
    have, wish = status.get("currentReplicas", 0), status.get("desiredReplicas", 0)
    page.write(0, f"{target['kind']} pods:\t{have} current / {wish} desired")
    if status.get("conditions"):
        page.write(0, "Conditions:")
        page.write(1, "Type\tStatus\tReason\tMessage")
        page.write(1, "----\t------\t------\t-------")
        for row in status["conditions"]:
            cells = (row["type"], row["status"], row.get("reason", ""), row.get("message", ""))
            page.write(1, "\t".join(cells))
    page.events(events)


def _scaling(page: Page, title: str, rules: Any) -> None:
    """How fast an autoscaler may go in one direction."""
    if not rules:
        return
    page.write(1, f"{title}:")
    if rules.get("stabilizationWindowSeconds") is not None:
        seconds = rules["stabilizationWindowSeconds"]
        page.write(2, f"Stabilization Window: {seconds} seconds")
    if not rules.get("policies"):
        return
    page.write(2, f"Select Policy: {rules.get('selectPolicy', 'Max')}")
    page.write(2, "Policies:")
    for row in rules["policies"]:
        period = f"Period: {row['periodSeconds']} seconds"
        page.write(3, f"- Type: {row['type']}\tValue: {row['value']}\t{period}")


def _metric(metric: Obj, status: Any) -> str:
    field = metric["type"][0].lower() + metric["type"][1:]
    part, held = metric.get(field) or {}, get(status, field, "current", default={})
    target = part.get("target") or {}
    if metric["type"] in ("Resource", "ContainerResource"):
        where = f' of container "{part["container"]}"' if "container" in part else ""
        head = f"resource {part.get('name')}{where} on pods"
        if "averageValue" in target:
            shown = held.get("averageValue", "<unknown>")
            return f"{head}:\t{shown} / {target['averageValue']}"
        share = held.get("averageUtilization")
        shown = "<unknown>" if share is None else f"{share}% ({held.get('averageValue')})"
        wish = target.get("averageUtilization")
        aim = "<auto>" if wish is None else f"{wish}%"
        return f"{head}  (as a percentage of request):\t{shown} / {aim}"
    name = get(part, "metric", "name")
    key = "averageValue" if "averageValue" in target else "value"
    shown = held.get(key, "<unknown>")
    if metric["type"] == "Pods":
        return f'"{name}" on pods:\t{shown} / {target.get(key)}'
    about = part.get("describedObject")
    where = f" on {about['kind']}/{about['name']}" if about else ""
    how = "target average value" if key == "averageValue" else "target value"
    return f'"{name}"{where} ({how}):\t{shown} / {target.get(key)}'


PAGES = {
    "Role": _role, "ClusterRole": _role, "RoleBinding": _binding,
    "ClusterRoleBinding": _binding, "PodDisruptionBudget": _budget,
    "HorizontalPodAutoscaler": _autoscaler,
}  # fmt: skip
