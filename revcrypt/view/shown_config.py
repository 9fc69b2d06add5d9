"""The config as a reverse view shows it, with what belongs to it.

A backup without its config, or its recovery files, may be impossible to restore.
"""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from errno import EINVAL

from revcrypt.errors import UserError
from revcrypt.format.names import CONFIG_NAME, config_suffix
from revcrypt.view.source import open_regular

REVERSE_CONFIG_NAME = b".gocryptfs.reverse.conf"
MAX_CONFIG_SIZE = 1 << 20

Check = Callable[[bytes, bytes], object]
"""Raises `UserError` unless the second is the content of a file with the first as its
suffix (`config_suffix`)."""

log = logging.getLogger(__name__)


class ShownConfig:
    """The config *name* in the directory *dir_fd*, and the recovery files beside it.

    They are read anew whenever they are looked at. If they are *in_root* of the source,
    they are no part of what is backed up.

    Whoever can write to the source may delete such a file, or put another in its place.
    But a backup never loses one, and nothing that *check* refuses is shown in clear: what
    was read last stays.
    """

    def __init__(self, dir_fd: int, name: bytes, *, in_root: bool, check: Check) -> None:
        """Read the config; raises `OSError`, or what *check* raises for its content."""
        self._dir_fd = dir_fd
        self._name = name
        self._in_root = in_root
        self._check = check
        self._files = {b"": _ShownFile(dir_fd, name, b"", check)}
        self._refused: set[bytes] = set()

    def hides(self, plain_name: bytes) -> bool:
        """Tell whether an entry of the source's root is one of the files."""
        return self._in_root and config_suffix(plain_name, self._name) is not None

    def shows(self, name: bytes) -> bool:
        """Tell whether there is such a file in the root of the view."""
        suffix = config_suffix(name)
        return suffix is not None and self._find(suffix)

    def names(self) -> Sequence[bytes]:
        """Return the names in the root of the view, the config's first."""
        beside: list[bytes] = []
        with suppress(OSError):
            # Then there are those that are known.
            beside = os.listdir(b"/proc/self/fd/%d" % self._dir_fd)
        suffixes = {config_suffix(name, self._name) for name in beside}
        found = {suffix for suffix in suffixes if suffix and self._find(suffix)}
        return [CONFIG_NAME + suffix for suffix in sorted(found | self._files.keys())]

    def read(self, name: bytes = CONFIG_NAME) -> tuple[bytes, os.stat_result]:
        """Return content and status of a file that `shows` has found."""
        return self._files[name.removeprefix(CONFIG_NAME)].read()

    def _find(self, suffix: bytes) -> bool:
        if suffix not in self._files:
            try:
                file = _ShownFile(self._dir_fd, self._name, suffix, self._check)
            except FileNotFoundError:
                return False
            except (OSError, UserError) as error:
                if suffix not in self._refused:
                    name = os.fsdecode(self._name + suffix)
                    log.warning("%s is not shown: %s", name, error)
                self._refused.add(suffix)
                return False
            self._files[suffix] = file
        return True


class _ShownFile:
    def __init__(self, dir_fd: int, name: bytes, suffix: bytes, check: Check) -> None:
        self._dir_fd = dir_fd
        self._name = name + suffix
        self._suffix = suffix
        self._check = check
        self._last = self._read()
        self._is_missed = False

    def read(self) -> tuple[bytes, os.stat_result]:
        """Return content and status."""
        try:
            self._last = self._read()
            self._is_missed = False
        except (OSError, UserError):
            if not self._is_missed:
                log.warning(
                    "%s is gone or spoiled; the view shows it as it was",
                    os.fsdecode(self._name) if self._suffix else "the config",
                )
            self._is_missed = True
        return self._last

    def _read(self) -> tuple[bytes, os.stat_result]:
        fd, status = open_regular(self._dir_fd, self._name)
        try:
            content = os.read(fd, MAX_CONFIG_SIZE)
        finally:
            os.close(fd)
        if len(content) != status.st_size:
            raise OSError(EINVAL, "the file was being written")
        self._check(self._suffix, content)
        return content, status
