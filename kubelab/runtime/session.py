"""A command that somebody runs in a container beside its first process.

So run exec probes, lifecycle hooks and `kubectl exec`: in the container's own files, with the small
shell. A shell without a script reads its commands from its input.

In Kubernetes: runc exec, with containerd's task behind it. Left out: signals to the command.
"""

from __future__ import annotations

from kubelab.runtime import commands
from kubelab.runtime.cri import ExecResult
from kubelab.runtime.process import Process
from kubelab.runtime.shell import script_of


class Session:
    """A command that somebody runs in a container, until it ends.

    `caller` and `call_id` say who waits for that, and under which number.
    """

    caller = ""
    call_id = 0

    def __init__(self, process: Process, argv: tuple[str, ...], key: str, stdin: str = "") -> None:
        self.process = process
        self.key = key
        inner = commands.inline_script(argv)
        if inner is not None and inner.talks:
            # A shell without a script reads its commands from its input.
            self.script = script_of((argv[0], "-c", stdin or ":"), key)
        else:
            self.script = script_of(argv, key)
            self.script.inputs[0] = stdin
        self.script.process = process
        self.script.output = []

    def belongs(self, caller: str, call_id: int) -> bool:
        """Whether it was begun by this call."""
        return (self.caller, self.call_id) == (caller, call_id)

    def run(self) -> None:
        """Begins."""
        self.script.run()

    def resume(self, status: int) -> None:
        """What the command waited for is over."""
        self.script.resume(status)

    def result(self) -> ExecResult | None:
        """How it ended, or None while it runs."""
        script = self.script
        if not script.done:
            return None
        output, errors = script.output or [], list(script.errors)
        stdout = []
        for piece in output:
            if errors and piece == errors[0]:
                del errors[0]
            else:
                stdout.append(piece)
        return ExecResult(script.status, "".join(output), "".join(stdout), "".join(script.errors))
