"""revcrypt@.service: what start and stop promise."""

import os
import time

import pytest

from tests.systemd import views
from tests.systemd.machine import Machine
from tests.systemd.views import mountpoint, unit

pytestmark = pytest.mark.systemd


def test_a_started_view_can_be_pulled_at_once_and_restored(machine: Machine) -> None:
    """`systemctl start` returns when a pull finds everything, and not before."""
    views.describe_with_passfile(machine)
    machine.systemctl("start", unit())
    machine.run("rsync", "-a", f"{mountpoint()}/", "/tmp/copy")
    machine.run("mkdir", "/tmp/plain")
    restore = ("revcrypt", "forward", "-q", f"--passfile={views.PASSFILE}")
    machine.run(*restore, "/tmp/copy", "/tmp/plain")
    hidden = "--exclude=.gocryptfs.reverse.conf"
    machine.run("diff", "--recursive", hidden, "/srv/data", "/tmp/plain")
    assert "file 19" in os.listdir(machine.path("/tmp/plain/sub"))


def test_the_status_says_what_is_shown_where(machine: Machine) -> None:
    """`systemctl status` names source and mountpoint."""
    views.describe_with_passfile(machine)
    views.start(machine)
    text = machine.property(unit(), "StatusText")
    assert "/srv/data" in text
    assert mountpoint() in text


def test_a_stop_unmounts_and_is_a_success(machine: Machine) -> None:
    """After `systemctl stop`, nothing is mounted, and the unit has not failed."""
    views.describe_with_passfile(machine)
    views.start(machine)
    machine.systemctl("stop", unit())
    assert machine.mounts(mountpoint()) == []
    assert machine.property(unit(), "ActiveState") == "inactive"
    assert machine.property(unit(), "Result") == "success"
    assert machine.property(unit(), "ExecMainStatus") == "0"


def test_readers_do_not_hold_up_a_stop(machine: Machine) -> None:
    """A stop is quick while somebody has a file of the view open."""
    views.describe_with_passfile(machine)
    views.start(machine)
    view = machine.path(mountpoint())
    with open(view / "gocryptfs.conf", "rb") as file:
        assert file.read(1)
        begin = time.monotonic()
        machine.systemctl("stop", unit())
        assert time.monotonic() - begin < 8  # systemd would send SIGKILL after 10 s
    assert machine.mounts(mountpoint()) == []
    assert machine.property(unit(), "Result") == "success"


def test_a_restart_shows_the_same_bytes(machine: Machine) -> None:
    """After `systemctl restart`, there is one mount, and nothing to pull again."""
    views.describe_with_passfile(machine)
    before = views.start(machine)
    machine.systemctl("restart", unit())
    views.check_serving(machine, "data", before)


def test_a_second_start_changes_nothing(machine: Machine) -> None:
    """Starting what runs neither fails nor mounts again."""
    views.describe_with_passfile(machine)
    before = views.start(machine)
    process = machine.property(unit(), "MainPID")
    assert views.start(machine) == before
    assert machine.property(unit(), "MainPID") == process
    assert machine.mounts(mountpoint()) == [views.FUSE]


def test_twenty_views_start_and_stop_together(machine: Machine) -> None:
    """Views do not get into each other's way."""
    names = [f"data{number}" for number in range(20)]
    for name in names:
        views.describe_with_passfile(machine, name)
    machine.systemctl("start", *map(unit, names))
    expected = views.digest(machine, mountpoint(names[0]))
    for name in names:
        views.check_serving(machine, name, expected)
    machine.systemctl("stop", "revcrypt@*.service")
    assert not any(machine.mounts(mountpoint(name)) for name in names)


def test_a_shutdown_does_not_wait_for_a_view(machine: Machine) -> None:
    """A machine with a view that somebody reads is down before any time-out."""
    views.describe_with_passfile(machine)
    views.start(machine)
    machine.systemctl("enable", unit())
    with open(machine.path(mountpoint()) / "gocryptfs.conf", "rb") as file:
        assert file.read(1)
        begin = time.monotonic()
        machine.close()
        assert time.monotonic() - begin < 8


def test_access_times_of_other_users_files_stay(machine: Machine) -> None:
    """The service has the capability to read a file as if nobody had."""
    machine.run("cp", "-a", "/srv/data", "/run/plain")
    file = machine.path("/run/plain/sub/file 7")
    os.chown(file, 1000, 1000)
    os.utime(file, ns=(10**18, 10**18))
    views.describe_with_passfile(machine, source="/run/plain")
    views.start(machine)
    assert file.stat().st_atime_ns == 10**18


def test_an_allowed_user_gets_in_and_others_do_not(machine: Machine) -> None:
    """Whoever pulls need not be root, also where revcrypt makes the mountpoint."""
    for user in ("backup-pull", "stranger"):
        machine.run("useradd", "--system", user)
    machine.run("cp", "-a", "/srv/data", "/run/plain")
    machine.run("chmod", "-R", "a+rX", "/run/plain")
    allow = 'allow-user = ["backup-pull"]'
    views.describe_with_passfile(machine, "data", allow, source="/run/plain")
    views.start(machine)
    assert "gocryptfs.conf" in views.listing(machine, "backup-pull")
    assert views.listing(machine, "stranger", status=2) == ""


def test_a_view_ends_before_its_source_is_unmounted(machine: Machine) -> None:
    """With the drop-in that the unit's comments tell, the view is in nobody's way."""
    disk = "[Mount]\nWhat=disk\nWhere=/srv/disk\nType=tmpfs\n"
    machine.write("/etc/systemd/system/srv-disk.mount", disk)
    machine.systemctl("start", "srv-disk.mount")
    machine.run("cp", "-a", "/srv/data", "/srv/disk/data")
    machine.drop_in(unit(), "RequiresMountsFor=/srv/disk/data", section="Unit")
    views.describe_with_passfile(machine, source="/srv/disk/data")
    views.start(machine)
    machine.systemctl("stop", "srv-disk.mount")
    assert machine.mounts("/srv/disk") == []
    assert machine.mounts(mountpoint()) == []
    assert machine.property(unit(), "Result") == "success"
