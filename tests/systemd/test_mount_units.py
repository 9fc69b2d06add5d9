"""A view as a mount unit, with an automount unit or without."""

import pytest

from tests.support import PASSPHRASE
from tests.systemd import views
from tests.systemd.machine import ROOT, STOPPED, Machine
from tests.systemd.views import FUSE, mountpoint

pytestmark = pytest.mark.systemd

MOUNT = "run-revcrypt-data.mount"
AUTOMOUNT = "run-revcrypt-data.automount"
PASSFILE = "/etc/revcrypt/data.pass"


@pytest.fixture(autouse=True)
def _units(machine: Machine) -> None:
    """Install the examples."""
    for name in (MOUNT, AUTOMOUNT):
        text = (ROOT / "systemd/examples" / name).read_text()
        machine.write(f"/etc/systemd/system/{name}", text)
    machine.write(PASSFILE, PASSPHRASE + "\n", mode=0o600)
    machine.systemctl("daemon-reload")


def test_a_mount_unit_shows_the_view(machine: Machine) -> None:
    """The mount is there when `systemctl start` returns, and gone after a stop."""
    machine.systemctl("start", MOUNT)
    views.digest(machine, mountpoint())
    machine.systemctl("stop", MOUNT)
    assert machine.mounts(mountpoint()) == []
    assert machine.property(MOUNT, "Result") == "success"


def test_a_reload_does_not_mount_again(machine: Machine) -> None:
    """`systemctl reload`, which is `mount -o remount`, leaves the one mount alone."""
    machine.systemctl("start", MOUNT)
    before = views.digest(machine, mountpoint())
    machine.systemctl("reload", MOUNT)
    assert machine.mounts(mountpoint()) == [FUSE]
    assert views.digest(machine, mountpoint()) == before
    machine.systemctl("stop", MOUNT)
    assert machine.mounts(mountpoint()) == []


def test_a_mount_unit_replaces_a_crashed_view(machine: Machine) -> None:
    """A restart of the unit needs no cleaning up by hand."""
    machine.systemctl("start", MOUNT)
    before = views.digest(machine, mountpoint())
    machine.kill(mountpoint())
    assert views.BROKEN in machine.run("ls", mountpoint(), status=2).stderr
    machine.systemctl("restart", MOUNT)
    assert machine.mounts(mountpoint()) == [FUSE]
    assert views.digest(machine, mountpoint()) == before


def test_a_wrong_passphrase_is_a_failed_mount_unit(machine: Machine) -> None:
    """The reason is in the journal, and nothing is mounted."""
    machine.write(PASSFILE, "wrong\n", mode=0o600)
    machine.systemctl("start", MOUNT, status=1)
    assert machine.property(MOUNT, "ActiveState") == "failed"
    assert machine.mounts(mountpoint()) == []
    messages = machine.messages(MOUNT)
    assert any("passphrase" in message for message in messages), messages


def test_the_first_look_at_an_automount_finds_the_view(machine: Machine) -> None:
    """Whoever comes first waits for the mount, and sees all of it."""
    machine.systemctl("start", AUTOMOUNT)
    assert machine.mounts(mountpoint()) == ["autofs"]
    before = views.digest(machine, mountpoint())
    assert machine.mounts(mountpoint()) == ["autofs", FUSE]
    machine.systemctl("stop", MOUNT)
    assert machine.mounts(mountpoint()) == ["autofs"]
    assert views.digest(machine, mountpoint()) == before


def test_many_first_looks_find_one_view(machine: Machine) -> None:
    """Whoever comes while the view is being mounted waits, too."""
    machine.systemctl("start", AUTOMOUNT)
    file = f"{mountpoint()}/gocryptfs.conf"
    cat = f"for i in 1 2 3 4 5 6 7 8; do cat {file} & done; wait"
    shown = machine.run("sh", "-c", cat).stdout
    assert shown == machine.path("/srv/data/.gocryptfs.reverse.conf").read_text() * 8
    assert machine.mounts(mountpoint()) == ["autofs", FUSE]


def test_an_idle_view_is_unmounted_until_somebody_looks(machine: Machine) -> None:
    """With the time-out that the example mentions, a view comes and goes."""
    machine.drop_in(AUTOMOUNT, "TimeoutIdleSec=1s", section="Automount")
    machine.systemctl("start", AUTOMOUNT)
    before = views.digest(machine, mountpoint())
    machine.wait_for(MOUNT, STOPPED)
    assert machine.mounts(mountpoint()) == ["autofs"]
    assert views.digest(machine, mountpoint()) == before


def test_a_failing_automount_is_never_an_empty_directory(machine: Machine) -> None:
    """However often the mount fails, a pull fails, and deletes nothing."""
    machine.systemctl("start", AUTOMOUNT)
    pull = ("rsync", "-a", "--delete", f"{mountpoint()}/", "/tmp/copy")
    machine.run(*pull)
    copy = views.digest(machine, "/tmp/copy")
    machine.systemctl("stop", MOUNT)
    machine.write(PASSFILE, "wrong\n", mode=0o600)
    for _ in range(8):  # systemd would give up after five.
        machine.run(*pull, status=23)
    assert views.digest(machine, "/tmp/copy") == copy
    machine.write(PASSFILE, PASSPHRASE + "\n", mode=0o600)
    assert views.digest(machine, mountpoint()) == copy
