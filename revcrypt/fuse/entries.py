"""Attributes as pyfuse3 takes them."""

from pyfuse3 import EntryAttributes

from revcrypt.view.nodes import Attrs

TIMEOUT = 1.0
"""Seconds for which the kernel may keep attributes and names."""
AHEAD = 0.1
"""Seconds for which an answer may be ready before somebody asks."""


def entry_of(attrs: Attrs) -> EntryAttributes:
    """Return *attrs* for the kernel, to be kept for `TIMEOUT`."""
    entry = EntryAttributes()
    entry.entry_timeout = TIMEOUT
    entry.attr_timeout = TIMEOUT
    entry.st_ino = attrs.inode
    entry.st_mode = attrs.mode
    entry.st_nlink = attrs.nlink
    entry.st_uid = attrs.uid
    entry.st_gid = attrs.gid
    entry.st_rdev = attrs.rdev
    entry.st_size = attrs.size
    entry.st_blocks = attrs.blocks
    entry.st_blksize = attrs.block_size
    entry.st_atime_ns = attrs.atime_ns
    entry.st_mtime_ns = attrs.mtime_ns
    entry.st_ctime_ns = attrs.ctime_ns
    return entry
