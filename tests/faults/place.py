"""A source and its view, which many tests use one after the other."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from revcrypt.format.config import Features
from revcrypt.format.volume import Volume
from tests import sealed
from tests.descriptors import STATUS
from tests.faults.disk import Disk
from tests.soak.source import line
from tests.support import Mounts, forget_names

BLOCK = 4096
CONFIG = ".gocryptfs.reverse.conf"
_config: list[bytes] = []


class Place:
    """A view of *source*, in which all is called as it is there."""

    def __init__(self, mounts: Mounts, source: Path) -> None:
        self.mounts, self.source = mounts, source
        self.view = mounts.reverse(source)
        key = sealed.master_key(self.view)
        self._volume = Volume.open(key, Features(plaintext_names=True))

    @property
    def told(self) -> dict[str, Any]:
        """What the view says of itself."""
        told: dict[str, Any] = json.loads(os.getxattr(self.view, STATUS))
        return told

    @property
    def pid(self) -> int:
        """Its process."""
        return int(self.told["pid"])

    def unseal(self, ciphertext: bytes) -> bytes:
        """Return the plaintext; raises `DataError` for what does not authenticate."""
        return sealed.unseal(self._volume, ciphertext)

    def read(self, name: str) -> bytes:
        """Read a file, and return its plaintext."""
        return self.unseal((self.view / name).read_bytes())

    def wait_until_closed(self) -> None:
        """Wait until the view has closed what clients have closed.

        The kernel tells of a few at a time.
        """
        while self.told["open_files"]:
            pass

    def forget(self) -> None:
        """Let the kernel ask for everything anew."""
        forget_names(self.view)


class DiskPlace(Place):
    """The same on a disk that can fail; *backing* is what is on it."""

    def __init__(self, mounts: Mounts, backing: Path) -> None:
        self.disk = Disk(mounts, backing)
        super().__init__(mounts, self.disk.path)


def lines(file: int, count: int, version: int = 0) -> bytes:
    """Return content that says which file it is of, and where it is in it."""
    return b"".join(line(file, number, version) for number in range(count))


def configure(mounts: Mounts, source: Path) -> None:
    """Write a config, the same for all: to make one takes longer than most tests."""
    path = source / CONFIG
    if not _config:
        mounts.init(source, "--plaintext-names")
        _config.append(path.read_bytes())
    path.write_bytes(_config[0])


@contextmanager
def plain_source(directory: Path) -> Iterator[tuple[Mounts, Path]]:
    """Make a source with a config; what is mounted goes with it."""
    mounts = Mounts(directory)
    source = directory / "source"
    source.mkdir()
    configure(mounts, source)
    try:
        yield mounts, source
    finally:
        mounts.close()
