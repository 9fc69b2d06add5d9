"""The mountpoint before the mount: what may be there, and what must not."""

import fcntl
import logging
import os
import re
import shutil
import subprocess
import time
from errno import ECONNABORTED, ENOTCONN
from typing import NamedTuple

from revcrypt.cli import patience
from revcrypt.errors import MountFailedError, MountpointError
from revcrypt.view.mounts import Mount, mount_number, read_mounts

_LOCK_SECONDS = 10
"""Much more than it takes to mount."""
_LOCK_POLL = 0.02
_MAX_SYMLINKS = 40
_DEAD = (ENOTCONN, ECONNABORTED)

log = logging.getLogger(__name__)


def descriptor(path: str) -> int | None:
    """Return the descriptor of /dev/fuse that we are to serve, if *path* is one.

    This is how mount.fuse3 calls its helpers with `drop_privileges`: the mount exists.
    """
    match = re.fullmatch(r"/dev/fd/(\d+)", path)
    return None if match is None else int(match[1])


def check_descriptor(*, limited: bool, ignore_modes: bool) -> None:
    """Check the mount that mount.fuse3 has made; raises `MountpointError`.

    It had no idea that views are read-only, that without `default_permissions` nobody
    would look at the modes of files, and that access can be *limited* to some users.
    """
    user = b"user_id=%d" % os.geteuid()
    ours = [
        mount for mount in read_mounts() if mount.is_view and user in mount.super_options
    ]
    if not ours:
        return
    mount = ours[-1]
    needed = {b"ro", b"nosuid", b"nodev"} - mount.options
    if limited:
        needed |= {b"allow_other"} - mount.super_options
    if b"allow_other" in mount.super_options | needed and not ignore_modes:
        needed |= {b"default_permissions"} - mount.super_options
    if needed:
        words = b",".join(sorted(needed)).decode()
        raise MountpointError(
            f"{os.fsdecode(mount.mountpoint)} is mounted without {words}",
            hint="with drop_privileges, write them among the options, "
            "and unmount what is there now",
        )
    if ignore_modes and b"default_permissions" in mount.super_options:
        raise MountpointError(
            f"{os.fsdecode(mount.mountpoint)} is mounted with default_permissions, "
            "so modes count",
            hint="leave that out, or ignore_modes, and unmount what is there now",
        )


def present(path: str) -> Mount | None:
    """Return what is mounted on *path* already; an automount trigger is nothing."""
    real = os.fsencode(resolve(path))
    here = [mount for mount in read_mounts() if mount.mountpoint == real]
    below = _mount_of(os.path.dirname(real))
    if below is not None:
        # What is out of reach, because something else was mounted on a directory above,
        # does not count.
        by_parent = {mount.parent: mount for mount in here}
        here = []
        while below in by_parent:
            here.append(by_parent.pop(below))
            below = here[-1].number
    return here[-1] if here and here[-1].fstype != b"autofs" else None


def _mount_of(directory: bytes) -> int | None:
    """Return the mount ID of what a directory is in, if we may know."""
    try:
        fd = os.open(directory, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return mount_number(fd)
    except OSError:
        return None
    finally:
        os.close(fd)


def resolve(path: str) -> str:
    """Return *path* without symlinks, and without looking at what is mounted there.

    What is dead would answer with an error, and what hangs would not answer at all.
    """
    mountpoints = {os.fsdecode(mount.mountpoint) for mount in read_mounts()}
    for _ in range(_MAX_SYMLINKS):
        directory, name = os.path.split(path.rstrip("/"))
        if name in ("", ".", ".."):
            return os.path.realpath(path)
        path = os.path.join(os.path.realpath(directory), name)
        if path in mountpoints or not os.path.islink(path):
            return path
        path = os.path.join(directory, os.readlink(path))
    return path


class Answer(NamedTuple):
    """What came of looking: *errno* is 0 if a directory answers, None if it hangs."""

    errno: int | None
    names: frozenset[bytes] = frozenset()


def probe(path: str, seconds: float) -> Answer:
    """Look at a directory that may hang, and list it."""

    def names() -> bytes:
        os.statvfs(path)
        return b"\0".join(os.listdir(os.fsencode(path)))

    found = patience.look(names, seconds)
    if isinstance(found, bytes):
        return Answer(0, frozenset(filter(None, found.split(b"\0"))))
    return Answer(found)


def is_dead(mount: Mount) -> bool:
    """Tell whether nobody serves a mount any more.

    Raises `MountpointError` for one whose server is alive and hangs.
    """
    path = os.fsdecode(mount.mountpoint)
    error = probe(path, patience.SECONDS).errno
    if error is None:
        raise MountpointError(
            f"{path} is mounted, and does not answer",
            hint="end the process that serves it, then unmount it",
        )
    return error in _DEAD


def taken_error(path: str, mount: Mount) -> MountpointError:
    """Return the error for a mountpoint that is one already."""
    return MountpointError(
        f"{path} is a mountpoint already, of {os.fsdecode(mount.source)}",
        hint=f"unmount it first: umount {path}",
    )


def check_directory(path: str, *, nonempty: bool, may_be_missing: bool) -> None:
    """Raise `MountpointError` unless *path* is an empty directory, or need not be."""
    if may_be_missing and not os.path.lexists(path):
        return
    if not os.path.isdir(path):
        what = "is not a directory" if os.path.exists(path) else "does not exist"
        raise MountpointError(
            f"mountpoint {path} {what}", hint=f"create it first: mkdir -p {path}"
        )
    try:
        is_empty = not os.listdir(path)
    except OSError as error:
        message = f"cannot look into mountpoint {path}: {error.strerror}"
        raise MountpointError(message) from None
    if not is_empty and not nonempty:
        raise MountpointError(
            f"mountpoint {path} is not empty",
            hint="what it contains would be hidden; use an empty directory, "
            "or --nonempty",
        )


def create(path: str, *, parents_only: bool = False) -> None:
    """Make a mountpoint, or what is above it; raises `MountpointError`."""
    # Whoever may see the view must get there, however careful the service is.
    umask = os.umask(0o022)
    try:
        os.makedirs(os.path.dirname(path) if parents_only else path, exist_ok=True)
    except OSError as error:
        message = f"cannot create mountpoint {path}: {error.strerror}"
        raise MountpointError(message) from None
    finally:
        os.umask(umask)


def detach_dead(path: str) -> Mount | None:
    """Take away dead views from *path*, and return what is still mounted there.

    Raises `MountFailedError`.

    Called at the last moment: what is below looks like an empty backup.
    """
    fusermount = shutil.which("fusermount3") or "fusermount3"
    while (mount := present(path)) is not None and mount.is_view and is_dead(mount):
        log.info("taking away what a crashed view has left on %s", path)
        try:
            subprocess.run([fusermount, "-u", "-z", path], check=True)
        except (OSError, subprocess.CalledProcessError):
            raise MountFailedError(
                f"cannot unmount the crashed view on {path}",
                hint=f"as root, run: umount --lazy {path}",
            ) from None
    return mount


class Lock:
    """Lets one process at a time look whether *path* is free, and mount there."""

    def __init__(self, path: str) -> None:
        self._directory = os.path.dirname(path)
        self._fd: int | None = None

    def take(self) -> None:
        """Wait for others who are about to mount in the same directory."""
        try:
            self._fd = os.open(
                self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
            )
        except OSError:
            return  # Who may not look there cannot mount there twice either.
        give_up = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Everybody who can look into the directory can hold it for ever.
                if time.monotonic() > give_up:
                    log.warning("%s is locked; mounting nonetheless", self._directory)
                    return
                time.sleep(_LOCK_POLL)
            except OSError:
                return  # Some filesystems have no locks.
            else:
                return

    def release(self) -> None:
        """Let the next one look."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def remove(path: str) -> None:
    """Remove a mountpoint that is not needed any more, if it is empty.

    rsync takes an empty directory for the truth, but one that is missing for an error.
    """
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("the mountpoint %s stays: %s", path, error.strerror)
