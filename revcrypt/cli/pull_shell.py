"""`revcrypt pull-shell`: the only thing that the backup host may run over ssh.

A view that is missing looks like an empty directory, and `rsync --delete` then empties
the backup. So before rsync starts, it is proven that what it is about to read is a view,
the right one, that it answers, and that its source is not empty; otherwise this fails,
and rsync deletes nothing.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from glob import glob
from stat import S_ISDIR
from threading import Thread
from typing import Never

from revcrypt.cli import mountpoint, options, site
from revcrypt.errors import ExitCode, MountpointError, UsageError
from revcrypt.format.names import DIR_IV_NAME, is_config_file
from revcrypt.view.mounts import mount_number, read_mounts, source_name

NAME = "pull-shell"
SUMMARY = "let a backup host pull a view and nothing else, if the view is really there"

SAFE_RSYNC = (3, 5, 0)
"""Older ones can be led out of the directory that rrsync keeps them in."""
_SECONDS = 60
_START_SECONDS = 2
_POLL = 0.005
_CHUNK = 1 << 16
_RRSYNC = "/usr/bin/rrsync"
_RSYNC = "/usr/bin/rsync"
"""What rrsync runs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    options.add_site(parser)
    parser.add_argument(
        "--check",
        action="store_true",
        help="only check the view, as “pre-xfer exec” of an rsync daemon",
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    found = site.read(arguments.name)
    if found.is_forward:
        raise UsageError(
            f"{found.path} describes a readable mount, and no backup host may see that"
        )
    fd = _open_view(found)
    if not arguments.check:
        _run_rsync(found, fd)
    if "RSYNC_REQUEST" in os.environ:
        _check_daemon(found, fd)
    return ExitCode.OK


def _check_daemon(found: site.Site, fd: int) -> None:
    """Check that the rsync daemon that asks us has gone into the view (rsyncd.conf(5)).

    By now it has a working directory: if the view was mounted only since, the empty one.
    """
    path = f"/proc/{os.environ.get('RSYNC_PID', '')}/cwd"
    try:
        device = os.stat(path).st_dev
    except OSError as error:
        raise _error(found.mountpoint, f"may not be where rsync is: {error}") from None
    if device != os.fstat(fd).st_dev:
        raise _error(found.mountpoint, "was not mounted yet when rsync went there")


def _run_rsync(found: site.Site, fd: int) -> Never:
    """Run rrsync on the view, and let it hear its client once rsync is really there.

    rrsync goes by path. If the view ended just now, that leads into the empty directory
    below, where rsync would find that everything has been deleted.
    """
    if "SSH_ORIGINAL_COMMAND" not in os.environ:
        raise UsageError(
            "no command has come over ssh",
            hint="this is for a line in authorized_keys: "
            f'restrict,command="revcrypt pull-shell {found.name}" ssh-ed25519 …',
        )
    _check_rsync()
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    # Without a lock, rrsync becomes rsync instead of waiting for one.
    with subprocess.Popen(
        [_RRSYNC, "-ro", "-no-lock", found.mountpoint], stdin=read_fd
    ) as rsync:
        os.close(read_fd)
        device = os.fstat(fd).st_dev
        if not (
            _wait(rsync, _is_rsync, _SECONDS)
            and _wait(rsync, lambda pid: _is_in(pid, device), _START_SECONDS)
        ):
            rsync.kill()
            raise _error(found.mountpoint, "has ended just now")
        Thread(target=_relay, args=(write_fd,), daemon=True).start()
        sys.exit(rsync.wait())


def _wait(
    process: subprocess.Popen[bytes], condition: Callable[[int], bool], seconds: float
) -> bool:
    """Wait until *condition* is true of a process, or it has ended by itself."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and not condition(process.pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _is_rsync(pid: int) -> bool:
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/exe") == os.path.realpath(_RSYNC)
    return False


def _is_in(pid: int, device: int) -> bool:
    """Tell whether a process works in a filesystem, and has no directory of another."""
    statuses = []
    for path in (f"/proc/{pid}/cwd", *glob(f"/proc/{pid}/fd/*")):
        try:
            statuses.append(os.stat(path))
        except OSError:
            return False
    return all(s.st_dev == device for s in statuses if S_ISDIR(s.st_mode))


def _relay(write_fd: int) -> None:
    """Pass on what the client says, until it is silent or nobody listens."""
    with suppress(BrokenPipeError), open(write_fd, "wb", buffering=0) as pipe:
        while data := os.read(0, _CHUNK):
            pipe.write(data)


def _open_view(found: site.Site) -> int:
    """Return a descriptor of the view's root; raises `MountpointError`."""
    path = found.mountpoint
    # Waits for an automount, but not for a view that hangs.
    answer = mountpoint.probe(path, _SECONDS)
    if answer.errno != 0:
        what = os.strerror(answer.errno) if answer.errno else "it does not answer"
        raise _error(path, f"cannot be read: {what}")
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    _check_is_view(found, fd)
    if all(name == DIR_IV_NAME or is_config_file(name) for name in answer.names):
        raise _error(path, f"is empty; is {found.source} mounted?")
    return fd


def _check_is_view(found: site.Site, fd: int) -> None:
    number = mount_number(fd)
    expected = source_name(found.shown_source()).encode()
    for mount in read_mounts():
        if mount.number != number:
            continue
        if not mount.is_view:
            break
        if mount.source != expected:
            raise MountpointError(
                f"{found.mountpoint} shows {os.fsdecode(mount.source)}, not "
                f"{expected.decode()}",
                hint="nothing is sent, so that nothing is deleted; if it is the same by "
                f"another name, give it one: fsname in {found.path}",
            )
        return
    raise _error(found.mountpoint, "is not a view of revcrypt; nothing is mounted there")


def _error(path: str, what: str) -> MountpointError:
    return MountpointError(
        f"{path} {what}", hint="nothing is sent, so that nothing is deleted"
    )


def _check_rsync() -> None:
    """Raise `UsageError` for an rsync that does not keep its client where it belongs."""
    if not os.access(_RRSYNC, os.X_OK):
        raise UsageError("rrsync is not installed", hint="it comes with rsync")
    version = subprocess.run([_RSYNC, "--version"], capture_output=True, check=False)
    match = re.search(rb"version v?(\d+)\.(\d+)\.(\d+)", version.stdout)
    if match is None or tuple(map(int, match.groups())) < SAFE_RSYNC:
        raise UsageError(
            f"this rsync is older than {'.'.join(map(str, SAFE_RSYNC))}, and unsafe here",
            hint="upgrade the package rsync",
        )
