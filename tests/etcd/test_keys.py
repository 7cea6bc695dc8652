"""The sorted set of keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.etcd.keys import SortedKeys

names = st.binary(min_size=1, max_size=3)


@given(st.lists(names), st.lists(names), names, st.one_of(names, st.just(b"\0")))
def test_like_a_sorted_list(
    added: list[bytes], removed: list[bytes], start: bytes, end: bytes
) -> None:
    """After any additions and removals a range lists what a sorted list would."""
    keys, plain = SortedKeys(), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SortedKeys, "CHUNK", 2)
        for key in added:
            if key not in plain:
                plain[key] = None
                keys.add(key)
        for key in removed:
            if key in plain:
                del plain[key]
                keys.remove(key)
    wanted = [key for key in sorted(plain) if key >= start and (end == b"\0" or key < end)]
    assert keys.between(start, end) == wanted
    assert len(keys) == len(plain)


def test_chunks_stay_small() -> None:
    """No chunk grows beyond twice its size, whatever the order of arrival."""
    keys = SortedKeys()
    for number in range(5000):
        keys.add(b"%06d" % (number * 7919 % 5000))
    assert max(map(len, keys.chunks)) <= 2 * SortedKeys.CHUNK
    assert keys.firsts == [chunk[0] for chunk in keys.chunks]
