"""Deterministic IVs: every id and nonce of a reverse view comes from here.

`SHA-256(path || 00 || PURPOSE)[:16]`, where path is the encrypted path as the view shows
it. No key is involved. (Format specification, sections 3.5, 5.2 and 6.2.)
"""

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

IV_SIZE = 16


class Purpose(Enum):
    """What an IV is for; two purposes never give the same IV for one path."""

    DIR_IV = b"DIRIV"
    FILE_ID = b"FILEID"
    BLOCK0_NONCE = b"BLOCK0IV"
    SYMLINK_NONCE = b"SYMLINKIV"
    XATTR_NONCE = b"XATTRIV"
    DEVICE_TAG = b"REVCRYPT-DEVICE-TAG"
    INODE = b"REVCRYPT-INODE"
    GENERATION = b"REVCRYPT-GENERATION"


def derive(path: bytes, purpose: Purpose) -> bytes:
    """Return the 16-byte IV of *path* for *purpose*."""
    return sha256(path + b"\x00" + purpose.value).digest()[:IV_SIZE]


@dataclass(frozen=True, slots=True)
class FileIds:
    """What the ciphertext of a file depends on besides key and content."""

    file_id: bytes
    block0_nonce: bytes

    def nonce(self, block: int) -> bytes:
        """Return the nonce of block number *block*.

        The lower eight bytes count up modulo 2^64; no carry reaches the upper half.
        """
        low = int.from_bytes(self.block0_nonce[8:]) + block
        return self.block0_nonce[:8] + (low & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8)


def file_ids(cipher_path: bytes) -> FileIds:
    """Return the ids of the file at *cipher_path*."""
    return FileIds(
        derive(cipher_path, Purpose.FILE_ID), derive(cipher_path, Purpose.BLOCK0_NONCE)
    )


def linked_path(device_tag: bytes, inode: int) -> bytes:
    """Return what stands for the path of an object with several names.

    All names of one inode must show the same bytes, whichever was opened first, so no
    name can take part. The leading NUL keeps this apart from every path.
    """
    return b"\x00" + device_tag + inode.to_bytes(8)


def dir_iv(cipher_path: bytes) -> bytes:
    """Return the IV of the names in the directory at *cipher_path* (root: empty)."""
    return derive(cipher_path, Purpose.DIR_IV)


def symlink_nonce(cipher_path: bytes) -> bytes:
    """Return the nonce of the target of the link at *cipher_path*.

    gocryptfs 2.x appends the last component a second time, by mistake; the nonce is
    stored with the target, so only byte-identity depends on it.
    """
    basename = cipher_path.rsplit(b"/", 1)[-1]
    return derive(cipher_path + b"/" + basename, Purpose.SYMLINK_NONCE)


def xattr_nonce(cipher_path: bytes, cipher_name: bytes) -> bytes:
    """Return the nonce of the value of attribute *cipher_name*."""
    return derive(cipher_path + b"\x00" + cipher_name, Purpose.XATTR_NONCE)
