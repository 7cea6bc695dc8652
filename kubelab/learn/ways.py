"""The ways of checking: fresh clusters, faults and load, functions, the trace, a click.

A judge is a list of requirements; the first that does not hold raises `Failed` with what was looked
at, what was seen and what was wanted. A learner's own code is called through `ask`, so that what
goes wrong in it becomes one sentence. What must hold: the learner's things are judged on forks and
on clusters that the learner has never seen.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.objects import get, name_of
from kubelab.learn import traces


class Failed(Exception):
    """A requirement does not hold."""

    def __init__(self, looked_at: str, saw: str, wanted: str) -> None:
        super().__init__(f"looked at: {looked_at} · saw: {saw} · wanted: {wanted}")
        self.looked_at, self.saw, self.wanted = looked_at, saw, wanted


class Refused(Exception):
    """The thing cannot be judged: the message says why, `todo` what to do next."""

    def __init__(self, message: str, todo: str) -> None:
        super().__init__(message)
        self.todo = todo


class Open(Exception):
    """The exercise has not been begun."""


def require(holds: object, looked_at: str, saw: object, wanted: object) -> None:
    """Raises Failed unless something holds."""
    if not holds:
        raise Failed(looked_at, short(saw), short(wanted))


def short(value: object, most: int = 160) -> str:
    """A value as a text that fits in a sentence."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


# What the learner hands over.


def a_cluster(thing: Any) -> Any:
    """The thing, if it is a cluster that can be forked. Raises Refused."""
    if isinstance(thing, type) or not all(hasattr(thing, name) for name in ("fork", "trace")):
        raise Refused(f"this takes a cluster, and got {kind(thing)}", "hand over your cluster: c")
    return thing


def a_function(thing: Any, *names: str) -> Callable[..., Any]:
    """The thing, if it can be called. Raises Refused."""
    call = f"def f({', '.join(names)})"
    if not callable(thing) or isinstance(thing, type):
        todo = f"write it as `{call}: …` and hand over its name without brackets"
        raise Refused(f"this takes a function, and got {kind(thing)}", todo)
    code = getattr(thing, "__code__", None)
    if code is not None and not code.co_names and set(code.co_consts) <= {None, Ellipsis}:
        # A body of `...` alone, as the notebook gives it.
        raise Open
    return thing  # type: ignore[no-any-return]


def a_manifest(thing: Any) -> list[dict[str, Any]]:
    """The objects of a manifest: YAML text, a dict or a list of dicts. Raises Refused."""
    from kubelab.kubectl import applying

    if not isinstance(thing, (str, dict, list)):
        raise Refused(
            f"this takes a manifest, and got {kind(thing)}", "hand over YAML as a text, or a dict"
        )
    try:
        return [dict(obj) for obj in applying.load(thing)]
    except Exception as error:
        raise Refused(
            f"the manifest cannot be read: {short(str(error))}",
            "look at its indentation and at apiVersion, kind, metadata",
        ) from error


def kind(thing: Any) -> str:
    """What a thing is, in words."""
    if thing is None:
        return "nothing (None)"
    if callable(thing) and not isinstance(thing, type):
        return f"the function {getattr(thing, '__name__', 'without a name')}"
    if isinstance(thing, str):
        return f"the text {short(thing, 40)!r}"
    if isinstance(thing, (bool, int, float)):
        return f"the value {thing!r}"
    if hasattr(thing, "fork") and hasattr(thing, "trace"):
        return "a cluster"
    word = type(thing).__name__
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def ask(function: Callable[..., Any], *args: Any) -> Any:
    """Calls the learner's function; what goes wrong in it is refused in one sentence."""
    name = getattr(function, "__name__", "your function")
    try:
        return function(*args)
    except (Failed, Refused, Open):
        raise
    except RecursionError as error:
        raise Refused(f"{name} calls itself without end", "look for its way out") from error
    except ApiError as error:
        raise Refused(
            f"{name} was stopped by the API server: {error}",
            f"look at line {line_of(error)} of your cell",
        ) from error
    except Exception as error:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise Refused(
            f"{name} stopped with {short(said)}", f"look at line {line_of(error)} of your cell"
        ) from error


def line_of(error: BaseException) -> int:
    """The line of the learner's code in which an error came up, as far as it can be told."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if "kubelab" not in frame.filename.replace("\\", "/")]
    return int((mine or frames)[-1].lineno or 0) if frames else 0


# A function is compared with the engine's own answer.


def compare(
    function: Callable[..., Any],
    cases: Iterable[tuple[str, tuple[Any, ...], Any]],
    same: Callable[[Any, Any], bool] | None = None,
) -> int:
    """Asks the function about every hidden case; each is (words, arguments, own answer)."""
    count = 0
    for words, args, own in cases:
        given = ask(function, *args)
        if given is None or given is Ellipsis:
            if own is not None:
                raise Open
        right = same(given, own) if same else given == own
        require(right, words, f"{function.__name__} says {short(given)}", short(own))
        count += 1
    return count


# What the trace must not hold.


def fair(cluster: Any, since: int) -> None:
    """No fault, no write behind the API server's back, no status and no node set by hand."""
    for event in traces.after(cluster, since):
        if event.target == "faults":
            raise Failed("what was done", f"a fault ({event.verb})", "no use of c.faults")
        if event.actor == "you" and event.target.startswith("etcd"):
            raise Failed("what was done", f"a {event.verb} straight to etcd", "the API only")
        detail = event.detail
        if event.actor != "you" or event.verb != "request" or detail.get("method") == "GET":
            continue
        if detail.get("subresource") in ("status", "binding"):
            what = f"{detail.get('kind')} {detail.get('name')}"
            raise Failed(
                "what was done",
                f"{detail['subresource']} of {what} set by hand",
                "that its own component does it",
            )


def unplaced(cluster: Any, pods: Iterable[Any]) -> None:
    """No pod was given its node by hand: each was bound by the scheduler."""
    bound = traces.bound(cluster)
    for pod in pods:
        if get(pod, "spec", "nodeName") and name_of(pod) not in bound:
            raise Failed(f"pod {name_of(pod)}", "nodeName set by hand", "placed by the scheduler")


def ready(pod: Any) -> bool:
    """Whether a pod is Ready and not on its way out."""
    conditions = get(pod, "status", "conditions", default=())
    ok = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ok and not get(pod, "metadata", "deletionTimestamp")


class Outsider:
    """A cluster as somebody outside sees it: the API and traffic, nothing of its inside."""

    ALLOWED: tuple[str, ...] = (
        "get",
        "list",
        "request",
        "apply",
        "delete",
        "kubectl",
        "curl",
        "connect",
        "dns",
        "run",
        "run_until",
        "settle",
        "now",
    )

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        if name not in self.ALLOWED:
            raise Refused(
                f"`c.{name}` looks inside, and here you stand outside",
                f"use {', '.join(self.ALLOWED)}",
            )
        return getattr(self._cluster, name)
