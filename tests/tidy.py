"""The house rules, as a program: what a file of kubelab may not do, and what to do instead.

Each rule is a function of a parsed file that yields findings; `findings` runs them all, so that one
run tells everything. They find slips, not malice.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.set_order import set_order
from tests.source import File, Finding, Function, called, parse

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES, FUNCTION_LINES, LINE_LENGTH = 400, 60, 100

# Files that are one long table, with nothing in them to follow.
TABLES = {"kubelab/api/kinds.py"}

# Rooms with a counterpart in Kubernetes: each file names it.
MIRRORS = tuple(f"kubelab/{room}/" for room in (
    "api", "etcd", "apiserver", "client", "controllers", "scheduler", "kubelet", "runtime",
    "network", "proxy", "dns", "kubectl",
))  # fmt: skip

# Packages whose __init__ offers public names; every other one is a docstring.
PUBLIC = {
    "kubelab/__init__.py",
    "kubelab/etcd/__init__.py",
    "kubelab/views/__init__.py",
    "kubelab/learn/__init__.py",
}

# The real world (clocks, chance, sockets, threads, front ends), and the only places that touch it.
REAL_WORLD = {
    "time", "random", "uuid", "secrets", "socket", "socketserver", "threading", "asyncio",
    "multiprocessing", "concurrent", "IPython", "anywidget",
}  # fmt: skip
TOUCHES_ALL = (
    "kubelab/serve.py",
    "kubelab/serve_dns.py",
    "kubelab/serve_streams.py",
    "kubelab/credentials.py",
    "kubelab/magics.py",
    "kubelab/etcd/external.py",
    "kubelab/views/",
    "kubelab/learn/page.py",
)
TOUCHES_SOME = {"kubelab/cluster.py": {"threading"}}

# Third-party packages: where they may be imported. Drawing libraries only inside a function, so
# that `import kubelab` stays light and works in a browser.
THIRD_PARTY = {
    "yaml": "kubelab/",
    "jsonpatch": "kubelab/",
    "jsonpointer": "kubelab/",
    "dns": "kubelab/dns/",
    "cryptography": ("kubelab/credentials.py", "kubelab/controllers/signing.py"),
    "anywidget": ("kubelab/views/", "kubelab/learn/page.py"),
    "ipywidgets": "kubelab/views/",
    "traitlets": ("kubelab/views/", "kubelab/learn/page.py"),
    "sidecar": "kubelab/views/",
    "IPython": "kubelab/",
}
INSIDE_FUNCTIONS = {"matplotlib", "networkx", "numpy"}

CLOCKS = {"now", "utcnow", "today"}
LEFTOVERS = re.compile(r"\b(" + "FIX" + "ME|TO" + "DO|XX" + r"X)\b")
BANNER = re.compile(r"^\s*#\s*([-=#*~_])\1{3,}")

Found = Iterator[Finding]


# Size and form.


def sizes(file: File) -> Found:
    """Files, functions and lines are short enough to read."""
    lines = file.text.splitlines()
    if len(lines) > FILE_LINES and file.path not in TABLES:
        yield file.found(
            1, f"the file has {len(lines)} lines", f"split it: at most {FILE_LINES} fit in the head"
        )
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_LENGTH:
            yield file.found(number, f"the line has {len(line)} characters", f"{LINE_LENGTH} fit")
        if BANNER.match(line):
            yield file.found(
                number, "a banner", "say in a sentence what follows, or split the file"
            )
        if LEFTOVERS.search(line):
            yield file.found(number, "a note to come back", "do it now, or open an issue")
    for node in ast.walk(file.tree):
        if isinstance(node, Function) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                what = f"{node.name} has {length} lines"
                yield file.found(node, what, f"split it: at most {FUNCTION_LINES} on a screen")


def docstrings(file: File) -> Found:
    """Every module says what it is, and where the same thing is in Kubernetes."""
    doc = ast.get_docstring(file.tree)
    if not doc and not (file.is_test and not file.text.strip()):
        yield file.found(
            1, "no module docstring", "say in one sentence what it is, then how it works"
        )
    mirror = file.path.startswith(MIRRORS) and not file.path.endswith("__init__.py")
    if doc and mirror and "In Kubernetes:" not in doc:
        remedy = "end the docstring with `In Kubernetes:`, the upstream file and what we leave out"
        yield file.found(1, "the docstring does not name its counterpart", remedy)
    if file.is_test:
        for node in ast.walk(file.tree):
            if isinstance(node, Function) and node.name.startswith("test_"):
                if not ast.get_docstring(node):
                    yield file.found(
                        node, f"{node.name} has no docstring", "state the fact it proves"
                    )


def packages(file: File) -> Found:
    """A package's __init__ is its docstring; public names stand in a few of them only."""
    if not file.path.endswith("/__init__.py") or file.is_test:
        return
    allowed: tuple[type[ast.stmt], ...] = (ast.Expr,)
    if file.path in PUBLIC:
        allowed += (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.If)
    for node in file.tree.body:
        if not isinstance(node, allowed):
            yield file.found(node, "code in a package's __init__", "move it to a module of its own")


# The real world stays outside.


def imports(file: File) -> Found:
    """Only the edges touch clocks, chance, sockets, threads and front ends."""
    if file.is_test:
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        else:
            continue
        inside = any(isinstance(up, Function) for up in file.above(node))
        for name in names:
            yield from imported(file, node, name.partition(".")[0], inside)


def imported(file: File, node: ast.AST, top: str, inside: bool) -> Found:
    """What is to be said about one import of the package `top`."""
    free = file.path.startswith(TOUCHES_ALL) or top in TOUCHES_SOME.get(file.path, ())
    if top in REAL_WORLD and not free:
        remedy = "take time and chance from the component (`self.now`, `self.after`, `self.chance`)"
        if top not in ("time", "random", "uuid", "secrets"):
            remedy = "only " + ", ".join(TOUCHES_ALL) + " touch the real world"
        yield file.found(node, f"imports {top}", remedy)
    elif top in INSIDE_FUNCTIONS:
        if not inside:
            yield file.found(
                node, f"imports {top} at the top", "import it in the function that draws"
            )
    elif top != "kubelab" and top not in sys.stdlib_module_names:
        if not file.path.startswith(THIRD_PARTY.get(top, "(nowhere)")):
            yield file.found(node, f"imports {top} here", "do without, or keep it to its own room")


def calls(file: File) -> Found:
    """Calls whose answer differs from run to run, copies that cost too much, leftover prints."""
    outside = file.path.startswith(TOUCHES_ALL)
    for node in ast.walk(file.tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if any(alias.name == "deepcopy" for alias in node.names):
                yield file.found(
                    node, "imports deepcopy", "share what cannot change; `with_` copies a path"
                )
        if not isinstance(node, ast.Call):
            continue
        name, func = called(node), node.func
        if name == "print" and file.path not in ("kubelab/__main__.py", "kubelab/magics.py"):
            yield file.found(node, "print", "return the text, or `note` it in the event")
        elif name in ("hash", "id") and not _may_hash(file, node):
            yield file.found(
                node, f"{name}()", "differs from run to run: compare or sort by content"
            )
        elif isinstance(func, ast.Attribute):
            if func.attr in CLOCKS and _names_clock(func.value) and not outside:
                yield file.found(
                    node, f"{func.attr}()", "the only clock is the world's: `self.now`"
                )
            elif func.attr == "deepcopy":
                yield file.found(
                    node, "deepcopy", "share what cannot change; `with_` copies a path"
                )
            elif func.attr == "urandom":
                yield file.found(node, "urandom", "draw from `self.chance`")


def _may_hash(file: File, node: ast.AST) -> bool:
    """A `__hash__` needs hash(); a copy of a graph needs id()."""
    if file.path == "kubelab/sim/fork.py":
        return True
    return any(isinstance(up, Function) and up.name == "__hash__" for up in file.above(node))


def _names_clock(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in ("datetime", "date")


# State that is outside a world, or cannot be copied.


def state(file: File) -> Found:
    """All state belongs to a world, and can be copied with it."""
    classes = {n.name for n in ast.walk(file.tree) if isinstance(n, ast.ClassDef)} | {"cls"}
    for node in ast.walk(file.tree):
        inside = any(isinstance(up, (*Function, ast.Lambda)) for up in file.above(node))
        if isinstance(node, ast.Global):
            yield file.found(
                node, "a global that is rebound", "keep state in a component or the world"
            )
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Attribute):
            owner = node.target.value
            if getattr(owner, "id", "") in classes or called(owner) == "type":
                yield file.found(
                    node, "a counter on a class", "count in the world or the component"
                )
        elif _is_count(node) and not inside:
            yield file.found(
                node, "itertools.count", "a second world would get other numbers: `world.seq`"
            )
        elif isinstance(node, ast.Lambda) and _is_kept(file, node):
            yield file.found(node, "a lambda in a message or in state", "send the name of a method")


def _is_count(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    func = node.func
    if isinstance(func, ast.Attribute):
        return func.attr == "count" and getattr(func.value, "id", "") == "itertools"
    return getattr(func, "id", "") == "count"


def _is_kept(file: File, node: ast.Lambda) -> bool:
    """Whether a lambda is an argument of `send` or `after`, or becomes an attribute of self."""
    parent = file.parents[node]
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute):
        return parent.func.attr in ("send", "after", "inject") and not file.is_test
    if isinstance(parent, ast.Assign):
        return any(isinstance(target, ast.Attribute) for target in parent.targets)
    return False


RULES: tuple[Callable[[File], Found], ...] = (
    sizes, docstrings, packages, imports, calls, state, set_order,
)  # fmt: skip
IN_TESTS = (sizes, docstrings)


def findings(path: str, text: str) -> list[Finding]:
    """Everything that the rules find in one file."""
    try:
        file = parse(path, text)
    except SyntaxError as error:
        return [Finding(path, error.lineno or 1, f"does not parse: {error.msg}", "mend it")]
    rules = IN_TESTS if file.is_test else RULES
    found = [finding for rule in rules for finding in rule(file)]
    return sorted(found, key=lambda finding: finding[:3])


def sources() -> list[str]:
    """All files that the rules hold for."""
    paths = [p for room in ("kubelab", "tests") for p in (ROOT / room).rglob("*.py")]
    return sorted(str(p.relative_to(ROOT)) for p in paths)


def everything() -> list[Finding]:
    """All findings in the repository."""
    return [f for path in sources() for f in findings(path, (ROOT / path).read_text("utf-8"))]


if __name__ == "__main__":
    print(*everything(), sep="\n")
