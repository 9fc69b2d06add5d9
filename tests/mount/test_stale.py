"""What a crashed or hanging view leaves behind, and what mounting again makes of it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.mount.fstab import EVERYTHING, Fstab, limited, shown
from tests.mount.processes import SECONDS, assert_broken, end_of, stopped
from tests.support import REVCRYPT, Mounts, daemons, is_mounted, run, write_secret

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts by fstab"),
]

PASSFILE = "passfile=/etc/revcrypt/pass"


def crash(view: Path) -> int:
    """Kill the daemon, check that the mountpoint is broken, and return the dead pid."""
    [pid] = daemons(view)
    with end_of(pid):
        os.kill(pid, signal.SIGKILL)
    assert_broken(view)
    return pid


def reverse(fstab: Fstab, view: Path) -> tuple[str | Path, ...]:
    """Return the native command for the view of /srv/data."""
    passfile = f"--passfile={fstab.moved('/etc/revcrypt/pass')}"
    return (*REVCRYPT, "reverse", "-q", passfile, fstab.moved("/srv/data"), view)


# Crashed


@pytest.mark.parametrize("by", ["mount", "reverse"])
def test_replaced(by: str, fstab: Fstab) -> None:
    """Mounting again takes the dead mount away, and serves."""
    view = fstab.view("ro")
    dead = crash(view)
    if by == "mount":
        fstab.mount(view)
    else:
        limited(*reverse(fstab, view))
    assert len(shown(view)) == 1
    assert sorted(os.listdir(view)) == EVERYTHING
    assert daemons(view) != [dead]


def test_forward_is_replaced(fstab: Fstab) -> None:
    """The same holds in the other direction."""
    run("cp", "-a", fstab.view("ro"), fstab.moved("/srv/copy"))
    plain = fstab.add(f"/srv/copy /mnt/plain fuse.revcrypt {PASSFILE} 0 0")
    fstab.mount(plain)
    crash(plain)
    fstab.mount(plain)
    assert len(shown(plain)) == 1
    assert (plain / "letter").read_bytes() == b"dear diary"


def test_mount_all(fstab: Fstab) -> None:
    """`mount -a` leaves a dead mount to others: for libmount it is mounted.

    It asks us only about a mount that is called otherwise than its line.
    """
    same = fstab.view("ro")
    line = f"/srv/data /mnt/named fuse.revcrypt reverse,fsname=data,{PASSFILE} 0 0"
    named = fstab.add(line)
    fstab.mount(named)
    crash(same)
    crash(named)
    fstab.mount("-a")
    assert_broken(same)
    assert [len(shown(view)) for view in (same, named)] == [1, 1]
    assert sorted(os.listdir(named)) == EVERYTHING


def test_remount(fstab: Fstab) -> None:
    """A remount does not say that all is well."""
    view = fstab.view("ro")
    crash(view)
    fstab.mount("-o", "remount", view, status=ExitCode.MOUNTPOINT)
    assert_broken(view)


def test_failure_leaves_it_broken(fstab: Fstab) -> None:
    """Unless the new view is certain, a dead mount stays: below it all looks empty."""
    view = fstab.view("ro")
    crash(view)
    passfile = fstab.moved("/etc/revcrypt/pass")
    write_secret(passfile, "wrong horse")
    fstab.mount(view, status=ExitCode.PASSPHRASE_WRONG)
    assert_broken(view)
    fstab.moved("/srv/data/.gocryptfs.reverse.conf").unlink()
    fstab.mount(view, status=ExitCode.CONFIG_UNREADABLE)
    assert_broken(view)


def test_still_in_use(fstab: Fstab) -> None:
    """A process that stands in the dead mount keeps nobody from replacing it."""
    view = fstab.view("ro")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, cwd=view) as inside:
        try:
            crash(view)
            fstab.mount(view)
            assert len(shown(view)) == 1
            assert sorted(os.listdir(view)) == EVERYTHING
        finally:
            inside.kill()


def test_unmounted(fstab: Fstab) -> None:
    """A dead mount can be unmounted like any other."""
    view = fstab.view("ro")
    crash(view)
    limited("umount", view)
    assert not is_mounted(view)
    assert os.listdir(view) == []


def test_of_another_program(mounts: Mounts, fstab: Fstab) -> None:
    """What another program has left is in the way, and stays."""
    run("cp", "-a", fstab.view("ro"), fstab.moved("/srv/copy"))
    view = mounts.gocryptfs(fstab.moved("/srv/copy"), "mnt/gocryptfs", "-ro")
    crash(view)
    line = f"/srv/data /mnt/gocryptfs fuse.revcrypt reverse,{PASSFILE} 0 0"
    assert fstab.add(line) == view
    said = fstab.mount(view, status=ExitCode.MOUNTPOINT).stderr
    assert f"already, of {fstab.moved('/srv/copy')}" in said
    assert_broken(view)


# Hanging


def test_hanging(fstab: Fstab) -> None:
    """A view that hangs is no dead one: mounting again fails, and does not hang."""
    view = fstab.view("ro")
    [pid] = daemons(view)
    mount = ("mount", "-T", fstab.path, view)
    with stopped(pid):
        commands = [mount, reverse(fstab, view)]
        processes = [
            subprocess.Popen(
                ["timeout", "--kill-after=5", str(SECONDS), *command],
                stderr=subprocess.PIPE,
                text=True,
            )
            for command in commands
        ]
        outcomes = [
            (process.communicate()[1], process.returncode) for process in processes
        ]
    for said, status in outcomes:
        assert status == ExitCode.MOUNTPOINT, said
        assert f"{view} is mounted, and does not answer" in said
    assert len(shown(view)) == 1
    assert daemons(view) == [pid]
    assert sorted(os.listdir(view)) == EVERYTHING
