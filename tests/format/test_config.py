"""Configs that are good: what gocryptfs wrote, flags, layout, tolerance."""

import json
from base64 import b64encode
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.errors import ConfigInvalidError
from revcrypt.format import config, keys
from revcrypt.format.config import Config, Features, Flag
from revcrypt.format.content import Cipher
from revcrypt.format.keys import ScryptParams

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/configs.json").read_text())
SCRYPT = ScryptParams(salt=bytes(range(32)), n=1024)
TYPICAL = "HKDF GCMIV128 DirIV EMENames LongNames Raw64 AESSIV"

vectors = pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])


def made(features: Features, **more: Any) -> Config:
    """Return a config that says *features*."""
    wrapped = bytes(keys.wrapped_size(hkdf=features.hkdf))
    fields = {"creator": "a test", "encrypted_key": wrapped, "scrypt": SCRYPT}
    return config.make(features, **(fields | more))


def valid_features() -> Iterator[Features]:
    """Yield all features that can go together, thresholds by example."""
    for cipher, hkdf in product(Cipher, (True, False)):
        if cipher is Cipher.XCHACHA20_POLY1305 and not hkdf:
            continue
        yield Features(
            cipher=cipher, hkdf=hkdf, plaintext_names=True, dir_iv=False, raw64=False
        )
        for dir_iv, raw64 in product((True, False), repeat=2):
            for long_name_max in (62, 63, 100, 254, 255):
                yield Features(
                    cipher=cipher,
                    hkdf=hkdf,
                    dir_iv=dir_iv,
                    raw64=raw64,
                    long_name_max=long_name_max,
                )


@vectors
def test_gocryptfs_config(vector: dict[str, Any]) -> None:
    """A config that gocryptfs wrote is read, unlocked and written byte for byte."""
    data = vector["text"].encode()
    parsed = config.parse(data)
    kek = keys.derive_kek(
        vector["passphrase"].encode(), parsed.scrypt, memory_limit=1 << 30
    )
    master_key = keys.unwrap(parsed.encrypted_key, kek, hkdf=parsed.features.hkdf)
    assert master_key.hex() == vector["master_key"]
    assert config.pack(parsed) == data


@vectors
def test_gocryptfs_features(vector: dict[str, Any]) -> None:
    """The options given to gocryptfs are found again in the features."""
    options = vector["options"]
    siv = Cipher.AES_SIV if "-reverse" in options else Cipher.AES_GCM
    plaintext = "-plaintextnames" in options
    expected = Features(
        cipher=Cipher.XCHACHA20_POLY1305 if "-xchacha" in options else siv,
        plaintext_names=plaintext,
        dir_iv=not plaintext and "-deterministic-names" not in options,
        raw64=not plaintext,
        long_name_max=100 if "-longnamemax" in options else 255,
    )
    parsed = config.parse(vector["text"].encode())
    assert parsed.features == expected
    assert expected.flags() == parsed.flags


@pytest.mark.parametrize(
    ("features", "flags"),
    [
        (Features(), TYPICAL),
        (Features(dir_iv=False), TYPICAL.replace("DirIV ", "")),
        (Features(plaintext_names=True), "HKDF GCMIV128 PlaintextNames AESSIV"),
        (
            Features(long_name_max=62),
            "HKDF GCMIV128 DirIV LongNameMax EMENames LongNames Raw64 AESSIV",
        ),
        (Features(cipher=Cipher.AES_GCM), TYPICAL.replace(" AESSIV", "")),
        (
            Features(cipher=Cipher.XCHACHA20_POLY1305),
            "HKDF XChaCha20Poly1305 DirIV EMENames LongNames Raw64",
        ),
        (
            Features(hkdf=False, raw64=False),
            "GCMIV128 DirIV EMENames LongNames AESSIV",
        ),
    ],
)
def test_typical_flags(features: Features, flags: str) -> None:
    """The flags are those of the specification, in its order."""
    fields = json.loads(config.pack(made(features)))
    assert fields["FeatureFlags"] == flags.split()


@pytest.mark.parametrize("features", list(valid_features()), ids=repr)
def test_features_and_flags_are_inverse(features: Features) -> None:
    """Features come back from their flags, also through the file."""
    first = made(features)
    assert first.features == features
    again = config.parse(config.pack(first))
    assert again == first
    assert again.features.flags() == first.flags


def conflicts(flags: frozenset[str]) -> bool:
    """Tell whether *flags* break a rule of section 1.2, taken one by one."""
    siv, gcm, xchacha = (f in flags for f in ("AESSIV", "GCMIV128", "XChaCha20Poly1305"))
    names = {"EMENames", "DirIV", "LongNames", "Raw64", "LongNameMax"}
    return (
        (xchacha and siv)
        or (siv and not gcm)
        or (xchacha and gcm)
        or (xchacha and "HKDF" not in flags)
        or (not xchacha and not siv and not gcm)
        or ("PlaintextNames" in flags and bool(flags & names))
    )


def test_all_combinations_of_flags() -> None:
    """Of all sets of flags, those that break a rule are refused, and no others."""
    spelt = [flag.value for flag in Flag if flag is not Flag.FIDO2]
    accepted = 0
    for chosen in product((True, False), repeat=len(spelt)):
        flags = frozenset(flag for flag, on in zip(spelt, chosen) if on)
        data = config_text(flags)
        if conflicts(flags):
            with pytest.raises(ConfigInvalidError):
                config.parse(data)
            continue
        accepted += 1
        parsed = config.parse(data)
        assert {flag.value for flag in parsed.flags} == flags
        shown = {flag.value for flag in parsed.features.flags()}
        # Two flags say nothing: nobody reads them, everybody writes them.
        silent = {"EMENames", "LongNames"}
        assert shown - silent == flags - silent
    assert accepted > 0


def config_text(flags: frozenset[str]) -> bytes:
    """Return a config of these flags, written without the code under test."""
    wrapped = bytes(64 if "HKDF" in flags else 60)
    fields = {
        "EncryptedKey": b64encode(wrapped).decode(),
        "ScryptObject": {
            "Salt": b64encode(bytes(32)).decode(),
            "N": 1024,
            "R": 8,
            "P": 1,
            "KeyLen": 32,
        },
        "Version": 2,
        "FeatureFlags": sorted(flags),
        "LongNameMax": 100 if "LongNameMax" in flags else 0,
    }
    return json.dumps(fields).encode()


def test_layout() -> None:
    """Fields have gocryptfs's order, and one tab for each level."""
    wrapped = bytes(range(64))
    packed = config.pack(made(Features(long_name_max=62), encrypted_key=wrapped))
    assert packed.decode() == (
        '{\n\t"Creator": "a test",\n'
        f'\t"EncryptedKey": "{b64encode(wrapped).decode()}",\n'
        '\t"ScryptObject": {\n'
        f'\t\t"Salt": "{b64encode(SCRYPT.salt).decode()}",\n'
        '\t\t"N": 1024,\n\t\t"R": 8,\n\t\t"P": 1,\n\t\t"KeyLen": 32\n\t},\n'
        '\t"Version": 2,\n'
        '\t"FeatureFlags": [\n'
        '\t\t"HKDF",\n\t\t"GCMIV128",\n\t\t"DirIV",\n\t\t"LongNameMax",\n'
        '\t\t"EMENames",\n\t\t"LongNames",\n\t\t"Raw64",\n\t\t"AESSIV"\n\t],\n'
        '\t"LongNameMax": 62\n}\n'
    )


def test_no_long_name_max() -> None:
    """The threshold is not written where it is the default."""
    assert b"LongNameMax" not in config.pack(made(Features()))


@settings(deadline=None)
@given(
    st.sampled_from(list(valid_features())),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(min_size=64, max_size=64),
    st.builds(
        ScryptParams,
        salt=st.binary(min_size=32, max_size=64),
        n=st.integers(10, 60).map(lambda log: 1 << log),
        r=st.integers(8, 100),
        p=st.integers(1, 1000),
    ),
)
def test_round_trip(
    features: Features, creator: str, wrapped: bytes, scrypt: ScryptParams
) -> None:
    """Any config that can be made comes back from its file."""
    wrapped = wrapped[: keys.wrapped_size(hkdf=features.hkdf)]
    first = made(features, creator=creator, encrypted_key=wrapped, scrypt=scrypt)
    assert config.parse(config.pack(first)) == first
