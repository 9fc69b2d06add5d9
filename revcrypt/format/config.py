"""`gocryptfs.conf`: bytes <-> `Config`, and which feature flags go together.

The reader is as tolerant as gocryptfs's where that is harmless (case of keys, unknown
keys) and strict where gocryptfs would crash or misread. (Format specification,
sections 1.1 to 1.4.)
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import Any, Never, TypeVar

from revcrypt.errors import ConfigInvalidError, ConfigUnreadableError
from revcrypt.format.content import Cipher
from revcrypt.format.keys import NO_PASSPHRASE_SALT, SALT_SIZE, ScryptParams, wrapped_size
from revcrypt.format.names import LONG_NAME_MAX_LEAST, NAME_MAX

VERSION = 2
SCRYPT_N_LEAST = 1 << 10
SCRYPT_N_MOST = 1 << 62
"""gocryptfs reads numbers of 64 bits."""
SCRYPT_R_LEAST = 8

T = TypeVar("T")


class Flag(Enum):
    """Feature flags, in the order in which they are written."""

    HKDF = "HKDF"
    GCMIV128 = "GCMIV128"
    XCHACHA = "XChaCha20Poly1305"
    PLAINTEXT_NAMES = "PlaintextNames"
    DIR_IV = "DirIV"
    LONG_NAME_MAX = "LongNameMax"
    EME_NAMES = "EMENames"
    LONG_NAMES = "LongNames"
    RAW64 = "Raw64"
    AES_SIV = "AESSIV"
    FIDO2 = "FIDO2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a view must know of a config to translate names and contents.

    The defaults are those of a fresh reverse config.
    """

    cipher: Cipher = Cipher.AES_SIV
    plaintext_names: bool = False
    dir_iv: bool = True
    raw64: bool = True
    hkdf: bool = True
    long_name_max: int = NAME_MAX

    def flags(self) -> frozenset[Flag]:
        """Return the flags that say this."""
        chosen = {Flag.HKDF: self.hkdf, Flag.AES_SIV: self.cipher is Cipher.AES_SIV}
        chosen[Flag.XCHACHA] = self.cipher is Cipher.XCHACHA20_POLY1305
        chosen[Flag.GCMIV128] = not chosen[Flag.XCHACHA]
        chosen[Flag.PLAINTEXT_NAMES] = self.plaintext_names
        if not self.plaintext_names:
            chosen[Flag.DIR_IV] = self.dir_iv
            chosen[Flag.LONG_NAME_MAX] = self.long_name_max != NAME_MAX
            chosen[Flag.EME_NAMES] = chosen[Flag.LONG_NAMES] = True
            chosen[Flag.RAW64] = self.raw64
        return frozenset(flag for flag, on in chosen.items() if on)

    def gocryptfs_options(self) -> list[str]:
        """Return what gocryptfs must be told where it has a master key and no config."""
        encrypts_names = not self.plaintext_names
        options = {
            "-aessiv": self.cipher is Cipher.AES_SIV,
            "-xchacha": self.cipher is Cipher.XCHACHA20_POLY1305,
            "-hkdf=false": not self.hkdf,
            "-plaintextnames": self.plaintext_names,
            "-deterministic-names": encrypts_names and not self.dir_iv,
            "-raw64=false": encrypts_names and not self.raw64,
            f"-longnamemax={self.long_name_max}": encrypts_names
            and self.long_name_max != NAME_MAX,
        }
        return [option for option, is_needed in options.items() if is_needed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A valid config. *long_name_max* is 0 where the file does not say."""

    creator: str
    encrypted_key: bytes
    scrypt: ScryptParams
    flags: frozenset[Flag]
    long_name_max: int = 0

    def __post_init__(self) -> None:
        """Raise `ConfigInvalidError` for what no reader could use."""
        problem = next(_problems(self), None)
        if problem is not None:
            raise ConfigInvalidError(f"invalid config: {problem}")

    @property
    def features(self) -> Features:
        """What the flags mean."""
        return features_of(self.flags, long_name_max=self.long_name_max)

    @property
    def has_passphrase(self) -> bool:
        """Whether there is a passphrase that somebody may know."""
        return self.scrypt.salt != NO_PASSPHRASE_SALT


def features_of(flags: frozenset[Flag], *, long_name_max: int = 0) -> Features:
    """Return what *flags* mean; *long_name_max* is 0 where they do not have it."""
    if Flag.XCHACHA in flags:
        cipher = Cipher.XCHACHA20_POLY1305
    else:
        cipher = Cipher.AES_SIV if Flag.AES_SIV in flags else Cipher.AES_GCM
    return Features(
        cipher=cipher,
        plaintext_names=Flag.PLAINTEXT_NAMES in flags,
        dir_iv=Flag.DIR_IV in flags,
        raw64=Flag.RAW64 in flags,
        hkdf=Flag.HKDF in flags,
        long_name_max=long_name_max or NAME_MAX,
    )


def make(
    features: Features, *, creator: str, encrypted_key: bytes, scrypt: ScryptParams
) -> Config:
    """Return the config that says *features*."""
    custom = not features.plaintext_names and features.long_name_max != NAME_MAX
    return Config(
        creator=creator,
        encrypted_key=encrypted_key,
        scrypt=scrypt,
        flags=features.flags(),
        long_name_max=features.long_name_max if custom else 0,
    )


def _problems(config: Config) -> Iterator[str]:
    flags = config.flags
    yield from _scrypt_problems(config.scrypt)
    needed = wrapped_size(hkdf=Flag.HKDF in flags)
    if len(config.encrypted_key) != needed:
        yield f"EncryptedKey has {len(config.encrypted_key)} bytes, not {needed}"
    if Flag.XCHACHA in flags:
        for other in (Flag.AES_SIV, Flag.GCMIV128):
            if other in flags:
                yield f"{Flag.XCHACHA.value} and {other.value} exclude each other"
        if Flag.HKDF not in flags:
            yield f"{Flag.XCHACHA.value} needs {Flag.HKDF.value}"
    elif Flag.GCMIV128 not in flags:
        yield f"{Flag.GCMIV128.value} is missing"
    if Flag.PLAINTEXT_NAMES in flags:
        names = (Flag.EME_NAMES, Flag.DIR_IV, Flag.LONG_NAMES, Flag.RAW64)
        for other in (*names, Flag.LONG_NAME_MAX):
            if other in flags:
                yield f"{Flag.PLAINTEXT_NAMES.value} and {other.value} exclude each other"
    if (config.long_name_max != 0) != (Flag.LONG_NAME_MAX in flags):
        yield "flag LongNameMax and field LongNameMax come only together"
    if config.long_name_max and not (
        LONG_NAME_MAX_LEAST <= config.long_name_max <= NAME_MAX
    ):
        yield (
            f"LongNameMax is {config.long_name_max}, "
            f"not {LONG_NAME_MAX_LEAST} to {NAME_MAX}"
        )


def _scrypt_problems(scrypt: ScryptParams) -> Iterator[str]:
    if not SCRYPT_N_LEAST <= scrypt.n <= SCRYPT_N_MOST or scrypt.n & (scrypt.n - 1):
        yield (
            f"scrypt N is {scrypt.n}, not a power of two from {SCRYPT_N_LEAST} to 2^62"
        )
    if scrypt.r < SCRYPT_R_LEAST:
        yield f"scrypt R is {scrypt.r}, less than {SCRYPT_R_LEAST}"
    # RFC 7914, section 2: p is at most ((2^32 - 1) * 32) / (128 * r).
    if not 1 <= scrypt.p <= (2**32 - 1) * 32 // (128 * max(scrypt.r, 1)):
        yield f"scrypt P is {scrypt.p}, which is out of range"
    if len(scrypt.salt) < SALT_SIZE:
        yield f"the scrypt salt has {len(scrypt.salt)} bytes, less than {SALT_SIZE}"
    if scrypt.key_size != 32:
        yield f"scrypt KeyLen is {scrypt.key_size}, not 32"


def pack(config: Config) -> bytes:
    """Return the file that says *config*."""
    fields: dict[str, Any] = {
        "Creator": config.creator,
        "EncryptedKey": b64encode(config.encrypted_key).decode(),
        "ScryptObject": _scrypt_fields(config.scrypt),
        "Version": VERSION,
        "FeatureFlags": [flag.value for flag in Flag if flag in config.flags],
    }
    if config.long_name_max:
        fields["LongNameMax"] = config.long_name_max
    return _to_json(fields)


def rewrap(data: bytes, encrypted_key: bytes, scrypt: ScryptParams) -> bytes:
    """Return the valid config *data* with its key wrapped otherwise.

    Everything else stays, also what we do not know. (gocryptfs drops that.)
    """
    fields = json.loads(data)
    names = {name.lower(): name for name in fields}
    fields[names["encryptedkey"]] = b64encode(encrypted_key).decode()
    fields[names["scryptobject"]] = _scrypt_fields(scrypt)
    return _to_json(fields)


def _scrypt_fields(scrypt: ScryptParams) -> dict[str, Any]:
    return {
        "Salt": b64encode(scrypt.salt).decode(),
        "N": scrypt.n,
        "R": scrypt.r,
        "P": scrypt.p,
        "KeyLen": scrypt.key_size,
    }


def _to_json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, indent="\t").encode() + b"\n"


def parse(data: bytes) -> Config:
    """Return the config in *data*.

    Raises `ConfigUnreadableError` for what is no config at all, and
    `ConfigInvalidError` for a config that cannot be used.
    """
    fields = _parse_json(data)
    version = _field(fields, "version", int)
    if version != VERSION:
        raise ConfigInvalidError(f"this config has version {version}, not {VERSION}")
    flags = parse_flags(_field(fields, "featureflags", list))
    scrypt = _field(fields, "scryptobject", dict)
    return Config(
        creator=_field(fields, "creator", str, default=""),
        encrypted_key=_base64_field(fields, "encryptedkey"),
        scrypt=ScryptParams(
            salt=_base64_field(scrypt, "salt"),
            n=_field(scrypt, "n", int),
            r=_field(scrypt, "r", int),
            p=_field(scrypt, "p", int),
            key_size=_field(scrypt, "keylen", int),
        ),
        flags=flags,
        long_name_max=_field(fields, "longnamemax", int, default=0),
    )


def _parse_json(data: bytes) -> dict[str, Any]:
    if not data.strip():
        raise ConfigUnreadableError("the config is empty")
    try:
        fields = json.loads(
            data.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        # The decoder's own message quotes no content, so it gives no secret away.
        raise ConfigUnreadableError(f"the config is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ConfigUnreadableError("the config is not a JSON object")
    return fields


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    # Whoever writes it again would write a constant that is no JSON.
    value = float(text)
    return value if isfinite(value) else _refuse(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = {key.lower(): value for key, value in pairs}
    if len(fields) != len(pairs):
        raise ValueError("a key appears twice")
    return fields


def _field(
    fields: dict[str, Any], key: str, kind: type[T], *, default: T | None = None
) -> T:
    value = fields.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        what = "missing" if value is None else f"not of type {kind.__name__}"
        raise ConfigInvalidError(f"invalid config: {key} is {what}")
    return value


def _base64_field(fields: dict[str, Any], key: str) -> bytes:
    try:
        return b64decode(_field(fields, key, str), validate=True)
    except (Base64Error, ValueError):
        raise ConfigInvalidError(f"invalid config: {key} is not base64") from None


def parse_flags(names: Sequence[Any]) -> frozenset[Flag]:
    """Return the flags of these names; raises `ConfigInvalidError`."""
    known = {flag.value: flag for flag in Flag}
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise ConfigInvalidError(
                f"the config has the unknown feature flag {name!r}",
                hint="it may need a newer revcrypt or gocryptfs",
            )
    return frozenset(known[name] for name in names)
