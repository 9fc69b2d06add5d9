"""A disk that fails or hangs when a test wants it to."""

import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import Mounts

PROGRAM = Path(__file__).with_name("faulty.py")


class Disk:
    """The directory *backing* on a disk that is well at first."""

    def __init__(self, mounts: Mounts, backing: Path, name: str = "disk") -> None:
        self.path = mounts.mountpoint(name)
        words = [sys.executable, PROGRAM, backing, self.path]
        pipe = subprocess.PIPE
        self.process = mounts.start(*words, stdin=pipe, stdout=pipe)
        self._said: deque[str] = deque()

    @contextmanager
    def failing(self, operation: str, name: str, number: int) -> Iterator[None]:
        """Let *operation* on what is called *name* fail with an errno meanwhile."""
        with self._faulty("fail", operation, name, str(number)):
            yield

    @contextmanager
    def hanging(self, operation: str, name: str) -> Iterator[None]:
        """Let *operation* on what is called *name* wait meanwhile."""
        with self._faulty("hang", operation, name):
            yield

    @contextmanager
    def cut(self, operation: str, name: str) -> Iterator[None]:
        """Give half of what is to be read meanwhile."""
        with self._faulty("cut", operation, name):
            yield

    @contextmanager
    def _faulty(self, *words: str) -> Iterator[None]:
        self._tell(*words)
        try:
            yield
        finally:
            self.heal()
            self._said.clear()

    def heal(self) -> None:
        """Let all be well again."""
        self._tell("heal")

    def wait_for(self, operation: str, name: str) -> None:
        """Wait until somebody waits for *operation*."""
        self._hear(f"hanging\t{operation}\t{name}")

    def _tell(self, *words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        self._hear("done")

    def _hear(self, line: str) -> None:
        assert self.process.stdout is not None
        if line in self._said:
            self._said.remove(line)
            return
        while (said := self.process.stdout.readline().rstrip("\n")) != line:
            assert said, "the disk has gone"
            self._said.append(said)
