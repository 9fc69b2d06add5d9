"""revcrypt@.service: what happens to a view whose process dies or hangs."""

import signal

import pytest

from tests.systemd import views
from tests.systemd.machine import STARTED, UNIT_FAILED, Machine
from tests.systemd.views import mountpoint, unit

pytestmark = pytest.mark.systemd


def kill(machine: Machine, number: signal.Signals, name: str = "data") -> None:
    """Send a signal to the process that serves a view."""
    machine.systemctl("kill", "--kill-whom=main", f"--signal={number.name}", unit(name))


def test_a_killed_view_is_replaced(machine: Machine) -> None:
    """After SIGKILL, systemd starts another one, in place of the broken mount."""
    views.describe_with_passfile(machine)
    before = views.start(machine)
    kill(machine, signal.SIGKILL)
    machine.wait_for(unit(), STARTED, times=2)
    views.check_serving(machine, "data", before)
    assert machine.property(unit(), "NRestarts") == "1"


def test_a_hanging_view_is_replaced(machine: Machine) -> None:
    """When the process stops answering, the watchdog kills it, without a core dump."""
    views.describe_with_passfile(machine)
    machine.drop_in(unit(), "WatchdogSec=2s")
    before = views.start(machine)
    kill(machine, signal.SIGSTOP)
    machine.wait_for(unit(), STARTED, times=2)
    views.check_serving(machine, "data", before)
    messages = machine.messages(unit())
    assert any("status=9/KILL" in message for message in messages), messages


def test_the_watchdog_leaves_an_answering_view_alone(machine: Machine) -> None:
    """A view that answers reports so, again and again."""
    views.describe_with_passfile(machine)
    machine.drop_in(unit(), "WatchdogSec=1s")
    views.start(machine)
    first = machine.property(unit(), "WatchdogTimestampMonotonic")
    reports = {first}
    while len(reports) < 4:  # WatchdogSec is over after the second one.
        assert machine.property(unit(), "NRestarts") == "0"
        reports.add(machine.property(unit(), "WatchdogTimestampMonotonic"))
    assert machine.property(unit(), "ActiveState") == "active"


def test_a_crashed_view_is_broken_and_not_empty(machine: Machine) -> None:
    """Until the next start, `rsync --delete` stops at an error and deletes nothing."""
    views.describe_with_passfile(machine)
    machine.drop_in(unit(), "Restart=no")
    before = views.start(machine)
    pull = ("rsync", "-a", "--delete", f"{mountpoint()}/", "/tmp/copy")
    machine.run(*pull)
    kill(machine, signal.SIGKILL)
    machine.wait_for(unit(), UNIT_FAILED)
    assert views.BROKEN in machine.run(*pull, status=23).stderr
    assert views.digest(machine, "/tmp/copy") == before
    assert views.start(machine) == before
    assert machine.mounts(mountpoint()) == [views.FUSE]


def test_a_view_that_crashes_again_and_again_stays_broken(machine: Machine) -> None:
    """When systemd gives up, what is left is no empty directory."""
    views.describe_with_passfile(machine)
    views.start(machine)
    for crashes in range(1, 6):
        kill(machine, signal.SIGKILL)
        if crashes < 5:
            machine.wait_for(unit(), STARTED, times=crashes + 1)
    machine.wait_for(unit(), UNIT_FAILED, times=6)
    assert machine.property(unit(), "ActiveState") == "failed"
    assert any("too quickly" in message for message in machine.messages(unit()))
    assert views.BROKEN in machine.run("ls", mountpoint(), status=2).stderr
