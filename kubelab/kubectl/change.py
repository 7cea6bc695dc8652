"""kubectl scale, label, annotate, patch: small changes of objects that are there.

In Kubernetes: k8s.io/kubectl/pkg/cmd/scale, label, annotate, patch.
"""

from __future__ import annotations

import json
from typing import Any

from kubelab.api import kinds, manifests
from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, annotations_of, freeze, get, labels_of
from kubelab.api.rest import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, url
from kubelab.kubectl import output
from kubelab.kubectl.errors import Failed, fail
from kubelab.kubectl.manifest import dry_run
from kubelab.kubectl.resources import Target, chosen, each
from kubelab.kubectl.session import Session

_COMMON = "filename,f=* recursive,R all selector,l= field-selector= dry-run?unchanged output,o= "
SCALE = _COMMON + "replicas= current-replicas= resource-version= timeout="
LABEL = _COMMON + (
    "overwrite list local resource-version= all-namespaces,A field-manager= show-managed-fields"
)
PATCH = _COMMON + "patch,p= patch-file= type= subresource= local field-manager="
PATCHES = {"json": JSON_PATCH, "merge": MERGE_PATCH, "strategic": STRATEGIC_PATCH}


def dry(session: Session) -> str:
    """`&dryRun=All` for a dry run by the server."""
    return "&dryRun=All" if session.flags.text("dry-run") == "server" else ""


def only_client(session: Session) -> bool:
    """Whether nothing is to be sent that changes."""
    return session.flags.text("dry-run") in ("client", "unchanged")


def send(
    session: Session, target: Target, change: Any, form: str, manager: str, subresource: str = ""
) -> Obj:
    """Sends a patch. Raises ApiError."""
    path = url(target.kind, target.namespace, target.name, subresource)
    asked = f"{path}?fieldManager={session.flags.text('field-manager', manager)}{dry(session)}"
    body = change if isinstance(change, bytes) else freeze(change)
    changed: Obj = session.call("PATCH", asked, body, {"Content-Type": form})
    return changed


# Scale.


def scale(session: Session, args: list[str]) -> None:
    """Runs `kubectl scale`."""
    session.flags.require("replicas")
    replicas = session.flags.number("replicas")
    if replicas < 0:
        raise fail("The --replicas=COUNT flag is required, and COUNT must be greater than or equal "
                   "to 0")  # fmt: skip
    ending = dry_run(session)
    for target in chosen(session, args):
        try:
            _scale_one(session, target, replicas)
        except ApiError as error:
            session.fail(error)
            continue
        except Failed as error:
            session.fail(error)
            continue
        session.out.append(
            output.printed(Obj(), target.shown, session.flags.text("output"), "scaled" + ending)
        )


def _scale_one(session: Session, target: Target, replicas: int) -> None:
    current = session.get(target.kind, target.namespace, target.name)
    if "scale" not in target.kind.subresources and kinds.find(
        target.kind.api_version, target.kind.kind
    ):
        raise Failed(
            "Error from server (NotFound): the server could not find the requested resource"
        )
    expected = session.flags.number("current-replicas", -1)
    held = get(current, "spec", "replicas", default=0)
    if expected not in (-1, held):
        raise fail(f"Expected replicas to be {expected}, was {held}")
    if not only_client(session):
        send(session, target, {"spec": {"replicas": replicas}}, MERGE_PATCH, "kubectl", "scale")


# Label and annotate.


def label(session: Session, args: list[str]) -> None:
    """Runs `kubectl label`."""
    _mark(session, args, "labels")


def annotate(session: Session, args: list[str]) -> None:
    """Runs `kubectl annotate`."""
    _mark(session, args, "annotations")


def split(args: list[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """The arguments that name objects, the new pairs, and the keys to remove."""
    names: list[str] = []
    pairs: dict[str, str] = {}
    removed: list[str] = []
    for arg in args:
        key, equals, value = arg.partition("=")
        if equals and key:
            pairs[key] = value
        elif arg.endswith("-") and len(arg) > 1:
            removed.append(arg[:-1])
        elif pairs or removed:
            raise fail(f"all resources must be specified before label changes: {arg}")
        else:
            names.append(arg)
    return names, pairs, removed


def _mark(session: Session, args: list[str], field: str) -> None:
    flags = session.flags
    names, pairs, removed = split(args)
    if not pairs and not removed and not flags.on("list"):
        word = "label" if field == "labels" else "annotation"
        raise fail(f"at least one {word} update is required")
    for key in pairs:
        if key in removed:
            raise fail(f"can not both modify and remove a {field[:-1]} in the same command")
    ending = dry_run(session)
    for target, obj in each(session, chosen(session, names, everything=False)):
        held = labels_of(obj) if field == "labels" else annotations_of(obj)
        if flags.on("list"):
            session.out += [f"{key}={held[key]}\n" for key in sorted(held)]
            continue
        try:
            word = _marked(session, target, held, field, pairs, removed)
        except (ApiError, Failed) as error:
            session.fail(error)
            continue
        form = flags.text("output")
        session.out.append(output.printed(obj, target.shown, form, word + ending))


def _marked(
    session: Session, target: Target, held: Obj, field: str, pairs: dict[str, str],
    removed: list[str],
) -> str:  # fmt: skip
    """Sends the change; the word for it."""
    if not session.flags.on("overwrite"):
        _refuse_overwriting(held, field, pairs)
    change: dict[str, Any] = {key: value for key, value in pairs.items() if held.get(key) != value}
    for key in removed:
        if key in held:
            change[key] = None
        elif field == "labels":
            session.print(f'label "{key}" not found.')
    metadata: dict[str, Any] = {field: change}
    if session.flags.has("resource-version"):
        metadata["resourceVersion"] = session.flags.text("resource-version")
    if change and not only_client(session):
        manager = "kubectl-label" if field == "labels" else "kubectl-annotate"
        send(session, target, {"metadata": metadata}, MERGE_PATCH, manager)
    if field == "annotations":
        return "annotated"
    if not change:
        return "not labeled"
    return "unlabeled" if not pairs else "labeled"


def _refuse_overwriting(held: Obj, field: str, pairs: dict[str, str]) -> None:
    taken = [key for key, value in pairs.items() if held.get(key, value) != value]
    if not taken:
        return
    texts = [f"'{key}' already has a value ({held[key]})" for key in taken]
    if field == "labels":
        raise fail(f"{'; '.join(texts)}, and --overwrite is false")
    raise fail(
        "--overwrite is false but found the following declared annotation(s): " + "; ".join(texts)
    )


# Patch.


def patch(session: Session, args: list[str]) -> None:
    """Runs `kubectl patch`."""
    flags = session.flags
    form = flags.text("type", "strategic").lower()
    if form not in PATCHES:
        raise fail(f'--type must be one of [json merge strategic], not "{form}"')
    if not flags.has("patch") and not flags.has("patch-file"):
        raise fail("must specify --patch or --patch-file containing the contents of the patch")
    text = flags.text("patch")
    if flags.has("patch-file"):
        with open(flags.text("patch-file"), encoding="utf-8") as file:
            text = file.read()
    body = _patch_json(text)
    subresource, ending = flags.text("subresource"), dry_run(session)
    for target in chosen(session, args):
        try:
            before = session.get(target.kind, target.namespace, target.name, subresource)
            after = before
            if not only_client(session):
                after = send(session, target, body, PATCHES[form], "kubectl-patch", subresource)
        except ApiError as error:
            _refused(session, target, error, PATCHES[form])
            continue
        same = _version(before) == _version(after) and not ending
        ending = "" if flags.text("dry-run") == "server" else ending
        word = "patched (no change)" if same else "patched"
        shown = target.shown
        if subresource == "scale":
            shown = f"scale.autoscaling/{target.name}"
        session.out.append(output.printed(after, shown, flags.text("output"), word + ending))


def _refused(session: Session, target: Target, error: ApiError, form: str) -> None:
    """Notes a refusal; of a kind that takes no such patch is said which kind it is."""
    if error.code != 415:
        session.fail(error)
        return
    kind = f"{target.kind.api_version}, Kind={target.kind.kind}"
    message = error.status.get("message", "")
    session.fail(Failed(f"error: {form} is not supported by {kind}: {message}"))


def _version(obj: Obj) -> Any:
    return get(obj, "metadata", "resourceVersion")


def _patch_json(text: str) -> bytes:
    """A patch in YAML becomes JSON; what is meant as JSON goes as it is."""
    if text.lstrip().startswith(("{", "[")):
        return text.encode()
    try:
        document = manifests.documents(text)
    except manifests.ManifestError as error:
        raise fail(f'unable to parse "{text}": {error}') from None
    return json.dumps(document[0] if document else {}).encode()


def edit(session: Session, args: list[str]) -> None:
    """Refuses `kubectl edit`: there is no editor."""
    raise fail("the built-in kubectl has no editor; use patch, set, or apply -f")
