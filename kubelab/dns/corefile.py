"""The Corefile: which plugins a CoreDNS server runs for which zones, and their settings.

A server block names zones and, in braces, one plugin a line, some with settings in braces of their
own. A question goes to the block with the longest zone that it lies in; within it to the plugins in
CoreDNS' own order, whatever the order of the lines: any, rewrite, autopath, template, transfer,
hosts, kubernetes, forward.

In Kubernetes: coredns/caddy's Caddyfile parser and the setup.go of each plugin. Left out: imports,
snippets, environment variables, and the settings of plugins that do not change an answer here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kubelab.dns import templates
from kubelab.dns.naming import Options, dotted
from kubelab.network.addresses import is_address

PATH = "/etc/coredns/Corefile"
HOSTS_TTL = 3600
CACHE_SECONDS = 3600

DEFAULT = """.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""

# Plugins that are known and change no answer here.
QUIET = (
    "ready", "prometheus", "bufsize", "bind", "debug", "lameduck", "local", "nsid", "pprof",
    "trace", "minimal", "metadata", "dns64", "acl",
)  # fmt: skip
SWITCHES = {
    "loadbalance": "balanced", "errors": "errors", "log": "logged", "loop": "loops",
    "reload": "reloads", "any": "any", "autopath": "autopath",
}  # fmt: skip


class CorefileError(ValueError):
    """Raised for a Corefile with which CoreDNS would not start; the message is CoreDNS' own."""


class Rewrite(NamedTuple):
    """A name is asked for as another one; `kind` is exact, suffix, prefix, substring or regex."""

    kind: str
    old: str
    new: str

    def apply(self, name: str) -> str:
        """The name to look up instead; the name itself if the rule is not for it."""
        lowered = name.lower()
        if self.kind == "exact" and lowered == self.old:
            return self.new
        if self.kind == "suffix" and lowered.endswith(self.old):
            return name[: len(name) - len(self.old)] + self.new
        if self.kind == "prefix" and lowered.startswith(self.old):
            return self.new + name[len(self.old) :]
        if self.kind == "substring":
            return dotted(lowered.replace(self.old, self.new))
        if self.kind == "regex" and (found := re.search(self.old, lowered)):
            groups = ["", *(group or "" for group in found.groups())]
            return dotted(re.sub(r"\{(\d+)\}", lambda at: _group(groups, at[1]), self.new))
        return name


def _group(groups: list[str], number: str) -> str:
    """What a group of the pattern has matched; nothing for one that there is not."""
    return groups[int(number)] if int(number) < len(groups) else ""


class Block(NamedTuple):
    """One server block: its zones, and what its plugins are set to."""

    zones: tuple[str, ...]
    kubernetes: Options | None = None
    forward: tuple[str, ...] = ()
    cache_seconds: int = 0
    # Zones of which found records, and denials, are not remembered.
    uncached: tuple[str, ...] = ()
    undenied: tuple[str, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    hosts_used: bool = False
    hosts_fallthrough: bool = False
    hosts_ttl: int = HOSTS_TTL
    rewrites: tuple[Rewrite, ...] = ()
    balanced: bool = False
    errors: bool = False
    logged: bool = False
    loops: bool = False
    reloads: bool = False
    any: bool = False
    autopath: bool = False
    templates: tuple[templates.Template, ...] = ()
    # Who may have the whole zone: addresses, or `*`.
    transfers: tuple[str, ...] = ()
    # How many questions may wait for upstream servers at once; 0 for any number.
    max_concurrent: int = 0
    # For how long a server that is to end goes on answering.
    lameduck_seconds: float = 0.0

    def rewritten(self, name: str) -> str:
        """The name by the first rewrite rule that is for it."""
        for rule in self.rewrites:
            changed = rule.apply(name)
            if changed != name:
                return changed
        return name


class Line(NamedTuple):
    """A directive: its words, and the lines in its braces."""

    number: int
    words: tuple[str, ...]
    inner: tuple[tuple[str, ...], ...] = ()


def parse(text: str) -> tuple[Block, ...]:
    """The server blocks of a Corefile. Raises CorefileError."""
    tokens = _tokens(text)
    blocks: list[Block] = []
    position = 0
    while position < len(tokens):
        number, words = tokens[position]
        if words[-1] != "{":
            raise CorefileError(f"{PATH}:{number} - Error during parsing: Expected '{{'")
        position, lines = _block(tokens, position + 1)
        zones = tuple(_zone(word.rstrip(",")) for word in words[:-1])
        blocks.append(_settings(zones, lines))
    return tuple(blocks)


def match(blocks: tuple[Block, ...], name: str) -> Block | None:
    """The block with the longest zone that a name (in lower case) lies in."""
    best: tuple[int, Block] | None = None
    for block in blocks:
        for zone in block.zones:
            inside = zone == "." or name == zone or name.endswith("." + zone)
            if inside and (best is None or len(zone) > best[0]):
                best = (len(zone), block)
    return best[1] if best else None


def _tokens(text: str) -> list[tuple[int, list[str]]]:
    """Numbered lines of words; a brace ends its line, wherever it stands."""
    out: list[tuple[int, list[str]]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        words: list[str] = []
        for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', raw):
            word = plain or quoted
            if plain.startswith("#"):
                break
            if word == "}" and words:
                out.append((number, words))
                words = []
            words.append(word)
            if word in ("{", "}"):
                out.append((number, words))
                words = []
        if words:
            out.append((number, words))
    return out


def _block(tokens: list[tuple[int, list[str]]], position: int) -> tuple[int, list[Line]]:
    """The directives up to the closing brace, and where the next block begins."""
    lines: list[Line] = []
    while position < len(tokens):
        number, words = tokens[position]
        position += 1
        if words == ["}"]:
            return position, lines
        if words[-1] != "{":
            lines.append(Line(number, tuple(words)))
            continue
        inner: list[tuple[str, ...]] = []
        while position < len(tokens) and tokens[position][1] != ["}"]:
            inner.append(tuple(tokens[position][1]))
            position += 1
        position += 1
        lines.append(Line(number, tuple(words[:-1]), tuple(inner)))
    raise CorefileError(f"{PATH}:{len(tokens)} - Error during parsing: Unexpected EOF")


def _zone(word: str) -> str:
    """`example.org:53`, `dns://.:53` → the zone in absolute form."""
    word = word.partition("://")[2] or word
    name, colon, port = word.rpartition(":")
    return dotted((name if colon and port.isdigit() else word).lower() or ".")


def _settings(zones: tuple[str, ...], lines: list[Line]) -> Block:
    block = Block(zones)
    for line in lines:
        plugin, *words = line.words
        if plugin == "kubernetes":
            block = block._replace(kubernetes=_kubernetes(line, zones))
        elif plugin == "forward":
            if len(words) < 2:
                raise _error(line, "Wrong argument count or unexpected line ending after 'forward'")
            most = next((int(inner[1]) for inner in line.inner
                         if inner[0] == "max_concurrent" and inner[1:][:1] and inner[1].isdigit()),
                        0)  # fmt: skip
            block = block._replace(forward=tuple(words[1:]), max_concurrent=most)
        elif plugin == "cache":
            seconds = int(words[0]) if words and words[0].isdigit() else CACHE_SECONDS
            block = block._replace(
                cache_seconds=seconds, uncached=_disabled(line, "success", zones),
                undenied=_disabled(line, "denial", zones),
            )  # fmt: skip
        elif plugin == "hosts":
            block = _hosts(block, line)
        elif plugin == "rewrite":
            block = block._replace(rewrites=(*block.rewrites, *_rewrite(line)))
        elif plugin in SWITCHES:
            block = block._replace(**{SWITCHES[plugin]: True})  # type: ignore[arg-type]
        elif plugin == "template":
            try:
                made = templates.read(tuple(words), line.inner, zones)
            except templates.Mistake as mistake:
                raise _error(line, f"plugin/template: {mistake}") from mistake
            block = block._replace(templates=(*block.templates, made))
        elif plugin == "transfer":
            named = [word for inner in line.inner if inner[0] == "to" for word in inner[1:]]
            block = block._replace(transfers=tuple(named))
        elif plugin == "health":
            ends = [inner[1] for inner in line.inner if inner[0] == "lameduck" and inner[1:]]
            block = block._replace(lameduck_seconds=_duration(ends[0]) if ends else 0.0)
        elif plugin not in QUIET:
            raise _error(line, f"Unknown directive '{plugin}'")
    return block


def _duration(text: str) -> float:
    """`5s`, `500ms` in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    factors = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    return float(found[1]) * factors[found[2]] if found else 0.0


def _disabled(line: Line, what: str, zones: tuple[str, ...]) -> tuple[str, ...]:
    """The zones of the cache's `disable success|denial [ZONES…]`; without any, the block's own."""
    out: list[str] = []
    for inner in line.inner:
        if inner[:2] == ("disable", what):
            out += [dotted(zone.lower()) for zone in inner[2:]] or zones
    return tuple(out)


def _error(line: Line, what: str) -> CorefileError:
    return CorefileError(f"{PATH}:{line.number} - Error during parsing: {what}")


def _kubernetes(line: Line, zones: tuple[str, ...]) -> Options:
    named = tuple(dotted(word.lower()) for word in line.words[1:]) or zones
    forward = [zone for zone in named if not zone.endswith(".arpa.")]
    reverse = tuple(zone for zone in named if zone.endswith(".arpa."))
    options = Options(
        forward[0] if forward else "cluster.local.", reverse, 5, "disabled", False, ()
    )
    for word, *args in line.inner:
        if word == "pods":
            if args[:1] not in (["disabled"], ["insecure"], ["verified"]):
                given = args[0] if args else ""
                raise _error(line, f"wrong value for pods: {given},  must be one of: "
                             "disabled, verified, insecure")  # fmt: skip
            options = options._replace(pods=args[0])
        elif word == "ttl":
            options = options._replace(ttl=int(args[0]))
        elif word == "fallthrough":
            through = tuple(dotted(zone) for zone in args) or named
            options = options._replace(fallthrough=through)
        elif word == "endpoint_pod_names":
            options = options._replace(endpoint_pod_names=True)
        elif word == "namespaces":
            options = options._replace(namespaces=tuple(args))
        elif word == "ignore" and args == ["empty_service"]:
            options = options._replace(ignore_empty_service=True)
        elif word == "noendpoints":
            options = options._replace(endpoints=False)
        elif word not in KUBERNETES_SETTINGS:
            raise _error(line, f"unknown property '{word}'")
    return options


KUBERNETES_SETTINGS = (
    "endpoint", "tls", "kubeconfig", "namespaces", "labels", "noendpoints", "ignore", "upstream",
    "transfer", "namespace_labels", "apiserver_qps", "apiserver_burst", "startup_timeout",
)  # fmt: skip


def _hosts(block: Block, line: Line) -> Block:
    rows: list[tuple[str, str]] = []
    block = block._replace(hosts_used=True)
    for word, *args in line.inner:
        if word == "fallthrough":
            block = block._replace(hosts_fallthrough=True)
        elif word == "ttl":
            block = block._replace(hosts_ttl=int(args[0]))
        elif is_address(word):
            rows += [(dotted(name.lower()), word) for name in args]
    return block._replace(hosts=tuple(rows))


def _rewrite(line: Line) -> tuple[Rewrite, ...]:
    """`rewrite [stop|continue] name [KIND] OLD NEW [answer …]`; others change nothing here."""
    words = [word for word in line.words[1:] if word not in ("stop", "continue")]
    if line.inner and not words:
        words = [word for inner in line.inner if inner[0] == "name" for word in inner]
    if words[:1] != ["name"]:
        return ()
    words = words[1:]
    kind = words.pop(0) if words and words[0] in REWRITES else "exact"
    if len(words) < 2:
        raise _error(line, "rule type name requires at least 2 arguments")
    if kind == "regex":
        try:
            re.compile(words[0])
        except re.error as error:
            raise _error(line, f"invalid regex pattern in a name rule: {words[0]}") from error
        return (Rewrite(kind, words[0], words[1]),)
    old, new = words[0].lower(), words[1]
    if kind in ("prefix", "substring"):
        return (Rewrite(kind, old, new),)
    return (Rewrite(kind, dotted(old), dotted(new)),)


REWRITES = ("exact", "prefix", "suffix", "substring", "regex")
