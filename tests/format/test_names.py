"""Names: vectors, round trips, and everything that is no name."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.errors import BadNameError
from revcrypt.format import keys
from revcrypt.format.config import Features
from revcrypt.format.eme import Eme
from revcrypt.format.names import Base64, NameCipher, is_valid
from revcrypt.format.volume import Volume

pytestmark = pytest.mark.usefixtures("implementation")

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/names.json").read_text())
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
NAME_KEY = bytes(range(32))
IV = b"iv of the names."

plain_names = st.binary(min_size=1, max_size=255).filter(is_valid)
raw_or_padded = pytest.mark.parametrize("raw", [True, False], ids=["raw", "padded"])


def cipher(*, raw: bool = True) -> NameCipher:
    """Return a cipher of names."""
    return NameCipher(NAME_KEY, base64=Base64(raw=raw), long_name_max=255)


def of_vector(vector: dict[str, Any]) -> NameCipher:
    """Return the cipher of names of a vector, made from its master key."""
    features = Features(hkdf=vector["hkdf"], raw64=vector["raw64"])
    return Volume.open(bytes.fromhex(vector["master_key"]), features).names


def sealed(padded: bytes) -> bytes:
    """Return the cipher name of a name that somebody else has padded."""
    [encrypted] = Eme(NAME_KEY).encrypt(IV, [padded])
    return urlsafe_b64encode(encrypted).rstrip(b"=")


def decrypted(cipher_name: bytes, *, raw: bool = True) -> bytes | None:
    """Return what one cipher name is decrypted to."""
    [name] = cipher(raw=raw).decrypt([cipher_name], IV)
    return name


@pytest.mark.parametrize("vector", VECTORS["names"], ids=lambda v: v["id"])
def test_vector(vector: dict[str, Any]) -> None:
    """Names are encrypted, shown and decrypted as the specification has it."""
    names, dir_iv = of_vector(vector), bytes.fromhex(vector["dir_iv"])
    plain_name = vector["plain_name"].encode()
    [cipher_name] = names.encrypt([plain_name], dir_iv)
    if vector["cipher_name"] is not None:
        assert cipher_name == vector["cipher_name"].encode()
    assert names.shown(cipher_name) == vector["entry"].encode()
    assert names.decrypt([cipher_name], dir_iv) == [plain_name]


@pytest.mark.parametrize("vector", VECTORS["xattrs"], ids=lambda v: v["id"])
def test_xattr_vector(vector: dict[str, Any]) -> None:
    """Attribute names are encrypted and decrypted as the specification has it."""
    names, plain_name = of_vector(vector), vector["plain_name"].encode()
    cipher_name = vector["cipher_name"].encode()
    assert names.encrypt_xattr(plain_name) == cipher_name
    assert names.decrypt_xattr(cipher_name) == plain_name


@raw_or_padded
@settings(deadline=None)
@given(batch=st.lists(plain_names, max_size=8), iv=st.binary(min_size=16, max_size=16))
def test_round_trip(raw: bool, batch: Sequence[bytes], iv: bytes) -> None:
    """Any names come back; a batch is what its names are one by one."""
    names = cipher(raw=raw)
    encrypted = names.encrypt(batch, iv)
    assert encrypted == [names.encrypt([name], iv)[0] for name in batch]
    assert names.decrypt(encrypted, iv) == batch
    assert [names.decrypt([name], iv)[0] for name in encrypted] == batch


@settings(deadline=None)
@given(st.lists(st.one_of(plain_names, st.none()), max_size=8))
def test_batch_with_foreign_names(batch: list[bytes | None]) -> None:
    """What is no name stays None at its place and spoils no neighbour."""
    cipher_names = [
        b"not.ours" if name is None else cipher().encrypt([name], IV)[0] for name in batch
    ]
    assert cipher().decrypt(cipher_names, IV) == batch


@pytest.mark.parametrize("plain_name", [b"a", b"x" * 15, b"y" * 16, b"z" * 47])
@raw_or_padded
def test_changed_character(plain_name: bytes, raw: bool) -> None:
    """One character changed gives another name or none, and never an exception."""
    [cipher_name] = cipher(raw=raw).encrypt([plain_name], IV)
    changed = {
        cipher_name[:i] + bytes([character]) + cipher_name[i + 1 :]
        for i in range(len(cipher_name))
        for character in ALPHABET + b"=+/.\n\x00\xff"
    } - {cipher_name}
    assert plain_name not in cipher(raw=raw).decrypt(sorted(changed), IV)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes(cipher_name: bytes) -> None:
    """Whatever lies in a directory decrypts to None or to what encrypts to it."""
    for raw in (True, False):
        name = decrypted(cipher_name, raw=raw)
        assert name is None or cipher(raw=raw).encrypt([name], IV) == [cipher_name]


def test_other_directory() -> None:
    """A name moved to another directory is not the same name there."""
    [cipher_name] = cipher().encrypt([b"name"], IV)
    assert cipher().decrypt([cipher_name], bytes(16)) != [b"name"]


FORBIDDEN = [b".", b"..", b"/", b"a/b", b"/etc", b"a\x00b", b"\x00", b"", b"x" * 256]


@pytest.mark.parametrize("plain_name", FORBIDDEN)
def test_forbidden_names(plain_name: bytes) -> None:
    """A cipher name never leads out of its directory, whoever made it."""
    assert not is_valid(plain_name)
    size = 16 - len(plain_name) % 16
    assert decrypted(sealed(plain_name + bytes([size]) * size)) is None


@pytest.mark.parametrize(
    "plain_name", [b"...", b".a", b"a.", b" ", b"\n", b"\xff", b"-", b"x" * 255]
)
def test_odd_names(plain_name: bytes) -> None:
    """Names that are merely odd are names."""
    assert is_valid(plain_name)
    assert decrypted(cipher().encrypt([plain_name], IV)[0]) == plain_name


@pytest.mark.parametrize(
    "padded",
    [
        b"x" * 15 + b"\x00",
        b"x" * 15 + b"\x11",
        b"x" * 15 + b"\xff",
        b"x" * 14 + b"\x01\x02",
        b"x" * 13 + b"\x03\x02\x03",
        b"\x0f" * 14 + b"x" + b"\x0f",
        b"\x10" * 16,
        b"x" * 16 + b"\x0f" + b"\x10" * 15,
        bytes(16),
        b"x" * 31 + b"\x00",
        b"x" * 31 + b"\x20",
        b"x" * 15 + b"\x11" * 17,
    ],
)
def test_bad_padding(padded: bytes) -> None:
    """Padding is 1 to 16 bytes, each of them the count, after at least one byte."""
    assert decrypted(sealed(padded)) is None


@pytest.mark.parametrize(
    ("padded", "plain_name"),
    [(b"x" * 15 + b"\x01", b"x" * 15), (b"x" * 16 + b"\x10" * 16, b"x" * 16)],
)
def test_good_padding(padded: bytes, plain_name: bytes) -> None:
    """The shortest and the longest padding are taken off."""
    assert decrypted(sealed(padded)) == plain_name


@pytest.mark.parametrize("size", [0, 1, 8, 15, 17, 31, 33, 255, 272, 2064])
@raw_or_padded
def test_impossible_sizes(size: int, raw: bool) -> None:
    """Only whole blocks can be a name, and no more of them than a name has."""
    assert decrypted(Base64(raw=raw).encode(b"x" * size), raw=raw) is None


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=255).filter(lambda name: b"\x00" not in name))
def test_xattr_round_trip(name: bytes) -> None:
    """Any attribute name comes back, whatever its namespace."""
    cipher_name = cipher().encrypt_xattr(name)
    assert cipher_name.startswith(b"user.gocryptfs.")
    assert cipher().decrypt_xattr(cipher_name) == name


@pytest.mark.parametrize(
    "cipher_name",
    [
        b"",
        b"user.comment",
        b"security.selinux",
        b"user.gocryptfs.",
        b"user.gocryptfs.AAAA",
        b"user.gocryptfs.not base64 at all!!!",
        b"USER.gocryptfs." + cipher().encrypt_xattr(b"user.x")[15:],
        cipher().encrypt_xattr(b"user.x")[15:],
        cipher().encrypt_xattr(b"user.x") + b"\n",
        cipher(raw=False).encrypt_xattr(b"user.x"),
        cipher().encrypt_xattr(b"user.\x00"),
        cipher().encrypt_xattr(b""),
        b"user.gocryptfs." + cipher().encrypt([b"user.x"], bytes(16))[0],
    ],
)
def test_foreign_xattr(cipher_name: bytes) -> None:
    """What no encrypted attribute is called is refused."""
    with pytest.raises(BadNameError):
        cipher().decrypt_xattr(cipher_name)


def test_keys_differ() -> None:
    """Names under another key are no names, or others."""
    other = NameCipher(
        keys.name_key(NAME_KEY, hkdf=True), base64=Base64(raw=True), long_name_max=255
    )
    [cipher_name] = cipher().encrypt([b"name"], IV)
    assert other.decrypt([cipher_name], IV) != [b"name"]
