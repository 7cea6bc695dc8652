"""The house rules hold in every file, and each rule finds a slip that is planted for it."""

from __future__ import annotations

import pytest

from tests import tidy

OPENING = '"""What it is.\n\nIn Kubernetes: nothing like it."""\n'
HERE = "kubelab/controllers/planted.py"


def slips(code: str, path: str = HERE) -> list[str]:
    """What the rules say about a file with this code after a right opening."""
    return [finding.what for finding in tidy.findings(path, OPENING + code)]


def test_every_file_is_tidy():
    """No file of kubelab breaks a house rule."""
    found = tidy.everything()
    assert not found, f"{len(found)} findings\n" + "\n".join(map(str, found))


def test_it_looks_at_the_whole_tree():
    """The rules are run over the kernel and over these tests."""
    paths = tidy.sources()
    assert {"kubelab/sim/kernel.py", "tests/test_tidy.py"} <= set(paths)


@pytest.mark.parametrize(
    "code",
    [
        "for x in {1, 2}: y = x",
        "for x in set(names): y = x",
        "for x in a.keys() | {1}: y = x",
        "y = [x for x in {1, 2}]",
        "y = {x: 1 for x in set(names)}",
        "y = ','.join({x for x in names})",
        "y = list(frozenset(names))",
        "y = [*{1, 2}]",
        "def f(names: set[str]):\n    for x in names: y = x",
        "def f():\n    names = set()\n    return tuple(names)",
        "def f():\n    names = {1, 2}\n    return names.pop()",
        "class A:\n  def f(self):\n    self.s = set()\n  def g(self):\n    return list(self.s)",
        "y = [x for x in set(a).union(b)]",
    ],
)
def test_the_order_of_a_set_is_found(code):
    """Each way to let a set's order into a result is found."""
    assert [what for what in slips(code) if what.startswith("the order of a set")]


@pytest.mark.parametrize(
    "code",
    [
        "for x in sorted({1, 2}): y = x",
        "y = any(x for x in {1, 2})",
        "y = len(set(names)), max(set(names)), 1 in {1, 2}",
        "y = {x for x in {1, 2}}",
        "y = sorted(list(set(names)))",
        "def f():\n    names = dict()\n    return list(names), names.pop('a')",
        "def f(names: list[str]):\n    return [x for x in names]",
    ],
)
def test_a_set_whose_order_does_not_matter_is_allowed(code):
    """Asking, counting and sorting a set is fine."""
    assert slips(code) == []


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import time", "imports time"),
        ("from random import Random", "imports random"),
        ("def f():\n    import threading", "imports threading"),
        ("import asyncio.events", "imports asyncio"),
        ("import requests", "imports requests here"),
        ("import networkx", "imports networkx at the top"),
        ("from datetime import datetime\nx = datetime.now()", "now()"),
        ("import datetime\nx = datetime.datetime.utcnow()", "utcnow()"),
        ("from copy import deepcopy", "imports deepcopy"),
        ("import copy\nx = copy.deepcopy({})", "deepcopy"),
        ("import os\nx = os.urandom(4)", "urandom"),
        ("print(1)", "print"),
        ("x = hash('a')", "hash()"),
        ("x = sorted([], key=lambda o: id(o))", "id()"),
        ("import itertools\nIDS = itertools.count()", "itertools.count"),
        ("from itertools import count\nclass A:\n    ids = count()", "itertools.count"),
        ("N = 0\ndef f():\n    global N\n    N += 1", "a global that is rebound"),
        ("class A:\n    n = 0\n    def f(self):\n        A.n += 1", "a counter on a class"),
        ("class A:\n    def f(self):\n        type(self).n += 1", "a counter on a class"),
        (
            "class A:\n    def f(self):\n        self.g = lambda: 1",
            "a lambda in a message or in state",
        ),
        (
            "class A:\n    def f(self):\n        self.after(1, lambda: 1)",
            "a lambda in a message or in state",
        ),
        ("# ------\nx = 1", "a banner"),
        ("x = 1  # TO" + "DO", "a note to come back"),
        ("x = " + "1" * 100, "the line has 104 characters"),
        ("def f():\n" + "    x = 1\n" * 60, "f has 61 lines"),
        ("x = 1\n" * 400, "the file has 403 lines"),
    ],
)
def test_a_planted_slip_is_found(code, what):
    """Each rule finds the slip it is there for, and only that."""
    assert slips(code) == [what]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("kubelab/serve.py", "import time, threading, asyncio, socket"),
        ("kubelab/cluster.py", "import threading"),
        ("kubelab/views/view.py", "import anywidget\ndef f():\n    import matplotlib"),
        ("kubelab/dns/wire.py", "import dns.message"),
        ("kubelab/sim/fork.py", "x = id(1)"),
        ("kubelab/__main__.py", "print(1)"),
        ("kubelab/api/kinds.py", "x = 1\n" * 400),
        ("kubelab/etcd/__init__.py", "from kubelab.etcd.cluster import EtcdCluster"),
        (HERE, "class A:\n    def __hash__(self):\n        return hash(self.x)"),
        ("tests/dns/test_x.py", "import random"),
        (HERE, "import itertools\ndef f(a):\n    return zip(a, itertools.count())"),
    ],
)
def test_the_places_made_for_it_are_allowed(path, code):
    """What is banned elsewhere is allowed where it belongs."""
    assert slips(code, path) == []


@pytest.mark.parametrize(
    ("path", "text", "what"),
    [
        (HERE, "x = 1", "no module docstring"),
        (HERE, '"""What it is."""', "the docstring does not name its counterpart"),
        ("kubelab/dns/__init__.py", '"""Names."""\nimport re', "code in a package's __init__"),
        ("kubelab/cluster.py", '"""It."""\nimport socket', "imports socket"),
        (
            "tests/test_x.py",
            '"""It."""\ndef test_it():\n    assert f()',
            "test_it has no docstring",
        ),
        (HERE, '"""It."""\nx = = 1', "does not parse: invalid syntax"),
    ],
)
def test_a_wrong_form_is_found(path, text, what):
    """A file without its opening, a package with code, a test without its fact: each is found."""
    assert [finding.what for finding in tidy.findings(path, text)] == [what]
