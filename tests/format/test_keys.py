"""From passphrase to master key to the key of each use."""

import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcrypt.errors import MasterKeyError, PassphraseWrongError, ScryptCostError
from revcrypt.format import keys
from revcrypt.format.content import Cipher
from revcrypt.format.keys import ScryptParams

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/keys.json").read_text())
MASTER_KEY = bytes(range(32))
KEK = b"k" * 32
AMPLE = 1 << 30

wrapped_vectors = pytest.mark.parametrize(
    "vector", VECTORS["wrapped"], ids=lambda v: v["id"]
)
modes = pytest.mark.parametrize("hkdf", [True, False], ids=["hkdf", "legacy"])


def params(vector: dict[str, Any], **more: int) -> ScryptParams:
    """Return the scrypt parameters of a vector."""
    salt, n, r, p = bytes.fromhex(vector["salt"]), vector["n"], vector["r"], vector["p"]
    return ScryptParams(salt=salt, n=n, r=r, p=p, **more)


@pytest.mark.parametrize("vector", VECTORS["scrypt"], ids=lambda v: v["id"])
def test_scrypt(vector: dict[str, Any]) -> None:
    """The passphrase hash is scrypt."""
    expected = bytes.fromhex(vector["key"])
    cost = params(vector, key_size=len(expected))
    passphrase = vector["passphrase"].encode()
    assert keys.derive_kek(passphrase, cost, memory_limit=AMPLE) == expected


@wrapped_vectors
def test_wrap_vector(vector: dict[str, Any]) -> None:
    """Each step from passphrase to wrapped master key is that of the specification."""
    passphrase = vector["passphrase"].encode()
    kek = keys.derive_kek(passphrase, params(vector), memory_limit=AMPLE)
    assert kek.hex() == vector["kek"]
    if vector["hkdf"]:
        # The wrap key is derived as a content key of AES-GCM is, from the KEK.
        wrap_key = keys.content_key(kek, Cipher.AES_GCM, hkdf=True)
        assert wrap_key.hex() == vector["wrap_key"]
    master_key, nonce = map(bytes.fromhex, (vector["master_key"], vector["nonce"]))
    wrapped = keys.wrap(master_key, kek, nonce=nonce, hkdf=vector["hkdf"])
    assert wrapped.hex() == vector["wrapped"]
    assert len(wrapped) == keys.wrapped_size(hkdf=vector["hkdf"])
    assert keys.unwrap(wrapped, kek, hkdf=vector["hkdf"]) == master_key


@wrapped_vectors
@pytest.mark.parametrize("passphrase", [b"", b"Test", b"test ", b"test\n", b"test\x00x"])
def test_wrong_passphrase(vector: dict[str, Any], passphrase: bytes) -> None:
    """Any other passphrase is told to be wrong, with the exit code for that."""
    kek = keys.derive_kek(passphrase, params(vector), memory_limit=AMPLE)
    with pytest.raises(PassphraseWrongError) as caught:
        keys.unwrap(bytes.fromhex(vector["wrapped"]), kek, hkdf=vector["hkdf"])
    assert caught.value.exit_code == 12
    assert caught.value.hint


@wrapped_vectors
def test_every_flipped_bit(vector: dict[str, Any]) -> None:
    """A wrapped key with one bit changed, wherever it is, does not unwrap."""
    wrapped, kek = map(bytes.fromhex, (vector["wrapped"], vector["kek"]))
    for bit in range(8 * len(wrapped)):
        changed = bytearray(wrapped)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(PassphraseWrongError):
            keys.unwrap(bytes(changed), kek, hkdf=vector["hkdf"])


@modes
@given(master_key=st.binary(min_size=32, max_size=32), data=st.data())
def test_wrap_round_trip(hkdf: bool, master_key: bytes, data: st.DataObject) -> None:
    """What was wrapped unwraps in the same mode; sizes are as announced."""
    size = keys.wrap_nonce_size(hkdf=hkdf)
    nonce = data.draw(st.binary(min_size=size, max_size=size))
    wrapped = keys.wrap(master_key, KEK, nonce=nonce, hkdf=hkdf)
    assert len(wrapped) == (64 if hkdf else 60)
    assert wrapped[:size] == nonce
    assert keys.unwrap(wrapped, KEK, hkdf=hkdf) == master_key


@modes
def test_wrap_modes_differ(hkdf: bool) -> None:
    """What was wrapped in one mode does not unwrap in the other."""
    nonce = b"n" * keys.wrap_nonce_size(hkdf=hkdf)
    wrapped = keys.wrap(MASTER_KEY, KEK, nonce=nonce, hkdf=hkdf)
    with pytest.raises(PassphraseWrongError):
        keys.unwrap(wrapped, KEK, hkdf=not hkdf)


@pytest.mark.parametrize(
    ("n", "r", "p"),
    [(2**40, 8, 1), (2**63, 8, 1), (2**200, 8, 1), (2**10, 2**30, 1), (2**10, 8, 2**30)],
)
def test_cost_is_refused(n: int, r: int, p: int) -> None:
    """A cost beyond the limit is refused, not tried: no machine has this much memory."""
    cost = ScryptParams(salt=bytes(32), n=n, r=r, p=p)
    with pytest.raises(ScryptCostError, match="1024 MiB") as caught:
        keys.derive_kek(b"test", cost, memory_limit=AMPLE)
    assert caught.value.exit_code == 13
    assert caught.value.hint


def test_cost_limit_is_exact() -> None:
    """The limit is the first amount of memory that suffices, at least 128 * N * R."""
    cost = ScryptParams(salt=bytes(32), n=1024)
    assert cost.memory >= 128 * 1024 * 8
    assert len(keys.derive_kek(b"test", cost, memory_limit=cost.memory)) == 32
    with pytest.raises(ScryptCostError):
        keys.derive_kek(b"test", cost, memory_limit=cost.memory - 1)


def test_time_limit() -> None:
    """Lanes, which need no memory, must not keep us busy for ever; a few may."""
    few = ScryptParams(salt=bytes(32), n=1024, p=4)
    assert len(keys.derive_kek(b"test", few, memory_limit=AMPLE)) == 32
    many = ScryptParams(salt=bytes(32), n=1024, p=2**15)
    with pytest.raises(ScryptCostError, match="absurd"):
        keys.derive_kek(b"test", many, memory_limit=AMPLE)


@pytest.mark.parametrize("vector", VECTORS["derived"])
def test_derived_key(vector: dict[str, Any]) -> None:
    """Each use has the key of the specification."""
    master_key, hkdf, use = vector["master_key"], vector["hkdf"], vector["use"]
    if use == "names":
        key = keys.name_key(bytes.fromhex(master_key), hkdf=hkdf)
    else:
        key = keys.content_key(bytes.fromhex(master_key), Cipher[use], hkdf=hkdf)
    assert key.hex() == vector["key"]


def test_master_key_text() -> None:
    """A master key is shown as gocryptfs shows it."""
    assert keys.format_master_key(MASTER_KEY) == (
        "00010203-04050607-08090a0b-0c0d0e0f-\n10111213-14151617-18191a1b-1c1d1e1f"
    )


@given(st.binary(min_size=32, max_size=32))
def test_master_key_text_round_trip(master_key: bytes) -> None:
    """What is shown can be typed in, in either case, and so can the bare digits."""
    shown = keys.format_master_key(master_key)
    spellings = [shown, shown.upper(), shown.replace("\n", " "), f" {shown}\r\n"]
    for text in [*spellings, master_key.hex(), master_key.hex("-")]:
        assert keys.parse_master_key(text) == master_key


TEXT = "deadbeef" * 8


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        TEXT[:-1],
        TEXT[:-2],
        TEXT + "d",
        TEXT + "de",
        "x" + TEXT[1:],
        "0x" + TEXT,
        TEXT[:-1] + "\u0430",  # a Cyrillic letter that looks like an a
        TEXT[:-1] + "\uff11",  # a digit, but a wide one
        TEXT[:-1] + "\x00",
        TEXT.replace("-", "") + "_",
        TEXT + "\n" + TEXT,
    ],
)
def test_bad_master_key_text(text: str) -> None:
    """A text that is no master key is refused, and nothing of it is repeated."""
    with pytest.raises(MasterKeyError) as caught:
        keys.parse_master_key(text)
    assert caught.value.exit_code == 14
    told = [str(caught.value), caught.value.hint or "", repr(caught.value)]
    told += traceback.format_exception(caught.value)
    assert "deadb" not in "".join(told)
    assert "eadbe" not in "".join(told)
