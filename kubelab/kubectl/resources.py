"""Which objects a command means: `pods`, `pod a b`, `deploy/web svc/web`, `-f FILE`, `-l a=b`.

A type is a plural, a singular, a short name, with or without version and group, or a category such
as `all`. Types that are not built in are looked for in the server's discovery.

In Kubernetes: k8s.io/cli-runtime/pkg/resource/builder.go and client-go/restmapper.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from kubelab.api import kinds, manifests, selectors
from kubelab.api.errors import ApiError
from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj, labels_of, name_of, namespace_of
from kubelab.kubectl.applying import discovered
from kubelab.kubectl.errors import Failed, fail
from kubelab.kubectl.session import Session

BOTH_FORMS = (
    "there is no need to specify a resource type as a separate argument when passing arguments in "
    "resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of "
    "'kubectl get resource resource/<resource_name>'"
)
NOTHING_NAMED = (
    "You must provide one or more resources by argument or filename.\n"
    "Example resource specifications include:\n"
    "   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'"
)


UNSET = (
    'error validating "{}": error validating data: {} not set; if you choose to ignore these '
    "errors, turn validation off with --validate=false"
)


class Target(NamedTuple):
    """Objects that are meant: one by name, or (an empty name) all of a kind.

    `obj` and `source` are set where a manifest names the object.
    """

    kind: Kind
    namespace: str
    name: str
    obj: Obj | None = None
    source: str = ""

    @property
    def shown(self) -> str:
        """`deployment.apps/web`: how kubectl names the object."""
        return f"{kind_word(self.kind)}/{self.name}"


def kind_word(kind: Kind) -> str:
    """`pod`, `deployment.apps`."""
    return f"{kind.singular}.{kind.group}" if kind.group else kind.singular


def kind_of(session: Session, word: str) -> Kind:
    """The kind that a type's word names."""
    kind = kinds.resolve(word) or _discovered(session, word)
    if kind is None:
        name, _, group = word.partition(".")
        where = f' in group "{group}"' if group else ""
        raise fail(f'the server doesn\'t have a resource type "{name}"{where}')
    return kind


def _discovered(session: Session, word: str) -> Kind | None:
    """A kind that is not built in; the server knows which there are."""
    word = word.lower()
    if word not in session.found:
        session.found[word] = None
        for kind in others(session):
            names = (kind.plural, kind.singular, *kind.short_names)
            groups = ("", f".{kind.group}", f".{kind.version}.{kind.group}")
            if word in [name + group for name in names for group in groups]:
                session.found[word] = kind
                break
    return session.found[word]


def others(session: Session) -> list[Kind]:
    """The kinds of groups that no built-in kind belongs to."""
    try:
        groups = session.call("GET", "/apis").get("groups") or ()
        found = []
        for group in groups:
            if group["name"] in kinds.groups():
                continue
            version = group["preferredVersion"]
            rows = session.call("GET", f"/apis/{version['groupVersion']}")["resources"]
            found += [
                discovered(group["name"], version["version"], row)
                for row in rows
                if "/" not in row["name"]
            ]
        return found
    except (ApiError, AttributeError):
        return []


def types(session: Session, words: str) -> list[Kind]:
    """The kinds of `pods,svc` or of a category."""
    found: dict[str, Kind] = {}
    for word in words.split(","):
        members = [kind for kind in kinds.ALL if word in kind.categories]
        if members or kinds.resolve(word) is None:
            members += [kind for kind in others(session) if word in kind.categories]
        for kind in members or [kind_of(session, word)]:
            found.setdefault(kind.resource, kind)
    return list(found.values())


def named(session: Session, args: list[str]) -> list[Target]:
    """The targets of a command's arguments; a type alone means all of its objects."""
    if not args:
        return []
    if any("/" in arg for arg in args):
        if not all("/" in arg for arg in args):
            raise fail(BOTH_FORMS)
        targets = []
        for arg in args:
            word, _, name = arg.partition("/")
            if "/" in name:
                raise fail("arguments in resource/name form may not have more than one slash")
            if not word or not name:
                raise fail("arguments in resource/name form must have a single resource and name")
            targets.append(_target(session, kind_of(session, word), name))
        return targets
    chosen = types(session, args[0])
    if len(args) == 1:
        return [_target(session, kind, "") for kind in chosen]
    return [_target(session, kind, name) for kind in chosen for name in args[1:]]


def _target(session: Session, kind: Kind, name: str) -> Target:
    return Target(kind, session.namespace if kind.namespaced else "", name)


# Manifests.


def read(session: Session, path: str) -> list[tuple[str, str]]:
    """The texts of a file, of `-`, or of a folder's files, each with its name."""
    if path == "-":
        return [("STDIN", session.stdin)]
    if path.startswith(("http://", "https://")):
        raise fail(f'unable to read URL "{path}", manifests are read from files and stdin only')
    if os.path.isdir(path):
        names = sorted(n for n in os.listdir(path) if n.endswith((".yaml", ".yml", ".json")))
        return [text for n in names for text in read(session, os.path.join(path, n))]
    if not os.path.exists(path):
        raise fail(f'the path "{path}" does not exist')
    with open(path, encoding="utf-8") as file:
        return [(path, file.read())]


def from_files(session: Session, paths: list[str]) -> list[Target]:
    """The objects of manifests. Raises Failed where a text or a kind is wrong."""
    targets = []
    wanted = selectors.parse_labels(session.flags.text("selector"))
    for path in (part for given in paths for part in given.split(",")):
        for source, text in read(session, path):
            try:
                objects = manifests.load(text)
            except manifests.ManifestError as error:
                shown = "STDIN" if source == "STDIN" else source
                if "kind not set" in str(error) and session.flags.command == "apply":
                    raise fail(UNSET.format(shown, "kind")) from None
                raise fail(f"error parsing {shown}: {error}") from None
            targets += [
                _of_object(session, obj, source)
                for obj in objects
                if wanted.matches(labels_of(obj))
            ]
    if not targets:
        raise fail("no objects passed to " + session.flags.command.split()[0])
    return targets


def _of_object(session: Session, obj: Obj, source: str) -> Target:
    kind = kinds.find(obj["apiVersion"], obj["kind"])
    if kind is None:
        kind = next(
            (k for k in others(session) if k.kind == obj["kind"] and
             k.group == obj["apiVersion"].rpartition("/")[0]), None,
        )  # fmt: skip
    if kind is None:
        raise fail(
            f'resource mapping not found for name: "{name_of(obj)}" namespace: '
            f'"{namespace_of(obj)}" from "{source}": no matches for kind "{obj["kind"]}" in '
            f'version "{obj["apiVersion"]}"\nensure CRDs are installed first'
        )
    namespace = ""
    if kind.namespaced:
        namespace = namespace_of(obj) or session.namespace
        wished = session.flags.text("namespace")
        if wished and namespace != wished:
            raise fail(
                f'the namespace from the provided object "{namespace}" does not match the '
                f"namespace \"{wished}\". You must pass '--namespace={namespace}' to perform "
                "this operation."
            )
    return Target(kind, namespace, name_of(obj), obj, source)


def chosen(session: Session, args: list[str], *, everything: bool = False) -> list[Target]:
    """The objects a changing command means: by file, by name, by selector, or all of a type."""
    flags = session.flags
    if flags.many("filename"):
        return from_files(session, flags.many("filename"))
    if not args:
        raise fail(NOTHING_NAMED)
    targets = named(session, args)
    selector = flags.text("selector")
    fields = flags.text("field-selector")
    if selector and flags.on("all"):
        raise fail("cannot set --all and --selector at the same time")
    if all(target.name for target in targets):
        if selector or flags.on("all"):
            raise fail("name cannot be provided when a selector is specified")
        return targets
    if not (selector or fields or flags.on("all") or everything):
        raise fail("resource(s) were provided, but no name was specified")
    return [
        Target(target.kind, namespace_of(obj), name_of(obj), obj)
        for target in targets
        for obj in session.list(
            target.kind, "" if flags.on("all-namespaces") else target.namespace, selector, fields
        )
    ]


def each(session: Session, targets: list[Target]) -> list[tuple[Target, Obj]]:
    """The targets with their objects as they are now; those that are not there are reported."""
    found = []
    for target in targets:
        try:
            found.append((target, session.get(target.kind, target.namespace, target.name)))
        except (ApiError, Failed) as error:
            session.fail(error)
    return found
