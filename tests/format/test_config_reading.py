"""Reading of configs: what is tolerated, and each impossible value that is refused."""

import json
from base64 import b64encode
from copy import deepcopy
from typing import Any

import pytest

from revcrypt.errors import ConfigInvalidError
from revcrypt.format import config
from revcrypt.format.config import Config, Features

FLAGS = ["HKDF", "GCMIV128", "DirIV", "EMENames", "LongNames", "Raw64", "AESSIV"]
GOOD: dict[str, Any] = {
    "Creator": "gocryptfs 2.3",
    "EncryptedKey": b64encode(bytes(64)).decode(),
    "ScryptObject": {
        "Salt": b64encode(bytes(32)).decode(),
        "N": 1024,
        "R": 8,
        "P": 1,
        "KeyLen": 32,
    },
    "Version": 2,
    "FeatureFlags": FLAGS,
}
MISSING = object()


def with_field(path: str, value: object) -> dict[str, Any]:
    """Return the good config with one field changed, or left out."""
    fields = deepcopy(GOOD)
    *parents, key = path.split(".")
    inner = fields
    for parent in parents:
        inner = inner[parent]
    if value is MISSING:
        del inner[key]
    else:
        inner[key] = value
    return fields


def base64_of(size: int) -> str:
    """Return base64 of *size* bytes."""
    return b64encode(bytes(size)).decode()


def parsed(fields: dict[str, Any]) -> Config:
    """Read a config with these fields."""
    return config.parse(json.dumps(fields).encode())


def recased(value: object, case: str) -> object:
    """Return *value* with all keys in another case."""
    if not isinstance(value, dict):
        return value
    return {getattr(key, case)(): recased(inner, case) for key, inner in value.items()}


def test_good() -> None:
    """The config that all others of this file differ from is good."""
    assert parsed(GOOD).features == Features()


@pytest.mark.parametrize("case", ["lower", "upper", "swapcase"])
def test_case_of_keys(case: str) -> None:
    """Keys match in any case, as with gocryptfs."""
    changed = recased(with_field("Creator", "Someone"), case)
    assert isinstance(changed, dict)
    assert "Creator" not in changed
    assert parsed(changed) == parsed(with_field("Creator", "Someone"))


@pytest.mark.parametrize(
    "fields",
    [
        GOOD | {"Unknown": {"a": [1, None, {"b": 2.5}]}, "": 1},
        with_field("ScryptObject.Unknown", "x"),
        GOOD | {"FIDO2": None},
        GOOD | {"LongNameMax": 0},
        GOOD | {"LongNameMax": None},
        GOOD | {"FeatureFlags": FLAGS * 2},
        GOOD | {"FeatureFlags": FLAGS[::-1]},
        dict(reversed(GOOD.items())),
    ],
)
def test_harmless(fields: dict[str, Any]) -> None:
    """Unknown keys, absent options, repeated flags and any order change nothing."""
    assert parsed(fields) == parsed(GOOD)


def test_creator_is_optional() -> None:
    """Who wrote a config is information, not a condition."""
    assert parsed(with_field("Creator", MISSING)).creator == ""


@pytest.mark.parametrize("flag", ["EMENames", "LongNames"])
def test_silent_flags(flag: str) -> None:
    """A config that lacks a flag nobody reads is read."""
    flags = [name for name in FLAGS if name != flag]
    assert parsed(GOOD | {"FeatureFlags": flags}).features == Features()


@pytest.mark.parametrize("space", [b" ", b"\r\n\t "])
def test_space_around(space: bytes) -> None:
    """Space around the object is ignored."""
    assert config.parse(space + json.dumps(GOOD).encode() + space) == parsed(GOOD)


@pytest.mark.parametrize("long_name_max", [62, 100, 255])
def test_long_name_max(long_name_max: int) -> None:
    """The threshold is read where flag and field say so."""
    flags = {"FeatureFlags": [*FLAGS, "LongNameMax"]}
    read = parsed(GOOD | flags | {"LongNameMax": long_name_max})
    assert read.features.long_name_max == long_name_max


XCHACHA = ["HKDF", "XChaCha20Poly1305", *FLAGS[2:-1]]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        *[("Version", bad, "version") for bad in (0, 1, 3, -2, 65538, 2**64 + 2)],
        *[("Version", bad, "version is") for bad in (MISSING, None, "2", 2.0, True, [2])],
        *[
            ("ScryptObject.N", bad, "scrypt N")
            for bad in (1000, 1025, 3072, 512, 1, 0, -1024, 10**30, 2**64 - 1, 2**63)
        ],
        *[("ScryptObject.R", bad, "scrypt R") for bad in (7, 1, 0, -8)],
        *[("ScryptObject.P", bad, "scrypt P") for bad in (0, -1, 2**30, 2**100)],
        ("ScryptObject.R", 2**64, "scrypt P"),
        *[("ScryptObject.KeyLen", bad, "KeyLen") for bad in (0, 16, 31, 33, 64, -32)],
        *[("ScryptObject.Salt", base64_of(size), "salt") for size in (0, 1, 16, 31)],
        *[
            ("ScryptObject.Salt", bad, "salt is not base64")
            for bad in ("!" * 44, "A" * 43, base64_of(32)[:-1], "é" * 44)
        ],
        *[
            (f"ScryptObject.{key}", bad, f"{key.lower()} is")
            for key in ("Salt", "N", "R", "P", "KeyLen")
            for bad in (MISSING, None, True, 1.5, [], {})
        ],
        *[("ScryptObject.N", bad, "n is not of type") for bad in ("1024", 1024.0)],
        *[
            ("ScryptObject", bad, "scryptobject is")
            for bad in (MISSING, None, [], "x", 1)
        ],
        *[
            ("EncryptedKey", base64_of(size), f"has {size} bytes, not 64")
            for size in (0, 1, 48, 60, 63, 65, 128)
        ],
        ("EncryptedKey", "A" * 85, "encryptedkey is not base64"),
        ("EncryptedKey", "-" + base64_of(64)[1:], "encryptedkey is not base64"),
        *[("EncryptedKey", bad, "encryptedkey is") for bad in (MISSING, None, 5, True)],
        *[("FeatureFlags", bad, "featureflags is") for bad in (MISSING, "HKDF", {}, 1)],
        *[
            ("FeatureFlags", [*FLAGS, bad], "unknown feature flag")
            for bad in ("Compression", "hkdf", "HKDF ", "", 1, None, True, ["HKDF"], {})
        ],
        ("FeatureFlags", [], "bytes, not 60"),
        ("FeatureFlags", ["HKDF", "AESSIV"], "GCMIV128 is missing"),
        ("FeatureFlags", ["HKDF"], "GCMIV128 is missing"),
        ("FeatureFlags", [*XCHACHA, "AESSIV"], "XChaCha20Poly1305 and AESSIV"),
        ("FeatureFlags", [*XCHACHA, "GCMIV128"], "XChaCha20Poly1305 and GCMIV128"),
        *[
            ("FeatureFlags", ["HKDF", "GCMIV128", "PlaintextNames", bad], bad)
            for bad in ("EMENames", "DirIV", "LongNames", "Raw64", "LongNameMax")
        ],
        ("FeatureFlags", [*FLAGS, "LongNameMax"], "only together"),
        *[("LongNameMax", bad, "only together") for bad in (62, 255, 10, 256, -1)],
        *[("LongNameMax", bad, "longnamemax is") for bad in ("62", 62.5, True, [])],
        *[("Creator", bad, "creator is") for bad in (1, True, [], {})],
    ],
)
def test_invalid(path: str, value: object, told: str) -> None:
    """A config with one impossible value is refused, and the message says which."""
    with pytest.raises(ConfigInvalidError, match=told) as caught:
        parsed(with_field(path, value))
    assert caught.value.exit_code == 27


@pytest.mark.parametrize("value", [1, 10, 61, 256, 1000, 2**64, -62])
def test_invalid_long_name_max(value: int) -> None:
    """A threshold that would hash hashes, or exceed a name, is refused."""
    flags = {"FeatureFlags": [*FLAGS, "LongNameMax"]}
    with pytest.raises(ConfigInvalidError, match=f"LongNameMax is {value},"):
        parsed(GOOD | flags | {"LongNameMax": value})


@pytest.mark.parametrize(
    ("flags", "key_size", "told"),
    [
        (FLAGS[1:], 64, "bytes, not 60"),
        (FLAGS, 60, "bytes, not 64"),
        (XCHACHA[1:], 60, "needs HKDF"),
    ],
)
def test_invalid_without_hkdf(flags: list[str], key_size: int, told: str) -> None:
    """Without HKDF the wrapped key is shorter, and XChaCha20 is impossible."""
    with pytest.raises(ConfigInvalidError, match=told):
        parsed(GOOD | {"FeatureFlags": flags, "EncryptedKey": base64_of(key_size)})
