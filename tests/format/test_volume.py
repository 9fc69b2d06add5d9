"""A volume as a whole: what gocryptfs wrote in each of its forms, and link targets."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.errors import AuthenticationError
from revcrypt.format import header, sizes
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from revcrypt.format.derive import symlink_nonce, xattr_nonce
from revcrypt.format.volume import Volume

DIRECTORY = Path(__file__).parents[1] / "vectors"
FORWARD = json.loads((DIRECTORY / "forward.json").read_text())
VALUES = json.loads((DIRECTORY / "values.json").read_text())
KEY = bytes.fromhex(VALUES["master_key"])
NONCE = b"nonce of a value"

forward_vectors = pytest.mark.parametrize(
    "vector", FORWARD["volumes"], ids=lambda v: v["id"]
)
raw_or_padded = pytest.mark.parametrize("raw", [True, False], ids=["raw", "padded"])


def features_of(vector: dict[str, Any]) -> Features:
    """Return the features that a vector was made with."""
    cipher = Cipher[vector["cipher"]]
    return Features(cipher=cipher, hkdf=vector["hkdf"], raw64=vector["raw64"])


def forward_volume(vector: dict[str, Any]) -> Volume:
    """Return the volume of a vector that gocryptfs wrote."""
    return Volume.open(bytes.fromhex(FORWARD["master_key"]), features_of(vector))


@forward_vectors
def test_forward_names(vector: dict[str, Any]) -> None:
    """Names and attribute names that gocryptfs wrote are read."""
    names, dir_iv = forward_volume(vector).names, bytes.fromhex(vector["dir_iv"])
    cipher_names = [vector[kind]["cipher_name"].encode() for kind in ("file", "link")]
    plain_names = [FORWARD["plain_name"].encode(), FORWARD["plain_link"].encode()]
    assert names.decrypt(cipher_names, dir_iv) == plain_names
    xattr = names.decrypt_xattr(vector["xattr"]["cipher_name"].encode())
    assert xattr == FORWARD["plain_xattr"].encode()


@forward_vectors
def test_forward_content(vector: dict[str, Any]) -> None:
    """Blocks that gocryptfs wrote are opened, and files have the size it shows."""
    content, file = forward_volume(vector).content, vector["file"]
    plain_size = sizes.plain_size(file["cipher_size"], content.overhead)
    assert plain_size == FORWARD["plain_size"]
    file_id = header.parse(bytes.fromhex(file["header"]))
    block = bytes.fromhex(file["block1"])
    opened = content.open_run(file_id, 1, block, holes=True)
    assert opened.hex() == FORWARD["plain_block1"]
    with pytest.raises(AuthenticationError, match="block 0 "):
        content.open_run(file_id, 0, block, holes=True)


@forward_vectors
def test_forward_values(vector: dict[str, Any]) -> None:
    """Link targets and attributes that gocryptfs wrote are opened."""
    volume = forward_volume(vector)
    target = vector["link"]["cipher_target"].encode()
    assert volume.open_link(target) == FORWARD["plain_target"].encode()
    assert volume.sealed_link_size(len(FORWARD["plain_target"])) == len(target)
    value = bytes.fromhex(vector["xattr"]["cipher_value"])
    assert volume.content.open_value(value) == FORWARD["plain_value"].encode()


@forward_vectors
def test_other_mode(vector: dict[str, Any]) -> None:
    """Nothing opens under the keys of the other key derivation."""
    right = features_of(vector)
    if right.cipher is Cipher.XCHACHA20_POLY1305:
        right = replace(right, cipher=Cipher.AES_GCM)
    volume = Volume.open(KEY, replace(right, hkdf=not right.hkdf))
    with pytest.raises(AuthenticationError):
        volume.open_link(vector["link"]["cipher_target"].encode())
    cipher_name = vector["file"]["cipher_name"].encode()
    dir_iv = bytes.fromhex(vector["dir_iv"])
    assert volume.names.decrypt([cipher_name], dir_iv) == [None]


@pytest.mark.parametrize("vector", VALUES["links"], ids=lambda v: v["id"])
def test_link_vector(vector: dict[str, str]) -> None:
    """Links of a reverse view are sealed and opened as the specification has it."""
    volume, target = Volume.open(KEY, Features()), vector["plain_target"].encode()
    nonce = symlink_nonce(vector["path"].encode())
    sealed = volume.seal_link(nonce, target)
    assert sealed == vector["cipher_target"].encode()
    assert volume.open_link(sealed) == target


def test_xattr_vector() -> None:
    """An attribute of a reverse view is sealed and opened as the specification has it."""
    vector, sealer = VALUES["xattr"], Volume.open(KEY, Features()).sealer
    nonce = xattr_nonce(vector["path"].encode(), vector["cipher_name"].encode())
    value = vector["plain_value"].encode()
    sealed = sealer.seal_value(nonce, value)
    assert sealed.hex() == vector["cipher_value"]
    assert sealer.open_value(sealed) == value


@pytest.mark.parametrize("vector", VALUES["link_sizes"])
def test_link_size_vector(vector: dict[str, int]) -> None:
    """Encrypted targets have the lengths of the specification."""
    volume = Volume.open(KEY, Features())
    assert volume.sealed_link_size(vector["plain"]) == vector["raw"]


@raw_or_padded
def test_link_size(raw: bool) -> None:
    """The announced length of a target is the length it has, for every size."""
    volume = Volume.open(KEY, Features(raw64=raw))
    for size in range(200):
        sealed = volume.seal_link(NONCE, b"t" * size)
        assert volume.sealed_link_size(size) == len(sealed), size


@raw_or_padded
@settings(deadline=None)
@given(target=st.binary(max_size=300))
def test_link_round_trip(raw: bool, target: bytes) -> None:
    """Any target comes back, an empty one as an empty one."""
    volume = Volume.open(KEY, Features(raw64=raw))
    sealed = volume.seal_link(NONCE, target)
    assert b"/" not in sealed
    assert (sealed == b"") == (target == b"")
    assert volume.open_link(sealed) == target


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_plaintext_names_keep_targets(target: bytes) -> None:
    """With plaintext names a target is not touched."""
    features = Features(plaintext_names=True, dir_iv=False, raw64=False)
    volume = Volume.open(KEY, features)
    assert volume.seal_link(NONCE, target) == target
    assert volume.open_link(target) == target
    assert volume.sealed_link_size(len(target)) == len(target)


SEALED = Volume.open(KEY, Features()).seal_link(NONCE, b"../target")


@pytest.mark.parametrize(
    "target",
    [
        b"../target",
        b"A",
        b"AAAA",
        SEALED[:-1],
        SEALED + b"\n",
        SEALED + b"=",
        SEALED[1:] + SEALED[:1],
        b"A" * len(SEALED),
        Volume.open(bytes(32), Features()).seal_link(NONCE, b"../target"),
    ],
)
def test_foreign_link(target: bytes) -> None:
    """A target that nobody with the key wrote is an error, not a target."""
    with pytest.raises(AuthenticationError):
        Volume.open(KEY, Features()).open_link(target)
