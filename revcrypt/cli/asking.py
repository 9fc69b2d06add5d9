"""Asking a mounted view for its status, which it tells as an extended attribute."""

import json
import os
import select
import signal
from errno import EACCES, ECONNABORTED, EIO, ENODATA, ENOTCONN
from typing import Any, Never

from revcrypt.cli import mountpoint
from revcrypt.errors import MountpointError, NotAnsweringError, UsageError
from revcrypt.fuse.status import ATTRIBUTE
from revcrypt.view.mounts import Mount

SECONDS = 10
"""How long to wait for an answer."""
_STANDARD = (0, 1, 2)


def ask(path: str) -> tuple[Mount, dict[str, Any]]:
    """Return the mount on *path*, and what the view there tells of itself.

    Raises `MountpointError` where there is none, `NotAnsweringError` where it is silent,
    and `UsageError` for somebody who may not ask.
    """
    mount = mountpoint.present(path)
    if mount is None:
        raise MountpointError(
            f"nothing is mounted on {path}",
            hint="mount the view; one that still asks for its passphrase is not there",
        )
    if not mount.is_view:
        kind = os.fsdecode(mount.fstype)
        raise MountpointError(f"what is mounted on {path} is no view, but of type {kind}")
    answer = _attribute(mount.mountpoint)
    if answer == EACCES and os.geteuid() == 0:
        # Without allow_other, the kernel keeps root out, too: so ask as who has mounted.
        answer = _attribute(mount.mountpoint, mount.user)
    if isinstance(answer, bytes):
        return mount, json.loads(answer)
    raise _error(path, answer)


def _error(path: str, errno: int | None) -> Exception:
    if errno is None:
        return NotAnsweringError(
            f"the view on {path} does not answer",
            hint="it is still starting, or it hangs; if asking again does not help, look "
            "into its log, and mount it again",
        )
    if errno in (ENOTCONN, ECONNABORTED):
        return MountpointError(
            f"the view on {path} has crashed, and its mountpoint is broken on purpose",
            hint="look into its log, and mount it again",
        )
    if errno == ENODATA and os.geteuid() == 0:
        return UsageError(
            f"the view on {path} is served by a revcrypt that tells no status",
            hint="it was mounted by another version; mount it again",
        )
    if errno in (EACCES, ENODATA):
        return UsageError(
            f"the view on {path} tells its status to root and its own user only",
            hint="ask as one of these",
        )
    return MountpointError(f"the view on {path} says: {os.strerror(errno)}")


def _attribute(path: bytes, user: tuple[int, int] | None = None) -> bytes | int | None:
    """Read the attribute as *user* (uid, gid), if one is given.

    Returns its value, or an errno, or None if there is no answer.

    In a process of its own: whoever looks at a mount whose server hangs is stuck. Not
    even killing helps if the server has taken the request; so nobody waits for that. It
    is forked, because that user need not be able to run this program.
    """
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _tell_attribute(write_fd, path, user)
    os.close(write_fd)
    with open(read_fd, "rb") as pipe:
        if not select.select([pipe], [], [], SECONDS)[0]:
            os.kill(pid, signal.SIGKILL)
            return None
        value = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return value if status == 0 else status if status > 0 else EIO


def _tell_attribute(write_fd: int, path: bytes, user: tuple[int, int] | None) -> Never:
    """Write the attribute's value to *write_fd*, and end with 0 or the errno."""
    status = EIO
    try:
        # If we are stuck, whoever reads the output of our parent must not wait for us.
        null = os.open(os.devnull, os.O_RDWR)
        for fd in _STANDARD:
            os.dup2(null, fd)
        if user is not None:
            uid, gid = user
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        # A pipe has room for as much as an attribute can be.
        os.write(write_fd, os.getxattr(path, ATTRIBUTE))
        status = 0
    except OSError as error:
        status = error.errno or EIO
    finally:
        os._exit(status)
