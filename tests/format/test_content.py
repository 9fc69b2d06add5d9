"""Sealing of content with AES-SIV: vectors and properties."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.errors import AuthenticationError
from revcrypt.format import header, sizes
from revcrypt.format.config import Features
from revcrypt.format.content import AesSiv
from revcrypt.format.derive import FileIds, file_ids
from revcrypt.format.volume import Volume

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/contents.json").read_text())
BLOCK = 4096
CIPHER_BLOCK = 4128
IDS = FileIds(b"id of the file..", b"nonce of block 0")

pytestmark = pytest.mark.usefixtures("implementation")

# Few bytes make much content: what is in a block does not matter, its size does.
contents = st.builds(
    lambda seed, size: (seed * (size // len(seed) + 1))[:size],
    st.binary(min_size=1, max_size=7),
    st.one_of(
        st.integers(0, 40),
        st.integers(0, 5).flatmap(
            lambda blocks: st.integers(max(blocks * BLOCK - 2, 0), blocks * BLOCK + 2)
        ),
    ),
)
numbers = st.one_of(st.integers(0, 300), st.integers(2**40, 2**63))


def siv() -> AesSiv:
    """Return the cipher under test."""
    return AesSiv(bytes(range(64)))


def of_vector(vector: dict[str, Any]) -> AesSiv:
    """Return the cipher of a vector, made from its master key."""
    features = Features(hkdf=vector["hkdf"])
    return Volume.open(bytes.fromhex(vector["master_key"]), features).sealer


def whole_file(sealer: AesSiv, path: str, plain: bytes) -> bytes:
    """Return the ciphertext of a file, built as a view builds it."""
    ids = file_ids(path.encode())
    return header.pack(ids.file_id) + sealer.seal_run(ids, 0, plain)


def opened(ciphertext: bytes, *, first: int = 0, holes: bool = False) -> bytes:
    """Open a run that `siv` sealed with `IDS`."""
    return siv().open_run(IDS.file_id, first, ciphertext, holes=holes)


@pytest.mark.parametrize("vector", VECTORS["whole"], ids=lambda v: v["id"])
def test_file_vector(vector: dict[str, Any]) -> None:
    """Whole files are sealed and opened as the specification has it."""
    sealer, plain = of_vector(vector), bytes.fromhex(vector["plain"])
    ciphertext = whole_file(sealer, vector["path"], plain)
    assert ciphertext.hex() == vector["cipher"]
    assert len(ciphertext) == sizes.cipher_size(len(plain))
    file_id = header.parse(ciphertext[:18])
    assert file_id.hex() == vector["file_id"]
    assert sealer.open_run(file_id, 0, ciphertext[18:], holes=False) == plain


def test_two_blocks_vector() -> None:
    """A file of two blocks is sealed and opened as the specification has it."""
    vector = VECTORS["two_blocks"]
    sealer, plain = of_vector(vector), bytes(i % 251 for i in range(5000))
    ciphertext = whole_file(sealer, vector["path"], plain)
    assert len(ciphertext) == vector["cipher_size"]
    for part in (vector["first"], vector["second"]):
        expected = bytes.fromhex(part["bytes"])
        assert ciphertext[part["offset"] :].startswith(expected)
    assert sha256(ciphertext).hexdigest() == vector["sha256"]
    file_id = header.parse(ciphertext[:18])
    assert sealer.open_run(file_id, 0, ciphertext[18:], holes=False) == plain


@settings(deadline=None)
@given(contents, numbers)
def test_round_trip(plain: bytes, first: int) -> None:
    """What was sealed opens, and is as long as the sizes say."""
    ciphertext = siv().seal_run(IDS, first, plain)
    assert len(ciphertext) == max(sizes.cipher_size(len(plain)) - 18, 0)
    assert opened(ciphertext, first=first) == plain


@settings(deadline=None)
@given(contents, numbers, st.data())
def test_pieces(plain: bytes, first: int, data: st.DataObject) -> None:
    """Sealing and opening a run in pieces equals sealing and opening the whole."""
    blocks = -(-len(plain) // BLOCK)
    cut = data.draw(st.integers(0, blocks))
    pieces = [
        siv().seal_run(IDS, first, plain[: cut * BLOCK]),
        siv().seal_run(IDS, first + cut, plain[cut * BLOCK :]),
    ]
    whole = siv().seal_run(IDS, first, plain)
    assert b"".join(pieces) == whole
    assert len(pieces[0]) == min(cut * CIPHER_BLOCK, len(whole))
    reopened = opened(pieces[0], first=first) + opened(pieces[1], first=first + cut)
    assert reopened == plain


def test_nonce_leads_each_block() -> None:
    """Each block begins with the nonce of its number, also where the counter wraps."""
    ids = FileIds(IDS.file_id, b"\xff" * 15 + b"\xfe")
    run = siv().seal_run(ids, 0, bytes(3 * BLOCK))
    nonces = [run[start : start + 16] for start in range(0, len(run), CIPHER_BLOCK)]
    upper = b"\xff" * 8
    expected = [upper + b"\xff" * 7 + b"\xfe", upper + b"\xff" * 8, upper + bytes(8)]
    assert nonces == expected
    assert opened(run) == bytes(3 * BLOCK)


@pytest.mark.parametrize("size", [1, 20])
def test_every_changed_bit(size: int) -> None:
    """One bit changed anywhere in a block makes it fail."""
    block = siv().seal_run(IDS, 7, b"x" * size)
    assert opened(block, first=7) == b"x" * size
    for bit in range(8 * len(block)):
        changed = bytearray(block)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AuthenticationError, match="block 7 "):
            opened(bytes(changed), first=7)


@settings(deadline=None)
@given(contents.filter(bool), numbers, st.data(), st.integers(1, 255))
def test_changed_byte_names_its_block(
    plain: bytes, first: int, data: st.DataObject, change: int
) -> None:
    """A byte changed in a run fails, and the message names the block it is in."""
    changed = bytearray(siv().seal_run(IDS, first, plain))
    index = data.draw(st.integers(0, len(changed) - 1))
    changed[index] ^= change
    message = f"block {first + index // CIPHER_BLOCK} "
    with pytest.raises(AuthenticationError, match=message):
        opened(bytes(changed), first=first)


@settings(deadline=None)
@given(contents.filter(bool), numbers, numbers)
def test_block_number_is_bound(plain: bytes, first: int, other: int) -> None:
    """A block moved to another place fails."""
    ciphertext = siv().seal_run(IDS, first, plain)
    if other == first:
        other += 1
    with pytest.raises(AuthenticationError, match=f"block {other} "):
        opened(ciphertext, first=other)


@pytest.mark.parametrize("index", range(16))
def test_file_id_is_bound(index: int) -> None:
    """A block under another file id fails, whichever byte differs."""
    ciphertext = siv().seal_run(IDS, 0, b"content")
    file_id = bytearray(IDS.file_id)
    file_id[index] ^= 1
    with pytest.raises(AuthenticationError):
        siv().open_run(bytes(file_id), 0, ciphertext, holes=True)


def test_swapped_blocks() -> None:
    """Two blocks of one file that changed places fail."""
    run = siv().seal_run(IDS, 0, bytes(BLOCK) * 2)
    with pytest.raises(AuthenticationError, match="block 0 "):
        opened(run[CIPHER_BLOCK:] + run[:CIPHER_BLOCK], holes=True)


@pytest.mark.parametrize("cut", [1, 15, 16, 31, 32, 33, 50, 4127])
def test_cut_block(cut: int) -> None:
    """A last block that was cut short fails."""
    run = siv().seal_run(IDS, 0, b"x" * 2 * BLOCK)
    with pytest.raises(AuthenticationError, match="block 1 "):
        opened(run[: CIPHER_BLOCK + cut], holes=True)


def test_empty_run() -> None:
    """No blocks hold no content."""
    assert siv().seal_run(IDS, 5, b"") == b""
    assert opened(b"", first=5) == b""


@settings(deadline=None)
@given(st.binary(max_size=200), st.binary(min_size=16, max_size=16).filter(any))
def test_value_round_trip(plain: bytes, nonce: bytes) -> None:
    """A lone value begins with its nonce and opens; an empty one stays empty."""
    sealed = siv().seal_value(nonce, plain)
    assert len(sealed) == (len(plain) + 32 if plain else 0)
    assert sealed[:16] == (nonce if plain else b"")
    assert siv().open_value(sealed) == plain


def test_changed_value() -> None:
    """A lone value with one bit changed, or cut short, fails."""
    sealed = siv().seal_value(b"nonce of a value", b"value")
    bad = [sealed[:size] for size in range(1, len(sealed))]
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        bad.append(bytes(changed))
    for value in bad:
        with pytest.raises(AuthenticationError):
            siv().open_value(value)


def test_block_is_no_value() -> None:
    """A block of a file cannot pass for a link target or an attribute."""
    block = siv().seal_run(IDS, 0, b"content")
    with pytest.raises(AuthenticationError):
        siv().open_value(block)
