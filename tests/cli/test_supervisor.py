"""What the environment of a service says, and whether its mount is seen."""

import os
from collections.abc import Iterator

import pytest
import sdnotify

from revcrypt.cli import supervisor
from revcrypt.cli.supervisor import Supervisor, check_visible
from revcrypt.errors import MountFailedError
from revcrypt.view.mounts import Mount

VARIABLES = ("NOTIFY_SOCKET", "INVOCATION_ID", "WATCHDOG_USEC", "WATCHDOG_PID")
HERE = str(os.getpid())


@pytest.fixture(autouse=True)
def _by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be no service, whoever has started the tests."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


class Notifier:
    """A notifier that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def notify(self, state: str) -> None:
        """Stand in for the method of this name."""
        self.told.append(state)


@pytest.fixture
def notifier(monkeypatch: pytest.MonkeyPatch) -> Notifier:
    """Have a manager, but no socket."""
    notifier = Notifier()
    monkeypatch.setattr(sdnotify, "SystemdNotifier", lambda: notifier)
    monkeypatch.setenv("NOTIFY_SOCKET", "@manager")
    return notifier


def test_no_manager() -> None:
    """Without a socket to talk to there is no supervisor."""
    assert Supervisor.of_environment(b"source", b"mountpoint") is None


def test_messages(notifier: Notifier) -> None:
    """The status is one line, whatever the paths have in them."""
    found = Supervisor.of_environment(b"/a\nREADY=1 \xff", b"/b")
    assert found is not None
    assert notifier.told == []
    found.ready()
    found.alive()
    found.stopping()
    status = "STATUS=showing /a%0AREADY=1 %FF on /b"
    stopping = "STOPPING=1\nSTATUS=unmounting"
    assert notifier.told == [f"READY=1\n{status}", "WATCHDOG=1", stopping]


@pytest.mark.parametrize(
    ("microseconds", "process", "seconds"),
    [
        (None, None, None),
        pytest.param(None, HERE, None, id="ours, no time"),
        ("400000", None, 0.4),
        pytest.param("30000000", HERE, 30, id="ours"),
        ("30000000", "1", None),
        ("30000000", "", None),
        ("", None, None),
        ("soon", None, None),
        ("-1", None, None),
        ("0", None, None),
    ],
)
def test_watchdog(
    microseconds: str | None,
    process: str | None,
    seconds: float | None,
    notifier: Notifier,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only a number of microseconds for this very process is a watchdog."""
    if microseconds is not None:
        monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    if process is not None:
        monkeypatch.setenv("WATCHDOG_PID", process)
    found = Supervisor.of_environment(b"source", b"mountpoint")
    assert found is not None
    assert found.watchdog == seconds


# Whether the machine sees the mount


def mount(mountpoint: bytes, fstype: bytes) -> Mount:
    """Return a mount as the first process sees it."""
    return Mount(1, 0, 0, mountpoint, frozenset(), fstype, b"source", frozenset())


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Mount]:
    """What the first process of the machine sees."""
    mounts: list[Mount] = []

    def read_mounts(process: str) -> Iterator[Mount]:
        assert process == "1"
        return iter(mounts)

    monkeypatch.setattr(supervisor, "read_mounts", read_mounts)
    return mounts


@pytest.mark.parametrize("variable", ["NOTIFY_SOCKET", "INVOCATION_ID"])
def test_visible(
    variable: str, seen: list[Mount], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service needs a view on its mountpoint; anything else there does not count."""
    check_visible(b"/view")
    monkeypatch.setenv(variable, "anything")
    with pytest.raises(MountFailedError, match="invisible"):
        check_visible(b"/view")
    seen += [mount(b"/view", b"tmpfs"), mount(b"/other", b"fuse.revcrypt")]
    with pytest.raises(MountFailedError, match="/view is invisible"):
        check_visible(b"/view")
    seen.append(mount(b"/view", b"fuse.revcrypt"))
    check_visible(b"/view")


def test_first_process_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be found out is no reason to believe it."""

    def read_mounts(process: str) -> Iterator[Mount]:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(supervisor, "read_mounts", read_mounts)
    check_visible(b"/view")
    monkeypatch.setenv("INVOCATION_ID", "anything")
    with pytest.raises(MountFailedError, match="cannot find out") as caught:
        check_visible(b"/view")
    assert caught.value.hint is not None
    assert "ProtectProc" in caught.value.hint
