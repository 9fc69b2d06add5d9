"""The file header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcrypt.errors import MalformedError
from revcrypt.format import header
from revcrypt.format.sizes import HEADER_SIZE

FILE_ID = bytes(range(16))
GOOD = b"\x00\x02" + FILE_ID


def test_layout() -> None:
    """A header is the version, big-endian, and the file id."""
    assert header.pack(FILE_ID) == GOOD
    assert len(GOOD) == HEADER_SIZE


@given(st.binary(min_size=16, max_size=16).filter(any))
def test_round_trip(file_id: bytes) -> None:
    """Any file id but zero comes back out of its header."""
    assert header.parse(header.pack(file_id)) == file_id


@pytest.mark.parametrize("size", [*range(HEADER_SIZE), HEADER_SIZE + 1, 51])
def test_wrong_size(size: int) -> None:
    """Anything but 18 bytes is no header."""
    with pytest.raises(MalformedError, match=f"has {size} bytes"):
        header.parse((GOOD * 3)[:size])


@pytest.mark.parametrize("version", [0x0000, 0x0001, 0x0003, 0x0102, 0x0200, 0xFFFF])
def test_wrong_version(version: int) -> None:
    """Only version 2 is read, also where a reader of the other byte order sees 2."""
    with pytest.raises(MalformedError, match=f"version {version:04x}"):
        header.parse(version.to_bytes(2) + FILE_ID)


def test_zero_file_id() -> None:
    """A file id of zero bytes is a hole, not an id."""
    with pytest.raises(MalformedError, match="file id"):
        header.parse(b"\x00\x02" + bytes(16))


def test_zero_header() -> None:
    """A header of zero bytes is a hole, not a header."""
    with pytest.raises(MalformedError):
        header.parse(bytes(HEADER_SIZE))


@pytest.mark.parametrize("index", range(16))
def test_one_byte_makes_an_id(index: int) -> None:
    """A file id with a single non-zero byte is a file id, wherever the byte is."""
    file_id = bytes(index) + b"\x01" + bytes(15 - index)
    assert header.parse(header.pack(file_id)) == file_id
