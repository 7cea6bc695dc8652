"""Manifests: YAML or JSON text into objects, as kubectl reads it.

A text is a sequence of documents; empty ones are skipped, a List is taken apart into its items.
YAML's guesses are those of Kubernetes: no timestamps, `yes` and `on` are booleans, `1e3` is a
number; a key that stands twice in one map is refused. A bad text gives a ManifestError: a sentence
with the line.

In Kubernetes: sigs.k8s.io/yaml and k8s.io/cli-runtime/pkg/resource.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import yaml

from kubelab.sim.tree import Obj, freeze


class ManifestError(ValueError):
    """Raised for a text from which no objects can be read."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """PyYAML's safe loader without timestamps and with Kubernetes' numbers."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        out: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _key(self.construct_object(key_node, deep=True))
            if key in out:
                raise yaml.constructor.ConstructorError(
                    None, None, f'key "{key}" already set in map', key_node.start_mark
                )
            out[key] = self.construct_object(value_node, deep=deep)
        return out


def _key(key: Any) -> str:
    """JSON's keys are strings."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return key if isinstance(key, str) else str(key)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+\Z"),
    list("-+0123456789."),
)
# PyYAML leaves out YAML 1.1's shortest booleans.
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]\Z"), list("yYnN"))
# YAML 1.1's 12:30:45 is a number to the base of 60; Kubernetes' reader takes it for a text.
LARGEST_EXPANSION = 400_000
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")


def _number(loader: Any, node: Any) -> Any:
    text = loader.construct_scalar(node)
    if _SEXAGESIMAL.fullmatch(text):
        return text
    if node.tag.endswith(":int"):
        return loader.construct_yaml_int(node)
    number = loader.construct_yaml_float(node)
    if not math.isfinite(number):
        raise yaml.constructor.ConstructorError(
            None, None, f"{text} is no number that JSON can hold", node.start_mark
        )
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _boolean(loader: Any, node: Any) -> bool:
    return str(loader.construct_scalar(node)).lower() in ("y", "yes", "true", "on")


_Loader.add_constructor("tag:yaml.org,2002:bool", _boolean)
_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def documents(text: str) -> list[Any]:
    """Every document that is not empty, as plain JSON. Raises ManifestError."""
    try:
        _check_aliases(text)
        return [
            document for document in yaml.load_all(text, Loader=_Loader) if document is not None
        ]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise ManifestError(f"error converting YAML to JSON: yaml: {line}{_said(error)}") from None
    except yaml.YAMLError as error:
        said = str(error).splitlines()[0]
        raise ManifestError(f"error converting YAML to JSON: yaml: {said}") from None
    except (RecursionError, ValueError) as error:
        said = "the text is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ManifestError(f"error converting YAML to JSON: yaml: {said}") from None


def _check_aliases(text: str) -> None:
    """Refuses a text whose aliases make it huge: written out, it would fill all memory."""
    if "&" not in text or "*" not in text:
        return
    sizes: dict[str | None, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, 1))
            continue
        if isinstance(event, yaml.AliasEvent):
            # An anchor within itself is found out where the document is taken over.
            size = sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_.pop()
            sizes[anchor] = size
        elif isinstance(event, yaml.ScalarEvent):
            size = sizes[event.anchor] = 1
        else:
            continue
        anchor, before = open_.pop()
        open_.append((anchor, before + size))
        if before + size > LARGEST_EXPANSION:
            raise ValueError("document contains excessive aliasing")


def _said(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or error.context or "cannot be read")
    if problem == "mapping values are not allowed here":
        return "mapping values are not allowed in this context"
    if error.context and "found character '\\t'" in problem:
        return "found character that cannot start any token"
    return problem


def load(text: str) -> list[Obj]:
    """The objects of a text; each has apiVersion and kind. Raises ManifestError."""
    objects: list[Obj] = []
    for document in documents(text):
        objects.extend(unpack(document))
    return objects


def unpack(document: Any) -> list[Obj]:
    """The objects of one document: itself, or the items of a List. Raises ManifestError."""
    if not isinstance(document, dict):
        shown = type(document).__name__ if isinstance(document, list) else repr(document)
        raise ManifestError(f"a manifest is a map with apiVersion and kind, and this is {shown}")
    for field in ("apiVersion", "kind"):
        value = document.get(field)
        if not value:
            raise ManifestError(f"{field} not set in {_short(document)}")
        if not isinstance(value, str):
            raise ManifestError(f"{field} is a text, and this is {value!r}")
    if str(document["kind"]).endswith("List") and isinstance(document.get("items"), list):
        return [obj for item in document["items"] for obj in unpack(item)]
    try:
        frozen: Obj = freeze(document)
    except TypeError as error:
        raise ManifestError(f"error converting YAML to JSON: {error}") from None
    except RecursionError:
        raise ManifestError("error converting YAML to JSON: an anchor contains itself") from None
    return [frozen]


def _short(document: dict[str, Any]) -> str:
    """The document in one line, cut where it grows long."""
    try:
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(document)
    return text if len(text) <= 200 else f"{text[:200]}…"
