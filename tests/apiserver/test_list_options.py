"""Options of lists and watches, continue tokens, and Tables that are watched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj
from kubelab.apiserver import list_options
from tests.apiserver.replay import Server

START = b"/registry/configmaps/shop/"


@given(st.integers(min_value=1, max_value=1 << 40), st.from_regex(r"[a-z0-9.-]{1,30}\Z"))
def test_a_token_leads_back_to_its_key(revision: int, name: str) -> None:
    """A token gives the revision and the key just after the last one."""
    key = START.decode() + name
    assert list_options.continued(list_options.token(revision, key, START), START) == (
        revision, key.encode() + b"\0",
    )  # fmt: skip


@given(st.text(max_size=40))
def test_any_other_token_is_refused_or_stays_in_its_directory(text: str) -> None:
    """No token leads out of the directory that is listed, and none breaks the server."""
    try:
        _, key = list_options.continued(text, START)
    except ApiError as error:
        assert error.code == 400
    else:
        assert key.startswith(START)


@pytest.mark.parametrize("start", ["../secrets/x", "/../secrets", "a/../../secrets/b"])
def test_a_token_cannot_climb(start: str) -> None:
    """A token with `..` in its key is refused."""
    token = list_options._packed({"v": "meta.k8s.io/v1", "rv": 1, "start": start})
    with pytest.raises(ApiError, match="continue key is not valid"):
        list_options.continued(token, START)


def test_a_compacted_token_holds_one_to_go_on_with() -> None:
    """The refusal's token has the same key and no revision."""
    old = list_options.token(7, START.decode() + "a", START)
    error = list_options.too_old(Obj({"continue": old}))
    fresh = error.status["metadata"]["continue"]
    assert (error.code, error.reason) == (410, "Expired")
    assert list_options.continued(fresh, START) == (0, START + b"a\0")


def test_a_watched_table_tells_its_columns_once() -> None:
    """Each event is a Table of one row; only the first has column definitions."""
    server = Server()
    path = "/api/v1/namespaces/default/configmaps"
    form = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    server.send({"method": "GET", "path": f"{path}?watch=1", "headers": form})
    for name in ("a", "b"):
        server.send({"method": "POST", "path": path, "body": {"metadata": {"name": name}}})
    server.history.settle(5)
    events: Any = server.history.world.components["you"].streams[1]
    tables = [obj for _, obj in events]
    assert {table["kind"] for table in tables} == {"Table"}
    assert [table["columnDefinitions"] is not None for table in tables] == [True, False, False]
    assert [table["rows"][0]["cells"][0] for table in tables][-2:] == ["a", "b"]
