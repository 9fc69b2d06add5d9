"""Deterministic ids, nonces and directory IVs."""

import json
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcrypt.format import derive
from revcrypt.format.derive import FileIds, Purpose

DIRECTORY = Path(__file__).parents[1] / "vectors"
NAMES = json.loads((DIRECTORY / "names.json").read_text())
CONTENTS = json.loads((DIRECTORY / "contents.json").read_text())
VALUES = json.loads((DIRECTORY / "values.json").read_text())

paths = st.binary().filter(lambda path: b"\x00" not in path)


@pytest.mark.parametrize("vector", NAMES["dir_ivs"], ids=lambda v: v["path"])
def test_dir_iv(vector: dict[str, str]) -> None:
    """Directories have the IVs of the specification."""
    assert derive.dir_iv(vector["path"].encode()).hex() == vector["dir_iv"]


@pytest.mark.parametrize(
    "vector", [*CONTENTS["whole"], CONTENTS["two_blocks"]], ids=lambda v: v["path"]
)
def test_file_ids(vector: dict[str, str]) -> None:
    """Files have the ids and first nonces of the specification."""
    ids = derive.file_ids(vector["path"].encode())
    assert ids.file_id.hex() == vector["file_id"]
    assert ids.block0_nonce.hex() == vector["block0_nonce"]
    assert ids.nonce(0) == ids.block0_nonce


@pytest.mark.parametrize("vector", CONTENTS["nonces"])
def test_nonce_vector(vector: dict[str, Any]) -> None:
    """Nonces count up in the lower half, and no carry leaves it."""
    ids = FileIds(bytes(16), bytes.fromhex(vector["block0_nonce"]))
    assert ids.nonce(vector["block"]).hex() == vector["nonce"]


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1))
def test_nonce(block0: bytes, block: int) -> None:
    """The upper half stays, the lower one is a counter modulo 2^64."""
    nonce = FileIds(bytes(16), block0).nonce(block)
    assert len(nonce) == 16
    assert nonce[:8] == block0[:8]
    difference = int.from_bytes(nonce[8:]) - int.from_bytes(block0[8:])
    assert difference % 2**64 == block


@pytest.mark.parametrize("vector", VALUES["links"], ids=lambda v: v["id"])
def test_symlink_nonce(vector: dict[str, str]) -> None:
    """The nonce of a link repeats the last component, as gocryptfs 2 does."""
    assert derive.symlink_nonce(vector["path"].encode()).hex() == vector["nonce"]


@pytest.mark.parametrize(
    ("path", "hashed"),
    [(b"a", b"a/a"), (b"a/b", b"a/b/b"), (b"a/b/c", b"a/b/c/c"), (b"c/c", b"c/c/c")],
)
def test_symlink_nonce_at_any_depth(path: bytes, hashed: bytes) -> None:
    """What is repeated is the last component, however many there are."""
    expected = sha256(hashed + b"\x00SYMLINKIV").digest()[:16]
    assert derive.symlink_nonce(path) == expected


def test_xattr_nonce() -> None:
    """The nonce of an attribute is that of the specification."""
    vector = VALUES["xattr"]
    nonce = derive.xattr_nonce(vector["path"].encode(), vector["cipher_name"].encode())
    assert nonce.hex() == vector["nonce"]


@given(paths, st.sampled_from(Purpose))
def test_formula(path: bytes, purpose: Purpose) -> None:
    """An IV is the first half of the hash of path, NUL and purpose."""
    expected = sha256(path + bytes(1) + purpose.value).digest()[:16]
    assert derive.derive(path, purpose) == expected


def test_purposes() -> None:
    """The purposes of the format are spelt as it spells them, and are all different."""
    expected = {b"DIRIV", b"FILEID", b"BLOCK0IV", b"SYMLINKIV", b"XATTRIV"}
    values = [purpose.value for purpose in Purpose]
    assert expected <= set(values)
    assert len({derive.derive(b"path", purpose) for purpose in Purpose}) == len(values)


def test_linked_paths() -> None:
    """Files with several names differ by device and inode, and from every path."""
    tags = [bytes(16), b"tag of a device ", b"tag of another  "]
    inodes = [0, 1, 2, 255, 256, 2**32, 2**64 - 1]
    derived = {derive.linked_path(tag, inode) for tag, inode in product(tags, inodes)}
    assert len(derived) == len(tags) * len(inodes)
    # No path of a view holds a NUL.
    assert all(b"\x00" in path for path in derived)


def test_bytes_as_they_are() -> None:
    """Paths are bytes: composed and decomposed spellings are different files."""
    assert derive.file_ids("é".encode()) != derive.file_ids("e\u0301".encode())
    assert derive.file_ids(b"\xff\xfe") != derive.file_ids(b"\xff\xff")
