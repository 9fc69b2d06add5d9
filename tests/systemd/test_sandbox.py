"""revcrypt@.service: its hardening, and the hardening that would hide the view."""

from pathlib import Path

import pytest

from tests.systemd import views
from tests.systemd.machine import ROOT, Machine
from tests.systemd.views import unit

pytestmark = pytest.mark.systemd

EXPOSURE = 31
"""Tenths, as `systemd-analyze security` of systemd 252 rates the service."""

UNITS = sorted((ROOT / "systemd").rglob("*.*"))


@pytest.mark.parametrize(
    "setting",
    [
        "PrivateTmp=yes",
        "PrivateMounts=yes",
        "PrivateIPC=yes",
        "ProtectSystem=full",
        "ProtectHome=read-only",
        "ProtectProc=invisible",
        "ProcSubset=pid",
        "ProtectControlGroups=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ReadOnlyPaths=/etc",
        "InaccessiblePaths=/boot",
        "NoExecPaths=/tmp",
        "BindPaths=/srv:/mnt",
        "TemporaryFileSystem=/opt",
    ],
)
def test_a_view_that_nobody_would_see_is_refused(machine: Machine, setting: str) -> None:
    """With settings that hide the mount, the service fails instead of serving nobody."""
    views.describe_with_passfile(machine)
    machine.drop_in(unit(), setting)
    machine.systemctl("start", unit(), status=1)
    views.check_failed(machine, "data", "19", "invisible")


def test_the_service_has_the_powers_it_needs_and_no_more(machine: Machine) -> None:
    """The process that serves can get no privileges, and has three capabilities."""
    views.describe_with_passfile(machine)
    views.start(machine)
    process = machine.property(unit(), "MainPID")
    status = machine.run("cat", f"/proc/{process}/status").stdout
    words = dict(line.split(":\t", 1) for line in status.splitlines())
    admin, read_search, owner = 21, 2, 3
    expected = 1 << admin | 1 << read_search | 1 << owner
    assert int(words["CapEff"], 16) == int(words["CapBnd"], 16) == expected
    assert words["NoNewPrivs"] == "1"
    assert words["Seccomp"] == "2"


def test_systemd_rates_the_service(machine: Machine) -> None:
    """The rating has not become worse than what the unit says of itself."""
    rate = ("systemd-analyze", "security", "--no-pager", f"--threshold={EXPOSURE}")
    machine.run(*rate, unit())
    assert f"\n# {EXPOSURE / 10} in" in (ROOT / "systemd/revcrypt@.service").read_text()


@pytest.mark.parametrize("file", [path for path in UNITS if path.suffix != ".conf"])
def test_systemd_finds_no_fault_with_a_unit(machine: Machine, file: Path) -> None:
    """`systemd-analyze verify` neither fails nor says anything."""
    name = file.name.replace("@.", "@data.")
    for path in UNITS:
        if path.suffix != ".conf":
            machine.write(f"/etc/systemd/system/{path.name}", path.read_text())
    result = machine.run("systemd-analyze", "verify", "--man=no", name)
    assert result.stdout + result.stderr == ""


def test_systemd_finds_no_fault_with_a_drop_in(machine: Machine) -> None:
    """`systemd-analyze verify` neither fails nor says anything about a dedicated user."""
    text = (ROOT / "systemd/examples/dedicated-user.conf").read_text()
    machine.write(f"/etc/systemd/system/{unit()}.d/user.conf", text)
    machine.run("useradd", "--system", "revcrypt")
    assert "User=revcrypt" in machine.systemctl("cat", unit())
    result = machine.run("systemd-analyze", "verify", "--man=no", unit())
    assert result.stdout + result.stderr == ""
