"""kubectl get: one object, several, or lists, as tables or in the forms of `-o`.

In Kubernetes: k8s.io/kubectl/pkg/cmd/get.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import jsonpath
from kubelab.api.durations import since
from kubelab.api.errors import ApiError
from kubelab.api.kinds import Kind
from kubelab.api.objects import Arr, Obj, get, name_of
from kubelab.api.rest import url
from kubelab.kubectl import gotemplate, output, printers
from kubelab.kubectl.errors import Failed, fail
from kubelab.kubectl.resources import Target, from_files, kind_word, named
from kubelab.kubectl.session import Session, quote

FLAGS = (
    "all-namespaces,A selector,l= field-selector= output,o= sort-by= show-labels no-headers "
    "label-columns,L=* show-kind ignore-not-found watch,w watch-only filename,f=* recursive,R "
    "chunk-size= raw= show-managed-fields subresource= template= allow-missing-template-keys "
    "output-watch-events server-print"
)
TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
NO_TYPE = (
    'You must specify the type of resource to get. Use "kubectl api-resources" for a complete '
    "list of supported resources.\n\nerror: Required resource not specified.\n"
    'Use "kubectl explain <resource>" for a detailed description of that resource '
    "(e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples"
)


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    flags = session.flags
    if flags.has("raw"):
        session.out.append(_raw(session, flags.text("raw")))
        return
    if flags.on("watch") or flags.on("watch-only"):
        if flags.on("watch-only") and flags.has("request-timeout"):
            return
        raise fail(
            "the built-in kubectl does not watch: nothing moves until time is told to; get again "
            "after a step"
        )
    if flags.has("template") and not flags.has("output"):
        flags.values["output"] = f"go-template={flags.text('template')}"
    if flags.many("filename"):
        targets = from_files(session, flags.many("filename"))
    elif args:
        targets = named(session, args)
    else:
        raise Failed(NO_TYPE)
    form = flags.text("output")
    if flags.text("sort-by"):
        printers.sort_keys({}, flags.text("sort-by"))
    if form in ("", "wide"):
        _tables(session, targets)
    elif form == "name" or form.partition("=")[0] in output.FORMATS.split(","):
        _check(form)
        _objects(session, targets, form)
    else:
        raise output.unknown(form)


def _raw(session: Session, path: str) -> str:
    body = session.call("GET", path)
    return output.compact_json(body, sort=False) + "\n" if isinstance(body, dict) else str(body)


def _check(form: str) -> None:
    """A template that cannot be read is told before anything is asked."""
    name, _, template = form.partition("=")
    if name == "jsonpath":
        try:
            jsonpath.compile_template(template)
        except jsonpath.JSONPathError as error:
            raise fail(f"error parsing jsonpath {template}, {error}") from None
    elif name in ("go-template", "template"):
        gotemplate.check(template)


def _path(session: Session, target: Target) -> str:
    """The path to ask; a list is selected from."""
    flags = session.flags
    everywhere = flags.on("all-namespaces")
    namespace = "" if everywhere and not target.name else target.namespace
    path = url(target.kind, namespace, target.name, flags.text("subresource"))
    query = []
    if not target.name:
        if flags.text("selector"):
            query.append(f"labelSelector={quote(flags.text('selector'))}")
        if flags.text("field-selector"):
            query.append(f"fieldSelector={quote(flags.text('field-selector'))}")
        if not flags.text("sort-by"):
            query.append(f"limit={flags.text('chunk-size', '500')}")
    return f"{path}?{'&'.join(query)}" if query else path


def _pages(session: Session, target: Target, headers: Any, query: str = "") -> list[Obj]:
    """All pages of a list; the one answer for a single object."""
    path = _path(session, target)
    if query:
        path += ("&" if "?" in path else "?") + query
    pages, token = [], ""
    while True:
        more = f"&continue={quote(token)}" if token else ""
        pages.append(session.call("GET", path + more, None, headers))
        metadata = pages[-1].get("metadata") or {}
        token = metadata.get("continue") or "" if not target.name else ""
        if not token:
            return pages


def _missing(session: Session, target: Target, error: ApiError) -> None:
    """Notes a refusal, unless what is not there may be missing."""
    flags = session.flags
    if flags.on("ignore-not-found") and error.code == 404:
        return
    if not target.name and error.code == 400:
        kind = target.kind
        raise Failed(
            f'Error from server (BadRequest): Unable to find "{kind.group}/{kind.version}, '
            f'Resource={kind.plural}" that match label selector "{flags.text("selector")}", '
            f'field selector "{flags.text("field-selector")}": {error.status.get("message")}'
        )
    session.fail(error)


def _tables(session: Session, targets: list[Target]) -> None:
    """Tables; targets of one kind that follow each other share one."""
    printed = session.flags.on("server-print", default=True)
    query = "includeObject=Object" if session.flags.text("sort-by") and printed else ""
    found: list[tuple[Kind, list[Obj]]] = []
    answered = False
    for target in targets:
        try:
            pages = _pages(session, target, {"Accept": TABLE} if printed else None, query)
        except ApiError as error:
            _missing(session, target, error)
            continue
        answered = True
        if pages[0].get("kind") != "Table":
            pages = [_as_table(page, session.now_ns) for page in pages]
        if found and found[-1][0] == target.kind:
            found[-1][1].extend(pages)
        else:
            found.append((target.kind, pages))
    several = len({kind.resource for kind, _ in found}) > 1
    if session.flags.text("sort-by") and not _sortable(session, found):
        found = []
    shown = [(kind, pages) for kind, pages in found if any(page["rows"] for page in pages)]
    for at, (kind, pages) in enumerate(shown):
        if at:
            session.print()
        prefix = kind_word(kind) if several or session.flags.on("show-kind") else ""
        session.out.append(printers.table_text(pages, session.flags, prefix=prefix))
    if not shown and not session.failed and answered and not session.flags.on("ignore-not-found"):
        session.warn(_nothing(session, targets))


def _sortable(session: Session, found: list[tuple[Kind, list[Obj]]]) -> bool:
    """Whether the path to sort by finds anything in any object."""
    path = session.flags.text("sort-by")
    rows = [row for _, pages in found for page in pages for row in page["rows"]]
    return any(printers.sort_keys(row["object"], path)[0] for row in rows)


def _nothing(session: Session, targets: list[Target]) -> str:
    namespaced = any(target.kind.namespaced for target in targets)
    if namespaced and not session.flags.on("all-namespaces"):
        return f"No resources found in {session.namespace} namespace."
    return "No resources found"


def _as_table(body: Obj, now_ns: int) -> Obj:
    """A table of names and ages, for an answer that is none."""
    items = body.get("items") if "items" in body else [body]
    columns = [{"name": "Name", "format": "name"}, {"name": "Age"}]
    rows = [
        {
            "cells": [name_of(item), since(get(item, "metadata", "creationTimestamp"), now_ns)],
            "object": item,
        }
        for item in items or ()
    ]
    return Obj(kind="Table", columnDefinitions=columns, rows=rows)


def _objects(session: Session, targets: list[Target], form: str) -> None:
    flags = session.flags
    objects: list[Obj] = []
    kinds: list[Kind] = []
    for target in targets:
        try:
            pages = _pages(session, target, None)
        except ApiError as error:
            _missing(session, target, error)
            continue
        items = [item for page in pages for item in page["items"]] if not target.name else pages
        head = {"apiVersion": target.kind.api_version, "kind": target.kind.kind}
        objects += [Obj({**head, **item}) for item in items]
        kinds += [target.kind] * len(items)
    if flags.text("sort-by"):
        path = flags.text("sort-by")
        order = sorted(range(len(objects)), key=lambda at: printers.sort_keys(objects[at], path))
        objects, kinds = [objects[at] for at in order], [kinds[at] for at in order]
    if form == "name":
        for kind, obj in zip(kinds, objects, strict=True):
            session.print(f"{kind_word(kind)}/{name_of(obj)}")
        return
    if form.startswith("custom-columns"):
        name, _, template = form.partition("=")
        if name == "custom-columns-file":
            template = printers.columns_file(template)
        text = printers.custom_columns(template, objects, headers=not flags.on("no-headers"))
        session.out.append(text)
        return
    single = len(targets) == 1 and targets[0].name
    if single and not objects:
        return
    if not objects and session.failed:
        return
    body = objects[0] if single else _listed(objects)
    managed = flags.on("show-managed-fields")
    missing = flags.on("allow-missing-template-keys", True)
    session.out.append(output.render(body, form, managed=managed, missing=missing))


def _listed(objects: list[Obj]) -> Obj:
    return Obj(apiVersion="v1", kind="List", metadata=Obj(resourceVersion=""), items=Arr(objects))
