"""kubectl's command line: which verb is meant, and the run of it. Read this first.

Every verb is a function of a `Session`, found in the table below with the flags that it takes; it
asks the server by requests only. Within one run stdout and stderr are kept apart; a run that fails
raises KubectlError with both.

In Kubernetes: k8s.io/kubectl/pkg/cmd (the tree of commands is cobra's).
"""

from __future__ import annotations

import difflib
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from kubelab.api.errors import ApiError
from kubelab.kubectl.errors import Failed, KubectlError, server_text
from kubelab.kubectl.flags import Flags
from kubelab.kubectl.session import Session

# verb: the module that has it, the function and the name of its flags there.
VERBS: dict[str, tuple[str, str, str]] = {
    "get": ("get", "run", "FLAGS"),
    "describe": ("describe", "run", "FLAGS"),
    "apply": ("manifest", "apply", "APPLY"),
    "create": ("create", "run", "FLAGS"),
    "replace": ("manifest", "replace", "REPLACE"),
    "diff": ("manifest", "diff", "DIFF"),
    "delete": ("delete", "run", "FLAGS"),
    "run": ("generators", "run", "RUN"),
    "expose": ("generators", "expose", "EXPOSE"),
    "autoscale": ("generators", "autoscale", "AUTOSCALE"),
    "scale": ("change", "scale", "SCALE"),
    "label": ("change", "label", "LABEL"),
    "annotate": ("change", "annotate", "LABEL"),
    "patch": ("change", "patch", "PATCH"),
    "set": ("sets", "run", "FLAGS"),
    "taint": ("nodes", "taint", "TAINT"),
    "cordon": ("nodes", "cordon", "CORDON"),
    "uncordon": ("nodes", "uncordon", "CORDON"),
    "drain": ("nodes", "drain", "DRAIN"),
    "rollout": ("rollout", "run", "FLAGS"),
    "wait": ("waiting", "run", "FLAGS"),
    "logs": ("logs", "logs", "LOGS"),
    "exec": ("containers", "execute", "EXEC"),
    "attach": ("containers", "attach", "EXEC"),
    "port-forward": ("containers", "port_forward", "PORTS"),
    "cp": ("copying", "copy", "CP"),
    "top": ("top", "top", "FLAGS"),
    "explain": ("explain", "run", "FLAGS"),
    "api-resources": ("server", "api_resources", "API_RESOURCES"),
    "api-versions": ("server", "api_versions", "PLAIN"),
    "version": ("server", "version", "VERSION"),
    "cluster-info": ("server", "cluster_info", "PLAIN"),
    "events": ("events", "run", "FLAGS"),
    "auth": ("auth", "auth", "AUTH"),
    "config": ("config", "config", "CONFIG"),
    "certificate": ("certificate", "run", "FLAGS"),
    "edit": ("change", "edit", "PATCH"),
    "debug": ("debugging", "debug", "DEBUG"),
    "plugin": ("server", "plugin", "PLAIN"),
    "completion": ("server", "completion", "PLAIN"),
}
# Verbs whose second word is a command too: it belongs to the name of the command in messages.
PARENTS = ("rollout", "set", "auth", "config", "apply", "create")


def run(cluster: Any, args: str | Sequence[str], stdin: str = "", namespace: str = "") -> str:
    """What kubectl prints on stdout; what it says on stderr goes to ours. Raises KubectlError."""
    code, out, err = execute(cluster, args, stdin, namespace)
    if code:
        raise KubectlError(err, code, out)
    if err:
        sys.stderr.write(err)
    return out


def execute(
    cluster: Any, args: str | Sequence[str], stdin: str = "", namespace: str = ""
) -> tuple[int, str, str]:
    """A whole run: exit code, stdout and stderr."""
    try:
        words = shlex.split(args) if isinstance(args, str) else [str(arg) for arg in args]
    except ValueError as error:
        return 1, "", f"error: {error}\n"
    if words[:1] == ["kubectl"]:
        words = words[1:]
    session: Session | None = None
    try:
        verb, words = _verb(words)
        function, line = _load(verb)
        flags = Flags(_command(verb, words), words, line)
        session = Session(cluster, flags, stdin, namespace)
        function(session, flags.args)
    except Failed as error:
        return _ended(session, error.code, error.text)
    except ApiError as error:
        return _ended(session, 1, server_text(error))
    except RecursionError:
        return _ended(session, 1, "error: the text is nested too deeply")
    return session.failed, "".join(session.out), "".join(session.err)


def _ended(session: Session | None, code: int, text: str) -> tuple[int, str, str]:
    out = "".join(session.out) if session else ""
    err = "".join(session.err) if session else ""
    return code, out, err + (text + "\n" if text else "")


def _command(verb: str, words: list[str]) -> str:
    second = next((word for word in words if not word.startswith("-")), "")
    return f"{verb} {second}" if verb in PARENTS and second.isalpha() else verb


def _verb(words: list[str]) -> tuple[str, list[str]]:
    """The verb and the other words; flags for all commands may stand before it."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        takes_value = words[at] in ("-n", "--namespace", "--context", "--kubeconfig", "-s", "-v")
        at += 2 if takes_value else 1
    if at >= len(words):
        raise Failed("kubectl controls the Kubernetes cluster manager.\n\n" + _listing(), 0)
    verb = words[at]
    if verb not in VERBS:
        raise Failed(f'error: unknown command "{verb}" for "kubectl"{_near(verb)}')
    return verb, words[:at] + words[at + 1 :]


def _listing() -> str:
    return "Commands of the built-in kubectl: " + ", ".join(sorted(VERBS))


# The order in which the real one has its commands, for suggestions.
ORDER = (
    "create", "expose", "run", "set", "explain", "get", "edit", "delete", "rollout", "scale",
    "autoscale", "certificate", "cluster-info", "top", "cordon", "uncordon", "drain", "taint",
    "describe", "logs", "attach", "exec", "port-forward", "cp", "auth", "debug", "events", "diff",
    "apply", "patch", "replace", "wait", "label", "annotate", "completion",
)  # fmt: skip


def _near(word: str) -> str:
    known = [verb for verb in ORDER if verb in VERBS]
    known += [verb for verb in sorted(VERBS) if verb not in known]
    near = [verb for verb in known if _distance(word, verb) <= 2 or verb.startswith(word)]
    near = near or difflib.get_close_matches(word, sorted(VERBS), n=2, cutoff=0.75)
    return "\n\nDid you mean this?" + "".join(f"\n\t{verb}" for verb in near) if near else ""


def _distance(one: str, other: str) -> int:
    """How many letters must change (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b)))
    return row[-1]


def _load(verb: str) -> tuple[Callable[[Session, list[str]], None], str]:
    module, function, line = VERBS[verb]
    loaded = import_module(f"kubelab.kubectl.{module}")
    return getattr(loaded, function), getattr(loaded, line)
