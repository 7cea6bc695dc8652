"""The calls of a learner: `predict`, `check`, `hint` and `recall`.

A guess is kept before anything happens and compared when the trace can tell. Whatever is handed in,
what comes back is a sentence and the next step: an id that is not there, an answer in words, a
check before its time, a thing of another kind, a function that fails.
"""

from __future__ import annotations

import difflib
from typing import Any

from kubelab.learn import catalogue, page, telling
from kubelab.learn.catalogue import LETTERS, Exercise, Moment, Unknown
from kubelab.learn.misconceptions import refutation
from kubelab.learn.progress import book
from kubelab.learn.telling import Note, Shown, Verdict
from kubelab.learn.ways import Failed, Open, Refused, a_cluster, kind, short
from kubelab.sim.chance import Chance

# After so many failures the next hint is given by itself.
PATIENCE = 3
# The cluster that a moment was last compared with, for clicks on causes.
_SEEN: dict[str, Any] = {}


class Prediction(Shown):
    """A question in a notebook; with buttons where there is a page for them."""

    def __init__(self, moment: Moment, remark: str = "") -> None:
        self.moment, self.remark = moment, remark

    @property
    def guess(self) -> dict[str, Any] | None:
        """What was committed, if anything."""
        entry = book().of(self.moment.id)
        return entry if "key" in entry else None

    def tail(self) -> str:
        """What to do next."""
        if self.remark:
            return self.remark
        if self.guess:
            mine = f"Your guess: {self.moment.letter(self.guess['key'])}"
            return f"{mine}, sure {self.guess['sure']} of 3. Run on, then check."
        return f'Commit: predict("{self.moment.id}", "a", sure=2), before you run on.'

    def plain(self) -> str:
        """The question as text."""
        return telling.asked(self.moment, self.guess, self.tail())

    def html(self) -> str:
        """The question as HTML."""
        return telling.asked_html(self.moment, self.guess, self.tail())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        data: dict[str, Any] = {"text/plain": self.plain(), "text/html": self.html()}
        return data if telling.still() else data | page.show(Asking(self.moment.id))


def predict(id: str, answer: Any = None, sure: Any = None) -> Shown:
    """Asks the question; with an answer (its letter or words) and how sure, commits a guess."""
    try:
        moment = catalogue.find(id)
    except Unknown as error:
        return Note(short(str(error)), "take an id as it stands in the notebook")
    if not isinstance(moment, Moment):
        return Note(f"{id} is an exercise", f'hand your work to check("{id}", …)')
    if answer is None or answer is Ellipsis:
        return Prediction(moment)
    option = _meant(moment, answer)
    letters = ", ".join(LETTERS[: len(moment.options)])
    if option is None:
        todo = f'choose one of {letters}, as in predict("{moment.id}", "a")'
        return Prediction(
            moment, f"{short(repr(answer), 40)} is none of the options. Next: {todo}."
        )
    if sure not in (None, 1, 2, 3):
        return Prediction(moment, f"sure={short(repr(sure), 20)}: say 1, 2 or 3 (3 is very sure).")
    entry = book().of(moment.id)
    if "right" in entry:
        entry.clear()
    entry.update(key=option.key, sure=sure or 2)
    book().save()
    return Prediction(moment)


def _meant(moment: Moment, answer: Any) -> catalogue.Option | None:
    """The option that an answer means: its letter, its key, its words, or nearly its words."""
    text = str(answer).strip().strip(").").lower()
    for letter, option in zip(LETTERS, moment.options, strict=False):
        if text in (letter, option.key.lower(), option.text.lower()):
            return option
    words = {option.text.lower(): option for option in moment.options}
    near = difflib.get_close_matches(text, list(words), n=1, cutoff=0.75)
    return words[near[0]] if near else None


def check(id: str, thing: Any = ..., *, seed: int = 0) -> Shown:
    """Says what the trace shows (a moment), or whether an exercise is solved.

    For a moment, `thing` is the cluster in which it happened, or the event (or its id) that you
    take for the cause. For an exercise it is what the exercise asks for.
    """
    try:
        item = catalogue.find(id)
    except Unknown as error:
        return Note(short(str(error)), "take an id as it stands in the notebook")
    if isinstance(item, Moment):
        return clicked(item, thing) if _is_event(thing) else revealed(item, thing)
    return judged(item, thing, seed)


def _is_event(thing: Any) -> bool:
    return (isinstance(thing, int) and not isinstance(thing, bool)) or hasattr(thing, "cause")


def revealed(moment: Moment, cluster: Any = ...) -> Verdict:
    """What came true, beside what was guessed."""
    if cluster is ... or cluster is None:
        cluster = page.users_cluster() if moment.id in _SEEN else None
        cluster = cluster if cluster is not None else moment.stage(0)
    try:
        key = moment.answer(a_cluster(cluster))
    except Refused as error:
        return Verdict(moment.id, "refused", f"{error}.", todo=f'check("{moment.id}", c)')
    except Exception as error:
        return _broken(moment.id, error)
    if key is None:
        return Verdict(
            moment.id, "open", "It has not happened in this cluster yet.", todo=moment.todo
        )
    _SEEN[moment.id] = cluster
    entry = book().of(moment.id)
    said, state = "You made no guess. ", "told"
    extra = ""
    if "key" in entry:
        right = entry["key"] == key
        guess = moment.option(entry["key"])
        said = f"You said: {guess.text} (sure {entry['sure']} of 3). "
        said += "So it is. " if right else ""
        state = "passed" if right else "failed"
        entry.update(right=right, misconception="" if right else guess.misconception)
        if not right and guess.misconception:
            extra = f" {refutation(guess.misconception)}"
        book().save()
    came = "" if state == "passed" else f"The trace says: {moment.option(key).text}. "
    todo = ""
    if moment.cause and moment.cause(cluster):
        numbers = ", ".join(str(number) for number, _ in candidates(moment, cluster))
        todo = f'{moment.why} check("{moment.id}", one of {numbers})'
    return Verdict(moment.id, state, said + came + moment.tells(cluster) + extra, todo=todo)


def candidates(moment: Moment, cluster: Any) -> list[tuple[int, str]]:
    """Events among which the cause is to be found, each with its sentence, in their order."""
    if moment.cause is None or not (best := moment.cause(cluster)):
        return []
    true = best[0]
    low, high = max(1, true - 60), min(len(cluster.trace), true + 60)
    near = [n for n in range(low, high) if n not in best and _telling(cluster, n)]
    others = Chance(0, f"{moment.id}/{true}").shuffled(near)[:3]
    return [(number, cluster.tell(number)) for number in sorted([true, *others])]


# What somebody may take for a cause, with a sentence that says enough by itself.
TELLING = (
    "ask", "sync", "schedule_one", "txn", "halt", "begin", "start_container", "run_pod_sandbox",
    "watched", "election_timeout", "vote_result", "append_entries", "partition", "heal", "call",
)  # fmt: skip


def _telling(cluster: Any, number: int) -> bool:
    return cluster.trace[number - 1].verb in TELLING


def clicked(moment: Moment, event: Any) -> Verdict:
    """Whether the event named is the cause."""
    cluster = _SEEN.get(moment.id)
    if cluster is None:
        return Verdict(
            moment.id, "open", "First see what happened.", todo=f'check("{moment.id}", c)'
        )
    number = getattr(event, "id", event)
    if moment.cause is None:
        return Verdict(moment.id, "refused", "This question asks for no event.", todo="read on")
    if not 1 <= number <= len(cluster.trace):
        return Verdict(
            moment.id,
            "refused",
            f"There is no event {number}.",
            todo=f"the last one is {len(cluster.trace)}; c.trace lists them",
        )
    right = number in moment.cause(cluster)
    book().of(moment.id).update(clicked=right)
    book().save()
    told = cluster.tell(number)
    if right:
        return Verdict(moment.id, "passed", f"Yes, event {number}: {told}")
    later = moment.cause(cluster)[0] > number
    way = "later" if later else "earlier"
    return Verdict(
        moment.id,
        "failed",
        f"Event {number}: {told}",
        wanted="the cause",
        hint=f"the cause is {way}; c.why(event) lists what led to an event",
    )


def judged(exercise: Exercise, thing: Any, seed: int = 0) -> Verdict:
    """Judges an exercise; keeps the result and the number of tries."""
    entry = book().of(exercise.id)
    number = exercise.id
    try:
        if thing is ... or thing is None:
            raise Open
        said = exercise.judge(thing, seed)
    except Open:
        todo = f"write your answer in the cell ({exercise.asks}), then run it again"
        return Verdict(number, "open", "Not attempted yet.", todo=todo)
    except Failed as error:
        tries = entry["tries"] = entry.get("tries", 0) + 1
        rung = max(entry.get("hints", 0), (tries - 1) // PATIENCE)
        hint_text = exercise.hints[min(rung, len(exercise.hints) - 1)]
        todo = f'hint("{number}") helps you on' if tries >= PATIENCE else ""
        book().save()
        return Verdict(
            number,
            "failed",
            looked_at=error.looked_at,
            saw=error.saw,
            wanted=error.wanted,
            hint=hint_text,
            todo=todo,
        )
    except Refused as error:
        return Verdict(number, "refused", f"{error}.", todo=error.todo)
    except Exception as error:
        return _broken(number, error)
    entry["passed"] = True
    entry.setdefault("tries", 0)
    book().save()
    return Verdict(number, "passed", said, points=exercise.points)


def _broken(number: str, error: Exception) -> Verdict:
    said = f"This could not be judged: {short(str(error) or type(error).__name__)}."
    todo = "is a part of your cluster stopped? Start it, or run the notebook again from its top"
    return Verdict(number, "refused", said, todo=todo, error=error)


def hint(id: str) -> Shown:
    """The next rung of help for an exercise."""
    try:
        item = catalogue.find(id)
    except Unknown as error:
        return Note(short(str(error)), "take an id as it stands in the notebook")
    if isinstance(item, Moment):
        return Note(f"{id} is a question to guess at", "commit any guess; a wrong one teaches most")
    entry = book().of(item.id)
    rung = entry.get("hints", 0)
    entry["hints"] = min(rung + 1, len(item.hints))
    book().save()
    if rung >= len(item.hints):
        return Note(f"{id} has no more hints", "open the folded solution below the exercise")
    return Note(f"Hint {rung + 1} of {len(item.hints)} for {id}: {item.hints[rung]}")


class Recall(Shown):
    """Two questions from earlier notebooks, folded so that they take no room."""

    def __init__(self, moments: list[Moment]) -> None:
        self.moments = moments

    def plain(self) -> str:
        """The questions, and how to answer."""
        tail = 'Answer with predict("{0}", "a"), then look: check("{0}")'
        asked = [telling.asked(one, None, tail.format(one.id)) for one in self.moments]
        return "\n".join(
            ["Two questions from before:", *asked] if asked else ["Nothing to recall."]
        )

    def html(self) -> str:
        """The same, folded."""
        tail = 'Answer with predict("{0}", "a"), then look: check("{0}")'
        body = "".join(telling.asked_html(m, None, tail.format(m.id)) for m in self.moments)
        return f"<details><summary>Two questions from before (1 minute)</summary>{body}</details>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        data: dict[str, Any] = {"text/plain": self.plain(), "text/html": self.html()}
        if telling.still() or not self.moments:
            return data
        return data | page.show(*(Asking(one.id, staged=True) for one in self.moments), folded=True)


def recall(number: str) -> Shown:
    """Two questions from earlier notebooks: the one before, and four before."""
    known = catalogue.numbers()
    if str(number) not in known:
        return Note(f"there is no notebook {number!r}", f"take one of {', '.join(known)}")
    earlier = [one for one in known if one < str(number) and catalogue.unit(one).moments]
    chosen = [earlier[-1], earlier[max(0, len(earlier) - 4)]] if earlier else []
    moments: list[Moment] = []
    for position, one in enumerate(chosen):
        left = [m for m in catalogue.unit(one).moments if m not in moments]
        moments += left[position % len(left) :][:1] if left else []
    return Recall(moments)


class Asking:
    """A question's side of its page: what it shows, and what its buttons do."""

    def __init__(self, id: str, staged: bool = False) -> None:
        self.id, self.staged = id, staged
        self.verdict: Verdict | None = None
        self.alert = ""

    def state(self) -> dict[str, Any]:
        """Everything that the page shows."""
        moment = catalogue.find(self.id)
        assert isinstance(moment, Moment)
        entry = book().of(self.id)
        cluster = _SEEN.get(self.id)
        open_cause = self.verdict is not None and self.verdict.state != "open" and cluster
        return {
            "id": self.id,
            "asks": moment.asks,
            "options": [[option.key, option.text] for option in moment.options],
            "key": entry.get("key", ""),
            "sure": entry.get("sure", 0),
            "verdict": self.verdict.said if self.verdict else "",
            "next": self.verdict.todo if self.verdict and self.verdict.state == "open" else "",
            "why": moment.why,
            "events": candidates(moment, cluster) if open_cause and moment.cause else [],
            "alert": self.alert,
        }

    def received(self, command: dict[str, Any]) -> None:
        """A button: commit a guess, compare it, or name the cause."""
        self.alert = ""
        if command.get("do") == "commit":
            if not command.get("key"):
                self.alert = "Choose one of the options first."
                return
            predict(self.id, command["key"], command.get("sure") or 2)
        elif command.get("do") == "compare":
            moment = catalogue.find(self.id)
            assert isinstance(moment, Moment)
            cluster = ... if self.staged else page.users_cluster()
            if cluster is None:
                self.alert = (
                    f"Which cluster? Run check({self.id!r}, c) in a cell. Got {kind(cluster)}."
                )
                return
            self.verdict = revealed(moment, cluster)
        elif command.get("do") == "click":
            verdict = check(self.id, int(command["event"]))
            self.alert = verdict.plain()
