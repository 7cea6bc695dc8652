"""The pieces of kubectl that need no cluster: flags, tables, YAML, templates."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelab.api.durations import go, human
from kubelab.api.manifests import documents
from kubelab.kubectl import gotemplate, output, tabwriter
from kubelab.kubectl.errors import Failed, KubectlError
from kubelab.kubectl.flags import Flags, seconds
from kubelab.sim.kernel import SECOND

LINE = "output,o= all watch,w filename,f=* cascade?background"


def test_flags_stand_before_and_behind_arguments() -> None:
    """Long, short, joined and repeated forms all count, and `--` ends them."""
    flags = Flags(
        "get", ["-oyaml", "pods", "--all", "-f", "a", "-f=b", "-w", "x", "--", "-z"], LINE
    )
    assert flags.args == ["pods", "x"]
    assert flags.text("output") == "yaml"
    assert flags.on("all")
    assert flags.on("watch")
    assert flags.many("filename") == ["a", "b"]
    assert flags.rest == ["-z"]


def test_flag_without_its_value_has_a_default() -> None:
    """`--cascade` alone means `background` and takes no argument with it."""
    flags = Flags("delete", ["--cascade", "pods"], LINE)
    assert flags.text("cascade") == "background"
    assert flags.args == ["pods"]
    assert Flags("delete", ["--cascade=orphan"], LINE).text("cascade") == "orphan"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--foo"], "unknown flag: --foo"),
        (["-z"], "unknown shorthand flag: 'z' in -z"),
        (["-o"], "flag needs an argument: 'o' in -o"),
        (["--output"], "flag needs an argument: --output"),
        (["--all=maybe"], 'invalid argument "maybe" for "--all" flag'),
    ],
)
def test_wrong_flags_are_told_in_the_parsers_words(words: list[str], text: str) -> None:
    """A flag that cannot be read is named."""
    with pytest.raises(Failed, match="See 'kubectl get --help' for usage") as caught:
        Flags("get", words, LINE)
    assert text in caught.value.text


@pytest.mark.parametrize(
    ("text", "length"), [("30s", 30), ("1m30s", 90), ("1h", 3600), ("500ms", 0.5), ("0", 0)]
)
def test_lengths_of_time_are_gos(text: str, length: float) -> None:
    """Go's durations are read; what is none is refused in its words."""
    assert seconds(text) == length
    with pytest.raises(ValueError, match="invalid duration"):
        seconds(text + "x")


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (330, "5m30s"), (600, "10m"),
        (10800, "3h"), (11160, "3h6m"), (172800, "2d"), (183600, "2d3h"), (691200, "8d"),
        (63072000, "2y"), (63158400, "2y1d"),
    ],
)  # fmt: skip
def test_ages_grow_coarser(length: int, text: str) -> None:
    """Seconds under two minutes, then two units at most, then one."""
    assert human(length * SECOND) == text


def test_gos_lengths_are_written_back() -> None:
    """Zero parts are left out but for minutes below an hour."""
    assert [go(length) for length in (0, 0.5, 30, 90, 3600)] == ["0s", "500ms", "30s", "1m30s",
                                                                "1h0m0s"]  # fmt: skip


def test_columns_line_up_only_with_their_neighbours() -> None:
    """A line without the cell ends the column; the next run has a width of its own."""
    text = "a\tb\nlonger\tc\nplain\nx\ty"
    assert tabwriter.columns(text).split("\n") == ["a       b", "longer  c", "plain", "x  y"]


def test_tables_have_a_least_width() -> None:
    """Each column of `get` is at least six wide, with three blanks behind the longest cell."""
    assert tabwriter.rows([["A", "B"], ["abcdef", "x"]]) == "A        B\nabcdef   x\n"
    assert tabwriter.rows([["A", "B"]]) == "A     B\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("80", '"80"'), ("true", '"true"'), ("y", '"y"'), ("1e3", '"1e3"'), ("", '""'),
        ("2026-01-01T00:00:00Z", '"2026-01-01T00:00:00Z"'), ("plain", "plain"),
        ("* * * * *", "'* * * * *'"), ("a: b", "'a: b'"), ("nginx:1", "nginx:1"), (None, "null"),
        (True, "true"), (5, "5"), ({}, "{}"), ([], "[]"), ("12:30", '"12:30"'),
    ],
)  # fmt: skip
def test_yaml_quotes_as_go_does(value: Any, text: str) -> None:
    """What another reader would take for no string stands in double quotes."""
    assert output.to_yaml({"k": value}) == f"k: {text}\n"


def test_yaml_keeps_lines_as_a_block_and_lists_without_indent() -> None:
    """The form of a recorded object: lists at the level of their key, text as a block."""
    value = {"b": [{"x": 1, "a": "one\ntwo\n"}], "a": {"c": [["d"]]}}
    assert output.to_yaml(value) == (
        "a:\n  c:\n  - - d\nb:\n- a: |\n    one\n    two\n  x: 1\n"
    )  # fmt: skip


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc-./", min_size=1), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text("abcxyz", min_size=1), TREES, min_size=1))
def test_yaml_is_read_back_as_what_it_was(value: Any) -> None:
    """Whatever is written comes back the same, in our own reader too."""
    text = output.to_yaml(value)
    assert yaml.safe_load(text) == value
    assert documents(text) == [value]


@given(TREES)
def test_json_is_read_back_as_what_it_was(value: Any) -> None:
    """Escapes for HTML change the text, not the value."""
    text = output.to_json(value)
    assert json.loads(text) == value
    assert "<" not in text
    assert "&" not in text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.a.b}}", "1"),
        ("{{range .l}}[{{.}}]{{end}}", "[x][y]"),
        ("{{if .no}}yes{{else}}no{{end}}", "no"),
        ('{{index .a "b"}}{{"\\n"}}', "1\n"),
        ("{{.nope}}", "<no value>"),
        ("{{len .l}} {{.a}}", "2 map[b:1]"),
    ],
)
def test_go_templates(template: str, text: str) -> None:
    """Paths, ranges, conditions and index."""
    assert gotemplate.render(template, {"a": {"b": 1}, "l": ["x", "y"]}) == text


def test_unclosed_template_is_refused() -> None:
    """A range without its end is a failure in words."""
    with pytest.raises(Failed, match="unexpected EOF"):
        gotemplate.render("{{range .l}}x", {"l": [1]})


def test_error_keeps_its_parts_through_a_copy() -> None:
    """The exception carries stderr, stdout and the code, and can be pickled."""
    import pickle

    error = pickle.loads(pickle.dumps(KubectlError("error: x\n", 3, "out")))
    assert (str(error), error.stderr, error.code, error.stdout) == ("error: x", "error: x\n", 3,
                                                                     "out")  # fmt: skip
