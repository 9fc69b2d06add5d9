"""A pull from a real rsync daemon, which asks `revcrypt pull-shell --check` first."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.mount.pulling import Pull, kill, same, stop
from tests.servers import rsync_daemon
from tests.support import REVCRYPT, Mounts, backdate, is_mounted, run, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="a daemon that reads all is root's"),
]


@pytest.fixture
def pull(mounts: Mounts) -> Pull:
    """A view that is mounted."""
    pull = Pull(mounts)
    pull.mount()
    return pull


def pull_from(address: str, copy: Path) -> int:
    """Pull everything, and delete what is not there; return the status."""
    return run_rsync("-aHAX", "--numeric-ids", "--delete", address, f"{copy}/")


def run_rsync(*words: str | Path) -> int:
    """Return the exit status of rsync."""
    command = ["rsync", *words]
    result = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return result.returncode


def check_command(pull: Pull) -> str:
    """Return what the daemon runs before a transfer."""
    return f"{' '.join(REVCRYPT)} pull-shell --check {pull.site}"


@pytest.mark.parametrize("chroot", ["yes", "no"])
def test_pull(chroot: str, pull: Pull) -> None:
    """A pull brings the view as it is, and what has gone goes from the copy, too."""
    with rsync_daemon(pull.directory, pull.view, check_command(pull), chroot) as address:
        assert pull_from(address, pull.copy) == 0
        assert same(pull)
        (pull.source / "below" / "file 3").unlink()
        backdate(pull.source)
        assert not same(pull)
        assert pull_from(address, pull.copy) == 0
        assert same(pull)


@pytest.mark.parametrize("chroot", ["yes", "no"])
def test_nothing_else(chroot: str, pull: Pull) -> None:
    """Nothing can be written, removed, or had from outside of the view."""
    secret = pull.directory / "secret"
    secret.write_text("what nobody may have")
    before = snapshot(pull.source)
    with rsync_daemon(pull.directory, pull.view, check_command(pull), chroot) as address:
        for words in (
            [secret, address],
            [f"{address}../secret", f"{pull.copy}/"],
            ["--copy-links", address, f"{pull.copy}/"],
            ["--remove-source-files", address, f"{pull.copy}/"],
        ):
            assert run_rsync("-a", *words) != 0
            assert not (pull.copy / "secret").exists()
    assert snapshot(pull.source) == before


@pytest.mark.parametrize("chroot", ["yes", "no"])
@pytest.mark.parametrize("accident", ["unmounted", "dead", "emptied", "covered"])
def test_nothing_is_deleted(accident: str, chroot: str, pull: Pull) -> None:
    """A pull of a view that is missing fails, and the copy keeps everything."""
    with rsync_daemon(pull.directory, pull.view, check_command(pull), chroot) as address:
        assert pull_from(address, pull.copy) == 0
        before = snapshot(pull.copy)
        assert len(before) > 12
        if accident == "unmounted":
            pull.mounts.unmount(pull.view)
        elif accident == "dead":
            kill(pull.daemon)
        elif accident == "emptied":
            run("sh", "-c", 'rm -r "$1"/*', "sh", pull.source)
        else:
            run("mount", "-t", "tmpfs", "tmpfs", pull.view)
        assert pull_from(address, pull.copy) != 0
        assert snapshot(pull.copy) == before


@pytest.mark.parametrize("chroot", ["yes", "no"])
def test_view_that_comes_too_late(chroot: str, pull: Pull) -> None:
    """A view does not count that is mounted after rsync has gone to the mountpoint.

    The daemon is in the empty directory below by then, and that is what is checked.
    """
    script = pull.directory / "before.sh"
    passfile = f"--passfile={pull.mounts.passfile}"
    words = [*REVCRYPT, "reverse", "-q", passfile, pull.source, pull.view]
    mount = shlex.join(map(str, words))
    lines = ["#!/bin/sh", f"[ -e {pull.view}.late ] && {mount}", check_command(pull)]
    script.write_text("\n".join(lines) + "\n")
    script.chmod(0o755)
    with rsync_daemon(pull.directory, pull.view, str(script), chroot) as address:
        assert pull_from(address, pull.copy) == 0
        before = snapshot(pull.copy)
        stop(pull)
        Path(f"{pull.view}.late").touch()
        status = pull_from(address, pull.copy)
        assert is_mounted(pull.view)
        assert snapshot(pull.copy) == before
        assert status != 0
