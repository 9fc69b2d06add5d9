"""`revcrypt pull-shell` at the worst moments, and without what it needs."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from revcrypt.errors import ExitCode
from tests.mount.processes import SECONDS, end_of, patched
from tests.mount.pulling import Pull, same
from tests.support import Mounts, revcrypt, run, snapshot, wait_for_unmount

pytestmark = pytest.mark.fuse


@pytest.fixture
def pull(mounts: Mounts) -> Pull:
    """A view that is mounted."""
    pull = Pull(mounts)
    pull.mount()
    return pull


def without_ssh() -> dict[str, str]:
    """Return an environment in which nobody has asked for anything over ssh."""
    return {k: v for k, v in os.environ.items() if k != "SSH_ORIGINAL_COMMAND"}


# What it needs


def test_check(pull: Pull) -> None:
    """With --check, it says whether a pull would work; it needs neither ssh nor rsync."""
    words = ("pull-shell", "--check", pull.site)
    result = revcrypt(*words, env=without_ssh() | {"PATH": "/nonexistent"})
    assert (result.stdout, result.stderr) == ("", "")
    pull.mounts.unmount(pull.view)
    revcrypt(*words, status=ExitCode.MOUNTPOINT, env=without_ssh())
    pull.view.rmdir()
    said = revcrypt(*words, status=ExitCode.MOUNTPOINT, env=without_ssh()).stderr
    assert f"{pull.view} cannot be read: No such file" in said
    pull.view.touch()
    said = revcrypt(*words, status=ExitCode.MOUNTPOINT, env=without_ssh()).stderr
    assert f"{pull.view} cannot be read: Not a directory" in said
    pull.view.unlink()
    pull.site.write_text("source = 7")
    revcrypt(*words, status=ExitCode.CONFIG_INVALID, env=without_ssh())


def test_named_view(pull: Pull) -> None:
    """A view with a name of its own is found by that name."""
    pull.mounts.unmount(pull.view)
    pull.mount("--fsname=a näme, with a comma")
    pull.describe(fsname="a näme, with a comma")
    assert pull.pull().returncode == 0
    assert same(pull)
    pull.describe(fsname="another name")
    assert "shows a n%C3%A4me" in pull.pull().stderr


@pytest.mark.parametrize(
    "names", ["--deterministic-names", "--plaintext-names", "--long-name-max=255"]
)
def test_nothing_but_its_own_files(names: str, mounts: Mounts, pull: Pull) -> None:
    """A view of an empty source is empty, whatever the view itself adds to it."""
    pull.mounts.unmount(pull.view)
    run("sh", "-c", 'rm -r "$1"/* "$1"/.g*', "sh", pull.source)
    mounts.init(pull.source, names)
    pull.mount()
    words = ("pull-shell", "--check", pull.site)
    assert "is empty" in revcrypt(*words, status=ExitCode.MOUNTPOINT).stderr
    (pull.source / "file").touch()
    revcrypt(*words)


def test_no_ssh(pull: Pull) -> None:
    """By hand, it says where it belongs."""
    words = ("pull-shell", pull.site)
    said = revcrypt(*words, status=ExitCode.USAGE, env=without_ssh()).stderr
    assert "no command has come over ssh" in said
    assert f'command="revcrypt pull-shell {pull.site}"' in said.splitlines()[1]


OLD = """
def old(command, **options):
    text = subprocess.CompletedProcess(command, 0, {version!r})
    return text if command[-1] == "--version" else run(command, **options)
run = subprocess.run
subprocess.run = old
"""


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        (b"rsync  version 3.4.4  protocol version 32", False),
        (b"rsync  version 3.2.7  protocol version 31", False),
        (b"rsync  version 2.99.99  protocol version 29", False),
        (b"openrsync: protocol version 29", False),
        (b"", False),
        (b"rsync  version 3.5.0  protocol version 32", True),
        (b"rsync  version v3.5.1pre1  protocol version 32", True),
        (b"rsync  version 3.10.0  protocol version 33", True),
        (b"rsync  version 4.0.0  protocol version 33", True),
    ],
)
def test_old_rsync(version: bytes, safe: bool, pull: Pull) -> None:
    """An rsync with known ways out of its directory is not run."""
    result = pull.pull(pull.shell(OLD.format(version=version)))
    assert (result.returncode == 0) == safe, result
    assert bool(snapshot(pull.copy)) == safe
    assert ("older than 3.5.0" in result.stderr) == (not safe)


def test_no_rrsync(pull: Pull) -> None:
    """Without rrsync, nothing is run."""
    result = pull.pull(pull.shell('pull_shell._RRSYNC = "/nonexistent/rrsync"'))
    assert result.returncode != 0
    assert "rrsync is not installed" in result.stderr
    assert snapshot(pull.copy) == {}


# Moments

STOP = """
def stop(*_):
    os.kill({pid}, 15)
    while {view!r} in open("/proc/self/mountinfo").read():
        pass
"""


def test_stopped_before_rsync_runs(pull: Pull) -> None:
    """A service that is stopped after the view was proven does not empty the copy."""
    assert pull.pull().returncode == 0
    before = snapshot(pull.copy)
    with end_of(pull.daemon):
        stop = STOP.format(pid=pull.daemon, view=str(pull.view))
        result = pull.pull(pull.shell(f"{stop}\npull_shell._check_rsync = stop"))
    assert snapshot(pull.copy) == before
    assert result.returncode != 0


@pytest.mark.parametrize(
    "moment",
    [
        "    args.dir_slash = ",
        "    global client_relative\n    rsync_opts",
        "    if not rsync_args:",
    ],
    ids=["before it goes there", "when it is there", "when it has looked at the paths"],
)
def test_stopped_while_rrsync_runs(moment: str, pull: Pull) -> None:
    """A service that is stopped before rsync itself runs does not empty the copy."""
    assert pull.pull().returncode == 0
    before = snapshot(pull.copy)
    program = Path("/usr/bin/rrsync").read_text()
    assert program.count(moment) == 1
    stop = STOP.format(pid=pull.daemon, view=str(pull.view))
    head, tail = program.split(moment)
    slow = pull.directory / "rrsync"
    slow.write_text(head + indent(f"{stop}stop()\n", "    ") + moment + tail)
    slow.chmod(0o755)
    with end_of(pull.daemon):
        result = pull.pull(pull.shell(f"pull_shell._RRSYNC = {str(slow)!r}"))
    assert snapshot(pull.copy) == before
    assert result.returncode != 0


RELAY = """
import os, sys
{stop}
greeting = os.read(0, 4)
stop()
os.write(1, greeting)
while data := os.read(0, 65536):
    os.write(1, data)
"""


def test_stopped_while_it_is_pulled(pull: Pull) -> None:
    """A service that is stopped while rsync runs does not empty the copy either."""
    assert pull.pull().returncode == 0
    before = snapshot(pull.copy)
    stop = STOP.format(pid=pull.daemon, view=str(pull.view))
    relay = pull.directory / "relay.py"
    relay.write_text(RELAY.format(stop=stop))
    stub = pull.shell()
    script = stub.read_text().replace("exec ", "")
    stub.write_text(f"{script.rstrip()} | {sys.executable} {relay}\n")
    with end_of(pull.daemon):
        result = pull.pull(stub)
    assert snapshot(pull.copy) == before
    assert result.returncode != 0


HANG = """
async def hang(self, ctx):
    await trio.sleep_forever()
Operations.statfs = hang
"""


def test_view_that_takes_requests_and_hangs(pull: Pull) -> None:
    """A view that never answers is given up in time."""
    options = ("reverse", "-f", "-q", f"--passfile={pull.mounts.passfile}")
    hanging = pull.mounts.mountpoint("hanging")
    command = patched(HANG, *options, f"--fsname={pull.source}", pull.source, hanging)
    daemon = pull.mounts.start(*command)
    pull.describe(mountpoint=str(hanging))
    stub = pull.shell("pull_shell._SECONDS = 1", "--check")
    with subprocess.Popen([stub, "host"], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.wait(SECONDS) == ExitCode.MOUNTPOINT
        finally:
            daemon.terminate()
            wait_for_unmount(hanging)
        assert process.stderr is not None
        assert "does not answer" in process.stderr.read()
