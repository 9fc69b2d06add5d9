"""Cipher files that change or cannot be read, and headers that belong to others."""

import os
from collections.abc import Callable, Sequence
from random import Random

import pytest

from revcrypt.format import derive
from revcrypt.format.derive import Purpose
from revcrypt.rescue.content import Problem, Reader
from tests.format.test_ciphers import FILE_ID
from tests.rescue.sealed_files import (
    HEADER,
    PLAIN,
    SEALED,
    SIV,
    block,
    flip,
    in_memory,
    put,
    read,
    read_fd,
    sealed,
)

OTHER = b"id of another..."
THIRD = b"id of the third."
LINKED = derive.linked_iv(b"the link", Purpose.FILE_ID)

# Files that change, and disks that fail


def test_a_file_that_shrinks() -> None:
    """What is cut off while a file is read is lost, and told of as such."""
    plain = Random(3).randbytes(600 * 4096)
    problems: list[Problem] = []
    with in_memory(sealed(plain)) as fd:
        size = os.fstat(fd).st_size
        reader = Reader(fd, size, SIV.opener, problems.append, strict=True)
        pieces = reader.pieces()
        first = next(pieces)
        os.ftruncate(fd, block(300).start + 1)
        rest = list(pieces)
    data = b"".join(piece.data or b"" for piece in (first, *rest))
    assert data == plain[: 300 * 4096]
    assert first.size + sum(piece.size for piece in rest) == len(plain)
    [problem] = problems
    assert (problem.offset, problem.size) == (block(300).start, 300 * 4128)


def test_a_file_that_grows() -> None:
    """Nothing is read of what was not there at first."""
    with in_memory(SEALED) as fd:
        found = read_fd(fd, size=block(4).start)
    assert found.content() == PLAIN[: 4 * 4096]
    assert found.problems == []


def failing(error: int, start: int, end: int) -> Callable[[int, int, int], bytes]:
    """Return a `pread` that fails wherever it touches bytes from *start* to *end*."""
    pread = os.pread

    def fail(fd: int, size: int, offset: int) -> bytes:
        if offset < end and start < offset + size:
            raise OSError(error, os.strerror(error))
        return pread(fd, size, offset)

    return fail


@pytest.mark.parametrize("sector", range(0, len(SEALED), 4096))
def test_a_bad_sector(sector: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file on a bad disk, only blocks that touch what cannot be read are lost."""
    monkeypatch.setattr(os, "pread", failing(5, sector, sector + 512))
    found = read(SEALED)
    content = found.content()
    assert len(content) == len(PLAIN)
    assert "unreadable" in {kind for kind, _, _ in found.places}
    for number in range(10):
        place, plain = block(number), slice(number * 4096, number * 4096 + 4096)
        # Reads do not begin at sectors, so a neighbour may be lost as well.
        if place.stop <= sector - 4096 or place.start >= sector + 512 + 4096:
            assert content[plain] == PLAIN[plain]
        if place.start < sector + 512 and sector < place.stop:
            assert set(content[plain]) == {ord("?")}


def test_other_errors_are_not_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may go away, such as a network's failure, does not count as lost."""
    monkeypatch.setattr(os, "pread", failing(110, 0, 1))
    with pytest.raises(TimeoutError):
        read(SEALED)


# Headers and what they say


def read_as(
    data: bytes, *expected: bytes, strict: bool = True
) -> tuple[list[tuple[str, bool]], bool, bytes]:
    """Return kinds of problems, whether healed, whether in place, and the plaintext."""
    found = read(data, strict=strict, file_ids=expected)
    problems = [(problem.kind.value, problem.is_healed) for problem in found.problems]
    return problems, found.is_in_place, found.content()


def test_the_id_of_the_path() -> None:
    """A file belongs to its path if it has the id of any of its names."""
    assert read_as(SEALED, FILE_ID) == ([], True, PLAIN)
    assert read_as(SEALED, OTHER, FILE_ID) == ([], True, PLAIN)


def test_any_id_will_do() -> None:
    """Where no path is known, the header is right, but proves no place."""
    assert read_as(SEALED) == ([], False, PLAIN)


def test_the_id_of_another_path() -> None:
    """Another file's content is delivered as misplaced, with what tells its home."""
    found = read(SEALED, file_ids=[OTHER])
    [problem] = found.problems
    assert (problem.kind.value, problem.iv) == ("misplaced", FILE_ID)
    assert (problem.offset, problem.size) == (0, len(SEALED))
    assert found.content() == PLAIN
    assert not found.is_in_place


def test_the_id_of_several_names() -> None:
    """A file with several names may be under any path, which proves no place."""
    assert read_as(sealed(PLAIN, file_id=LINKED), OTHER) == ([], False, PLAIN)


HEADERS = {
    "zeroed": bytes(18),
    "another version": b"\0\3" + FILE_ID,
    "another id": b"\0\2" + OTHER,
    "a flipped bit": flip(HEADER, 7),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("lost", [[], [0], [0, 1, 2]])
def test_a_lost_header_is_put_right(header: bytes, lost: Sequence[int]) -> None:
    """Any block that opens under the id of the path shows that the header was it."""
    data = put(SEALED, slice(0, 18), header)
    for number in lost:
        data = flip(data, block(number).start)
    found = read(data)
    healed, *others = found.problems
    assert (healed.kind.value, healed.is_healed) == ("header", True)
    assert (healed.offset, healed.size) == (0, 18)
    assert [problem.kind.value for problem in others] == ["content"][: len(lost)]
    gap = len(lost) * 4096
    assert found.content() == b"?" * gap + PLAIN[gap:]


def test_a_lost_header_where_no_path_is_known() -> None:
    """A version can be put right, an id cannot, and then nothing opens."""
    data = put(SEALED, slice(0, 18), HEADERS["another version"])
    assert read_as(data) == ([("header", True)], False, PLAIN)
    data = put(SEALED, slice(0, 18), HEADERS["zeroed"])
    lost = [("header", False), ("content", False)]
    assert read_as(data) == (lost, False, b"?" * len(PLAIN))


def test_an_id_that_opens_nothing() -> None:
    """Where not one block opens, it is the blocks that are lost, not the header."""
    plain = PLAIN[:5000]
    data = put(sealed(plain), slice(18, 5082), Random(4).randbytes(5064))
    assert read_as(data, FILE_ID) == ([("content", False)], True, b"?" * 5000)
    assert read_as(data, OTHER) == ([("content", False)], False, b"?" * 5000)


def test_a_lost_header_of_several_names() -> None:
    """The nonces of a file with several names tell its id, as they have its link id."""
    ids = derive.linked_file_ids(b"the link")
    data = HEADER[:2] + ids.file_id + SIV.opener.seal_run(ids, 0, PLAIN)
    assert read_as(data, THIRD) == ([], False, PLAIN)
    for header in HEADERS.values():
        spoiled = put(data, slice(0, 18), header)
        assert read_as(spoiled, THIRD) == ([("header", True)], False, PLAIN)
