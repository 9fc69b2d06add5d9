"""What a machine does when it boots with views in /etc/fstab, or with services."""

import pytest

from tests.support import PASSPHRASE
from tests.systemd import views
from tests.systemd.machine import START_FAILED, STARTED, Boot, Machine
from tests.systemd.views import FUSE, mountpoint, unit

pytestmark = pytest.mark.systemd

MOUNT = "run-revcrypt-data.mount"
GOOD, BAD = "/etc/good.pass", "/etc/bad.pass"


def line(passfile: str, options: str) -> str:
    """Return a line of fstab."""
    every = f"ro,reverse,allow_other,passfile={passfile}"
    return f"/srv/data {mountpoint()} fuse.revcrypt {every},{options} 0 0\n"


def boot_with(boot: Boot, fstab: str) -> Machine:
    """Boot a machine with a line of fstab."""
    machine = boot({"/etc/fstab": fstab, GOOD: PASSPHRASE, BAD: "wrong"})
    assert machine.property("multi-user.target", "ActiveState") == "active"
    return machine


def test_a_line_is_mounted_at_boot(boot: Boot) -> None:
    """A view in fstab is mounted without anybody asking."""
    machine = boot_with(boot, line(GOOD, "nofail"))
    machine.wait_for(MOUNT, STARTED)
    views.digest(machine, mountpoint())
    assert machine.mounts(mountpoint()) == [FUSE]


def test_mount_a_does_not_mount_again(boot: Boot) -> None:
    """`mount -a` finds the view in place."""
    machine = boot_with(boot, line(GOOD, "nofail"))
    machine.wait_for(MOUNT, STARTED)
    machine.run("mount", "-a")
    assert machine.mounts(mountpoint()) == [FUSE]


def test_a_line_with_automount_is_mounted_on_the_first_look(boot: Boot) -> None:
    """At boot, only the trigger is set; the first to look waits for the view."""
    machine = boot_with(boot, line(GOOD, "noauto,nofail,x-systemd.automount"))
    assert machine.mounts(mountpoint()) == ["autofs"]
    views.digest(machine, mountpoint())
    assert machine.mounts(mountpoint()) == ["autofs", FUSE]


def test_a_failing_line_does_not_stop_the_boot(boot: Boot) -> None:
    """With `nofail`, a wrong passphrase is one failed unit, and the machine is up."""
    machine = boot_with(boot, line(BAD, "nofail"))
    machine.wait_for(MOUNT, START_FAILED)
    assert machine.systemctl("is-system-running", status=1) == "degraded"
    assert machine.property("emergency.target", "ActiveState") == "inactive"
    assert machine.mounts(mountpoint()) == []


def test_a_failing_line_with_automount_does_not_stop_the_boot(boot: Boot) -> None:
    """A wrong passphrase is an error for who looks, and no empty directory."""
    machine = boot_with(boot, line(BAD, "noauto,nofail,x-systemd.automount"))
    assert machine.systemctl("is-system-running") == "running"
    assert "No such device" in machine.run("ls", mountpoint(), status=2).stderr
    assert machine.mounts(mountpoint()) == ["autofs"]


def service(passfile: str) -> dict[str, str]:
    """Return the files of a machine that boots with the service of a view."""
    settings = {"source": "/srv/data", "mountpoint": mountpoint(), "passfile": passfile}
    lines = [f'{key} = "{value}"' for key, value in settings.items()]
    return {
        "/etc/revcrypt/data.toml": "\n".join(lines),
        "/etc/systemd/system/multi-user.target.d/test.conf": f"[Unit]\nWants={unit()}\n",
        GOOD: PASSPHRASE,
        BAD: "wrong",
    }


def test_a_service_is_up_when_the_machine_is(boot: Boot) -> None:
    """When the boot is done, the view can be pulled."""
    machine = boot(service(GOOD))
    views.check_serving(machine, "data", views.digest(machine, mountpoint()))
    assert machine.systemctl("is-system-running") == "running"


def test_a_failing_service_does_not_stop_the_boot(boot: Boot) -> None:
    """A wrong passphrase is one failed unit."""
    machine = boot(service(BAD))
    views.check_failed(machine, "data", "12", "passphrase")
    assert machine.property("multi-user.target", "ActiveState") == "active"


def test_enabling_a_service_makes_it_part_of_the_boot(machine: Machine) -> None:
    """`systemctl enable` does what the tests above have written themselves."""
    machine.systemctl("enable", unit())
    assert unit() in machine.property("multi-user.target", "Wants").split()
