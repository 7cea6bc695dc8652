"""Pictures: keyed pieces of plain SVG that fit their place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.views import palette, shapes
from kubelab.views.picture import Picture, fit, measure, text, wrap


@given(st.text(max_size=60), st.integers(20, 300))
def test_a_fitted_text_fits(words: str, width: int) -> None:
    """Whatever the text, what is shown is not wider than its place."""
    assert measure(fit(words, width)) <= max(width, measure("…"))


def test_a_cut_name_keeps_both_ends() -> None:
    """Names of pods differ at their ends, so the middle is left out."""
    cut = fit("frontend-5d9c7b4f6-abcde", 110, 12)
    assert cut.startswith("front") and cut.endswith("cde") and "…" in cut


@given(st.text(alphabet="ab <&\"'", max_size=80))
def test_wrapped_lines_are_few_and_short(words: str) -> None:
    """At most so many lines come out, each within the width."""
    lines = wrap(words, 100, 13, 2)
    assert len(lines) <= 2
    assert all(measure(line) <= 100 for line in lines)


def test_text_is_escaped() -> None:
    """What a user named cannot become markup."""
    assert "<b>" not in text(0, 0, "<b>&")


def test_two_pieces_never_share_a_key() -> None:
    """A key names one piece; a second one of that name is a bug."""
    picture = Picture(10)
    picture.add("a", 0, 0, "")
    with pytest.raises(AssertionError, match="'a'"):
        picture.add("a", 1, 1, "")


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "Service", "EndpointSlice", "Secret",
                                  "PersistentVolume", "Other"])  # fmt: skip
def test_every_state_has_its_own_pattern(kind: str) -> None:
    """No two states of a kind are drawn alike, also without colour."""
    drawn = [re.sub(r"var\(--kl-(alarm|muted)\)", "", shapes.thing(kind, state))
             for state in shapes.STATES]  # fmt: skip
    assert len(set(drawn)) == len(shapes.STATES)


def test_a_still_needs_nothing_from_its_page() -> None:
    """Stills use no ids, no styles and no variables, so that several can stand in one page."""
    picture = Picture(50)
    picture.add("pod", 10, 10, shapes.thing("Pod", "failed", ring=True), kind="Pod", name="a")
    svg = picture.svg()
    assert not re.search(r"\bid=|url\(|<style|var\(|foreignObject", svg)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_all_text_is_readable(theme: dict[str, str]) -> None:
    """Text on its ground has a contrast of at least 4.5 to 1, in both themes."""
    pairs = [(f"on-{actor}", actor) for actor in (*palette.ACTORS, "alarm")]
    pairs += [(ink, ground) for ink in ("ink", "muted") for ground in ("paper", "soft")]
    pairs += [("ink", "fill"), ("alarm", "soft")] if theme is palette.LIGHT else [("ink", "fill")]
    poor = {pair: round(contrast(theme[pair[0]], theme[pair[1]]), 2) for pair in pairs
            if contrast(theme[pair[0]], theme[pair[1]]) < 4.5}  # fmt: skip
    assert not poor


@pytest.mark.parametrize(("name", "actor", "label"), [
    ("apiserver-1", "api", "API server"), ("apiserver-2", "api", "API server 2"),
    ("etcd-3", "etcd", "etcd 3"), ("kubelet/node-1", "kubelet", "Kubelet node-1"),
    ("kube-proxy/node-2", "proxy", "kube-proxy node-2"), ("coredns/x", "dns", "CoreDNS x"),
    ("controller-manager", "controllers", "Controller manager"), ("you", "you", "You"),
])  # fmt: skip
def test_components_have_actors_and_names(name: str, actor: str, label: str) -> None:
    """A component's name decides its colour and what people read."""
    assert (palette.actor_of(name), palette.label_of(name)) == (actor, label)
