"""The config as a reverse view shows it: a backup without it cannot be restored."""

import os
from dataclasses import dataclass

from revcrypt.view.source import open_regular

REVERSE_CONFIG_NAME = b".gocryptfs.reverse.conf"
MAX_CONFIG_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class ShownConfig:
    """The file *name* in the directory *dir_fd*, read anew whenever it is looked at.

    *hides* is the entry of the source's root that this file is, if it is one.
    """

    dir_fd: int
    name: bytes
    hides: bytes | None

    def read(self) -> tuple[bytes, os.stat_result]:
        """Return content and status."""
        fd, status = open_regular(self.dir_fd, self.name)
        try:
            return os.read(fd, MAX_CONFIG_SIZE), status
        finally:
            os.close(fd)
