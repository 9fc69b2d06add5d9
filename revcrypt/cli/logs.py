"""Where messages go: to stderr at first, to the system log once in the background."""

import logging
import logging.handlers
import os
import sys

_SYSLOG = "/dev/log"


class _Lowercase(logging.Formatter):
    """`revcrypt: warning: …`, the voice of every message on stderr."""

    def format(self, record: logging.LogRecord) -> str:
        return f"revcrypt: {record.levelname.lower()}: {super().format(record)}"


def to_stderr() -> None:
    """Send messages to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lowercase())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def set_level(*, quiet: bool, debug: bool) -> None:
    """Show only warnings where *quiet*, everything where *debug*."""
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    logging.getLogger().setLevel(level)


def syslog_handler() -> logging.Handler | None:
    """Return a handler for the system log, or None where there is none."""
    # The handler itself would wait for a log to appear, and drop messages until then.
    if not os.path.exists(_SYSLOG):
        return None
    handler = logging.handlers.SysLogHandler(
        _SYSLOG, logging.handlers.SysLogHandler.LOG_DAEMON
    )
    handler.setFormatter(logging.Formatter("revcrypt[%(process)d]: %(message)s"))
    return handler


def switch_to(handler: logging.Handler | None) -> None:
    """Send messages to *handler* alone."""
    root = logging.getLogger()
    root.handlers = [handler or logging.NullHandler()]
