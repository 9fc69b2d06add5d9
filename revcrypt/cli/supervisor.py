"""systemd as a supervisor: told when a view answers, and asked whether all see it."""

import os

import sdnotify

from revcrypt.errors import MountFailedError
from revcrypt.view.mounts import read_mounts, source_name

_FIRST_PROCESS = "1"


class Supervisor:
    """The service manager that has started this process (sd_notify(3))."""

    def __init__(self, status: str) -> None:
        """*status* is the line that `systemctl status` shows."""
        self._notifier = sdnotify.SystemdNotifier()
        self._status = status
        self.watchdog = _watchdog_seconds()
        """Seconds within which `alive` must be called again and again, or None."""

    @classmethod
    def of_environment(cls, source: bytes, mountpoint: bytes) -> "Supervisor | None":
        """Return the supervisor, if there is one."""
        if "NOTIFY_SOCKET" not in os.environ:
            return None
        return cls(f"showing {source_name(source)} on {source_name(mountpoint)}")

    def ready(self) -> None:
        """Tell that the view answers."""
        self._notifier.notify(f"READY=1\nSTATUS={self._status}")

    def alive(self) -> None:
        """Tell that the view still answers."""
        self._notifier.notify("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell that the view is about to go."""
        self._notifier.notify("STOPPING=1\nSTATUS=unmounting")


def _watchdog_seconds() -> float | None:
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    seconds = int(microseconds) / 1e6 if microseconds.isdecimal() else 0
    return seconds or None


def is_service() -> bool:
    """Tell whether a service manager has started this process."""
    return "INVOCATION_ID" in os.environ or "NOTIFY_SOCKET" in os.environ


def check_visible(mountpoint: bytes) -> None:
    """Raise `MountFailedError` if the machine does not see the mount of a service.

    Many settings that protect a service give it mounts of its own. Whoever pulls then
    finds an empty directory, which `rsync --delete` takes for the truth.
    """
    if not is_service():
        return
    try:
        mounts = list(read_mounts(_FIRST_PROCESS))
    except OSError as error:
        raise MountFailedError(
            f"cannot find out whether the mount is visible: {error.strerror}",
            hint="ProtectProc= hides /proc/1, and the mount too; remove it from the unit",
        ) from None
    if not any(mount.mountpoint == mountpoint and mount.is_view for mount in mounts):
        raise MountFailedError(
            f"the mount on {os.fsdecode(mountpoint)} is invisible outside this service",
            hint="remove what gives the unit mounts of its own: PrivateTmp=, "
            "ProtectSystem=, ProtectHome=, ReadOnlyPaths= and the like",
        )
