"""The arguments that plugins take in a configuration, and what they may be.

In Kubernetes: pkg/scheduler/apis/config/validation/validation_pluginargs.go.
"""

from __future__ import annotations

from difflib import get_close_matches

from kubelab.api.objects import EMPTY, Obj, get

# The arguments of each plugin that has any.
KNOWN = {
    "NodeResourcesFit": ("ignoredResources", "ignoredResourceGroups", "scoringStrategy"),
    "NodeResourcesBalancedAllocation": ("resources",),
    "InterPodAffinity": ("hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods"),
    "PodTopologySpread": ("defaultConstraints", "defaultingType"),
    "NodeAffinity": ("addedAffinity",),
    "DefaultPreemption": ("minCandidateNodesPercentage", "minCandidateNodesAbsolute"),
    "VolumeBinding": ("bindTimeoutSeconds", "shape"),
    "DynamicResources": ("filterTimeout", "bindingTimeout"),
}
STRATEGIES = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")


def check(plugin: str, args: Obj, where: str) -> None:
    """Raises ValueError, naming the field, for arguments that the plugin cannot take."""
    known = KNOWN.get(plugin)
    if known is not None:
        for field in args:
            if field not in (*known, "apiVersion", "kind"):
                near = get_close_matches(field, known, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"{where}: {plugin} has no argument {field!r}{hint}")
    if plugin == "NodeResourcesFit":
        _fit(args.get("scoringStrategy") or EMPTY, f"{where}.scoringStrategy")
    elif plugin == "NodeResourcesBalancedAllocation":
        for index, item in enumerate(args.get("resources") or ()):
            if (item.get("weight") or 1) != 1:
                path = f"{where}.resources[{index}].weight"
                raise ValueError(f"{path}: Invalid value: {item['weight']}: must be 1")
    elif plugin == "InterPodAffinity":
        _between(args, "hardPodAffinityWeight", 0, 100, where)
    elif plugin == "DefaultPreemption":
        _between(args, "minCandidateNodesPercentage", 0, 100, where)
        _between(args, "minCandidateNodesAbsolute", 0, None, where)
    elif plugin == "PodTopologySpread":
        _spread(args, where)


def _between(args: Obj, field: str, low: int, high: int | None, where: str) -> None:
    value = args.get(field)
    if value is None:
        return
    if type(value) is not int or value < low or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"in the range [{low}, {high}]"
        raise ValueError(f"{where}.{field}: Invalid value: {value!r}: must be {span}")


def _fit(strategy: Obj, where: str) -> None:
    kind = strategy.get("type", STRATEGIES[0])
    if kind not in STRATEGIES:
        listed = ", ".join(f'"{name}"' for name in STRATEGIES)
        raise ValueError(f'{where}.type: Unsupported value: "{kind}": supported values: {listed}')
    for index, item in enumerate(strategy.get("resources") or ()):
        weight = item.get("weight")
        if weight is not None and (type(weight) is not int or not 0 <= weight <= 100):
            path = f"{where}.resources[{index}].weight"
            raise ValueError(
                f"{path}: Invalid value: {weight!r}: resource weight of {item['name']} "
                "not in valid range [1, 100]"
            )
    if kind != "RequestedToCapacityRatio":
        return
    shape = get(strategy, "requestedToCapacityRatio", "shape", default=())
    path = f"{where}.requestedToCapacityRatio.shape"
    if not shape:
        raise ValueError(f"{path}: Required value: at least one point must be specified")
    before = -1
    for index, point in enumerate(shape):
        use, score = point.get("utilization", 0), point.get("score", 0)
        if not 0 <= use <= 100:
            raise ValueError(
                f"{path}[{index}].utilization: Invalid value: {use}: not in valid range 0-100"
            )
        if use <= before:
            raise ValueError(
                f"{path}[{index}].utilization: Invalid value: {use}: "
                "utilization values must be sorted in increasing order"
            )
        if not 0 <= score <= 10:
            raise ValueError(
                f"{path}[{index}].score: Invalid value: {score}: not in valid range 0-10"
            )
        before = use


def _spread(args: Obj, where: str) -> None:
    kind = args.get("defaultingType", "System")
    constraints = args.get("defaultConstraints") or ()
    if kind not in ("System", "List"):
        raise ValueError(
            f'{where}.defaultingType: Unsupported value: "{kind}": '
            'supported values: "System", "List"'
        )
    if kind == "System" and constraints:
        raise ValueError(
            f'{where}.defaultingType: Invalid value: "System": '
            "when .defaultConstraints are not empty"
        )
    for index, item in enumerate(constraints):
        if item.get("labelSelector") is not None:
            raise ValueError(
                f"{where}.defaultConstraints[{index}].labelSelector: Forbidden: "
                "constraint must not define a selector, as they deduced for each pod"
            )
