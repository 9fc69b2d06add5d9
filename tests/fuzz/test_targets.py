"""Every target, with the same inputs each time; `make fuzz` goes on from here."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.counts import Counted
from tests.fuzz.catalogue import TARGETS

EXAMPLES = 200
SETTINGS = settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None)


@st.composite
def inputs(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Draw anything, or a seed that is changed in a few places."""
    data = draw(st.binary(max_size=200) | st.sampled_from(seeds))
    for place, removed, added in draw(st.lists(edits, max_size=4)):
        place %= len(data) + 1
        data = data[:place] + added + data[place + removed :]
    return data


edits = st.tuples(
    st.integers(0, 1 << 12),
    st.sampled_from([0, 1, 1, 2, 7, 100]),
    st.binary(max_size=4) | st.sampled_from([b"\n", b"/", b"\0", b"0" * 5000]),
)


@pytest.mark.parametrize("name", TARGETS)
def test_target(name: str, counted: Counted) -> None:
    target, tried = TARGETS[name], 0

    @SETTINGS
    @given(inputs(list(target.seeds())))
    def run(data: bytes) -> None:
        nonlocal tried
        tried += 1
        target.run(data)

    run()
    assert tried >= EXAMPLES
    counted("fuzzed inputs", EXAMPLES)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    """What a long run begins with is good, too."""
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)
