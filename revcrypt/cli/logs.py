"""Where messages go: to stderr at first, to the system log once in the background."""

import logging
import os
import select
import sys
from functools import partial
from logging.handlers import SysLogHandler

_SYSLOG = "/dev/log"
_PRIORITIES = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}
"""The numbers of syslog(3) for the levels of logging."""


class _Lowercase(logging.Formatter):
    """`revcrypt: warning: …`, the voice of every message on stderr."""

    def format(self, record: logging.LogRecord) -> str:
        return f"revcrypt: {record.levelname.lower()}: {super().format(record)}"


class _Journal(logging.Formatter):
    """`<4>…`, from which the journal takes the priority (sd-daemon(3))."""

    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITIES.get(record.levelno, _PRIORITIES[logging.CRITICAL])
        return f"<{priority}>" + super().format(record).replace("\n", f"\n<{priority}>")


class _Room:
    """Lets messages be lost for which whoever takes them has no room.

    A pipe has room if it takes 4 KiB (pipe(7), PIPE_BUF); only a traceback may be longer.
    """

    def __init__(self, handler: logging.Handler) -> None:
        attribute = "socket" if isinstance(handler, SysLogHandler) else "stream"
        # The socket is another one when the system log has come back.
        self._taker = partial(getattr, handler, attribute)
        self._lost = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether there is room; if so, the message says how many were lost."""
        fd = self._taker().fileno()
        poll = select.poll()
        if fd >= 0:
            poll.register(fd, select.POLLOUT)
            if not poll.poll(0):
                self._lost += 1
                return False
        if self._lost:
            record.msg = f"{record.getMessage()} (lost before: {self._lost} messages)"
            record.args = None
            self._lost = 0
        return True


def to_stderr() -> None:
    """Send messages to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Journal() if _is_journal() else _Lowercase())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def say(kind: str, text: str) -> None:
    """Print a message to stderr that comes before or after all logging."""
    level = logging.ERROR if kind == "error" else logging.INFO
    prefix = f"<{_PRIORITIES[level]}>" if _is_journal() else "revcrypt: "
    print(f"{prefix}{kind}: {text}", file=sys.stderr)


def _is_journal() -> bool:
    """Tell whether stderr goes to the journal of systemd (systemd.exec(5))."""
    if sys.stderr is None:
        return False
    status = os.fstat(2)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def set_level(*, quiet: bool, debug: bool) -> None:
    """Show only warnings where *quiet*, everything where *debug*."""
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    logging.getLogger().setLevel(level)


def syslog_handler() -> logging.Handler | None:
    """Return a handler for the system log, or None where there is none."""
    # The handler itself would wait for a log to appear, and drop messages until then.
    if not os.path.exists(_SYSLOG):
        return None
    handler = SysLogHandler(_SYSLOG, SysLogHandler.LOG_DAEMON)
    handler.setFormatter(logging.Formatter("revcrypt[%(process)d]: %(message)s"))
    return handler


def never_wait() -> None:
    """Lose messages from now on rather than wait for somebody to take them.

    A view must not stop because the log does: a full pipe, a terminal that is held, a
    journal that hangs.
    """
    for handler in logging.getLogger().handlers:
        if not isinstance(handler, logging.NullHandler):
            handler.addFilter(_Room(handler))


def switch_to(handler: logging.Handler | None) -> None:
    """Send messages to *handler* alone."""
    root = logging.getLogger()
    root.handlers = [handler or logging.NullHandler()]
