"""The parts a learner can play: the scheduler, the resolver, the proxy.

Each part asks what the component must decide next, of the picture as it stands, and reads the
answer from the picture after the step. Where a component had several equally good moves, each of
them is right.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.views import sieve
from kubelab.views.quiz import Play, Question

if TYPE_CHECKING:
    from kubelab.views.view import View

NONE, STAYS, DROPPED = "none", "stays", "is dropped"
OPTIONS = 12
NO_MORE = "no further question"


def _among(view: View, good: list[str]) -> str:
    """One of several right answers: the learner's own, if it is among them."""
    guess = view.game.guess if view.game is not None else ""
    return guess if guess in good else " or ".join(good)


# The scheduler.


def _schedule(view: View) -> Question | None:
    data = view.frame
    if view.by != "message":
        key = f"cycle/{view.cursor.event}"
        options = (*data["names"][:OPTIONS], NONE)
        return Question(key, "Which node does the scheduler choose for the next pod?", options)
    what, name = data.get("next") or ("", "")
    pod = data["pod"].rpartition("/")[2]
    key = f"{what}/{name}/{view.cursor.event}"
    if what == "node":
        return Question(key, f"Does {name} stay for {pod}, or is it dropped?", (STAYS, DROPPED))
    if what == "filter":
        return Question(key, f"How many nodes does {name} drop?", (), free=True)
    if what == "score":
        return Question(key, f"Which node gets most points from {name}?",
                        tuple(data["kept"][:OPTIONS]))  # fmt: skip
    if what == "end":
        return Question(key, f"Which node gets {pod}?", (*data["kept"][:OPTIONS], NONE))
    return None


def _scheduled(view: View, question: Question) -> str | None:
    data = view.frame
    what, name = data["step"]
    if question.key.startswith(("cycle", "end")):
        if what != "end":
            return None
        return data["winner"] or NONE
    if not question.key.startswith(f"{what}/{name}/"):
        return None
    if what == "node":
        return DROPPED if sieve.is_out(data["rows"], name) else STAYS
    if what == "filter":
        return str(data["dropped"].get(name, 0))
    row = next(row for row in data["scale"] if row["plugin"] == name)
    most = max((cell["weighted"] for cell in row["cells"].values()), default=0)
    return _among(view, [n for n, cell in row["cells"].items() if cell["weighted"] == most])


SCHEDULER = Play(_schedule, _scheduled)


# The resolver.


def _tried(data: dict[str, Any]) -> list[str]:
    names: dict[str, None] = {}
    for row in data["questions"]:
        if row["state"] != "not yet":
            names.setdefault(row["name"])
    return list(names)


def _ask(view: View) -> Question | None:
    data = view.frame
    if data["result"]:
        return None
    tried = _tried(data)
    if not tried:
        return Question("0", f"Which full name is asked first for {data['name']}?", (), free=True)
    said = f"If {tried[-1]} is not found: which full name is asked next?"
    return Question(str(len(tried)), said, (), free=True)


def _asked(view: View, question: Question) -> str | None:
    data = view.frame
    tried = _tried(data)
    at = int(question.key)
    if len(tried) > at:
        return tried[at]
    return NO_MORE if data["result"] else None


RESOLVER = Play(_ask, _asked)


# The proxy.


def _match(view: View) -> Question | None:
    data = view.frame
    if not data["sent"] or data["end"] or not data["endpoints"]:
        return None
    if view.by != "message":
        return Question("answers", "Which pod answers?",
                        tuple(row["name"] for row in data["endpoints"][:OPTIONS]))  # fmt: skip
    last = data["hops"][-1] if data["hops"] else None
    if last is None:
        said = f"The packet goes to {data['address']}. Which Service's rule matches it?"
        return Question("service", said, tuple(data["services"][:OPTIONS]))
    if "-j KUBE-SVC-" in last["rule"] or last["what"].startswith("KUBE-SVC-"):
        if last["leads"]:
            return None
        options = tuple(row["address"] for row in data["endpoints"][:OPTIONS])
        return Question("endpoint", "Which endpoint do the rules choose?", options)
    return None


def _matched(view: View, question: Question) -> str | None:
    data = view.frame
    hops = data["hops"]
    if question.key == "answers":
        return data["answered_by"] or (data["end"] if data.get("failed") else None)
    if question.key == "service":
        return data["service"] if hops and hops[-1]["rule"] else None
    leads = next((hop["leads"] for hop in reversed(hops) if hop["leads"]), "")
    return leads.rpartition(":")[0].strip("[]") or None


PROXY = Play(_match, _matched)
