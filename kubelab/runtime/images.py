"""Images: how their names are read, what a registry has, and what a node keeps.

A name is completed as containerd does it: without a registry it is of `docker.io`, without a path
of `library`, without a tag `latest`. The registry of this lab has every image except those whose
last path element begins with `nosuch` and those with the tag `missing`; sizes and digests follow
from the name alone. The store of a node is its disk: it survives when the machine is switched off.

In Kubernetes: the reference grammar of github.com/distribution/reference,
k8s.io/kubernetes/pkg/util/ parsers, and containerd's image service. Left out: layers, manifests of
several platforms, mirrors.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from kubelab.runtime.cri import ImageStatus

PULL_SECONDS = 2.0
CACHED_PULL_SECONDS = 0.2

_PATH = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_DOMAIN = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9-]+)*(?::[0-9]+)?"
)
_TAG = re.compile(r"[\w][\w.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")


class InvalidName(ValueError):
    """Raised for a text that is no image name; the message is the reference grammar's."""


class PullError(Exception):
    """Raised when a registry does not hand an image out; the message is containerd's."""


class Reference(NamedTuple):
    """The parts of an image's name; `tag` and `digest` are empty where they are not given."""

    domain: str
    path: str
    tag: str
    digest: str

    @property
    def last(self) -> str:
        """The last element of the path, which decides what the image does."""
        return self.path.rpartition("/")[2]

    @property
    def full(self) -> str:
        """The complete name, with a tag or digest."""
        name = f"{self.domain}/{self.path}"
        if self.digest:
            return f"{name}@{self.digest}"
        return f"{name}:{self.tag or 'latest'}"


def parse(name: str) -> Reference:
    """The parts of a name. Raises InvalidName."""
    rest, _, digest = name.partition("@")
    if digest and not _DIGEST.fullmatch(digest):
        raise InvalidName("invalid reference format")
    head, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise InvalidName("invalid reference format")
    whole = head + slash + last
    domain, slash, path = whole.partition("/")
    if not slash or not (
        set(".:") & set(domain) or domain == "localhost" or domain != domain.lower()
    ):
        domain, path = "docker.io", whole
    if domain == "docker.io" and "/" not in path:
        path = f"library/{path}"
    if path != path.lower():
        raise InvalidName(f"invalid reference format: repository name ({path}) must be lowercase")
    if not _PATH.fullmatch(path) or not _DOMAIN.fullmatch(domain):
        raise InvalidName("invalid reference format")
    return Reference(domain, path, tag, digest)


def with_default_tag(name: str) -> str:
    """The name with `:latest` where it has neither tag nor digest. Raises InvalidName."""
    reference = parse(name)
    return name if reference.tag or reference.digest else f"{name}:latest"


def fetch(name: str) -> ImageStatus:
    """What the registry has under a name. Raises PullError in containerd's words."""
    reference = parse(name)
    full = reference.full
    prefix = f'failed to pull and unpack image "{full}": failed to resolve image: '
    if reference.last.startswith("nosuch"):
        raise PullError(
            f"{prefix}pull access denied, repository does not exist or may require authorization: "
            "server message: insufficient_scope: authorization failed"
        )
    if reference.tag == "missing":
        raise PullError(f"{prefix}{full}: not found")
    digest = hashlib.sha256(f"{reference.domain}/{reference.path}:{reference.tag}".encode())
    size = 2_000_000 + int.from_bytes(digest.digest()[:4], "big") % 148_000_000
    return ImageStatus(full, fetched_id(reference), size)


def fetched_id(reference: Reference) -> str:
    """The digest under which the registry has an image."""
    place = f"{reference.domain}/{reference.path}"
    digest = hashlib.sha256(f"{place}:{reference.tag}".encode()).hexdigest()
    return f"{place}@{reference.digest or f'sha256:{digest}'}"


class ImageStore:
    """The images on a node's disk, by full name."""

    def __init__(self) -> None:
        self.images: dict[str, ImageStatus] = {}

    def get(self, name: str) -> ImageStatus | None:
        """The image of a name in any spelling, if the node has it."""
        try:
            return self.images.get(parse(name).full)
        except InvalidName:
            return None

    def bring(self, names: tuple[str, ...], size_bytes: int) -> None:
        """Puts an image on the disk that was there before the machine was first switched on."""
        for name in names:
            try:
                reference = parse(name)
            except InvalidName:
                continue
            digests = [other for other in names if "@sha256:" in other]
            id_ = digests[0] if digests else fetched_id(reference)
            self.images[reference.full] = ImageStatus(reference.full, id_, size_bytes, names)

    def put(self, image: ImageStatus) -> None:
        """Keeps an image."""
        self.images[image.name] = image

    def remove(self, name: str) -> None:
        """Drops an image."""
        self.images.pop(name, None)
