"""KubeSchedulerConfiguration: which profiles there are, with which plugins, weights and arguments.

The manifest is read as the real scheduler reads it: the default plugins are merged with what the
profile enables and disables, first for `multiPoint`, then point by point. Whatever it cannot mean
is a ValueError that names the field.

In Kubernetes: pkg/scheduler/apis/config (v1, validation) and framework/runtime
(expandMultiPointPlugins).
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from kubelab.api.objects import EMPTY, Obj, freeze
from kubelab.scheduler import arguments
from kubelab.scheduler.framework import POINTS, Plugin
from kubelab.scheduler.profile import DEFAULT_NAME, DEFAULT_PLUGINS, REGISTRY, Profile

API_VERSION = "kubescheduler.config.k8s.io/v1"
FIELDS = (
    "apiVersion", "kind", "parallelism", "percentageOfNodesToScore", "podInitialBackoffSeconds",
    "podMaxBackoffSeconds", "profiles", "extenders", "leaderElection", "clientConnection",
    "delayCacheUntilActive", "enableProfiling", "enableContentionProfiling",
)  # fmt: skip

Entries = list[tuple[str, int]]


class ProfileSettings:
    """One profile, resolved: plugins by point with their weights, and arguments."""

    def __init__(
        self, name: str, points: dict[str, Entries], args: Obj, percentage: int | None
    ) -> None:
        self.name = name
        self.points = points
        self.args = args
        self.percentage = percentage


class Settings:
    """The configuration of a scheduler."""

    def __init__(
        self,
        resolved: list[ProfileSettings],
        percentage: int = 0,
        initial_seconds: int = 1,
        max_seconds: int = 10,
        registry: Mapping[str, type[Plugin]] = REGISTRY,
    ) -> None:
        self.resolved = resolved
        self.percentage = percentage
        self.initial_seconds = initial_seconds
        self.max_seconds = max_seconds
        self.registry = dict(registry)
        timeouts = [
            one.args.get("VolumeBinding", EMPTY).get("bindTimeoutSeconds") for one in resolved
        ]
        self.bind_timeout_seconds = next((one for one in timeouts if one is not None), 600)

    def add_plugin(self, given: type, weight: int = 1) -> type[Plugin]:
        """Puts a further plugin at the end of every point of every profile that it has a method
        for. Raises ValueError if its name or its methods are of no use.

        A class that is no `Plugin` yet is made one; without a name it has that of the class.
        """
        kind = as_plugin(given)
        if not kind.name or kind.name in REGISTRY:
            raise ValueError(f"a plugin needs a name of its own, not {kind.name!r}")
        if type(weight) is not int or weight < 1:
            raise ValueError(f"the weight {weight!r} is not a whole number, 1 or more")
        stands = [point for point, method in POINTS.items() if hasattr(kind, method)]
        if not stands:
            listed = ", ".join(POINTS.values())
            raise ValueError(f"{kind.__name__} has none of the methods {listed}")
        self.registry[kind.name] = kind
        for profile in self.resolved:
            for point in stands:
                entries = [one for one in profile.points[point] if one[0] != kind.name]
                profile.points[point] = [*entries, (kind.name, weight)]
        return kind

    def share(self, profile: Profile) -> int:
        """percentageOfNodesToScore: the profile's own, or everybody's."""
        return self.percentage if profile.percentage is None else profile.percentage

    def weigh(self, weights: Mapping[str, int]) -> None:
        """Gives Score plugins other weights, in every profile; 0 takes one out of the score."""
        known = {name for one in self.resolved for name, _ in one.points["score"]}
        for name, weight in weights.items():
            _known(name, sorted(known), "weights", "score plugin")
            if type(weight) is not int or weight < 0:
                raise ValueError(f"weights: {name}: {weight!r} is not a whole number, 0 or more")
        for one in self.resolved:
            entries = [(name, weights.get(name, old)) for name, old in one.points["score"]]
            one.points["score"] = [entry for entry in entries if entry[1]]

    def profiles(self) -> dict[str, Profile]:
        """The profiles with fresh plugins."""
        return {
            one.name: Profile(one.name, one.points, one.args, one.percentage, self.registry)
            for one in self.resolved
        }


def as_plugin(given: type) -> type[Plugin]:
    """A learner's class as a plugin."""
    name = getattr(given, "name", "") or given.__name__
    if issubclass(given, Plugin):
        return given if given.name else type(name, (given,), {"name": name})
    return type(name, (given, Plugin), {"name": name, "__module__": given.__module__})


def load(
    configuration: Mapping[str, Any] | None, extra: Mapping[str, type[Plugin]] | None = None
) -> Settings:
    """Reads a KubeSchedulerConfiguration; None stands for the defaults.

    `extra` are plugins beyond the built-in ones, by name.
    """
    registry = {**REGISTRY, **(extra or {})}
    given: Obj = freeze(configuration or {})
    _check_head(given)
    initial = _integer(given, "podInitialBackoffSeconds", 1, 1)
    longest = _integer(given, "podMaxBackoffSeconds", 10, 1)
    if longest < initial:
        raise ValueError(
            f"podMaxBackoffSeconds: Invalid value: {longest}: must be greater than or equal to "
            "PodInitialBackoffSeconds"
        )
    percentage = _integer(given, "percentageOfNodesToScore", 0, 0, 100)
    _integer(given, "parallelism", 16, 1)
    resolved: list[ProfileSettings] = []
    for index, profile in enumerate(given.get("profiles") or ({},)):
        where = f"profiles[{index}]"
        one = _profile(profile or EMPTY, where, registry)
        if any(one.name == other.name for other in resolved):
            raise ValueError(f'{where}.schedulerName: Duplicate value: "{one.name}"')
        if resolved and one.points["queueSort"] != resolved[0].points["queueSort"]:
            raise ValueError(f"{where}.plugins.queueSort: all profiles must have the same one")
        resolved.append(one)
    return Settings(resolved, percentage, initial, longest, registry)


def _check_head(given: Obj) -> None:
    if given.get("extenders"):
        names = ", ".join(str(item.get("urlPrefix")) for item in given["extenders"])
        raise ValueError(f"extenders: extenders over HTTP are not modelled ({names})")
    if not given:
        return
    version, kind = given.get("apiVersion", API_VERSION), given.get("kind")
    if version != API_VERSION:
        raise ValueError(f'apiVersion: Invalid value: "{version}": must be {API_VERSION}')
    if kind not in (None, "KubeSchedulerConfiguration"):
        raise ValueError(f'kind: Invalid value: "{kind}": must be KubeSchedulerConfiguration')
    for field in given:
        _known(field, FIELDS, "", "field")


def _known(name: str, allowed: Any, where: str, what: str) -> None:
    if name in allowed:
        return
    near = get_close_matches(name, list(allowed), 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    prefix = f"{where}: " if where else ""
    raise ValueError(f"{prefix}there is no {what} {name!r}{hint}")


def _integer(obj: Obj, field: str, default: int, low: int, high: int | None = None) -> int:
    value = obj.get(field)
    if value is None:
        return default
    if type(value) is not int or value < low or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{field}: Invalid value: {value!r}: must be a whole number {span}")
    return value


def _profile(profile: Obj, where: str, registry: Mapping[str, type[Plugin]]) -> ProfileSettings:
    for field in profile:
        known = ("schedulerName", "percentageOfNodesToScore", "plugins", "pluginConfig")
        _known(field, known, where, "field")
    plugins = profile.get("plugins") or EMPTY
    for point, sets in plugins.items():
        _known(point, ("multiPoint", *POINTS), f"{where}.plugins", "extension point")
        _check_set(sets or EMPTY, f"{where}.plugins.{point}", registry)
    points = resolve(plugins, registry)
    if len(points["queueSort"]) != 1:
        raise ValueError(f"{where}.plugins.queueSort: exactly one plugin is needed")
    if not points["bind"]:
        raise ValueError(f"{where}.plugins.bind: at least one bind plugin is needed for a profile")
    args: dict[str, Obj] = {}
    for index, item in enumerate(profile.get("pluginConfig") or ()):
        path = f"{where}.pluginConfig[{index}]"
        name = item.get("name")
        _known(str(name), registry, path, "plugin")
        if name in args:
            raise ValueError(f"{path}: repeated config for plugin {name}")
        args[name] = item.get("args") or EMPTY
        arguments.check(name, args[name], f"{path}.args")
    percentage = None
    if profile.get("percentageOfNodesToScore") is not None:
        percentage = _integer(profile, "percentageOfNodesToScore", 0, 0, 100)
    return ProfileSettings(
        profile.get("schedulerName") or DEFAULT_NAME, points, Obj(args), percentage
    )


def _check_set(sets: Obj, where: str, registry: Mapping[str, type[Plugin]]) -> None:
    for field in sets:
        _known(field, ("enabled", "disabled"), where, "field")
    for index, item in enumerate(sets.get("enabled") or ()):
        path = f"{where}.enabled[{index}]"
        _known(str(item.get("name")), registry, path, "plugin")
        weight = item.get("weight")
        if weight is not None and (type(weight) is not int or weight < 0):
            raise ValueError(
                f"{path}.weight: Invalid value: {weight!r}: must be a whole number, 0 or more"
            )
    for index, item in enumerate(sets.get("disabled") or ()):
        name = str(item.get("name"))
        if name != "*":
            _known(name, registry, f"{where}.disabled[{index}]", "plugin")


def resolve(plugins: Obj, registry: Mapping[str, type[Plugin]] = REGISTRY) -> dict[str, Entries]:
    """The plugins of each point, after merging the defaults with what a profile says."""
    multi = _merged_multipoint(plugins.get("multiPoint") or EMPTY)
    points: dict[str, Entries] = {}
    for point, method in POINTS.items():
        sets = plugins.get(point) or EMPTY
        enabled = [(item["name"], item.get("weight") or 0) for item in sets.get("enabled") or ()]
        disabled = [item["name"] for item in sets.get("disabled") or ()]
        for name, _ in enabled:
            if not hasattr(registry[name], method):
                raise ValueError(f"plugin {name!r} does not extend {point} plugin")
        own = [] if "*" in disabled else [
            entry for entry in multi
            if entry[0] not in disabled and hasattr(registry[entry[0]], method)
        ]  # fmt: skip
        names = [name for name, _ in own]
        first = [entry for entry in enabled if entry[0] in names]
        overridden = [name for name, _ in first]
        rest = [entry for entry in own if entry[0] not in overridden]
        last = [entry for entry in enabled if entry[0] not in names]
        points[point] = [(name, weight or 1) for name, weight in (*first, *rest, *last)]
    return points


def _merged_multipoint(sets: Obj) -> Entries:
    enabled = {item["name"]: item.get("weight") or 0 for item in sets.get("enabled") or ()}
    disabled = [item["name"] for item in sets.get("disabled") or ()]
    merged: Entries = []
    for kind, weight in DEFAULT_PLUGINS:
        if "*" in disabled or kind.name in disabled:
            continue
        if kind.name in enabled:
            merged.append((kind.name, enabled.pop(kind.name)))
        else:
            merged.append((kind.name, weight))
    return merged + list(enabled.items())
