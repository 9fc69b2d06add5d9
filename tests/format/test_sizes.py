"""Sizes of plaintext and ciphertext, and the blocks that cover a range."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.errors import MalformedError
from revcrypt.format import sizes

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/sizes.json").read_text())
OVERHEADS = [32, 40]
WALK = 20_001

overheads = st.sampled_from(OVERHEADS)
plain_sizes = st.integers(0, 2**53)


@pytest.mark.parametrize("vector", VECTORS["exact"])
def test_vector(vector: dict[str, int]) -> None:
    """The worked sizes of the specification hold in both directions."""
    plain, cipher, overhead = vector["plain"], vector["cipher"], vector["overhead"]
    assert sizes.cipher_size(plain, overhead) == cipher
    assert sizes.plain_size(cipher, overhead) == plain
    assert sizes.apparent_plain_size(cipher, overhead) == plain


def test_default_overhead() -> None:
    """Sizes are those of AES-SIV where nothing else is said."""
    assert sizes.cipher_size(5000) == 5082
    assert sizes.plain_size(5082) == 5000
    assert sizes.apparent_plain_size(5082) == 5000
    assert sizes.SMALLEST_FILE == sizes.cipher_size(1) == 51


@pytest.mark.parametrize("vector", VECTORS["damaged"], ids=lambda v: v["cipher"])
def test_damaged(vector: dict[str, Any]) -> None:
    """A file cut short shows the size gocryptfs shows, and is told to be malformed."""
    cipher = vector["cipher"]
    assert sizes.apparent_plain_size(cipher) == vector["apparent"]
    if vector["expect"] == "MalformedError":
        with pytest.raises(MalformedError, match=f"{cipher} bytes"):
            sizes.plain_size(cipher)
    else:
        assert sizes.plain_size(cipher) == vector["expect"]


@settings(deadline=None)
@given(plain_sizes, overheads)
def test_inverse(plain: int, overhead: int) -> None:
    """The size of the plaintext can be told from that of the ciphertext."""
    cipher = sizes.cipher_size(plain, overhead)
    assert sizes.plain_size(cipher, overhead) == plain
    assert sizes.apparent_plain_size(cipher, overhead) == plain


@settings(deadline=None)
@given(plain_sizes, overheads)
def test_formula(plain: int, overhead: int) -> None:
    """A ciphertext is as long as its header, its full blocks and its last block."""
    expected = 0
    if plain:
        full, last = divmod(plain - 1, 4096)
        expected = 18 + full * (4096 + overhead) + last + overhead + 1
    assert sizes.cipher_size(plain, overhead) == expected


@settings(deadline=None)
@given(plain_sizes, overheads)
def test_strictly_monotone(plain: int, overhead: int) -> None:
    """One byte more of plaintext is at least one byte more of ciphertext."""
    assert sizes.cipher_size(plain + 1, overhead) > sizes.cipher_size(plain, overhead)


@pytest.mark.parametrize("overhead", OVERHEADS)
def test_every_impossible_size_is_refused(overhead: int) -> None:
    """Sizes that no plaintext has are refused, all of them and no others."""
    plain_of = {sizes.cipher_size(plain, overhead): plain for plain in range(WALK)}
    for cipher in range(WALK):
        if cipher in plain_of:
            assert sizes.plain_size(cipher, overhead) == plain_of[cipher]
        else:
            with pytest.raises(MalformedError):
                sizes.plain_size(cipher, overhead)


@pytest.mark.parametrize("overhead", OVERHEADS)
def test_apparent_size(overhead: int) -> None:
    """What stat shows follows the specification's rule for every size."""
    block = 4096 + overhead
    for cipher in range(WALK):
        expected = 0
        if cipher > 18:
            rest = (cipher - 18) % block
            shown = cipher - rest + overhead + 1 if 0 < rest <= overhead else cipher
            expected = shown - 18 - overhead * -((18 - shown) // block)
        assert sizes.apparent_plain_size(cipher, overhead) == expected, cipher


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(1, 500), st.integers(1, 64))
def test_span_is_the_range(offset: int, length: int, block_size: int) -> None:
    """The blocks of a span hold exactly the range, and none of them is idle."""
    data = list(range(offset + length + 2 * block_size))
    span = sizes.span(offset, length, block_size)
    blocks = data[span.first * block_size : (span.last + 1) * block_size]
    assert blocks[span.skip :][: span.length] == data[offset : offset + length]
    assert span.first * block_size <= offset < (span.first + 1) * block_size
    assert span.last * block_size < offset + length <= (span.last + 1) * block_size


@settings(deadline=None)
@given(
    st.integers(0, 2**62),
    st.lists(st.integers(1, 300_000), min_size=1, max_size=8),
    st.sampled_from([4096, 4128, 4136]),
)
def test_spans_are_contiguous(start: int, lengths: list[int], block_size: int) -> None:
    """Spans of neighbouring ranges meet without gap or overlap, and sum to the whole."""
    position = start
    for length in lengths:
        span = sizes.span(position, length, block_size)
        assert span.first * block_size + span.skip == position
        assert 0 <= span.skip < block_size
        position += span.length
        assert span.last == (position - 1) // block_size
    whole = sizes.span(start, sum(lengths), block_size)
    assert position == start + whole.length
    assert (whole.first, whole.last) == (start // block_size, span.last)
