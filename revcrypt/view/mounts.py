"""Mounts below the source, read from mountinfo, never by looking at them.

Two things depend on them. The view's own mount must never be touched by the thread that
serves it, which would wait for itself for ever; and two views of trees that contain each
other's mountpoint would wait for each other. So all views are recognised by their type.
And every mount begins a device of its own: a bind mount shows inode numbers of a
filesystem that is in the tree already.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from re import sub

VIEW_FSTYPES = (b"fuse.revcrypt", b"fuse.gocryptfs-reverse")
_MOUNTINFO = "/proc/self/mountinfo"


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo (proc(5))."""

    mountpoint: bytes
    fstype: bytes
    source: bytes


def read_mounts() -> Iterator[Mount]:
    """Yield all mounts of this namespace, the topmost of a mountpoint last."""
    with open(_MOUNTINFO, "rb") as lines:
        for line in lines:
            fields = line.split(b" ")
            after = fields.index(b"-")
            yield Mount(
                _unescape(fields[4]),
                _unescape(fields[after + 1]),
                _unescape(fields[after + 2]),
            )


def _unescape(text: bytes) -> bytes:
    return sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), text)


@dataclass(slots=True)
class MountsBelow:
    """The mounts below a source directory, by path relative to it."""

    root_fd: int
    _names: set[bytes] = field(default_factory=set)
    _fstypes: dict[bytes, bytes] = field(default_factory=dict)

    def refresh(self) -> None:
        """Read the mounts again; they have changed."""
        root = os.readlink(b"/proc/self/fd/%d" % self.root_fd).rstrip(b"/") + b"/"
        self._fstypes = {
            mount.mountpoint[len(root) :]: mount.fstype
            for mount in read_mounts()
            if mount.mountpoint.startswith(root) and mount.mountpoint != root
        }
        self._names = {os.path.basename(path) for path in self._fstypes}

    def may_be_mount(self, name: bytes) -> bool:
        """Tell quickly whether an entry of this name could be a mountpoint."""
        return name in self._names

    def is_mount(self, path: bytes) -> bool:
        """Tell whether something is mounted on *path*."""
        return path in self._fstypes

    def is_view(self, path: bytes) -> bool:
        """Tell whether an encrypted view, maybe our own, is mounted on *path*."""
        return self._fstypes.get(path) in VIEW_FSTYPES
