"""The config as a reverse view shows it: a backup without it cannot be restored."""

import logging
import os
from collections.abc import Callable
from errno import EINVAL

from revcrypt.errors import UserError
from revcrypt.view.source import open_regular

REVERSE_CONFIG_NAME = b".gocryptfs.reverse.conf"
MAX_CONFIG_SIZE = 1 << 20

log = logging.getLogger(__name__)


class ShownConfig:
    """The file *name* in the directory *dir_fd*, read anew whenever it is looked at.

    *hides* is the entry of the source's root that this file is, if it is one. *check*
    raises `UserError` for what is no config.

    Whoever can write to the source may delete the file, or put another in its place. But
    a backup never loses its config, and nothing that is no config is shown in clear: what
    was read last stays.
    """

    def __init__(
        self,
        dir_fd: int,
        name: bytes,
        *,
        hides: bytes | None,
        check: Callable[[bytes], object],
    ) -> None:
        """Read the file; raises `OSError`, or what *check* raises for its content."""
        self.hides = hides
        self._check = check
        self._dir_fd = dir_fd
        self._name = name
        self._last = self._read()
        self._is_missed = False

    def read(self) -> tuple[bytes, os.stat_result]:
        """Return content and status."""
        try:
            self._last = self._read()
            self._is_missed = False
        except (OSError, UserError):
            if not self._is_missed:
                log.warning("the config is gone or spoiled; the view shows it as it was")
            self._is_missed = True
        return self._last

    def _read(self) -> tuple[bytes, os.stat_result]:
        fd, status = open_regular(self._dir_fd, self._name)
        try:
            content = os.read(fd, MAX_CONFIG_SIZE)
        finally:
            os.close(fd)
        if len(content) != status.st_size:
            raise OSError(EINVAL, "the config was being written")
        self._check(content)
        return content, status
