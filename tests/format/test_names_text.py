"""The text of cipher names: base64, long names, kinds of entries."""

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcrypt.errors import MalformedError
from revcrypt.format.names import Base64, EntryKind, NameCipher, entry_kind

pytestmark = pytest.mark.usefixtures("implementation")

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/names.json").read_text())
IV = bytes(16)

raw_or_padded = pytest.mark.parametrize("raw", [True, False], ids=["raw", "padded"])


def cipher(*, long_name_max: int, raw: bool = True) -> NameCipher:
    """Return a cipher of names with a threshold."""
    return NameCipher(bytes(32), base64=Base64(raw=raw), long_name_max=long_name_max)


def hashed(cipher_name: bytes, *, raw: bool) -> bytes:
    """Return the entry of a long name, by the specification's section 4.4."""
    text = urlsafe_b64encode(sha256(cipher_name).digest())
    return b"gocryptfs.longname." + (text.rstrip(b"=") if raw else text)


@raw_or_padded
@given(data=st.binary(max_size=64))
def test_base64_round_trip(raw: bool, data: bytes) -> None:
    """Text is RFC 4648's, padded or not, of the announced length, and comes back."""
    base64 = Base64(raw=raw)
    text = base64.encode(data)
    padded = urlsafe_b64encode(data)
    assert text == (padded.replace(b"=", b"") if raw else padded)
    assert base64.decode(text) == data
    assert base64.encoded_size(len(data)) == len(text)


REFUSED = [
    b"A",
    b"AAAAA",
    b"AAA\n",
    b"AAAA\n",
    b"AA\r\nAA",
    b" AAAA",
    b"AA+A",
    b"AA/A",
    b"AA.A",
    b"AA\x00A",
    b"AA\xffA",
    b"=",
    b"====",
    b"AA==AAAA",
    b"AAAA====",
    b"AA=A",
]


@pytest.mark.parametrize(
    ("raw", "text"),
    [(raw, text) for raw in (True, False) for text in REFUSED]
    # The padding of the other kind, and too little of it.
    + [(True, b"AA=="), (True, b"AAA="), (False, b"AA"), (False, b"AAA")]
    + [(False, b"AA="), (False, b"AAA==")]
    # Bits that no byte uses: the same bytes in a second spelling.
    + [(True, b"AB"), (True, b"AP"), (True, b"AAB"), (True, b"AAD")]
    + [(False, b"AB=="), (False, b"AAB=")],
)
def test_strict_base64(raw: bool, text: bytes) -> None:
    """Text that the encoder would not write is refused."""
    with pytest.raises(MalformedError):
        Base64(raw=raw).decode(text)


@raw_or_padded
@given(text=st.text("AQgw_-=+/\n", max_size=8).map(str.encode))
def test_one_spelling(raw: bool, text: bytes) -> None:
    """Whatever text is accepted, no other text means the same bytes."""
    try:
        data = Base64(raw=raw).decode(text)
    except MalformedError:
        return
    assert Base64(raw=raw).encode(data) == text


@pytest.mark.parametrize("vector", VECTORS["lengths"], ids=lambda v: v["raw"])
def test_cipher_name_length(vector: dict[str, Any]) -> None:
    """Cipher names are as long as the specification says."""
    shortest, longest = vector["plain"]
    for size in (shortest, longest):
        [cipher_name] = cipher(long_name_max=255).encrypt([b"x" * size], IV)
        assert len(cipher_name) == vector["raw"]


@pytest.mark.parametrize(
    ("long_name_max", "raw", "longest"),
    [
        (255, True, 175),
        (255, False, 175),
        (62, True, 31),
        (62, False, 31),
        (100, True, 63),
        (100, False, 63),
        (86, True, 63),
        (85, True, 47),
        (88, False, 63),
        (87, False, 47),
    ],
)
def test_threshold(long_name_max: int, raw: bool, longest: int) -> None:
    """A plain name of *longest* bytes is shown as it is, one byte more as a hash."""
    names = cipher(long_name_max=long_name_max, raw=raw)
    short, long = names.encrypt([b"x" * longest, b"x" * (longest + 1)], IV)
    assert len(short) <= long_name_max < len(long)
    assert names.shown(short) == short
    assert names.shown(long) == hashed(long, raw=raw)
    assert len(names.shown(long)) == (62 if raw else 63)
    assert names.decrypt([short, long], IV) == [b"x" * longest, b"x" * (longest + 1)]


@raw_or_padded
def test_shown_fits_into_a_directory(raw: bool) -> None:
    """No plain name is too long to be shown, and no two are shown alike."""
    names = cipher(long_name_max=255, raw=raw)
    plain_names = [b"x" * size for size in range(1, 256)]
    shown = [names.shown(name) for name in names.encrypt(plain_names, IV)]
    assert len(set(shown)) == 255
    assert max(map(len, shown)) <= 255


HASH = b"gocryptfs.longname.qF68nyhu0f4otrf71flV1L7wklkZVm1l4yDdQZFj9MA"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (HASH, EntryKind.LONG),
        (HASH + b"=", EntryKind.LONG),
        (HASH + b".name", EntryKind.NAME_FILE),
        (HASH + b"=.name", EntryKind.NAME_FILE),
        (HASH + b".nam", EntryKind.LONG),
        (b"gocryptfs.longname.", EntryKind.LONG),
        (b"gocryptfs.longname..name", EntryKind.NAME_FILE),
        (b"gocryptfs.longname", EntryKind.SHORT),
        (b"gocryptfs.conf", EntryKind.SHORT),
        (b"x.name", EntryKind.SHORT),
        (b"x" + HASH, EntryKind.SHORT),
        (b"GOCRYPTFS.LONGNAME.x", EntryKind.SHORT),
        (b"F8rwmoCL-WWYHyKmxirgkg", EntryKind.SHORT),
        (b"", EntryKind.SHORT),
    ],
)
def test_entry_kind(name: bytes, kind: EntryKind) -> None:
    """The kind of an entry is told by prefix and suffix alone."""
    assert entry_kind(name) is kind


@given(st.binary(min_size=1, max_size=175).filter(lambda name: b"\x00" not in name))
def test_encrypted_names_are_short_entries(plain_name: bytes) -> None:
    """No plain name, also none like a long name's, is encrypted to a special entry."""
    names = cipher(long_name_max=255)
    [cipher_name] = names.encrypt([plain_name], IV)
    assert entry_kind(names.shown(cipher_name)) is EntryKind.SHORT
