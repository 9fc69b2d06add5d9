"""Reading a cipher file to its end: damage is told of, and the rest is delivered."""

import os
from itertools import groupby
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.format.test_ciphers import KINDS, Kind
from tests.rescue.sealed_files import (
    HEADER,
    PLAIN,
    SEALED,
    block,
    flip,
    in_memory,
    put,
    read,
    read_fd,
    sealed,
)

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.cipher.name)


@kinds
@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 8192, len(PLAIN)])
@pytest.mark.parametrize("strict", [True, False])
def test_whole_files(kind: Kind, size: int, *, strict: bool) -> None:
    """What is whole is delivered whole, and there is nothing to tell."""
    found = read(sealed(PLAIN[:size], kind), kind=kind, strict=strict)
    assert found.content() == PLAIN[:size]
    assert found.problems == []
    assert found.is_in_place == (size > 0)


@kinds
@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, len(PLAIN)),
    flips=st.lists(st.integers(18, 50_000), max_size=4),
    cut=st.integers(0, 50_000) | st.none(),
)
def test_only_what_is_damaged_is_lost(
    kind: Kind, size: int, flips: list[int], cut: int | None
) -> None:
    """Pieces add up to what the size says; each holds the plaintext, or was damaged."""
    data = whole = sealed(PLAIN[:size], kind)
    for offset in flips:
        if offset < len(data):
            data = flip(data, offset)
    if cut is not None:
        data = data[:cut]
    found = read(data, kind=kind, strict=False)
    sizes = [len(data[block(n, kind)]) - kind.overhead for n in range(10)]
    assert found.size == sum(max(s, 1) for s in sizes if s > -kind.overhead)
    start = 0
    for piece in found.pieces:
        end = start + piece.size
        if piece.data is not None:
            assert piece.data == PLAIN[start:end]
        else:
            place = block(start // 4096, kind)
            assert data[place] != whole[place]
        start = end


@settings(max_examples=60, deadline=None)
@given(damaged=st.sets(st.integers(0, 9)))
def test_runs_of_damaged_blocks_are_one_problem(damaged: set[int]) -> None:
    """Each run of bad blocks is told of once, with its exact place in the ciphertext."""
    data = SEALED
    for number in damaged:
        data = flip(data, block(number).start + 20)
    wanted = []
    for _, run in groupby(sorted(damaged), key=lambda n: n - sorted(damaged).index(n)):
        numbers = list(run)
        start, end = block(numbers[0]).start, min(block(numbers[-1]).stop, len(data))
        wanted.append(("content", start, end - start))
    found = read(data)
    assert found.places == wanted
    blocks = [found.content()[start : start + 4096] for start in range(0, 40_960, 4096)]
    assert {n for n, data in enumerate(blocks) if set(data) == {ord("?")}} == damaged


def test_a_gap_is_one_across_reads() -> None:
    """Blocks of two reads that follow each other are one gap; pieces stay blocks."""
    plain = Random(2).randbytes(600 * 4096)
    data = bytearray(sealed(plain))
    for number in (254, 255, 256, 257, 511, 599):
        data[block(number).start] ^= 1
    found = read(bytes(data))
    assert found.places == [
        ("content", block(254).start, 4 * 4128),
        ("content", block(511).start, 4128),
        ("content", block(599).start, 4128),
    ]
    assert [problem.text for problem in found.problems] == [
        "blocks 254 to 257 do not authenticate",
        "block 511 does not authenticate",
        "block 599 does not authenticate",
    ]
    assert found.size == len(plain)
    assert sum(size for size, data in found.pieces if data is None) == 6 * 4096


# Sizes


@pytest.mark.parametrize("size", range(1, 51))
def test_stubs(size: int) -> None:
    """A reverse view has no file of 1 to 50 bytes, so such a file is all damage."""
    found = read(SEALED[:size])
    assert found.pieces == []
    assert found.places == [("size", 0, size)]


@pytest.mark.parametrize("size", range(19, 51))
def test_stubs_without_a_header(size: int) -> None:
    """A block that is too short for anything is lost, and so is its header."""
    found = read(flip(SEALED[:size], 0), strict=False)
    assert [piece.data for piece in found.pieces] == [None]
    assert ("header", 0, 18) in found.places


@kinds
@pytest.mark.parametrize("size", range(1, 60))
def test_stubs_of_others(kind: Kind, size: int) -> None:
    """Elsewhere, a file without blocks is empty, and a block without payload is lost."""
    found = read(sealed(PLAIN, kind)[:size], kind=kind, strict=False)
    payload = size - 18 - kind.overhead
    if size <= 18:
        assert (found.pieces, found.problems) == ([], [])
        return
    assert found.pieces == [(max(payload, 1), None)]
    content = ("content", 18, size - 18)
    assert content in found.places
    assert (("size", 18, size - 18) in found.places) == (payload <= 0)


@pytest.mark.parametrize("rest", range(1, 33))
def test_impossible_sizes(rest: int) -> None:
    """A last block of 1 to 32 bytes was cut; what comes before it is whole."""
    found = read(SEALED[: block(2).start + rest])
    assert found.content() == PLAIN[:8192] + b"?"
    assert set(found.places) == {
        ("size", block(2).start, rest),
        ("content", block(2).start, rest),
    }


def test_cut_at_a_block() -> None:
    """What ends with a block cannot be told from a file that was never longer."""
    found = read(SEALED[: block(3).start])
    assert found.content() == PLAIN[: 3 * 4096]
    assert found.problems == []


# Zeroed blocks and holes


def test_zeroed_blocks_are_damage() -> None:
    """A reverse view never shows a block of zeros."""
    data = put(SEALED, slice(block(1).start, block(2).stop), bytes(2 * 4128))
    found = read(data)
    assert found.content() == PLAIN[:4096] + b"?" * 8192 + PLAIN[3 * 4096 :]
    [problem] = found.problems
    assert problem.text == "blocks 1 to 2 are zeroed"
    assert (problem.offset, problem.size) == (block(1).start, 2 * 4128)


@kinds
def test_zeroed_blocks_of_others_are_holes(kind: Kind) -> None:
    """Elsewhere, a full block of zeros is a hole; a short one is damage anywhere."""
    data = put(sealed(PLAIN, kind), block(1, kind), bytes(kind.block))
    found = read(data, kind=kind, strict=False)
    assert found.content() == PLAIN[:4096] + bytes(4096) + PLAIN[8192:]
    assert found.problems == []
    data = put(data, block(9, kind), bytes(100 + kind.overhead))
    found = read(data, kind=kind, strict=False)
    assert found.content()[-100:] == b"?" * 100
    assert found.places == [("content", block(9, kind).start, 100 + kind.overhead)]


def with_hole(fd: int, first: int, last: int) -> bytes:
    """Write blocks before *first* and after *last*; return the plaintext."""
    before = PLAIN[: first * 4096]
    tail = SEALED[block(9)]
    os.pwrite(fd, tail, block(last + 1).start)
    return before + bytes((last + 1 - first) * 4096)


@pytest.mark.parametrize("last", [10, 300, 5000])
@pytest.mark.parametrize("strict", [True, False])
def test_holes(last: int, *, strict: bool) -> None:
    """A hole is zeroed blocks: one gap in a copy of a view, and zeros elsewhere."""
    with in_memory(SEALED[: block(3).start]) as fd:
        plain = with_hole(fd, 3, last)
        found = read_fd(fd, strict=strict)
    tail = ("content", block(last + 1).start, 132)
    hole = ("content", block(3).start, (last - 2) * 4128)
    if strict:
        # What follows is of another place, so it is lost, too.
        assert found.places == [(*hole[:2], hole[2] + tail[2])]
    else:
        assert found.content()[:-100] == plain
        assert found.places == [tail]
    assert found.size == len(plain) + 100


@pytest.mark.timeout(20)
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("data", [b"", HEADER, SEALED[: block(2).start]])
def test_a_hole_of_an_exbibyte(data: bytes, *, strict: bool) -> None:
    """Whoever makes a file that claims to be huge does not keep us busy."""
    size = 18 + 4128 * (1 << 48)
    with in_memory(data) as fd:
        os.ftruncate(fd, size)
        found = read_fd(fd, strict=strict)
    assert found.size == 4096 << 48
    assert len(found.pieces) < 1000
    lost = sum(size for size, data in found.pieces if data is None)
    whole = len(PLAIN[:8192]) if len(data) > 18 else 0
    assert lost == ((4096 << 48) - whole if strict else 0)
