"""The work that is done on mounts: the same on each, with the tools that people use."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from tests.bench.bench import Bench
from tests.bench.figures import Sample
from tests.bench.mounts import Words, execute
from tests.bench.peers import Peer
from tests.bench.trees import Tree, Trees

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Job:
    """Where work is to be done."""

    bench: Bench
    peer: Peer
    view: Path


class Workload(ABC):
    """A piece of work, and how to measure it."""

    name: str
    lacking: ClassVar[dict[str, str]] = {}
    """Why some peers cannot take part."""
    is_about_the_cipher = False
    """Whether it matters much if the cipher is compiled."""

    @abstractmethod
    def summary(self, trees: Trees) -> str:
        """Say what is done."""

    @abstractmethod
    def tree(self, trees: Trees) -> Tree:
        """Return what it is done with."""

    def amount(self, trees: Trees) -> tuple[float, str]:
        """Return how much is done, and the unit."""
        return self.tree(trees).entries, "entries"

    def prepare(self, bench: Bench, peer: Peer) -> None:  # noqa: B027 - often nothing
        """Do once what is not measured."""

    @abstractmethod
    def measure(self, bench: Bench, peer: Peer) -> Sample:
        """Do it once, and return what it has cost."""


class OnView(Workload):
    """Work on a view that was mounted a moment ago."""

    plain_names = False

    @abstractmethod
    def plan(self, job: Job) -> Work:
        """Return what to do on the view; looking at it before that is not measured."""

    def measure(self, bench: Bench, peer: Peer) -> Sample:
        source, words = self.shown(bench, peer)
        with bench.mounted(words) as mount:
            work = self.plan(Job(bench, peer, mount.path))
            bench.prepare_caches(source)
            return mount.measure(work)

    def shown(self, bench: Bench, peer: Peer) -> tuple[Path, Words]:
        """Return the directory that is shown, and the command to do so."""
        source = self.tree(bench.trees).path
        return source, peer.reverse(source, plain_names=self.plain_names)


class Stream(OnView):
    """Large files, one after the other."""

    name = "stream"
    is_about_the_cipher = True
    files = 3

    def summary(self, trees: Trees) -> str:
        return f"cat {self.files} files of {mib(trees.large.size / 4)}"

    def tree(self, trees: Trees) -> Tree:
        return trees.large

    def amount(self, trees: Trees) -> tuple[float, str]:
        return self.tree(trees).size / 4 * self.files / 1e6, "MB"

    def plan(self, job: Job) -> Work:
        return partial(execute, "cat", *largest(job.view, self.files))


class Readers(Stream):
    """Large files, all at once."""

    name = "readers"
    files = 4

    def summary(self, trees: Trees) -> str:
        return f"{super().summary(trees)}, all at once"

    def plan(self, job: Job) -> Work:
        files = largest(job.view, self.files)

        def work() -> None:
            with ThreadPoolExecutor(self.files) as threads:
                list(threads.map(partial(execute, "cat"), files))

        return work


class WalkEncrypted(OnView):
    """Looking at everything, reading nothing."""

    name = "walk-encrypted"

    def summary(self, trees: Trees) -> str:
        return f"find -ls over {self.tree(trees).entries} files and directories"

    def tree(self, trees: Trees) -> Tree:
        return trees.small

    def plan(self, job: Job) -> Work:
        return partial(execute, "find", job.view, "-ls")


class WalkPlain(WalkEncrypted):
    """The same, without encryption of names."""

    name = "walk-plain"
    plain_names = True
    lacking: ClassVar[dict[str, str]] = {"encfs": "--standard encrypts names"}

    def summary(self, trees: Trees) -> str:
        return f"{super().summary(trees)}, with plaintext names"


class Small(WalkEncrypted):
    """Reading many small files."""

    name = "small"

    def summary(self, trees: Trees) -> str:
        size = f"{trees.small.size / 1e6:.0f} MB"
        return f"find -exec cat over {trees.small.entries} files and directories, {size}"

    def plan(self, job: Job) -> Work:
        return partial(execute, "find", job.view, "-type", "f", "-exec", "cat", "{}", "+")


class Pull(WalkEncrypted):
    """The first pull, to a destination in memory.

    Creating the files on a disk can take longer than all the rest, and the disk of a
    backup host is another one.
    """

    name = "pull"

    def summary(self, trees: Trees) -> str:
        return f"rsync -a of {trees.small.entries} files and directories to memory"

    def plan(self, job: Job) -> Work:
        return partial(execute, "rsync", "-a", f"{job.view}/", f"{self._copy}/")

    def measure(self, bench: Bench, peer: Peer) -> Sample:
        with TemporaryDirectory(dir="/dev/shm") as directory:
            self._copy = Path(directory, "copy")
            return super().measure(bench, peer)


class NothingChanged(WalkEncrypted):
    """The pull of every other night."""

    name = "nothing-changed"

    def summary(self, trees: Trees) -> str:
        return (
            f"rsync -a of {trees.small.entries} files and directories, all there already"
        )

    def prepare(self, bench: Bench, peer: Peer) -> None:
        bench.backup(peer, bench.trees.small)

    def plan(self, job: Job) -> Work:
        copy = job.bench.backup(job.peer, job.bench.trees.small)
        return partial(execute, "rsync", "-a", f"{job.view}/", f"{copy}/")


class LongNames(WalkEncrypted):
    """A directory where each name is two entries."""

    name = "long-names"
    lacking: ClassVar[dict[str, str]] = {"encfs": "it cannot encrypt names this long"}

    def summary(self, trees: Trees) -> str:
        return f"find -ls of {trees.long_names.entries} names of 176 to 255 bytes"

    def tree(self, trees: Trees) -> Tree:
        return trees.long_names


def largest(directory: Path, count: int) -> list[Path]:
    """Return the largest files in *directory*; not what a view adds to it."""
    return sorted(directory.iterdir(), key=lambda path: path.stat().st_size)[-count:]


def mib(size: float) -> str:
    """Return a size as people say it."""
    return f"{size / (1 << 20):.3g} MiB"
