"""Deterministic IVs: every id and nonce of a reverse view comes from here.

`SHA-256(path || 00 || PURPOSE)[:16]`, where path is the encrypted path as the view shows
it. No key is involved. (Format specification, sections 3.5, 5.2 and 6.2.)

An object with several names is the exception, because no name may take part in what all
names show (section 3.6). Its ids and nonces begin with eight bytes that stand for the
object, its link id. The other eight are derived from these, so that they can be told
from those of a path by whoever has nothing but the backup.
"""

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

IV_SIZE = 16
LINK_ID_SIZE = 8


class Purpose(Enum):
    """What an IV is for; two purposes never give the same IV for one path."""

    DIR_IV = b"DIRIV"
    FILE_ID = b"FILEID"
    BLOCK0_NONCE = b"BLOCK0IV"
    SYMLINK_NONCE = b"SYMLINKIV"
    XATTR_NONCE = b"XATTRIV"
    DEVICE_TAG = b"REVCRYPT-DEVICE-TAG"
    INODE = b"REVCRYPT-INODE"
    LINK_ID = b"REVCRYPT-LINK-ID"


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
    """Return what stands for the path of the object *inode* of a device.

    The leading NUL keeps this apart from every path.
    """
    return b"\x00" + device_tag + inode.to_bytes(8)


def link_id(device_tag: bytes, inode: int) -> bytes:
    """Return the link id of an object with several names."""
    return derive(linked_path(device_tag, inode), Purpose.LINK_ID)[:LINK_ID_SIZE]


def linked_iv(link_id: bytes, purpose: Purpose, cipher_name: bytes = b"") -> bytes:
    """Return the file id or nonce of an object with several names.

    *cipher_name* is that of an extended attribute.
    """
    mark = derive(b"\x00" + link_id + b"\x00" + cipher_name, purpose)
    return link_id + mark[:LINK_ID_SIZE]


def is_linked(iv: bytes, purpose: Purpose, cipher_name: bytes = b"") -> bool:
    """Tell whether *iv* is one that `linked_iv` makes; by chance, one in 2^64 is."""
    return iv == linked_iv(iv[:LINK_ID_SIZE], purpose, cipher_name)


def linked_file_ids(link_id: bytes) -> FileIds:
    """Return the ids of a file with several names."""
    return FileIds(
        linked_iv(link_id, Purpose.FILE_ID), linked_iv(link_id, Purpose.BLOCK0_NONCE)
    )


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
