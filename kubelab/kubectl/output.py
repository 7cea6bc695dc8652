"""Objects as text: JSON and YAML to the character as kubectl writes them, names, templates.

Keys are in order of the alphabet, managed fields are left out unless asked for. YAML is
written by `kubelab/api/yamltext.py`.

In Kubernetes: k8s.io/cli-runtime/pkg/printers and sigs.k8s.io/yaml.
"""

from __future__ import annotations

import json
from typing import Any

from kubelab.api import jsonpath
from kubelab.api.objects import Obj, get, name_of, without
from kubelab.api.yamltext import to_yaml as to_yaml
from kubelab.kubectl import gotemplate
from kubelab.kubectl.errors import fail

FORMATS = (
    "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,"
    "jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml"
)


def to_json(value: Any) -> str:
    """JSON with four blanks, keys sorted, and what HTML minds written as escapes."""
    text = json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False)
    return _escaped(text)


def json_as_sent(value: Any, indent: int = 4) -> str:
    """JSON over several lines, with the fields in their own order, the kind before all."""
    if isinstance(value, dict) and "kind" in value:
        head = {key: value[key] for key in ("kind", "apiVersion") if key in value}
        value = {**head, **value}
    return _escaped(json.dumps(value, indent=indent, ensure_ascii=False))


def compact_json(value: Any, *, sort: bool = True) -> str:
    """JSON in one line, as Go writes it."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=sort, ensure_ascii=False)
    return _escaped(text)


def _escaped(text: str) -> str:
    for character, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(character, escape)
    return text


# Words that YAML could take for something else than text.
_AMBIGUOUS = ("y", "n", "t", "f", "yes", "no", "on", "off", "true", "false", "null", "~")


def kyaml(value: Any, indent: str = "") -> str:
    """The strict dialect of YAML: braces, commas, and quotes around all text."""
    inner = indent + "  "
    if isinstance(value, dict):
        if not value:
            return "{}"
        rows = [f"{inner}{_key(key)}: {kyaml(value[key], inner)},\n" for key in sorted(value)]
        return "{\n" + "".join(rows) + indent + "}"
    if isinstance(value, list):
        if not value:
            return "[]"
        if all(isinstance(item, (dict, list)) for item in value):
            return "[" + ", ".join(kyaml(item, indent) for item in value) + "]"
        return "[\n" + "".join(f"{inner}{kyaml(item, inner)},\n" for item in value) + indent + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    plain = key[:1].isalpha() and all(c.isalnum() or c in "-_./" for c in key)
    return key if plain and key.lower() not in _AMBIGUOUS else json.dumps(key, ensure_ascii=False)


def unmanaged(obj: Obj) -> Obj:
    """An object, or a List of objects, without managedFields."""
    if "items" in obj:
        return Obj({**obj, "items": [unmanaged(item) for item in obj["items"]]})
    if get(obj, "metadata", "managedFields") is None:
        return obj
    return without(obj, ("metadata", "managedFields"))  # type: ignore[no-any-return]


def render(
    obj: Obj, form: str, *, managed: bool = False, missing: bool = True, as_sent: bool = False
) -> str:
    """An object or a List in the form of `-o`; Failed where the form is unknown.

    `as_sent` keeps the order of fields in JSON, as kubectl does for kinds that it knows by type.
    """
    name, equals, template = form.partition("=")
    shown = obj if managed else unmanaged(obj)
    if name == "json" and not equals:
        return (json_as_sent(shown) if as_sent else to_json(shown)) + "\n"
    if name == "yaml" and not equals:
        return to_yaml(shown)
    if name == "kyaml" and not equals:
        return f"---\n{kyaml(shown)}\n"
    if name in ("jsonpath", "jsonpath-as-json", "jsonpath-file"):
        return _jsonpath(obj, name, template, missing)
    if name in ("go-template", "template", "go-template-file", "templatefile"):
        if name.endswith("file"):
            template = _read(template)
        return gotemplate.render(template, obj)
    raise unknown(form)


def unknown(form: str) -> Exception:
    """The failure of a form that there is not."""
    return fail(
        f'unable to match a printer suitable for the output format "{form}", allowed formats are: '
        f"{FORMATS}"
    )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        raise fail(f"error reading template {path}, open {path}: no such file or directory") from (
            None
        )


def _jsonpath(obj: Obj, name: str, template: str, missing: bool) -> str:
    if name == "jsonpath-file":
        template = _read(template)
    if not template:
        raise fail("template format specified but no template given")
    try:
        if name == "jsonpath-as-json":
            return to_json(jsonpath.values(template, obj)) + "\n"
        return jsonpath.compile_template(template, allow_missing=missing).render(obj)
    except jsonpath.JSONPathError as error:
        raise fail(f"error parsing jsonpath {template}, {error}") from None


def printed(obj: Obj, shown: str, form: str, verb: str, managed: bool = False) -> str:
    """What a changing command prints of an object: `pod/web created`, its name, or the object."""
    if not form:
        return f"{shown} {verb}\n"
    if form == "name":
        return f"{shown or name_of(obj)}\n"
    return render(obj, form, managed=managed)
