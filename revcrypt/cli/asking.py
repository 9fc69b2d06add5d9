"""Asking a mounted view for its status, which it tells as an extended attribute."""

import json
import os
from errno import EACCES, ECONNABORTED, ENODATA, ENOTCONN
from functools import partial
from typing import Any

from revcrypt.cli import mountpoint, patience
from revcrypt.errors import MountpointError, NotAnsweringError, UsageError
from revcrypt.fuse.status import ATTRIBUTE
from revcrypt.view.mounts import Mount


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
    look = partial(os.getxattr, mount.mountpoint, ATTRIBUTE)
    answer = patience.look(look, patience.SECONDS)
    if answer == EACCES and os.geteuid() == 0:
        # Without allow_other, the kernel keeps root out, too: so ask as who has mounted.
        answer = patience.look(look, patience.SECONDS, user=mount.user)
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
