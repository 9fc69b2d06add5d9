"""What a service manager hears of a mount, and the mounts that it must not have."""

import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked
from tests.mount.processes import SECONDS, arguments, make_source, patched, said
from tests.support import REVCRYPT, Mounts, is_mounted, revcrypt, run

pytestmark = pytest.mark.fuse

WATCHDOG = {"WATCHDOG_USEC": "400000"}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")


class Manager:
    """A service manager that only listens (sd_notify(3))."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a service."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith("WATCHDOG_")}
        return ours | {"NOTIFY_SOCKET": self.address} | more

    def hears(self, seconds: float = SECONDS) -> list[str]:
        """Return the next message, or nothing if none comes in time."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(4096).decode().splitlines()
        except (TimeoutError, BlockingIOError):
            return []


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A manager that listens at a path."""
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


@pytest.fixture
def plain(mounts: Mounts) -> Path:
    """A small source."""
    return make_source(mounts)


@contextmanager
def service(
    mounts: Mounts, plain: Path, environment: dict[str, str], patch: str = ""
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a mount in the foreground, and end it if nobody has."""
    view = mounts.mountpoint("view")
    command = patched(patch, *arguments(mounts, "--foreground"), plain, view)
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process, view
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_ready_and_stopping(kind: str, mounts: Mounts, plain: Path) -> None:
    """The manager hears when the view answers, what it shows, and when it goes."""
    name = secrets.token_hex(8)
    manager = Manager(f"@{name}" if kind == "abstract" else str(plain.parent / name))
    with service(mounts, plain, manager.environment()) as (process, view):
        status = f"STATUS=showing {plain} on {view}"
        assert manager.hears() == ["READY=1", status]
        assert is_mounted(view)
        process.terminate()
        assert manager.hears() == ["STOPPING=1", "STATUS=unmounting"]
        assert process.wait(timeout=SECONDS) == ExitCode.OK
    assert not is_mounted(view)
    assert manager.hears(0) == []
    manager.close()


# statvfs(2) is how the daemon asks whether its own mount answers.
SLOW = """
import select
answer = Operations.statfs
async def statfs(self, ctx):
    if not os.path.exists(sys.argv[-1] + ".go"):
        print("asked", file=sys.stderr, flush=True)
    while not os.path.exists(sys.argv[-1] + ".go"):
        await trio.sleep(0.01)
    return await answer(self, ctx)
Operations.statfs = statfs
"""


def test_ready_means_that_it_answers(
    mounts: Mounts, plain: Path, manager: Manager
) -> None:
    """Nothing is told while the mount is there, but does not answer."""
    with service(mounts, plain, manager.environment(), SLOW) as (process, view):
        assert "mounted" in said(process)
        assert said(process) == "asked\n"
        assert is_mounted(view)
        assert manager.hears(0.2) == []
        view.with_name("view.go").touch()
        assert manager.hears()[0] == "READY=1"


def test_watchdog(mounts: Mounts, plain: Path, manager: Manager) -> None:
    """A sign of life comes well within the time, and none from a daemon that hangs."""
    with service(mounts, plain, manager.environment(**WATCHDOG)) as (process, _):
        assert manager.hears()[0] == "READY=1"
        for _ in range(5):
            assert manager.hears(2) == ["WATCHDOG=1"]
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        while manager.hears(0):
            pass
        assert manager.hears(1) == []
        process.send_signal(signal.SIGCONT)
        assert manager.hears() == ["WATCHDOG=1"]


def test_watchdog_of_a_mount_that_hangs(
    mounts: Mounts, plain: Path, manager: Manager
) -> None:
    """That the loop turns is no sign of life: the mount itself must answer."""
    go = mounts.directory / "view.go"
    go.touch()
    environment = manager.environment(**WATCHDOG)
    with service(mounts, plain, environment, SLOW) as (process, _):
        assert manager.hears()[0] == "READY=1"
        assert manager.hears() == ["WATCHDOG=1"]
        go.unlink()
        assert "mounted" in said(process)
        assert said(process) == "asked\n"
        while manager.hears(0):
            pass
        assert manager.hears(1) == []
        go.touch()
        assert manager.hears() == ["WATCHDOG=1"]


def test_watchdog_of_another_process(
    mounts: Mounts, plain: Path, manager: Manager
) -> None:
    """A watchdog that is meant for somebody else is left alone."""
    environment = manager.environment(**WATCHDOG, WATCHDOG_PID=str(os.getpid()))
    with service(mounts, plain, environment):
        assert manager.hears()[0] == "READY=1"
        assert manager.hears(1) == []


def test_background(mounts: Mounts, plain: Path, manager: Manager) -> None:
    """In the background there is nobody whom a manager could watch: nothing is told."""
    view = mounts.mountpoint("view")
    words = [*arguments(mounts, "-q"), str(plain), str(view)]
    revcrypt(*words, env=manager.environment(**WATCHDOG))
    assert os.listdir(view)
    assert manager.hears(1) == []


# Visibility


def by_hand() -> dict[str, str]:
    """Return an environment that no service has."""
    variables = ("NOTIFY_SOCKET", "INVOCATION_ID", "WATCHDOG_USEC", "WATCHDOG_PID")
    return {name: value for name, value in os.environ.items() if name not in variables}


PRIVATE = ("unshare", "-m", "--propagation", "private")
REFUSED = """
view=$1; shift
timeout 20 "$@"
status=$?
cat /proc/self/mountinfo
umount "$view" 2>/dev/null
exit $status
"""


@needs_root
@pytest.mark.parametrize("options", [["--foreground"], ["-q"]])
@pytest.mark.parametrize("variable", ["NOTIFY_SOCKET", "INVOCATION_ID"])
def test_invisible_service(
    options: list[str], variable: str, mounts: Mounts, plain: Path, manager: Manager
) -> None:
    """A service refuses a mount that only itself can see, and leaves none behind."""
    view = mounts.mountpoint("view")
    environment = by_hand() | {variable: manager.address}
    command = (*REVCRYPT, *arguments(mounts, *options), str(plain), str(view))
    namespace = (*PRIVATE, "sh", "-c", REFUSED, "sh", view)
    result = run(*namespace, *command, status=ExitCode.MOUNT_FAILED, env=environment)
    lines = [line for line in result.stderr.splitlines() if "system log" not in line]
    error, hint = checked("\n".join(lines)).splitlines()
    assert f"{view} is invisible" in error
    assert "PrivateTmp" in hint
    assert "/proc" in result.stdout
    assert str(view) not in result.stdout
    assert manager.hears(0) == []


@needs_root
def test_invisible_by_hand(mounts: Mounts, plain: Path) -> None:
    """Whoever has made such a place without any service may mount there."""
    view = mounts.mountpoint("view")
    command = (*REVCRYPT, *arguments(mounts, "-q"), str(plain), str(view))
    script = 'view=$1; shift; "$@" && ls "$view" && umount "$view"'
    namespace = (*PRIVATE, "sh", "-c", script, "sh", view)
    result = run(*namespace, *command, env=by_hand())
    assert "file" in result.stdout.splitlines()
    assert os.listdir(view) == []
