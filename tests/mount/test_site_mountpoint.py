"""The mountpoint of `revcrypt mount` comes and goes with the mount.

rsync takes an empty directory for the truth, and one that is missing for an error.
"""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.mount.processes import make_source
from tests.support import REVCRYPT, Mounts, daemons, revcrypt, run, wait_for_daemons
from tests.view.test_devices import mounted, tmpfs

pytestmark = pytest.mark.fuse


@pytest.fixture
def view(mounts: Mounts) -> Path:
    """Where site.toml mounts: below a directory that does not exist yet."""
    path = mounts.directory / "run" / "view"
    source = make_source(mounts)
    site = mounts.directory / "site.toml"
    site.write_text(
        f'source = "{source}"\nmountpoint = "{path}"\npassfile = "{mounts.passfile}"\n'
    )
    site.chmod(0o644)
    mounts._mountpoints.append(path)
    return path


def mount(mounts: Mounts) -> None:
    """Mount as a service does, which lets nobody into what it makes."""
    command = 'umask 077 && exec "$@"'
    run("sh", "-c", command, "sh", *REVCRYPT, "mount", mounts.directory / "site.toml")


def test_it_comes_and_goes(mounts: Mounts, view: Path) -> None:
    """It is made so that others get there, and is gone after a clean end."""
    mount(mounts)
    assert view.parent.stat().st_mode & 0o777 == 0o755
    assert "gocryptfs.conf" in os.listdir(view)
    run("umount", view)
    wait_for_daemons(mounts.directory / "site.toml")
    assert not view.exists()
    assert view.parent.exists()


def test_it_goes_on_a_signal(mounts: Mounts, view: Path) -> None:
    """A service that is stopped leaves nothing either."""
    mount(mounts)
    [pid] = daemons(mounts.directory / "site.toml")
    os.kill(pid, signal.SIGTERM)
    wait_for_daemons(mounts.directory / "site.toml")
    assert not view.exists()


def test_after_a_crash_it_stays_and_is_broken(mounts: Mounts, view: Path) -> None:
    """What a crash leaves is neither empty nor missing; the next mount replaces it."""
    mount(mounts)
    [pid] = daemons(mounts.directory / "site.toml")
    os.kill(pid, signal.SIGKILL)
    wait_for_daemons(mounts.directory / "site.toml")
    with pytest.raises(OSError, match="connect"):
        os.listdir(view)
    mount(mounts)
    assert "gocryptfs.conf" in os.listdir(view)


def test_by_hand_it_stays(mounts: Mounts, view: Path) -> None:
    """A directory that somebody has made for a mount by hand is his."""
    view.mkdir(parents=True)
    source, passfile = mounts.directory / "source", f"--passfile={mounts.passfile}"
    revcrypt("reverse", "-q", passfile, source, view)
    run("umount", view)
    wait_for_daemons(view)
    assert os.listdir(view) == []


def test_a_failure_leaves_none(mounts: Mounts, view: Path) -> None:
    """A wrong passphrase makes no empty directory that looks like an empty backup."""
    mounts.passfile.write_text("wrong\n")
    revcrypt("mount", mounts.directory / "site.toml", status=12)
    assert not view.exists()


def test_two_at_once(mounts: Mounts, view: Path) -> None:
    """Of two that start at the same time, one mounts."""
    command = [*REVCRYPT, "mount", mounts.directory / "site.toml"]
    processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
    statuses = sorted(process.wait(30) for process in processes)
    lines = Path("/proc/self/mountinfo").read_text().split()
    assert lines.count(str(view)) == 1
    assert statuses == [0, 10]


def test_out_of_reach(mounts: Mounts, view: Path) -> None:
    """A view that something else was mounted over is not taken for mounted."""
    mount(mounts)
    parent = view.parent
    with mounted(parent, *tmpfs()):
        mount(mounts)
        assert "gocryptfs.conf" in os.listdir(view)
        run("umount", view)
    assert "gocryptfs.conf" in os.listdir(view)
