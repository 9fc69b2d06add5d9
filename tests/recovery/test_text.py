"""The recovery text: what is packed is parsed, and what was changed is refused."""

from dataclasses import replace
from hashlib import sha256

import pytest

from revcrypt.errors import RecoveryError
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from revcrypt.recovery.text import RecoveryText
from tests.support import KEY

TEXT = RecoveryText(
    master_key=KEY,
    features=Features(),
    epoch=2,
    date="2026-11-26",
    config_checksum="ab" * 32,
)

FEATURES = {
    "-masterkey=stdin -aessiv": Features(),
    "-masterkey=stdin -aessiv -plaintextnames": Features(
        plaintext_names=True, dir_iv=False, raw64=False
    ),
    "-masterkey=stdin -aessiv -deterministic-names": Features(dir_iv=False),
    "-masterkey=stdin -aessiv -longnamemax=100": Features(long_name_max=100),
    "-masterkey=stdin -xchacha": Features(cipher=Cipher.XCHACHA20_POLY1305),
    "-masterkey=stdin -hkdf=false -raw64=false": Features(
        cipher=Cipher.AES_GCM, hkdf=False, raw64=False
    ),
}


@pytest.mark.parametrize("options", FEATURES)
def test_round_trip(options: str) -> None:
    """Everything comes back, and gocryptfs is told what it needs to know."""
    text = replace(TEXT, features=FEATURES[options])
    assert RecoveryText.parse(text.pack()) == text
    assert f"gocryptfs {options} CIPHERDIR MOUNTPOINT\n" in text.pack().decode()


def test_nothing_in_tracebacks() -> None:
    """Shown by a program, it is without the key."""
    assert "config_checksum" in repr(TEXT)
    assert repr(KEY)[2:-1] not in repr(TEXT)


def test_people_can_read_it() -> None:
    """The key is in the notation of gocryptfs, and names are words."""
    lines = TEXT.pack().decode().splitlines()
    assert (
        "master key: 00010203-04050607-08090a0b-0c0d0e0f-"
        "10111213-14151617-18191a1b-1c1d1e1f"
    ) in lines
    assert "cipher: AES-SIV" in lines
    assert "names: encrypted" in lines
    assert "sealed on: 2026-11-26" in lines
    assert f"config sha256: {'ab' * 32}" in lines


def test_every_changed_byte_is_noticed() -> None:
    """No byte can be changed, left out or added."""
    data = TEXT.pack()
    for at in range(len(data)):
        for changed in (
            data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
            data[:at] + data[at + 1 :],
            data[:at] + b"0" + data[at:],
            data[:at],
        ):
            with pytest.raises(RecoveryError):
                RecoveryText.parse(changed)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version 1", "version 2", "another version"),
        ("epoch: 2", "epoch: two", "incomplete"),
        ("master key: 0", "master key: x", "incomplete"),
        ("flags: HKDF", "flags: NoSuchFlag", "incomplete"),
        ("sealed on", "opened on", "incomplete"),
    ],
)
def test_nonsense_with_a_checksum(old: str, new: str, message: str) -> None:
    """A text that is whole, and makes no sense, is refused."""
    head = TEXT.pack().decode().rpartition("sha256: ")[0]
    assert old in head
    changed = head.replace(old, new).encode()
    sealed = changed + f"sha256: {sha256(changed).hexdigest()}\n".encode()
    with pytest.raises(RecoveryError, match=message):
        RecoveryText.parse(sealed)


@pytest.mark.parametrize(
    ("honest", "forged"),
    [
        (b"sealed on: 2026-11-26", b"sealed on: \x1b[2J"),
        (b"sealed on: 2026-11-26", b"sealed on: \xff\xfe"),
        (b"epoch: 2", b"epoch: 0"),
        (b"epoch: 2", b"epoch: -1"),
        (b"epoch: 2", b"epoch: 4294967296"),
        (b"long name max: 255", b"long name max: -3"),
        (b"long name max: 255", b"long name max: 9999"),
        (b"config sha256: abab", b"config sha256: \x1b[2Jabab"),
    ],
)
def test_what_a_stranger_has_sealed(honest: bytes, forged: bytes) -> None:
    """Anybody can seal a text whose checksum is right; nothing odd gets out of it."""
    body = TEXT.pack().rpartition(b"sha256: ")[0]
    assert honest in body
    body = body.replace(honest, forged)
    checksum = b"sha256: %b\n" % sha256(body).hexdigest().encode()
    with pytest.raises(RecoveryError, match="incomplete"):
        RecoveryText.parse(body + checksum)
