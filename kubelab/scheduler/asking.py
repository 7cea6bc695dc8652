"""Asking a plugin: what a learner's plugin does wrong fails one pod's cycle and is told its author.

The built-in plugins are simply called. Of any other one an exception becomes a `PluginError` that
names the plugin and the point at which it stands; one that never comes back is stopped after a
fixed number of executed lines, which are counted rather than timed so that a run can be repeated.
(A loop inside of one call to a built-in function has no lines, and is not stopped.)

In Kubernetes: framework/runtime wraps errors in the same words; a plugin there is trusted to return
in time.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from kubelab.scheduler.framework import Plugin

# Lines that one call of a learner's plugin may run.
LINES_ALLOWED = 100_000

# The built-in plugins; and how an error of another one is introduced, by the method that raised.
OURS = "kubelab.scheduler.plugins."
WORDS = {
    "pre_filter": 'running PreFilter plugin "{}"',
    "filter": 'running "{}" filter plugin',
    "pre_score": 'running PreScore plugin "{}"',
    "score": 'running Score plugins: plugin "{}" failed with',
    "normalize": 'running Normalize on Score plugins: plugin "{}" failed with',
    "post_filter": 'running PostFilter plugin "{}"',
    "reserve": 'running Reserve plugin "{}"',
    "permit": 'running Permit plugin "{}"',
    "pre_bind": 'running PreBind plugin "{}"',
    "bind": 'running Bind plugin "{}"',
    "post_bind": 'running PostBind plugin "{}"',
}


class PluginError(Exception):
    """A plugin failed by itself; the message names it and the point at which it stood."""


class PluginWarning(UserWarning):
    """What the author of a plugin is told of an error in it, besides the pod's own message."""


class Overrun(BaseException):
    """A plugin has run too long. No Exception, so that a plugin does not catch it by mistake."""


def warn(error: PluginError) -> None:
    """Tells the author of a plugin, with the line that failed."""
    cause = error.__cause__
    place = ""
    if cause is not None and cause.__traceback__ is not None:
        frames = traceback.extract_tb(cause.__traceback__)
        last = ([frame for frame in frames if frame.filename != __file__] or frames)[-1]
        place = f" (line {last.lineno} of {last.filename}: {last.line})"
    warnings.warn(f"{error}{place}", PluginWarning, stacklevel=2)


def is_ours(plugin: Plugin) -> bool:
    """Whether a plugin is a built-in one."""
    return type(plugin).__module__.startswith(OURS)


def ask(plugin: Plugin, method: str, *args: Any) -> Any:
    """What a plugin answers. Raises PluginError where a plugin that is not ours fails."""
    if is_ours(plugin):
        return getattr(plugin, method)(*args)
    try:
        return watched(getattr(plugin, method), *args)
    except PluginError:
        raise
    except (Exception, Overrun) as error:
        kind = "" if isinstance(error, Overrun) else f"{type(error).__name__}: "
        raise nonsense(plugin, method, f"{kind}{error}") from error


def caller(plugin: Plugin, method: str) -> Callable[..., Any]:
    """A plugin's method for many calls: a built-in one's as it is, another's by way of `ask`."""
    if is_ours(plugin):
        found: Callable[..., Any] = getattr(plugin, method)
        return found
    return partial(ask, plugin, method)


def nonsense(plugin: Plugin, method: str, text: str) -> PluginError:
    """An error of a plugin, introduced as the real framework does."""
    words = WORDS.get(method, f'running "{{}}" {method}').format(plugin.name)
    return PluginError(f"{words}: {text}")


def watched(function: Any, *args: Any) -> Any:
    """Calls a function, and raises Overrun in it when it has run too many lines."""
    lines = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        if lines > LINES_ALLOWED:
            raise Overrun(f"it did not answer within {LINES_ALLOWED:,} lines of code")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return function(*args)
    finally:
        sys.settrace(before)
