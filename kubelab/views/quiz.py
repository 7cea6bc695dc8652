"""Playing the part: the learner says what happens next, then Step shows it, and both stand side by
side.

A question is asked of the picture as it stands, without looking ahead; its answer is read from the
picture after the step. So the answer is the running cluster's own, and no list of right answers is
kept anywhere. What must hold: Step does not go on while a question is open and nothing was guessed;
going back asks anew and counts nothing.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.views.palette import label_of

if TYPE_CHECKING:
    from kubelab.views.view import View

CHOOSE = "Your move: say what happens next and press Commit. Then Step shows it."


class Question(NamedTuple):
    """What the learner is asked; `free` wants words instead of a choice."""

    key: str
    text: str
    options: tuple[str, ...]
    free: bool = False


@dataclass(frozen=True)
class Play:
    """How a kind of view is played: the next question, and the answer once it is to be seen."""

    ask: Callable[[View], Question | None]
    answer: Callable[[View, Question], str | None]


class Game:
    """One view that is played: the open question, the guess, and how it went so far."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.question: Question | None = None
        self.guess = ""
        self.sure = 1
        self.verdict: dict[str, Any] | None = None
        self.right = self.asked = 0

    def commit(self, guess: str, sure: int) -> None:
        """The learner's guess. Raises ValueError where there is nothing to guess."""
        if self.question is None:
            raise ValueError("there is no question here; press Step")
        self.guess, self.sure = guess.strip(), min(max(sure, 1), 3)

    def is_open(self) -> bool:
        """Whether a guess is wanted before the next step."""
        return self.question is not None and not self.guess

    def begin(self, view: View) -> None:
        """A new place: what was guessed elsewhere does not count here."""
        self.question, self.guess, self.verdict = self.play.ask(view), "", None

    def stepped(self, view: View) -> None:
        """After a step: the answer, if it is to be seen now, and the next question."""
        question = self.question
        if question is not None:
            outcome = self.play.answer(view, question)
            if outcome is None:
                self.verdict = None
                return
            right = same(self.guess, outcome)
            self.verdict = {"guess": self.guess, "outcome": outcome, "right": right,
                            "sure": self.sure, "question": question.text}  # fmt: skip
            self.asked += 1
            self.right += right
        self.guess = ""
        self.question = self.play.ask(view)

    def to_json(self) -> dict[str, Any]:
        """What the page shows of it."""
        question = self.question
        return {
            "question": None if question is None else {
                "text": question.text, "options": list(question.options), "free": question.free,
                "guess": self.guess,
            },
            "verdict": self.verdict,
            "score": f"{self.right} of {self.asked} right" if self.asked else "",
        }  # fmt: skip


def same(guess: str, outcome: str) -> bool:
    """Whether a guess says what has come; case and a final dot of a name do not matter."""
    return guess.strip().rstrip(".").lower() == outcome.strip().rstrip(".").lower()


ACTORS = ("You", "API server", "etcd", "Controller manager", "Scheduler", "Kubelet",
          "Container runtime", "kube-proxy", "Network", "DNS", "Nobody")  # fmt: skip


def actor_word(component: str) -> str:
    """Which of the actors a component is."""
    head = component.partition("/")[0]
    named = {"kernel": "Network", "runtime": "Container runtime", "tools": "Network",
             "coredns": "DNS", "resolver": "DNS", "faults": "You", "kubelet": "Kubelet",
             "kube-network-policies": "kube-proxy", "kubeadm": "You"}  # fmt: skip
    word = named.get(head) or label_of(head)
    return next((actor for actor in ACTORS if word.startswith(actor)), "You")


def _who(view: View) -> Question | None:
    key = f"{view.cursor.event}/{view.cursor.part}"
    return Question(key, "Who acts next here?", ACTORS)


def _acted(view: View, question: Question) -> str | None:
    cursor = view.cursor
    if view.alert:
        return "Nobody"
    return actor_word(view.cluster.trace[cursor.focus - 1].target) if cursor.focus else None


# For kinds that have no part of their own: name who acts next.
WHO = Play(_who, _acted)
