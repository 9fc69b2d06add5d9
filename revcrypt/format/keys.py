"""Keys: from passphrase to key-encryption key to master key to the keys of each use.

(Format specification, sections 1.3 to 1.5, 2.1 and 2.2.)
"""

from dataclasses import dataclass
from hashlib import sha512
from re import fullmatch

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from revcrypt.errors import MasterKeyError, PassphraseWrongError, ScryptCostError
from revcrypt.format.content import Cipher

MASTER_KEY_SIZE = 32
SALT_SIZE = 32
NO_PASSPHRASE_SALT = bytes(SALT_SIZE)
"""Marks a config that no passphrase opens. What is hashed there is a random key, for
which a salt does nothing; and whoever sets a passphrase makes a new salt."""

_WRAP_AD = bytes(8)
_TAG_SIZE = 16
_NAME_INFO = b"EME filename encryption"
_WRAP_INFO = b"AES-GCM file content encryption"
_CONTENT_INFO = {
    Cipher.AES_GCM: _WRAP_INFO,
    Cipher.AES_SIV: b"AES-SIV file content encryption",
    Cipher.XCHACHA20_POLY1305: b"XChaCha20-Poly1305 file content encryption",
}
_FINGERPRINT_INFO = b"revcrypt master key fingerprint"
_FINGERPRINT_SIZE = 16
_GROUP = 8
_MOST_WORK = 1 << 24
"""Blocks of 128 bytes to be mixed with P over 1: about 5 seconds. Usual is 2^19."""


@dataclass(frozen=True, slots=True)
class ScryptParams:
    """Cost and salt of the passphrase hash; it needs 128 * n * r bytes of memory."""

    salt: bytes
    n: int
    r: int = 8
    p: int = 1
    key_size: int = 32

    @property
    def memory(self) -> int:
        """Bytes that one derivation allocates."""
        return 128 * self.r * (self.n + self.p)


def derive_kek(passphrase: bytes, params: ScryptParams, *, memory_limit: int) -> bytes:
    """Return the key-encryption key of *passphrase*.

    Raises `ScryptCostError`, before allocating anything, where *params* need more than
    *memory_limit* bytes, or endless time: a config from a hostile backup host must not
    take the machine down.
    """
    if params.memory > memory_limit:
        raise ScryptCostError(
            f"the scrypt cost of this config needs {params.memory >> 20} MiB of memory; "
            f"this machine can spare {memory_limit >> 20} MiB",
            hint="use a machine with more memory, or give the master key instead",
        )
    # The cost in time of several lanes adds up, without limit: no config needs them.
    if params.p > 1 and params.n * params.r * params.p > _MOST_WORK:
        raise ScryptCostError(
            f"the scrypt cost of this config is absurd: N={params.n}, P={params.p}",
            hint="somebody has changed it; give the master key instead, or use another "
            "copy of the config",
        )
    scrypt = Scrypt(params.salt, params.key_size, params.n, params.r, params.p)
    return scrypt.derive(passphrase)


def _hkdf(key: bytes, info: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, salt=None, info=info).derive(key)


def wrap_nonce_size(*, hkdf: bool) -> int:
    """Return the size in bytes of the nonce that `wrap` takes."""
    return 16 if hkdf else 12


def _wrap_key(kek: bytes, *, hkdf: bool) -> AESGCM:
    return AESGCM(_hkdf(kek, _WRAP_INFO, 32) if hkdf else kek)


def wrap(master_key: bytes, kek: bytes, *, nonce: bytes, hkdf: bool) -> bytes:
    """Return nonce, encrypted master key and tag, as the config stores them."""
    return nonce + _wrap_key(kek, hkdf=hkdf).encrypt(nonce, master_key, _WRAP_AD)


def unwrap(wrapped: bytes, kek: bytes, *, hkdf: bool) -> bytes:
    """Return the master key in *wrapped*; raises `PassphraseWrongError`."""
    nonce_size = wrap_nonce_size(hkdf=hkdf)
    nonce, sealed = wrapped[:nonce_size], wrapped[nonce_size:]
    try:
        return _wrap_key(kek, hkdf=hkdf).decrypt(nonce, sealed, _WRAP_AD)
    except InvalidTag:
        raise PassphraseWrongError(
            "the passphrase does not open the master key",
            hint="check the keyboard layout and that this is the right config; "
            "a printed master key works without the passphrase",
        ) from None


def wrapped_size(*, hkdf: bool) -> int:
    """Return the size in bytes of a wrapped master key."""
    return wrap_nonce_size(hkdf=hkdf) + MASTER_KEY_SIZE + _TAG_SIZE


def name_key(master_key: bytes, *, hkdf: bool) -> bytes:
    """Return the 32-byte key of names and attribute names."""
    return _hkdf(master_key, _NAME_INFO, 32) if hkdf else master_key


def content_key(master_key: bytes, cipher: Cipher, *, hkdf: bool) -> bytes:
    """Return the key of *cipher*: 64 bytes for AES-SIV, 32 for the others."""
    size = 64 if cipher is Cipher.AES_SIV else 32
    if hkdf:
        return _hkdf(master_key, _CONTENT_INFO[cipher], size)
    return sha512(master_key).digest() if cipher is Cipher.AES_SIV else master_key


def fingerprint(master_key: bytes) -> str:
    """Return what tells one master key from another, and is no secret: four groups."""
    digits = _hkdf(master_key, _FINGERPRINT_INFO, _FINGERPRINT_SIZE).hex()
    return "-".join(_groups(digits))


def _groups(digits: str) -> list[str]:
    return [digits[i : i + _GROUP] for i in range(0, len(digits), _GROUP)]


def format_master_key(master_key: bytes) -> str:
    """Return the master key as people copy it: two lines of four groups of digits."""
    groups = _groups(master_key.hex())
    return "-".join(groups[:4]) + "-\n" + "-".join(groups[4:])


def parse_master_key(text: str) -> bytes:
    """Return the master key in *text*, with or without dashes and spaces.

    Raises `MasterKeyError`, which never repeats the text.
    """
    digits = "".join(text.replace("-", "").split())
    expected = 2 * MASTER_KEY_SIZE
    if not fullmatch(r"[0-9a-fA-F]*", digits):
        raise MasterKeyError(
            "the master key has characters other than hex digits and dashes",
            hint="a master key is 64 hex digits, as printed by init",
        )
    if len(digits) != expected:
        raise MasterKeyError(
            f"the master key has {len(digits)} hex digits, not {expected}",
            hint="compare it group by group with the one printed by init",
        )
    return bytes.fromhex(digits)
