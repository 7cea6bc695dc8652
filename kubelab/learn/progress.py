"""What the learner has done so far: kept in a file beside the notebooks, and told by `report()`.

The file is plain JSON, written whole at each change; a file that cannot be read is set aside, and
one that cannot be written is done without. Nothing leaves the machine. `KUBELAB_PROGRESS` names
another file; with `KUBELAB_STILL` nothing is kept, so that stored outputs are everybody's.
"""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

from kubelab.learn import catalogue
from kubelab.learn.misconceptions import claim, refutation
from kubelab.learn.telling import Shown, still, table, table_html

FILE = "kubelab-progress.json"


class Book:
    """The entries, by the ids of questions; each is a plain dict."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.remark = ""
        if not still():
            self._load()

    @staticmethod
    def path() -> Path:
        """Where the file is: beside the notebook that runs."""
        return Path(os.environ.get("KUBELAB_PROGRESS") or FILE)

    def _load(self) -> None:
        path = self.path()
        try:
            found = json.loads(path.read_text("utf-8"))
            if not isinstance(found, dict) or not isinstance(found.get("entries"), dict):
                raise ValueError
            self.entries = {k: v for k, v in found["entries"].items() if isinstance(v, dict)}
        except FileNotFoundError:
            return
        except (OSError, ValueError):
            aside = path.with_suffix(".unreadable.json")
            try:
                path.replace(aside)
                self.remark = f"{path} could not be read; it is kept as {aside}, a new one begins"
            except OSError:
                self.remark = f"{path} could not be read; progress begins anew"

    def of(self, name: str) -> dict[str, Any]:
        """The entry of a question, to be read or changed; `save` after a change."""
        return self.entries.setdefault(name, {})

    def save(self) -> None:
        """Writes the file; where that cannot be done, says so once in the report."""
        if still():
            return
        text = json.dumps({"version": 1, "entries": self.entries}, indent=1, sort_keys=True)
        path = self.path()
        try:
            draft = path.with_suffix(".new")
            draft.write_text(text + "\n", "utf-8")
            draft.replace(path)
        except OSError as error:
            self.remark = f"progress is kept only until the kernel ends ({error.strerror})"


_OPEN: dict[str, Book] = {}


def book() -> Book:
    """The one book of this process; another file name opens another."""
    name = "" if still() else str(Book.path().absolute())
    if name not in _OPEN:
        _OPEN[name] = Book()
    return _OPEN[name]


NOTHING = "Nothing yet: predict(…) keeps your guesses, check(…) what you have solved."


class Report(Shown):
    """What is done and what is open, by notebook; and the ideas to look at again."""

    def __init__(self, entries: dict[str, dict[str, Any]], remark: str = "") -> None:
        self.entries, self.remark = entries, remark

    def rows(self) -> list[list[str]]:
        """One row for each notebook that has been begun, and the incidents."""
        rows = [["notebook", "guesses", "right", "exercises"]]
        begun = [unit for unit in catalogue.everything() if self._is_begun(unit)]
        for unit in begun:
            told = [self.entries.get(one.id, {}) for one in unit.moments]
            guessed = [one for one in told if "key" in one]
            right = [one for one in guessed if one.get("right")]
            solved = [one for one in unit.exercises if self.entries.get(one.id, {}).get("passed")]
            rows.append(
                [
                    f"{unit.number} {unit.title}",
                    f"{len(guessed)} of {len(unit.moments)}",
                    str(len(right)),
                    f"{len(solved)} of {len(unit.exercises)}",
                ]
            )
        scores = {k: v for k, v in self.entries.items() if k.startswith("incident ")}
        if scores:
            best = ", ".join(f"{k[9:]}: {v.get('score', 0)}" for k, v in sorted(scores.items()))
            rows.append(["incidents", "", "", best])
        return rows

    def _is_begun(self, unit: catalogue.Unit) -> bool:
        """Whether anything of a notebook has been guessed or tried."""
        asked = [one.id for one in unit.moments] + [one.id for one in unit.exercises]
        return any(self.entries.get(name) for name in asked)

    def doubts(self) -> list[str]:
        """The misconceptions behind wrong guesses that no later right one has answered."""
        found = {
            one["misconception"]: None for one in self.entries.values() if one.get("misconception")
        }
        return sorted(found)

    def sure(self) -> str:
        """How often the learner was right when unsure, and when sure."""
        parts = []
        for level in (1, 2, 3):
            told = [e for e in self.entries.values() if e.get("sure") == level and "right" in e]
            if told:
                right = sum(bool(one["right"]) for one in told)
                parts.append(f"sure {level}: {right} of {len(told)} right")
        return "; ".join(parts)

    def plain(self) -> str:
        """A table, then sentences."""
        rows = self.rows()
        if len(rows) == 1:
            return "\n".join(line for line in (NOTHING, self.remark) if line)
        lines = [table(rows)]
        lines += [line for line in (self.sure(), self.remark) if line]
        lines += [f"{m}  not so: {claim(m)}  {refutation(m)}" for m in self.doubts()]
        return "\n".join(lines)

    def html(self) -> str:
        """The same with a real table."""
        if len(self.rows()) == 1:
            return f"<p>{NOTHING} {self.remark}</p>"
        tail = self.plain().split("\n")[len(self.rows()) :]
        return table_html(self.rows(), "What you have done") + "".join(f"<p>{x}</p>" for x in tail)

    def csv(self) -> str:
        """Everything as CSV, for a teacher: one line a question."""
        text = io.StringIO()
        fields = [
            "id",
            "key",
            "sure",
            "right",
            "misconception",
            "tries",
            "hints",
            "passed",
            "score",
        ]
        writer = csv.DictWriter(text, fields, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for name in sorted(self.entries):
            writer.writerow({"id": name, **self.entries[name]})
        return text.getvalue()


def report() -> Report:
    """What you have done so far; `.csv()` gives it as text for a teacher."""
    mine = book()
    return Report(mine.entries, mine.remark)
