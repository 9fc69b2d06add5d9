"""The drop-in for a service that runs as a user of its own."""

import signal

import pytest

from tests.support import PASSPHRASE
from tests.systemd import views
from tests.systemd.machine import ROOT, STARTED, Boot, Machine
from tests.systemd.views import mountpoint, unit

pytestmark = pytest.mark.systemd

DROP_IN = ROOT / "systemd/examples/dedicated-user.conf"
ALTERNATIVE = "AmbientCapabilities=CAP_DAC_READ_SEARCH CAP_SYS_ADMIN CAP_FOWNER"


@pytest.fixture
def machine(boot: Boot) -> Machine:
    """Return a machine as the comments in the drop-in want it, with a view to start."""
    machine = boot({"/etc/fuse.conf": "user_allow_other\n"})
    for user in ("revcrypt", "backup-pull", "stranger"):
        machine.run("useradd", "--system", user)
    # The device of the host is shown there, and its mode is not ours to change.
    device = "umount /dev/fuse; rm /dev/fuse; mknod --mode=666 /dev/fuse c 10 229"
    machine.run("sh", "-ec", device)
    # The interpreter may be in root's home.
    machine.path("/root").chmod(0o711)
    views.describe(machine, "data", 'allow-user = ["backup-pull"]')
    machine.write("/etc/revcrypt/data.cred", PASSPHRASE + "\n", mode=0o600)
    plain = "[Service]\nLoadCredential=passphrase:/etc/revcrypt/%i.cred\n"
    machine.write(f"/etc/systemd/system/{unit()}.d/credential.conf", plain)
    text = DROP_IN.read_text()
    machine.write(f"/etc/systemd/system/{unit()}.d/user.conf", text)
    machine.systemctl("daemon-reload")
    return machine


def test_the_user_can_read_everything_and_nothing_else(machine: Machine) -> None:
    """The process has one capability; root's files are shown all the same."""
    machine.path("/etc/revcrypt/data.toml").chmod(0o600)
    assert machine.path("/srv/data").stat().st_mode & 0o77 == 0
    expected = views.start(machine)
    views.check_serving(machine, "data", expected)
    process = machine.property(unit(), "MainPID")
    status = machine.run("cat", f"/proc/{process}/status").stdout
    assert "CapEff:\t0000000000000004\n" in status
    assert "Uid:\t0" not in status


def test_a_stop_and_a_crash_need_no_root(machine: Machine) -> None:
    """The user's own process takes a dead mount away, and unmounts at the end."""
    before = views.start(machine)
    machine.systemctl(
        "kill", "--kill-whom=main", f"--signal={signal.SIGKILL.name}", unit()
    )
    machine.wait_for(unit(), STARTED, times=2)
    views.check_serving(machine, "data", before)
    machine.systemctl("stop", unit())
    assert machine.mounts(mountpoint()) == []
    assert machine.property(unit(), "Result") == "success"


def test_only_the_allowed_user_gets_in(machine: Machine) -> None:
    """Others than those in the description are kept out."""
    machine.run("cp", "-a", "/srv/data", "/run/plain")
    machine.run("chmod", "-R", "a+rX", "/run/plain")
    views.describe(machine, "data", 'allow-user = ["backup-pull"]', source="/run/plain")
    views.start(machine)
    assert "gocryptfs.conf" in views.listing(machine, "backup-pull")
    assert views.listing(machine, "stranger", status=2) == ""


def test_the_alternative_keeps_the_hardening(machine: Machine) -> None:
    """With CAP_SYS_ADMIN, the user mounts without fusermount3 and its privileges."""
    head, found, rest = DROP_IN.read_text().partition("# This user mounts with")
    assert found
    assert ALTERNATIVE in rest
    machine.write(f"/etc/systemd/system/{unit()}.d/user.conf", f"{head}{ALTERNATIVE}\n")
    machine.systemctl("daemon-reload")
    before = views.start(machine)
    machine.systemctl(
        "kill", "--kill-whom=main", f"--signal={signal.SIGKILL.name}", unit()
    )
    machine.wait_for(unit(), STARTED, times=2)
    views.check_serving(machine, "data", before)
    process = machine.property(unit(), "MainPID")
    assert "NoNewPrivs:\t1\n" in machine.run("cat", f"/proc/{process}/status").stdout
    machine.systemctl("stop", unit())
    assert machine.mounts(mountpoint()) == []
