"""kubectl explain: what the fields of a kind are for, from the server's own OpenAPI document.

The document of the kind's group and version is asked for; so custom resources are explained as all
others are.

In Kubernetes: k8s.io/kubectl/pkg/explain/v2 (the plaintext template).
"""

from __future__ import annotations

import textwrap
from typing import Any

from kubelab.api import kinds
from kubelab.api.errors import ApiError
from kubelab.api.kinds import Kind
from kubelab.kubectl.errors import Failed, fail
from kubelab.kubectl.resources import kind_of
from kubelab.kubectl.session import Session

FLAGS = "api-version= recursive output,o="
WIDTH = 76
PLAIN = ("Time", "MicroTime", "Duration")
NO_TYPE = (
    'You must specify the type of resource to explain. Use "kubectl api-resources" for a complete '
    "list of supported resources."
)


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    if not args:
        raise Failed(f"error: {NO_TYPE}")
    if len(args) > 1:
        raise fail("We accept only this format: explain RESOURCE")
    form = session.flags.text("output", "plaintext")
    if form != "plaintext":
        raise fail(f"unrecognized format: {form}")
    word, *path = args[0].split(".")
    kind = _kind(session, word)
    page = Explanation(session, _schemas(session, kind))
    schema = page.of_kind(kind)
    if schema is None:
        raise fail(f'couldn\'t find resource for "{kind.group}/{kind.version}, Kind={kind.kind}"')
    page.head(kind)
    if path:
        page.field(schema, path)
    else:
        page.document(schema, schema.get("description", ""))


def _kind(session: Session, word: str) -> Kind:
    """The kind of a word, in the version that is wished."""
    try:
        kind = kind_of(session, word)
    except Failed as error:
        raise Failed(error.text.removeprefix("error: ")) from None
    wished = session.flags.text("api-version")
    if not wished or wished == kind.api_version:
        return kind
    for row in kinds.ALL:
        if row.plural == kind.plural and row.api_version == wished:
            return row
    raise fail(f'couldn\'t find resource for "{wished}, Resource={kind.plural}"')


def _schemas(session: Session, kind: Kind) -> Any:
    try:
        document = session.call("GET", f"/openapi/v3{kind.path}")
    except ApiError:
        return {}
    return document["components"]["schemas"]


class Explanation:
    """The lines of an explanation, made from the schemas of one document."""

    def __init__(self, session: Session, schemas: Any) -> None:
        self.session = session
        self.schemas = schemas
        self.print = session.print

    def of_kind(self, kind: Kind) -> Any:
        """The schema of a kind."""
        about = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        for schema in self.schemas.values():
            if about in (schema.get("x-kubernetes-group-version-kind") or ()):
                return schema
        return None

    # Schemas.

    def name(self, schema: Any) -> str:
        """The name of what a schema refers to itself."""
        for part in (schema, *(schema.get("allOf") or ())):
            if "$ref" in part:
                return str(part["$ref"]).rpartition("/")[2]
        return ""

    def inner(self, schema: Any) -> Any:
        """The object behind a field: what it refers to, or that of its items."""
        for part in (schema, schema.get("items"), schema.get("additionalProperties")):
            if isinstance(part, dict):
                name = self.name(part)
                if name:
                    return self.schemas.get(name, {})
                if part is not schema:
                    return self.inner(part)
        return schema

    def type(self, schema: Any) -> str:
        """A field's type: `string`, `[]Container`, `map[string]string`."""
        name = self.name(schema)
        if name:
            short = name.rpartition(".")[2]
            held = self.schemas.get(name, {})
            return "string" if short in PLAIN and not held.get("properties") else short
        if schema.get("type") == "array":
            return f"[]{self.type(schema.get('items') or {})}"
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            return f"map[string]{self.type(more)}"
        type_ = str(schema.get("type") or "Object")
        return "Object" if type_ == "object" else type_

    def about(self, field: Any) -> str:
        """What is said of a field, or of what it refers to."""
        return str(field.get("description") or self.inner(field).get("description") or "")

    # Lines.

    def head(self, kind: Kind) -> None:
        """Which kind it is."""
        if kind.group:
            self.print(f"GROUP:      {kind.group}")
        self.print(f"KIND:       {kind.kind}")
        self.print(f"VERSION:    {kind.version}\n")

    def field(self, schema: Any, path: list[str]) -> None:
        """What stands at the end of a path."""
        field = schema
        for step in path:
            found = (self.inner(field).get("properties") or {}).get(step)
            if found is None:
                raise Failed(f'error: field "{step}" does not exist')
            field = found
        self.print(f"FIELD: {path[-1]} <{self.type(field)}>")
        self.choices(field, 4)
        self.print("\n")
        inner = self.inner(field)
        texts = [field.get("description"), inner.get("description") if inner is not field else ""]
        self.document(inner, "\n".join(text for text in texts if text))

    def choices(self, field: Any, indent: int) -> None:
        """The values that a field may have."""
        if field.get("enum"):
            self.print(f"{' ' * indent}enum: {', '.join(str(value) for value in field['enum'])}")

    def document(self, schema: Any, about: str) -> None:
        """The description and the fields."""
        self.print("DESCRIPTION:")
        self.session.out += [line + "\n" for line in _wrapped(about or "<empty>", 4)]
        if about:
            self.print("    ")
        if schema.get("properties"):
            self.print("FIELDS:")
            self.fields(schema, 2, recursive=self.session.flags.on("recursive"), above=())
        self.print()

    def fields(self, schema: Any, indent: int, *, recursive: bool, above: tuple[Any, ...]) -> None:
        """The fields of an object, each with its description or with what it holds."""
        for key in sorted(schema.get("properties") or {}):
            field = schema["properties"][key]
            required = " -required-" if key in (schema.get("required") or ()) else ""
            self.print(f"{' ' * indent}{key}\t<{self.type(field)}>{required}")
            self.choices(field, indent)
            if not recursive:
                text = self.about(field) or "<no description>"
                self.session.out += [line + "\n" for line in _wrapped(text, indent + 2)]
                self.print()
                continue
            inner = self.inner(field)
            # A schema that holds itself is told once.
            if inner is not field and not any(inner is held for held in above):
                self.fields(inner, indent + 2, recursive=True, above=(*above, inner))
            elif inner is field and field.get("properties"):
                self.fields(field, indent + 2, recursive=True, above=above)


def _wrapped(text: str, indent: int) -> list[str]:
    blank = " " * indent
    lines: list[str] = []
    for paragraph in text.split("\n"):
        wrapped = textwrap.wrap(
            paragraph, WIDTH, break_long_words=False, break_on_hyphens=False
        ) or [""]  # fmt: skip
        lines += [blank + line for line in wrapped]
    return lines
