"""Names: one plain name <-> one cipher name; padding, base64, long names.

A plain name is padded to 16-byte blocks (PKCS#7), encrypted with EME under the
directory's IV and written in base64url. If that is longer than the threshold, the
directory entry is a hash of it and a sibling `.name` file holds it in full. Names of
extended attributes use the same cipher with one fixed IV. (Format specification,
sections 4.2, 4.4 and 6.1.)
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from enum import Enum
from hashlib import sha256

from revcrypt.errors import BadNameError, MalformedError
from revcrypt.format import bulk
from revcrypt.format.eme import BLOCK, Eme

CONFIG_NAME = b"gocryptfs.conf"
DIR_IV_NAME = b"gocryptfs.diriv"
LONG_PREFIX = b"gocryptfs.longname."
NAME_FILE_SUFFIX = b".name"

NAME_MAX = 255
LONG_NAME_MAX_LEAST = 62
"""A hashed name has 62 characters; a lower threshold would hash the hashes."""
NAME_FILE_MAX = 344
"""The padded base64 of 255 bytes, rounded up to blocks."""

ZERO_IV = bytes(BLOCK)
"""The IV of every directory where names are deterministic."""

_BESIDE_CONFIG = re.compile(
    rb"(?:\.epoch-[1-9][0-9]{0,5}\.[0-9]{4}-[0-9]{2}-[0-9]{2}(?:\.[1-9][0-9]?)?)?"
    rb"\.recovery\.p7m"
    rb"|\.recovery\.pem"
)
_XATTR_IV = b"xattr_name_iv_xx"
XATTR_PREFIX = b"user.gocryptfs."


class EntryKind(Enum):
    """What an entry of an encrypted directory is, judged by its name alone."""

    SHORT = "short"
    LONG = "long"
    NAME_FILE = "name file"


def entry_kind(cipher_name: bytes) -> EntryKind:
    """Classify an entry of a directory with encrypted names."""
    if not cipher_name.startswith(LONG_PREFIX):
        return EntryKind.SHORT
    if cipher_name.endswith(NAME_FILE_SUFFIX):
        return EntryKind.NAME_FILE
    return EntryKind.LONG


def config_suffix(name: bytes, config_name: bytes = CONFIG_NAME) -> bytes | None:
    """Return what a file that belongs to a config has after the name of the config.

    That is nothing for the config itself, and what begins with a dot for a recovery file.
    None for all other names.
    """
    suffix = name.removeprefix(config_name)
    if name == config_name:
        return b""
    is_beside = suffix != name and _BESIDE_CONFIG.fullmatch(suffix)
    return suffix if is_beside else None


def is_config_file(name: bytes) -> bool:
    """Tell whether an entry of a backup's root is its config, or belongs to it."""
    return config_suffix(name) is not None


def is_valid(plain_name: bytes) -> bool:
    """Tell whether Linux could have made a directory entry of this name."""
    return (
        0 < len(plain_name) <= NAME_MAX
        and plain_name not in (b".", b"..")
        and b"/" not in plain_name
        and b"\x00" not in plain_name
    )


class Base64:
    """base64url (RFC 4648, section 5), without padding where *raw*."""

    def __init__(self, *, raw: bool) -> None:
        self.raw = raw

    def encode(self, data: bytes) -> bytes:
        """Return the text form of *data*."""
        text = urlsafe_b64encode(data)
        return text.rstrip(b"=") if self.raw else text

    def decode(self, text: bytes) -> bytes:
        """Return the bytes in *text*; raises `MalformedError`.

        Only what `encode` writes is accepted: no line ends, no other alphabet, no
        unused bits. Otherwise one name could be written in several ways.
        """
        padding = b"=" * (-len(text) % 4) if self.raw else b""
        try:
            data = urlsafe_b64decode(text + padding)
        except Base64Error:
            data = b""
        if self.encode(data) != text:
            raise MalformedError("not the base64 that this format writes")
        return data

    def encoded_size(self, size: int) -> int:
        """Return the length of the text form of *size* bytes."""
        return -(-size * 4 // 3) if self.raw else -(-size // 3) * 4


class NameCipher:
    """Encrypts and decrypts names under one name key.

    Not for use by two threads at once (see `Eme`).
    """

    def __init__(self, key: bytes, *, base64: Base64, long_name_max: int) -> None:
        self._eme = Eme(key)
        self._compiled = None if bulk.NAMES is None else bulk.NAMES(key, base64.raw)
        self._base64 = base64
        self._long_name_max = long_name_max

    def encrypt(self, plain_names: Sequence[bytes], dir_iv: bytes) -> list[bytes]:
        """Return the full cipher names of *plain_names*, however long, in order."""
        if self._compiled is not None:
            return self._compiled.encrypt(dir_iv, plain_names)
        padded = [_pad(name) for name in plain_names]
        return list(map(self._base64.encode, self._eme.encrypt(dir_iv, padded)))

    def decrypt(self, cipher_names: Sequence[bytes], dir_iv: bytes) -> list[bytes | None]:
        """Return the plain name for each of *cipher_names*, None where there is none."""
        return [
            name if name is not None and is_valid(name) else None
            for name in self._decrypt(cipher_names, dir_iv)
        ]

    def shown(self, cipher_name: bytes) -> bytes:
        """Return the directory entry for a full cipher name: itself, or its hash."""
        if len(cipher_name) <= self._long_name_max:
            return cipher_name
        return self.hashed(cipher_name)

    def hashed(self, cipher_name: bytes) -> bytes:
        """Return the directory entry of a full cipher name that is too long."""
        return LONG_PREFIX + self._base64.encode(sha256(cipher_name).digest())

    def encrypt_xattr(self, name: bytes) -> bytes:
        """Return the cipher name of the extended attribute *name* (with namespace)."""
        [encrypted] = self.encrypt([name], _XATTR_IV)
        return XATTR_PREFIX + encrypted

    def decrypt_xattr(self, cipher_name: bytes) -> bytes:
        """Return the attribute name in *cipher_name*; raises `BadNameError`."""
        if cipher_name.startswith(XATTR_PREFIX):
            [name] = self._decrypt([cipher_name[len(XATTR_PREFIX) :]], _XATTR_IV)
            if name and b"\x00" not in name:
                return name
        raise BadNameError("not the name of an encrypted attribute")

    def _decrypt(self, texts: Sequence[bytes], iv: bytes) -> list[bytes | None]:
        if self._compiled is not None:
            return self._compiled.decrypt(iv, texts)
        blocks = [self._blocks(text) for text in texts]
        opened = iter(self._eme.decrypt(iv, [b for b in blocks if b]))
        return [_unpad(next(opened)) if b else None for b in blocks]

    def _blocks(self, text: bytes) -> bytes:
        """Return the encrypted blocks in *text*, or nothing if it cannot hold any."""
        try:
            data = self._base64.decode(text)
        except MalformedError:
            return b""
        return data if len(data) % BLOCK == 0 and len(data) <= NAME_MAX + 1 else b""


def _pad(name: bytes) -> bytes:
    size = BLOCK - len(name) % BLOCK
    return name + bytes([size]) * size


def _unpad(padded: bytes) -> bytes | None:
    size = padded[-1]
    if not 1 <= size <= BLOCK or padded[-size:] != bytes([size]) * size:
        return None
    return padded[:-size]
