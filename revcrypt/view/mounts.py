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

MOUNTINFO = "/proc/{}/mountinfo"
"""What a process, or “self”, sees mounted (proc(5))."""
_OURS = b"revcrypt"
_SERVED = frozenset(b"nfs nfs4 cifs smb3 9p afs ceph coda lustre autofs".split())
_ENCRYPTED = (_OURS, b"gocryptfs-reverse")
_PAGED = (b"overlay", b"tmpfs")
"""Without RWF_NOWAIT; but a page that the kernel has can be read without waiting."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo (proc(5))."""

    number: int
    """Its mount ID, as `fdinfo` has it too."""
    parent: int
    """The mount ID of what it is mounted on."""
    device: int
    """What `st_dev` is of what is in it, at least where it is no overlay of several
    filesystems, nor btrfs."""
    mountpoint: bytes
    options: frozenset[bytes]
    fstype: bytes
    source: bytes
    super_options: frozenset[bytes]

    @property
    def is_view(self) -> bool:
        """Whether revcrypt serves it."""
        return self._subtype == _OURS

    @property
    def is_encrypted(self) -> bool:
        """Whether it is an encrypted view, of whichever program."""
        return self._subtype in _ENCRYPTED

    @property
    def may_hang(self) -> bool:
        """Whether a server, elsewhere or in user space, has to answer for it."""
        return self.fstype in _SERVED or self.fstype.startswith(b"fuse")

    @property
    def user(self) -> tuple[int, int]:
        """The user and group that have mounted it, if it is of FUSE; else root."""
        words = dict(option.partition(b"=")[::2] for option in self.super_options)
        return int(words.get(b"user_id", 0)), int(words.get(b"group_id", 0))

    @property
    def _subtype(self) -> bytes:
        # mount.fuse3 may name the program by its path: fuse./usr/local/bin/revcrypt.
        return os.path.basename(self.fstype.removeprefix(b"fuse."))


def read_mounts(process: str = "self") -> Iterator[Mount]:
    """Yield all mounts that a process sees, the topmost of a mountpoint last."""
    with open(MOUNTINFO.format(process), "rb") as lines:
        for line in lines:
            fields = line.rstrip(b"\n").split(b" ")
            after = fields.index(b"-")
            yield Mount(
                int(fields[0]),
                int(fields[1]),
                os.makedev(*map(int, fields[2].split(b":"))),
                _unescape(fields[4]),
                frozenset(fields[5].split(b",")),
                _unescape(fields[after + 1]),
                _unescape(fields[after + 2]),
                frozenset(fields[after + 3].split(b",")),
            )


def mount_number(fd: int) -> int:
    """Return the mount ID of what a descriptor refers to (proc(5)); raises `OSError`."""
    with open(f"/proc/self/fdinfo/{fd}", "rb") as lines:
        [number] = [int(line.split()[1]) for line in lines if line.startswith(b"mnt_id:")]
    return number


def source_name(name: bytes) -> str:
    """Return *name* as a mount can show it: libfuse takes ASCII only."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"%{byte:02X}" for byte in name)


def _unescape(text: bytes) -> bytes:
    return sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), text)


@dataclass(slots=True)
class MountsBelow:
    """The mounts below a source directory, by path relative to it."""

    root_fd: int
    distant: tuple[bytes, ...] = field(default=(), init=False)
    """Where something is mounted that may hang, but for what asking would mount first."""
    paged: frozenset[int] = field(default=frozenset(), init=False)
    """Devices, not only below the source, that `pages` is for."""
    _names: set[bytes] = field(default_factory=set)
    _mounts: dict[bytes, Mount] = field(default_factory=dict)

    def refresh(self) -> None:
        """Read the mounts again; they have changed."""
        root = os.readlink(b"/proc/self/fd/%d" % self.root_fd).rstrip(b"/") + b"/"
        mounts = list(read_mounts())
        self.paged = frozenset(m.device for m in mounts if m.fstype in _PAGED)
        self._mounts = {
            mount.mountpoint[len(root) :]: mount
            for mount in mounts
            if mount.mountpoint.startswith(root) and mount.mountpoint != root
        }
        self.distant = tuple(
            path
            for path, mount in self._mounts.items()
            if mount.may_hang and not mount.is_encrypted and mount.fstype != b"autofs"
        )
        self._names = {os.path.basename(path) for path in self._mounts}

    def may_be_mount(self, name: bytes) -> bool:
        """Tell quickly whether an entry of this name could be a mountpoint."""
        return name in self._names

    def is_mount(self, path: bytes) -> bool:
        """Tell whether something is mounted on *path*."""
        return path in self._mounts

    def may_hang(self, path: bytes) -> bool:
        """Tell whether something is mounted on *path* that need not answer."""
        mount = self._mounts.get(path)
        return mount is not None and mount.may_hang

    def is_view(self, path: bytes) -> bool:
        """Tell whether an encrypted view, maybe our own, is mounted on *path*."""
        mount = self._mounts.get(path)
        return mount is not None and mount.is_encrypted
