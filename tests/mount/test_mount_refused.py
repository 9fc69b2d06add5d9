"""Lines of fstab that cannot be mounted: how mount(8) is told, and that nothing hangs."""

import os

import pytest

from revcrypt.errors import ExitCode
from tests.mount.fstab import Fstab, limited, shown
from tests.support import Mounts, is_mounted, revcrypt, write_secret

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts by fstab"),
]

PASSFILE = "passfile=/etc/revcrypt/pass"
MOUNT_FAILURE = 32
"""The status of `mount -a` for whatever goes wrong."""


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        ("wrong horse", ExitCode.PASSPHRASE_WRONG, "passphrase"),
        ("", ExitCode.PASSPHRASE_UNREADABLE, "passfile PASSFILE"),
        ("\nsecond line", ExitCode.PASSPHRASE_UNREADABLE, "passfile PASSFILE"),
        (None, ExitCode.PASSPHRASE_UNREADABLE, "passfile PASSFILE"),
    ],
)
def test_passphrase(
    content: str | None, status: ExitCode, reason: str, fstab: Fstab
) -> None:
    """Without the right passphrase nothing is mounted, and the message says why."""
    passfile = fstab.moved("/etc/revcrypt/pass")
    passfile.unlink()
    if content is not None:
        write_secret(passfile, content)
    view = fstab.add(f"/srv/data /mnt/view fuse.revcrypt reverse,{PASSFILE} 0 0")
    said = fstab.mount(view, status=status).stderr
    assert reason.replace("PASSFILE", str(passfile)) in said
    fstab.mount("-a", status=MOUNT_FAILURE)
    assert not is_mounted(view)


def test_no_passphrase(fstab: Fstab) -> None:
    """A line that says nothing about the passphrase fails instead of waiting for one."""
    view = fstab.add("/srv/data /mnt/view fuse.revcrypt reverse 0 0")
    said = fstab.mount(view, status=ExitCode.PASSPHRASE_UNREADABLE).stderr
    assert "empty passphrase" in said


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ("/srv/none /mnt/view reverse", ExitCode.SOURCE, "/srv/none does not exist"),
        ("/srv/data/letter /mnt/view reverse", ExitCode.SOURCE, "is not a directory"),
        ("/srv/data /srv reverse", ExitCode.MOUNTPOINT, "/srv is not empty"),
        ("/srv/data /srv reverse,nonempty", ExitCode.MOUNTPOINT, "overlap"),
        ("/srv/data /srv/data reverse,nonempty", ExitCode.MOUNTPOINT, "overlap"),
        ("/srv/data /srv/data/in nonempty", ExitCode.MOUNTPOINT, "overlap"),
        ("/srv/data /srv nonempty", ExitCode.MOUNTPOINT, "overlap"),
        ("/srv/data /mnt/view nonempty", ExitCode.CONFIG_UNREADABLE, "gocryptfs.conf"),
    ],
)
def test_places(fields: str, status: ExitCode, reason: str, fstab: Fstab) -> None:
    """A source or mountpoint that will not do is refused, and named."""
    source, target, words = fields.split()
    view = fstab.add(f"{source} {target} fuse.revcrypt {words},{PASSFILE} 0 0")
    assert reason in fstab.mount(view, status=status).stderr
    assert not is_mounted(view)


@pytest.mark.parametrize(
    ("is_file", "reason"), [(False, "does not exist"), (True, "is not a directory")]
)
def test_no_mountpoint(is_file: bool, reason: str, fstab: Fstab) -> None:
    """A mountpoint that is missing, or is a file, is an error that names it."""
    view = fstab.add(f"/srv/data /mnt/view fuse.revcrypt reverse,{PASSFILE} 0 0")
    view.rmdir()
    if is_file:
        view.touch()
    said = fstab.mount(view, status=ExitCode.MOUNTPOINT).stderr
    assert f"{view} {reason}" in said
    assert not is_mounted(view)


def test_taken_by_another_filesystem(fstab: Fstab) -> None:
    """What is mounted there already is named, and stays alone."""
    view = fstab.add(f"/srv/data /mnt/view fuse.revcrypt reverse,{PASSFILE} 0 0")
    limited("mount", "-t", "tmpfs", "something", view)
    said = fstab.mount(view, status=ExitCode.MOUNTPOINT).stderr
    assert "already, of something" in said
    assert [mount["fstype"] for mount in shown(view)] == ["tmpfs"]


def test_taken_by_another_view(mounts: Mounts, fstab: Fstab) -> None:
    """The view of another source is in the way, too."""
    another = fstab.moved("/srv/another")
    another.mkdir()
    mounts.init(another)
    view = fstab.add(f"/srv/data /mnt/view fuse.revcrypt reverse,{PASSFILE} 0 0")
    revcrypt("reverse", f"--passfile={mounts.passfile}", another, view)
    said = fstab.mount(view, status=ExitCode.MOUNTPOINT).stderr
    assert f"already, of {another}" in said
    assert [mount["source"] for mount in shown(view)] == [str(another)]
