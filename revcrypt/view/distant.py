"""Disks below the source that a server has to answer for, and may never answer for.

Whoever serves a view from one thread must not touch such a disk before somebody else has
seen it answer. So a `Source` that is told of them raises `NotReachedError` instead.
"""

import time
from dataclasses import dataclass, field

from revcrypt.errors import RevcryptError
from revcrypt.view.mounts import MountsBelow
from revcrypt.view.nodes import Node, join

FRESH_SECONDS = 1.0
"""For how long a disk that has answered is believed to answer again."""


class NotReachedError(RevcryptError):
    """The disk on *mountpoint*, a path in the source, has not answered lately."""

    def __init__(self, mountpoint: bytes) -> None:
        super().__init__("a disk has to be asked first")
        self.mountpoint = mountpoint


@dataclass(slots=True)
class Distant:
    """What is known of such disks; *mounts* says where they are."""

    mounts: MountsBelow
    _answered: dict[bytes, float] = field(default_factory=dict)
    """When each has answered last; monotonic."""

    def check(self, directory: Node, name: bytes = b"") -> None:
        """Raise `NotReachedError` if the entry *name* of a directory must not be touched.

        Without a *name*, the directory itself.
        """
        if not self.mounts.distant:
            return
        path = join(directory.backing_path(), name).rstrip(b"/") + b"/"
        for mountpoint in self.mounts.distant:
            if path.startswith(mountpoint + b"/") and not self._is_fresh(mountpoint):
                raise NotReachedError(mountpoint)

    def _is_fresh(self, mountpoint: bytes) -> bool:
        answered = self._answered.get(mountpoint)
        return answered is not None and time.monotonic() - answered < FRESH_SECONDS

    def has_answered(self, mountpoint: bytes) -> None:
        """Take note that a disk has just answered."""
        self._answered[mountpoint] = time.monotonic()
