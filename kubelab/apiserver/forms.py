"""The forms in which objects are answered: as they are, as a Table, or their metadata alone.

A client says in `Accept` what it would like (`application/json;as=Table;v=v1;g=meta.k8s.io`). The
rows and columns of Tables are made in `tables.py`.

In Kubernetes: k8s.io/apiserver/pkg/endpoints/handlers/response.go and negotiation.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import errors, yamltext
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import Arr, Obj
from kubelab.api.rest import SHARED, Request, Response

SERVED = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
FORMS = ("", "Table", "PartialObjectMetadata")
UNKNOWN_FORM = "only the following media types are accepted: "


def wanted(request: Request) -> str:
    """The first form of `Accept` that can be served: the empty string, or `as=`'s word."""
    accept = ""
    for key, value in request.headers.items():
        if key.lower() == "accept":
            accept = str(value)
    for choice in accept.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media not in ("application/json", "*/*", ""):
            continue
        form = dict(p.partition("=")[::2] for p in parameters).get("as", "")
        if form in ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
            return form.removesuffix("List")
    return ""


def check(request: Request, served: tuple[str, ...] = FORMS) -> None:
    """Refuses an answer that can be given in none of the forms asked for."""
    accept = ""
    for key, value in request.headers.items():
        if key.lower() == "accept":
            accept = str(value)
    if not accept or accept == SHARED:
        return
    unknown = False
    for choice in accept.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media in SERVED or (media.endswith("/*") and media != "text/*"):
            form = dict(p.partition("=")[::2] for p in parameters).get("as", "")
            if form.removesuffix("List") in served:
                return
            unknown = True
    if unknown:
        raise errors.failure(406, UNKNOWN_FORM + ", ".join(SERVED[:3]), "NotAcceptable")
    raise errors.not_acceptable()


def encoded(request: Request, response: Response) -> Response:
    """An answer in the encoding that the request prefers: objects as such, or as YAML text."""
    accept = str(request.headers.get("Accept") or "")
    if "yaml" not in accept or not isinstance(response.body, dict):
        return response
    first = next((m for m in map(_media, accept.split(",")) if m in SERVED or m == "*/*"), "")
    if first != "application/yaml":
        return response
    headers = Obj({**response.headers, "Content-Type": first})
    return response._replace(headers=headers, body=yamltext.to_yaml(response.body))


def _media(choice: str) -> str:
    return choice.partition(";")[0].strip()


def show(request: Request, kind: Kind, body: Obj, now: int) -> Obj:
    """An object or List in the form that the request asks for."""
    form = wanted(request)
    if form == "Table":
        from kubelab.apiserver.tables import table

        columns = kind.columns if isinstance(kind, CustomKind) else ()
        include = request.query.get("includeObject") or "Metadata"
        return table(kind, body, now, include, columns)
    if form == "PartialObjectMetadata":
        if "items" in body:
            items = Arr([_partial(item) for item in body["items"]])
            return Obj({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": body["metadata"], "items": items,
            })  # fmt: skip
        return _partial(body)
    return body


def row(kind: Kind, obj: Obj, now: int, include: str, *, first: bool) -> Obj:
    """The object of a watch event as a Table of one row; only the first has columns."""
    from kubelab.apiserver.tables import table

    columns = kind.columns if isinstance(kind, CustomKind) else ()
    made = table(kind, obj, now, include, columns)
    return made if first else Obj({**made, "columnDefinitions": None})


def event(form: str, kind: Kind, obj: Any) -> Any:
    """The object of a watch event in the form that the watch asked for."""
    if form == "PartialObjectMetadata":
        return _partial(obj)
    return obj


def _partial(obj: Obj) -> Obj:
    return Obj({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    })  # fmt: skip
