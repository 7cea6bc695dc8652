"""kubectl explain: what the fields of a kind are for, from the schema.

In Kubernetes: k8s.io/kubectl/pkg/explain/v2 (the plaintext template). Enumerations are left out:
the schema at hand does not have them.
"""

from __future__ import annotations

import textwrap
from typing import Any

from kubelab.api import kinds
from kubelab.api.kinds import Kind
from kubelab.api.schema import openapi
from kubelab.kubectl.errors import Failed, usage
from kubelab.kubectl.resources import kind_of
from kubelab.kubectl.session import Session

FLAGS = "api-version= recursive output,o="
WIDTH = 76
REFERENCE = "io.k8s."


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    if not args:
        raise usage("explain", "You must specify the type of resource to explain. Use \"kubectl "
                    "api-resources\" for a complete list of supported resources.\n")  # fmt: skip
    word, *path = args[0].split(".")
    kind = _kind(session, word)
    schema = openapi.definition(kind.api_version, kind.kind)
    if schema is None:
        raise Failed(
            f'error: couldn\'t find resource for "{kind.group}/{kind.version}, Kind={kind.kind}"'
        )
    if kind.group:
        session.print(f"GROUP:      {kind.group}")
    session.print(f"KIND:       {kind.kind}")
    session.print(f"VERSION:    {kind.version}\n")
    name = openapi.name_of(kind.api_version, kind.kind) or ""
    if not path:
        _document(session, schema, _described(name))
        return
    field, owner = schema, name
    for step in path:
        inside = _inner(field)
        owner = _name(field) or owner
        found = (inside.get("properties") or {}).get(step)
        if found is None:
            raise Failed(f'error: field "{step}" does not exist')
        about, field = openapi.descriptions().get(owner, {}).get(step, ""), found
    session.print(f"FIELD: {step} <{_type(field)}>\n\n")
    type_about = _described(_name(field))
    _document(session, _inner(field), "\n".join(text for text in (about, type_about) if text))


def _kind(session: Session, word: str) -> Kind:
    try:
        kind = kind_of(session, word)
    except Failed as error:
        raise Failed(error.text.removeprefix("error: ")) from None
    wished = session.flags.text("api-version")
    if wished:
        for row in kinds.ALL:
            if row.plural == kind.plural and row.api_version == wished:
                return row
    return kind


def _described(name: str) -> str:
    return openapi.descriptions().get(name, {}).get("", "")


def _name(schema: Any) -> str:
    """The name of the definition that a field, or what it holds many of, refers to."""
    for part in (schema, schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, dict):
            found = openapi.reference(part)
            if found:
                return found
    return ""


def _inner(schema: Any) -> Any:
    """The object behind a field: its definition, or that of its items."""
    name = _name(schema)
    return openapi.definitions().get(name, schema) if name else schema


def _type(schema: Any) -> str:
    """A field's type: `string`, `[]Container`, `map[string]string`."""
    name = openapi.reference(schema)
    if name:
        short = name.rpartition(".")[2]
        plain = openapi.definitions().get(name, {})
        if not plain.get("properties") and short in ("Time", "MicroTime", "Duration", "Quantity"):
            return "string" if short != "Quantity" else "Quantity"
        return short
    if schema.get("type") == "array":
        return f"[]{_type(schema.get('items') or {})}"
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict):
        return f"map[string]{_type(inner)}"
    return str(schema.get("type") or "Object")


def _document(session: Session, schema: Any, about: str) -> None:
    session.print("DESCRIPTION:")
    session.out += [line + "\n" for line in _wrapped(about or "<empty>", 4)]
    session.print("    ")
    properties = schema.get("properties") or {}
    if properties:
        session.print("FIELDS:")
        _fields(session, schema, 2, recursive=session.flags.on("recursive"))
    session.print()


def _fields(session: Session, schema: Any, indent: int, *, recursive: bool) -> None:
    name = _definition(schema)
    about = openapi.descriptions().get(name, {})
    for key in sorted(schema.get("properties") or {}):
        field = schema["properties"][key]
        required = " -required-" if key in (schema.get("required") or ()) else ""
        session.print(f"{' ' * indent}{key}\t<{_type(field)}>{required}")
        if not recursive:
            text = about.get(key) or _described(_name(field)) or "<no description>"
            session.out += [line + "\n" for line in _wrapped(text, indent + 2)]
            session.print()
        else:
            inner = _inner(field)
            if inner is not field and indent < 40:
                _fields(session, inner, indent + 2, recursive=True)


def _definition(schema: Any) -> str:
    """The name of a definition; definitions are constants, so the same one is the same object."""
    return next((name for name, held in openapi.definitions().items() if held is schema), "")


def _wrapped(text: str, indent: int) -> list[str]:
    blank = " " * indent
    lines: list[str] = []
    for paragraph in text.split("\n"):
        wrapped = textwrap.wrap(
            paragraph, WIDTH, break_long_words=False, break_on_hyphens=False
        ) or [""]  # fmt: skip
        lines += [blank + line for line in wrapped]
    return lines
