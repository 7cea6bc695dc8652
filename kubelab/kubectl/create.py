"""kubectl create: objects from a file, or of a type from flags.

Each type has a function from the session to the object, with the fields that the real command
writes; what the server adds is the server's.

In Kubernetes: k8s.io/kubectl/pkg/cmd/create.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from typing import Any

from kubelab.api import kinds
from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, freeze, name_of, with_, without
from kubelab.api.rest import url
from kubelab.kubectl import create_more, output
from kubelab.kubectl.applying import annotated
from kubelab.kubectl.errors import fail, usage
from kubelab.kubectl.flags import Flags, seconds
from kubelab.kubectl.manifest import dry_run, query
from kubelab.kubectl.resources import from_files, kind_word
from kubelab.kubectl.session import Session

FLAGS = (
    "filename,f=* recursive,R dry-run?unchanged output,o= validate?strict save-config "
    "field-manager= show-managed-fields edit raw= selector,l= template= "
    "image=* replicas,r= port= from-literal=* from-file=* from-env-file=* append-hash type= "
    "cert= key= docker-server= docker-username= docker-password= docker-email= tcp=* "
    "external-name= clusterip= node-port= from= schedule= restart= verb=* resource=* "
    "resource-name=* non-resource-url=* aggregation-rule= clusterrole= role= user=* group=* "
    "serviceaccount=* class= rule=* default-backend= annotation=* min-available= max-unavailable= "
    "hard= scopes= value= global-default description= preemption-policy= duration= audience=* "
    "bound-object-kind= bound-object-name= bound-object-uid="
)
ALIASES = {
    "ns": "namespace", "deploy": "deployment", "dep": "deployment", "cm": "configmap",
    "sa": "serviceaccount", "svc": "service", "cj": "cronjob", "ing": "ingress",
    "pdb": "poddisruptionbudget", "resourcequota": "quota", "pc": "priorityclass",
    "og": "quota",
}  # fmt: skip
# How the type is called where it could not be made.
ERROR_NAMES = {"service": "service", "quota": "quota"}


def run(session: Session, args: list[str]) -> None:
    """Runs the command."""
    flags = session.flags
    if flags.many("filename"):
        _from_files(session)
        return
    if not args:
        raise fail("must specify one of -f and -k")
    word = ALIASES.get(args[0], args[0])
    if word == "token":
        _token(session, args[1:])
        return
    if word not in MAKERS:
        raise usage("create", f"Unexpected args: [{' '.join(args)}]")
    obj = freeze(MAKERS[word](session, args[1:]))
    make(session, obj, word)


def _from_files(session: Session) -> None:
    ending = dry_run(session)
    for target in from_files(session, session.flags.many("filename")):
        assert target.obj is not None
        obj = target.obj
        if target.namespace:
            obj = with_(obj, ("metadata", "namespace"), target.namespace)
        if session.flags.on("save-config"):
            obj = annotated(obj)
        if session.flags.text("dry-run") not in ("client", "unchanged"):
            path = f"{url(target.kind, target.namespace)}?{query(session, 'kubectl-create')}"
            try:
                obj = session.call("POST", path, obj)
            except ApiError as error:
                session.fail(error, f'error when creating "{target.source}"')
                continue
        shown = f"{kind_word(target.kind)}/{name_of(obj)}"
        form = session.flags.text("output")
        session.out.append(output.printed(obj, shown, form, "created" + ending))


def make(
    session: Session,
    obj: Obj,
    word: str = "",
    manager: str = "kubectl-create",
    done: str = "created",
) -> Obj:
    """Makes an object of a typed command, and prints what was `done`; the object as it then is.

    `word` stands in the failure, where the command has one of its own.
    """
    kind = kinds.by_kind(obj["apiVersion"], obj["kind"])
    flags, ending = session.flags, dry_run(session)
    namespaced = kind.namespaced
    if session.flags.text("dry-run") not in ("client", "unchanged"):
        if namespaced:
            obj = with_(obj, ("metadata", "namespace"), session.namespace)
        path = f"{url(kind, session.namespace if namespaced else '')}?{query(session, manager)}"
        try:
            obj = session.call("POST", path, _pruned(obj))
        except ApiError as error:
            if word and error.code != 422 and word != "namespace":
                text = error.status.get("message", "")
                raise fail(f"failed to create {ERROR_NAMES.get(word, word)}: {text}") from None
            raise
    elif namespaced and flags.has("namespace"):
        obj = with_(obj, ("metadata", "namespace"), session.namespace)
    shown = f"{kind_word(kind)}/{name_of(obj)}"
    session.out.append(output.printed(obj, shown, flags.text("output"), done + ending))
    return obj


def _pruned(obj: Obj) -> Obj:
    """Without the empty status that kubectl shows in a dry run."""
    return without(obj, ("status",))  # type: ignore[no-any-return]


def one_name(flags: Flags, args: list[str]) -> str:
    """The one argument that is the new object's name."""
    if len(args) != 1:
        raise usage(
            flags.command, f"exactly one NAME is required, got {len(args)}"
        )  # fmt: skip
    return args[0]


def _namespace(session: Session, args: list[str]) -> Any:
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": one_name(session.flags, args)}, "spec": {},
            "status": {}}  # fmt: skip


def _service_account(session: Session, args: list[str]) -> Any:
    name = one_name(session.flags, args)
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def _deployment(session: Session, args: list[str]) -> Any:
    flags, name = session.flags, one_name(session.flags, args)
    flags.require("image")
    labels = {"app": name}
    containers = []
    for image in flags.many("image"):
        container: dict[str, Any] = {"image": image, "name": _image_name(image), "resources": {}}
        if flags.has("port"):
            container["ports"] = [{"containerPort": flags.number("port")}]
        if session.flags.rest:
            container["command"] = session.flags.rest
        containers.append(container)
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": flags.number("replicas", 1), "selector": {"matchLabels": labels},
            "strategy": {},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {},
    }  # fmt: skip


def _image_name(image: str) -> str:
    """`nginx` from `docker.io/library/nginx:1@sha256:…`."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


# Data.


def data_of(session: Session) -> tuple[dict[str, str], dict[str, bytes]]:
    """Texts and bytes from literals and files."""
    flags = session.flags
    if flags.many("from-env-file") and (flags.many("from-file") or flags.many("from-literal")):
        raise fail("from-env-file cannot be combined with from-file or from-literal")
    texts: dict[str, str] = {}
    raw: dict[str, bytes] = {}
    for literal in session.flags.many("from-literal"):
        key, equals, value = literal.partition("=")
        if not equals or not key:
            raise fail(f"invalid literal source {literal}, expected key=value")
        texts[key] = value
    for source in session.flags.many("from-file"):
        key, equals, path = source.partition("=")
        if not equals:
            key, path = os.path.basename(source), source
        for name, content in _files(key, path):
            try:
                texts[name] = content.decode()
            except UnicodeDecodeError:
                raw[name] = content
    for path in session.flags.many("from-env-file"):
        for line in _content(path).decode().splitlines():
            line = line.strip()
            if line and not line.startswith("#"):
                key, _, value = line.partition("=")
                texts[key] = value
    return texts, raw


def _files(key: str, path: str) -> list[tuple[str, bytes]]:
    if os.path.isdir(path):
        names = sorted(n for n in os.listdir(path) if os.path.isfile(os.path.join(path, n)))
        return [(name, _content(os.path.join(path, name))) for name in names]
    return [(key, _content(path))]


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        raise fail(f"error reading {path}: no such file or directory") from None


def _encoded(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def _config_map(session: Session, args: list[str]) -> Any:
    name = one_name(session.flags, args)
    texts, raw = data_of(session)
    out: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    if texts:
        out["data"] = texts
    if raw:
        out["binaryData"] = {key: _encoded(value) for key, value in raw.items()}
    return out


def _secret(session: Session, args: list[str]) -> Any:
    """`create secret generic|tls|docker-registry NAME`."""
    flags = session.flags
    if not args or args[0] not in ("generic", "tls", "docker-registry"):
        raise usage("create secret", f"Unexpected args: [{' '.join(args)}]")
    flags.command = f"create secret {args[0]}"
    form, name = args[0], one_name(flags, args[1:])
    data: dict[str, Any]
    if form == "generic":
        texts, raw = data_of(session)
        data, type_ = {**texts, **raw}, flags.text("type")
    elif form == "tls":
        if not flags.has("cert") or not flags.has("key"):
            raise fail("key and cert must be specified")
        data = {"tls.crt": _content(flags.text("cert")), "tls.key": _content(flags.text("key"))}
        if b"-----BEGIN" not in data["tls.crt"]:
            raise fail("tls: failed to find any PEM data in certificate input")
        type_ = "kubernetes.io/tls"
    else:
        flags.require("docker-username", "docker-password")
        data, type_ = {".dockerconfigjson": _docker(flags)}, "kubernetes.io/dockerconfigjson"
    out: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    if data:
        out["data"] = {key: _encoded(value) for key, value in data.items()}
    if type_:
        out["type"] = type_
    return out


def _docker(flags: Flags) -> str:
    user, password = flags.text("docker-username"), flags.text("docker-password")
    entry = {"username": user, "password": password}
    if flags.has("docker-email"):
        entry["email"] = flags.text("docker-email")
    entry["auth"] = _encoded(f"{user}:{password}")
    server = flags.text("docker-server", "https://index.docker.io/v1/")
    return json.dumps({"auths": {server: entry}}, separators=(",", ":"))


def _token(session: Session, args: list[str]) -> None:
    name = one_name(session.flags, args)
    kind = kinds.named("v1/ServiceAccount")
    flags, spec = session.flags, dict[str, Any]()
    if flags.has("duration"):
        try:
            spec["expirationSeconds"] = int(seconds(flags.text("duration")))
        except ValueError as error:
            raise fail(
                f'invalid argument "{flags.text("duration")}" for "--duration" flag: {error}'
            ) from None
    if flags.many("audience"):
        spec["audiences"] = flags.many("audience")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {},
            "spec": spec}  # fmt: skip
    try:
        answer = session.call("POST", url(kind, session.namespace, name, "token"), body)
    except ApiError as error:
        raise fail(f"failed to create token: {error.status.get('message', '')}") from None
    if flags.text("output") == "name":
        session.print(f"tokenrequest.authentication.k8s.io/{name}")
    elif flags.has("output"):
        session.out.append(output.render(answer, flags.text("output"), as_sent=True))
    else:
        session.print(answer["status"]["token"])


MAKERS: dict[str, Callable[[Session, list[str]], Any]] = {
    "namespace": _namespace, "serviceaccount": _service_account, "deployment": _deployment,
    "configmap": _config_map, "secret": _secret, **create_more.MAKERS,
}  # fmt: skip
