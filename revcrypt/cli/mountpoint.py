"""The mountpoint before the mount: what may be there, and what must not."""

import logging
import os
import re
import shutil
import subprocess
import sys
from errno import ECONNABORTED, ENOTCONN

from revcrypt.errors import MountFailedError, MountpointError
from revcrypt.view.mounts import Mount, read_mounts

_PROBE = (
    "import os, sys\ntry: os.statvfs(sys.argv[1])\nexcept OSError as e: sys.exit(e.errno)"
)
_PROBE_SECONDS = 10
_MAX_SYMLINKS = 40
_DEAD = (ENOTCONN, ECONNABORTED)

log = logging.getLogger(__name__)


def descriptor(path: str) -> int | None:
    """Return the descriptor of /dev/fuse that we are to serve, if *path* is one.

    This is how mount.fuse3 calls its helpers with `drop_privileges`: the mount exists.
    """
    match = re.fullmatch(r"/dev/fd/(\d+)", path)
    return None if match is None else int(match[1])


def check_descriptor() -> None:
    """Check the mount that mount.fuse3 has made; raises `MountpointError`.

    It had no idea that views are read-only, and that without `default_permissions`
    nobody would look at the modes of files.
    """
    ours = [mount for mount in read_mounts() if mount.is_view]
    for mount in ours:
        if b"user_id=%d" % os.geteuid() not in mount.super_options:
            continue
        needed = {b"ro", b"nosuid", b"nodev"} - mount.options
        if b"allow_other" in mount.super_options:
            needed |= {b"default_permissions"} - mount.super_options
        if needed:
            words = b",".join(sorted(needed)).decode()
            raise MountpointError(
                f"{os.fsdecode(mount.mountpoint)} is mounted without {words}",
                hint="with drop_privileges, write them among the options, "
                "and unmount what is there now",
            )


def present(path: str) -> Mount | None:
    """Return what is mounted on *path* already; an automount trigger is nothing."""
    real = os.fsencode(resolve(path))
    found = None
    for mount in read_mounts():
        if mount.mountpoint == real:
            found = mount if mount.fstype != b"autofs" else None
    return found


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


def probe(path: str, seconds: float) -> int | None:
    """Return the errno of looking at *path*: 0 if it answers, None if it hangs.

    Asked in a process of its own: whoever looks at a mount whose server hangs is stuck.
    Not even killing helps if the server has taken the request; so nobody waits for that.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _PROBE, path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return None


def is_dead(mount: Mount) -> bool:
    """Tell whether nobody serves a mount any more.

    Raises `MountpointError` for one whose server is alive and hangs.
    """
    path = os.fsdecode(mount.mountpoint)
    error = probe(path, _PROBE_SECONDS)
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


def check_directory(path: str, *, nonempty: bool, create: bool) -> None:
    """Raise `MountpointError` unless *path* is an empty directory.

    With *nonempty* it need not be empty; with *create* it is made if it is missing.
    """
    if create and not os.path.lexists(path):
        # Whoever may see the view must get there, however careful the service is.
        umask = os.umask(0o022)
        try:
            os.makedirs(path)
        except OSError as error:
            message = f"cannot create mountpoint {path}: {error.strerror}"
            raise MountpointError(message) from None
        finally:
            os.umask(umask)
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


def detach_dead(path: str) -> None:
    """Take away dead views from *path*; raises `MountFailedError`.

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


def remove(path: str) -> None:
    """Remove a mountpoint that is not needed any more, if it is empty.

    rsync takes an empty directory for the truth, but one that is missing for an error.
    """
    try:
        os.rmdir(path)
    except OSError as error:
        log.debug("the mountpoint %s stays: %s", path, error.strerror)
