"""The small shell: what scripts print, how they end, and what they wait for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelab.runtime.shelllexer import SyntaxProblem
from kubelab.runtime.shellparser import compile_script
from kubelab.sim.fork import copy
from tests.runtime.machine import Machine


def output(script: str, **env: str) -> tuple[list[str], int]:
    """The log and the exit code of a script, given an hour."""
    machine = Machine()
    container = machine.start("busybox", command=("sh", "-c", script), env=tuple(env.items()))
    machine.run(3600)
    status = machine.status(container)
    return machine.log(container), status.exit_code if status.state == "exited" else -1


@pytest.mark.parametrize(
    ("script", "lines", "code"),
    [
        ("echo one; echo two", ["one", "two"], 0),
        ("echo one && false && echo two || echo three", ["one", "three"], 0),
        ("false || exit 7; echo no", [], 7),
        ("exit 3", [], 3),
        ("foo", ["sh: foo: not found"], 127),
        ("echo 'a  b' \"c $X\" $X", ["a  b c 1 2 1 2"], 0),
        ("echo ${Y:-none} $((2+3*4))", ["none 14"], 0),
        ("for i in 1 2 3; do echo $i; done", ["1", "2", "3"], 0),
        ("for i in $(seq 1 5); do if [ $i -eq 3 ]; then break; fi; echo $i; done", ["1", "2"], 0),
        ("if false; then echo a; elif true; then echo b; else echo c; fi", ["b"], 0),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i", ["3"], 0),
        ("! true || echo not", ["not"], 0),
        ("echo hi > /tmp/f; echo there >> /tmp/f; cat /tmp/f", ["hi", "there"], 0),
        ("touch /tmp/a; test -f /tmp/a && echo yes; rm /tmp/a; [ -f /tmp/a ]", ["yes"], 1),
        ("cat /missing", ["cat: can't open '/missing': No such file or directory"], 1),
        ("cat /missing 2>/dev/null || echo none", ["none"], 0),
        ("V=$(echo deep | grep ee); echo got $V", ["got deep"], 0),
        ("set -e; if false; then echo a; fi; false || true; false; echo no", [], 1),
        ("printenv X; hostname", ["1 2", "web"], 0),
        ("sh -c 'echo inner; exit 4'; echo $?", ["inner", "4"], 0),
        ("sleep 1; echo after; sleep 1; exit 5", ["after"], 5),
        ("until [ -f /g ]; do echo on; touch /g; sleep 1; done; echo went", ["on", "went"], 0),
        ("echo a # comment\n\necho b", ["a", "b"], 0),
        ("if true; then", ['sh: syntax error: unexpected end of file (expecting "fi")'], 2),
        ("sleep x", ["sleep: invalid number 'x'"], 1),
        ("X=$(echo out; echo err >&2); echo got $X", ["err", "got out"], 0),
        ("(echo a; echo b >&2) >/tmp/o 2>/tmp/e; cat /tmp/e /tmp/o", ["b", "a"], 0),
        ("ls /no >/tmp/o 2>&1; cat /tmp/o", ["ls: /no: No such file or directory"], 0),
        ("for i in 1 2; do echo $i; done > /tmp/f; wc -l < /tmp/f", ["2"], 0),
        ("printf 'b 2\\na 1\\n' | sort | while read n v; do echo $v$n; done", ["1a", "2b"], 0),
        ("echo x > /no/such/f || echo failed",
         ["sh: can't create /no/such/f: nonexistent directory", "failed"], 0),
        ("cat <<E\n$X and\nmore\nE\necho on", ["1 2 and", "more", "on"], 0),
        ("cat <<'E' > /tmp/f\n$X\nE\ncat /tmp/f", ["$X"], 0),
        ("touch /tmp/a.x /tmp/b.x; ls /tmp/*.x; echo '*' /tmp/*.y", ["/tmp/a.x", "/tmp/b.x",
         "* /tmp/*.y"], 0),
        ("A=1 printenv A; printenv A", ["1"], 1),
        ("env B=2 sh -c 'echo $B $1' zero one", ["2 one"], 0),
        ("echo 'echo inner $1; exit 5' > /s.sh; sh /s.sh arg; echo $?", ["inner arg", "5"], 0),
        ("echo 'V=set' > /s.sh; . /s.sh; echo $V", ["set"], 0),
        ("sh -c 'echo in; echo er >&2' > /tmp/f 2>/dev/null; cat /tmp/f", ["in"], 0),
        ("printf 'a:1\\nb:2\\n' | cut -d: -f2 | tr 12 xy | head -n 1", ["x"], 0),
        ("echo hello | sed 's/l/L/g' | tee /tmp/t; cat /tmp/t", ["heLLo", "heLLo"], 0),
        ("i=0; while true; do i=$((i+1)); { echo $i; } | grep 3 && break; done", ["3"], 0),
        ("echo log > /proc/1/fd/1", ["log"], 0),
        ("mkdir -p /a/b; mv /a /a/b", ["mv: can't copy '/a' into itself, '/a/b'"], 1),
        ("cat <<", ['sh: syntax error: unexpected "end of file"'], 2),
        ("mkdir /a; echo 1 > /a/f; cp -r /a /b; mv /b/f /g; find /a /b; cat /g", ["/a", "/a/f",
         "1"], 0),
        ("cd /tmp; echo hi > f; tar cf /t.tar f; mkdir /x; tar xf /t.tar -C /x; cat /x/f",
         ["hi"], 0),
        ("case web-1.yaml in *.json|*.txt) echo no;; web-*.yaml) echo yes;; *) echo any; esac",
         ["yes"], 0),
        ("case $Y in a) echo a;; *) echo any;; esac; case z in a) ;; esac; echo $?",
         ["any", "0"], 0),
        ("f() { echo f $1 $#; return 3; }; f a b; echo $? $1", ["f a 2", "3"], 0),
        ("g() { exit 4; }; f() { g; echo no; }; f; echo no", [], 4),
        ("twice() { for i in 1 2; do echo $1$i; done; }; for i in x y; do twice $i; done",
         ["x1", "x2", "y1", "y2"], 0),
        ("f() { echo $(echo in $1); }; echo $(echo a) $(f b) > /tmp/o; cat /tmp/o", ["a in b"], 0),
        ("for i in 1 2; do sh -c 'for j in a b; do echo $j; done'; done", ["a", "b"] * 2, 0),
        ("p=/a/b.tar.gz; echo ${p##*/} ${p%.gz} ${p%%.*} ${#p} ${n:=5}$n ${X:+set}",
         ["b.tar.gz /a/b.tar /a/b 11 55 set"], 0),
        ("echo ${NO:?is missing}; echo on", ["sh: NO: is missing"], 2),
        ("echo aGk= | base64 -d; basename /a/b.c .c; dirname /a/b", ["hi" "b", "/a"], 0),
        ("printf 'a\\nb\\n' | xargs echo got; expr 2 + 3", ["got a b", "5"], 0),
        ("awk '('; echo a | sed 's/(/x/'; echo on",
         ["awk: only '/pattern/{print $N}' is known here",
          "sed: missing ), unterminated subpattern at position 0", "on"], 0),
    ],
)  # fmt: skip
def test_scripts(script: str, lines: list[str], code: int) -> None:
    """A script prints these lines and ends with this code."""
    assert output(script, X="1 2") == (lines, code)


def test_an_endless_loop_without_a_pause_ends() -> None:
    """A script that never waits is stopped, and the world goes on."""
    lines, code = output("while true; do :; done")
    assert (lines, code) == (["sh: the script runs on and on without a pause"], 137)


def test_a_loop_that_waits_is_periodic() -> None:
    """A `while true` with a sleep is nothing that anybody should wait for."""
    machine = Machine()
    machine.start("busybox", command=("sh", "-c", "while true; do sleep 5; done"))
    machine.run(60)
    assert machine.world.idle_until() is None
    assert machine.world.next_time() is not None


def test_a_trap_interrupts_and_the_script_goes_on() -> None:
    """A trap runs its commands at the signal; without an exit the script goes on behind."""
    machine = Machine()
    script = "trap 'echo caught' TERM; sleep 100; echo on; sleep 5; exit 6"
    container = machine.start("busybox", command=("sh", "-c", script))
    machine.run(10)
    machine.runtime.signal(container, "SIGTERM")
    machine.run(10)
    assert machine.log(container) == ["caught", "on"]
    assert machine.status(container).exit_code == 6


def test_a_copy_in_mid_script_goes_on_by_itself() -> None:
    """A world copied while a script sleeps goes on identically; neither changes the other."""
    machine = Machine()
    script = "for i in 1 2 3; do echo $i; sleep 10; done"
    container = machine.start("busybox", command=("sh", "-c", script))
    machine.run(5)
    twin = machine.fork(copy(machine.world))
    twin.run(60)
    assert machine.log(container) == ["1"]
    machine.run(60)
    assert machine.log(container) == twin.log(container) == ["1", "2", "3"]
    assert machine.status(container) == twin.status(container)


WORDS = [
    "echo",
    "cat",
    "f",
    "f()",
    "{",
    "}",
    "(",
    ")",
    ";",
    ";;",
    "&&",
    "||",
    "|",
    "\n",
    "case",
    "esac",
    "in",
    "x)",
    "*)",
    "if",
    "then",
    "fi",
    "else",
    "for",
    "i",
    "do",
    "done",
    "while",
    "read",
    "true",
    "false",
    "$x",
    "${x}",
    "${x%a}",
    "${x:?m}",
    "$(cat)",
    "`ls`",
    ">",
    "/tmp/o",
    ">>",
    "2>&1",
    ">&2",
    "<",
    "<<",
    "E",
    "'a",
    "b'",
    '"$x"',
    "*",
    "/tmp/*",
    "tar",
    "xf",
    "cf",
    "-",
    "-C",
    "/",
    "base64",
    "-d",
    "xargs",
    "sed",
    "s/a/b/",
    "grep",
    "-v",
    "head",
    "-n",
    "1",
    "tail",
    "sort",
    "cut",
    "tr",
    "sleep",
    "exit",
    "3",
    "return",
    "local",
    "x=1",
    "env",
    "sh",
    "-c",
    ".",
    "mv",
    "cp",
    "-r",
    "rm",
    "-rf",
    "find",
    "ls",
    "-l",
    "wc",
    "set",
    "-e",
    "trap",
    "kill",
    "shift",
    "$1",
    "$@",
    "timeout",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=18), st.booleans())
def test_any_script_ends_or_waits(words: list[str], end: bool) -> None:
    """Whatever somebody types: the world goes on, and the container lives."""
    machine = Machine()
    container = machine.start("busybox", command=("sleep", "inf"))
    machine.caller.call("exec", container, ("sh", "-c", " ".join(words)), "a\nb\n")
    talk = machine.caller.call("exec_stream", container, ("sh",), True, True)
    machine.run(0.1)
    machine.caller.send(
        "runtime/n", "exec_input", "kubelet/n", talk, " ".join(words) + "\r", end
    )  # fmt: skip
    machine.run(5)
    assert machine.runtime.containers[container].running or "kill" in words


@given(st.text(alphabet="abc ;&|$(){}'\"\\`#\n=<>!12 iftodne", max_size=40))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    """The compiler either makes a script or says what is wrong; it never fails otherwise."""
    try:
        code = compile_script(text)
    except SyntaxProblem as problem:
        assert str(problem).startswith("syntax error")
    else:
        jumps = [step[1] for step in code if step[0] in ("jump", "fail", "ok", "next")]
        assert all(0 <= place <= len(code) for place in jumps)
