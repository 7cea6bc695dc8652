"""The sentences that tell what a container runtime does.

Each is made from the event's detail alone: who acts, on what, and why.

In Kubernetes: no counterpart; containerd writes log lines.
"""

from __future__ import annotations

from kubelab.sim.kernel import Event


def tell(event: Event) -> str:
    """One sentence for an event that the runtime handled."""
    detail = event.detail
    who = f"Runtime {event.target.partition('/')[2]}"
    pod, name = detail.get("pod", "a pod"), detail.get("container", "")
    if "error" in detail:
        what = detail.get("pod") or detail.get("image")
        return f"{who} fails {event.verb} for {what}: {_short(detail['error'])}."
    ended = ""
    if "ended" in detail:
        ended = f"; {detail['ended']} ends with exit code {detail['exit_code']}"
    image, address = detail.get("image"), detail.get("ip")
    sentences = {
        "run_pod_sandbox": f"gives {pod} the address {address} before any image is there",
        "stop_pod_sandbox": f"stops the sandbox of {pod} and takes its address {address} back",
        "pod_sandbox_status": f"tells how the sandbox of {pod} stands",
        "remove_pod_sandbox": f"forgets the sandbox of {pod}",
        "image_status": f"{'has' if detail.get('present') else 'lacks'} the image {image}",
        "pull_image": f"pulls the image {image} in {detail.get('seconds')} s",
        "pulled": f"has pulled the image {image}",
        "create_container": f"creates {name} of {pod} (attempt {detail.get('attempt')})",
        "start_container": f"starts {name} of {pod}, program {detail.get('program')}",
        "stop_container": f"sends {detail.get('signal', 'SIGKILL')} to {name} of {pod}",
        "kill_now": f"kills {name} of {pod} because its time to end is over",
        "remove_container": f"removes the ended container {name} of {pod}",
        "exec": f"runs `{detail.get('command')}` in {name} of {pod} for somebody",
        "exec_stream": f"runs `{detail.get('command')}` in {name} of {pod} for who looks on",
        "exec_input": f"hands {detail.get('bytes')} bytes of input to a command in {name} of {pod}",
        "exec_size": (
            f"tells a command that its window has {detail.get('columns', '?')} columns and "
            f"{detail.get('lines', '?')} lines"
        ),
        "exec_left": "hears that who talked to a command has gone",
        "attach": f"lets somebody see what {name} of {pod} writes from now on",
        "exec_sync": f"runs `{detail.get('command')}` in {name} of {pod}",
        "out_of_memory": f"kills {name} of {pod} because it uses more memory than its limit",
        "program_timer": f"wakes {name} of {pod}: its timer {detail.get('timer')} is over",
        "received": f"hands a request to {name} of {pod} on port {detail.get('port')}",
        "finished": f"gives {name} of {pod} the answer of the network",
        "kill": f"kills the process of {name} in {pod} because you told it to",
        "fill_disk": f"finds its disk {detail.get('disk')}",
        "take_pids": f"finds its process numbers {detail.get('pids')}",
        "write_file": f"has the file {detail.get('file')} changed by you",
        "start": "begins, with its images and records from disk",
    }
    known = sentences.get(event.verb)
    if known is None:
        return f"{who} handles {event.verb} from {event.actor}."
    return f"{who} {known}{ended}."


def _short(text: str) -> str:
    """The part of an error that says what is wrong."""
    return text if len(text) <= 120 else "…" + text[-117:]
