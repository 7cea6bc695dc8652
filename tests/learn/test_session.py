"""A learner's calls: guesses, comparisons, clicks, hints, progress, and all wrong things."""

from __future__ import annotations

import json

import pytest

from kubelab.learn import card, check, hint, predict, recall, report, session
from kubelab.learn.catalogue import find
from kubelab.learn.progress import Book, book
from kubelab.learn.units import nb01


@pytest.fixture(autouse=True)
def own_file(monkeypatch, tmp_path):
    """Each test has a book of its own."""
    monkeypatch.delenv("KUBELAB_STILL", raising=False)
    monkeypatch.setenv("KUBELAB_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


@pytest.fixture(scope="module")
def happened():
    """A cluster in which both pods were deleted a minute ago."""
    return nb01.stage_deleted(0)


@pytest.mark.parametrize(
    ("answer", "key"),
    [("d", "new"), ("D)", "new"), ("new", "new"), ("both again, under their old name", "both")],
)
def test_a_guess_is_understood_in_letters_and_in_words(answer, key):
    """A letter, a key or nearly the option's own words."""
    predict("01.a", answer, sure=3)
    assert book().of("01.a") == {"key": key, "sure": 3}


@pytest.mark.parametrize("answer", ["x", 7, "I do not know", ["a"], {}])
def test_a_guess_that_is_none_of_the_options_is_not_kept(answer):
    """The letters that there are stand in the sentence."""
    text = repr(predict("01.a", answer))
    assert "none of the options" in text and "a, b, c, d" in text
    assert "key" not in book().of("01.a")


def test_a_wrong_guess_is_set_beside_the_trace(happened):
    """What was said, what came true, what is so instead, and where to look for the cause."""
    predict("01.a", "a", sure=1)
    verdict = check("01.a", happened)
    assert verdict.state == "failed" and "You said: both again" in verdict.said
    assert "one with a new name" in verdict.said and "A pod never moves" in verdict.said
    assert book().of("01.a")["misconception"] == "M02"
    assert "M02" in repr(report())


def test_a_right_guess_takes_the_doubt_away(happened):
    """The misconception is gone from the report, and the confidence is counted."""
    predict("01.a", "a")
    check("01.a", happened)
    predict("01.a", "d", sure=3)
    assert check("01.a", happened).passed
    assert "M02" not in repr(report()) and "sure 3: 1 of 1 right" in repr(report())


def test_the_cause_is_judged(happened):
    """The reconcile is right; another event is not, and says in which direction to look."""
    assert check("01.a", 5).state in ("open", "failed")
    check("01.a", happened)
    cause = find("01.a").cause(happened)[0]
    assert check("01.a", cause).passed
    assert check("01.a", happened.trace[cause - 1]).passed
    early = check("01.a", cause - 20)
    assert not early.passed and "later" in early.hint
    assert "no event 999999" in check("01.a", 999999).said


def test_a_check_before_its_time_says_what_to_do():
    """Nothing has happened yet: neither right nor wrong."""
    verdict = check("01.a", nb01.start(0))
    assert verdict.state == "open" and "delete both pods" in verdict.todo


@pytest.mark.parametrize("call", [predict, check, hint])
@pytest.mark.parametrize("number", ["01.z", "1", "", 5, None, "99.1"])
def test_an_unknown_id_names_the_nearest(call, number):
    """No traceback: the nearest id and the next step."""
    text = repr(call(number))
    assert "there is no question" in text and "did you mean" in text


def test_hints_come_in_rungs():
    """Each call gives the next one; after the last, the solution is named."""
    told = [repr(hint("01.2")) for _ in range(4)]
    assert len(set(told)) == 4 and "solution" in told[-1]
    assert "wrong one teaches" in repr(hint("01.a"))


def test_the_third_failure_brings_the_next_hint():
    """The first hint is given twice more, then the second."""
    start = nb01.start(0)
    hints = [session.judged(find("01.1"), start).hint for _ in range(4)]
    assert hints[0] == hints[2] != hints[3]


def test_progress_outlives_the_kernel(own_file):
    """It is in the file, and a new process reads it."""
    predict("01.b", "b")
    assert json.loads(own_file.read_text())["entries"]["01.b"]["key"] == "kubelet"
    assert Book().of("01.b")["key"] == "kubelet"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"entries": 5}', "\x00"])
def test_a_broken_file_is_set_aside(own_file, text):
    """Its content is kept under another name, and the report says so."""
    own_file.write_text(text)
    mine = Book()
    assert mine.entries == {} and "could not be read" in mine.remark
    assert own_file.with_suffix(".unreadable.json").read_text() == text


def test_a_read_only_folder_is_no_failure(monkeypatch):
    """Progress is kept for as long as the kernel runs, and the report says so."""
    monkeypatch.setenv("KUBELAB_PROGRESS", "/proc/no-such-folder/progress.json")
    predict("01.b", "b")
    assert "only until the kernel ends" in repr(report())


def test_a_report_for_the_teacher():
    """One line a question."""
    predict("01.b", "b", sure=3)
    assert "01.b,kubelet,3" in report().csv()


def test_recall_asks_two_questions_of_earlier_notebooks():
    """Of the one before and of one further back; the first notebook has none."""
    moments = recall("03").moments
    assert [one.id.partition(".")[0] for one in moments] == ["02", "01"]
    assert "there is no notebook" in repr(recall("77"))


def test_a_recalled_question_makes_its_own_cluster():
    """Without a cluster the moment is staged anew."""
    predict("01.b", "d")
    assert check("01.b").passed


def test_a_card_has_its_number_for_counting():
    """The page can count it."""
    bundle = card("S26")._repr_mimebundle_()
    assert 'data-seed="S26"' in bundle["text/html"]
    assert "S01 to S40" in repr(card("S99"))


def test_a_grader_gets_an_assertion():
    """`required()` raises with the same sentence."""
    with pytest.raises(AssertionError, match="looked at"):
        check("01.1", nb01.start(0)).required()
