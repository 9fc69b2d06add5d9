"""`revcrypt pull-shell`: the only thing that the backup host may run over ssh.

A view that is missing looks like an empty directory, and `rsync --delete` then empties
the backup. So before rsync starts, it is proven that what it is about to read is a view,
the right one, that it answers, and that its source is not empty; otherwise this fails,
and rsync deletes nothing.
"""

import argparse
import os
import re
import signal
import subprocess
from typing import Never

from revcrypt.cli import mountpoint, options, site
from revcrypt.errors import ExitCode, MountpointError, UsageError
from revcrypt.format.names import CONFIG_NAME, DIR_IV_NAME
from revcrypt.view.mounts import read_mounts, source_name

NAME = "pull-shell"
SUMMARY = "let a backup host pull a view and nothing else, if the view is really there"

SAFE_RSYNC = (3, 5, 0)
"""Older ones can be led out of the directory that rrsync keeps them in."""
_SECONDS = 60
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
    """Do it, or become rsync."""
    found = site.read(arguments.name)
    if found.is_forward:
        raise UsageError(
            f"{found.path} describes a readable mount, and no backup host may see that"
        )
    fd = _open_view(found)
    if not arguments.check:
        _become_rsync(arguments.name, fd)
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


def _become_rsync(name: str, fd: int) -> Never:
    if "SSH_ORIGINAL_COMMAND" not in os.environ:
        raise UsageError(
            "no command has come over ssh",
            hint="this is for a line in authorized_keys: "
            f'restrict,command="revcrypt pull-shell {name}" ssh-ed25519 …',
        )
    _check_rsync()
    # By path, rrsync could still get into the empty directory below, if the view ended
    # just now. A working directory also keeps it from being unmounted by hand.
    os.fchdir(fd)
    os.execv(_RRSYNC, [_RRSYNC, "-ro", "."])  # noqa: S606 - no shell, on purpose


def _open_view(found: site.Site) -> int:
    """Return a descriptor of the view's root; raises `MountpointError`."""
    path = found.mountpoint
    # Waits for an automount, but not for a view that hangs.
    code = mountpoint.probe(path, _SECONDS)
    if code != 0:
        what = "it does not answer" if code is None else os.strerror(code)
        raise _error(path, f"cannot be read: {what}")
    signal.alarm(_SECONDS)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        names = set(os.listdir(fd))
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror}") from None
    finally:
        signal.alarm(0)
    _check_is_view(found, fd)
    if not names - {os.fsdecode(CONFIG_NAME), os.fsdecode(DIR_IV_NAME)}:
        raise _error(path, f"is empty; is {found.source} mounted?")
    return fd


def _check_is_view(found: site.Site, fd: int) -> None:
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
        [number] = [int(line.split()[1]) for line in lines if line.startswith("mnt_id:")]
    expected = source_name(found.shown_source()).encode()
    for mount in read_mounts():
        if mount.number != number:
            continue
        if not mount.is_view:
            break
        if mount.source != expected:
            raise _error(found.mountpoint, f"shows {os.fsdecode(mount.source)}")
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
