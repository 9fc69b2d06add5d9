"""Churning a source with fixed seeds while its view is walked, read and archived.

When it has come to rest, what is pulled and decrypted must be what it is.
"""

import multiprocessing
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISLNK
from typing import Any

from revcrypt.errors import ExitCode
from tests.hostile.backup import RSYNC, mistakes
from tests.hostile.churn import Churn
from tests.hostile.racing import forget_names
from tests.mount.big_tree import LONGEST_LINK_TARGET
from tests.rescue.trees import Tree, tree_at
from tests.sealed import master_key
from tests.soak import clients
from tests.soak.soak import pool_of
from tests.support import Mounts, revcrypt, run

LONGEST_SHORT = 175
"""Bytes of a name that is encrypted as a name."""
PACE = 0.001
"""Seconds between two operations, so that there is something to see."""
STRESS_NG = ("--rename=1", "--dentry=1", "--dentries=64")
"""What stress-ng does beside, in a few files; more of it leaves no time to look."""


@dataclass
class Figures:
    """What was done, and seen."""

    seeds: int = 0
    operations: int = 0
    seconds: float = 0
    done: Counter[str] = field(default_factory=Counter)
    """Operations that have succeeded, by name."""
    seen: dict[str, Counter[str]] = field(default_factory=dict)
    """By client, while the source changed."""
    compared: Counter[str] = field(default_factory=Counter)
    """Entries, by what has decrypted them."""
    too_long: int = 0
    """Symlinks whose encrypted target would be too long for the kernel."""
    differences: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield them for people."""
        yield f"{self.seeds} seeds, {self.operations} operations, {self.seconds:.0f} s"
        for name, what in (("succeeded", self.done), *self.seen.items()):
            yield f"{name}: " + ", ".join(f"{key} {n}" for key, n in what.items())
        compared = ", ".join(f"{n} {key}" for key, n in self.compared.items())
        yield f"entries compared with the source: {compared}"
        yield f"symlinks with a target that is too long: {self.too_long}"
        yield f"differences: {len(self.differences)}"


def stress(
    directory: Path,
    seeds: Collection[int],
    operations: int,
    processes: int,
    *,
    fsstress: str | None = None,
    stress_ng: str | None = None,
) -> Figures:
    """Do *operations* in each of some *processes*, with one seed after the other.

    They are those of the program *fsstress*, if there is one, and otherwise our own; with
    *stress_ng*, this program works beside. Raises `AssertionError` if a client is not
    content while the source changes.
    """
    figures = Figures()
    begin = time.monotonic()
    for seed in seeds:
        with tempfile.TemporaryDirectory(dir=directory) as path:
            one = _Stress(Path(path), seed, operations, processes, figures)
            one.run(fsstress, stress_ng)
        figures.seeds += 1
        figures.operations += operations * processes
        print(f"seed {seed}: {len(figures.differences)} differences so far", flush=True)
    figures.seconds = time.monotonic() - begin
    return figures


class _Stress:
    """What is done with one seed."""

    def __init__(
        self, directory: Path, seed: int, operations: int, processes: int, to: Figures
    ) -> None:
        self._mounts = Mounts(directory)
        self._source = directory / "source"
        self._copy = directory / "copy"
        self._seed, self._operations, self._processes = seed, operations, processes
        self._figures = to

    def run(self, fsstress: str | None, stress_ng: str | None) -> None:
        self._source.mkdir()
        self._mounts.init(self._source)
        try:
            view = self._mounts.reverse(self._source)
            with self._clients(view), ExitStack() as beside:
                if stress_ng is not None:
                    beside.enter_context(self._beside(stress_ng))
                if fsstress is None:
                    self._churn()
                else:
                    self._run_fsstress(fsstress)
            self._settle(view)
            self._compare(view)
            assert mistakes(view) == 0
        finally:
            self._mounts.close()

    @contextmanager
    def _clients(self, view: Path) -> Iterator[None]:
        """Let clients use the view meanwhile."""
        reading = (view, master_key(view), self._seed, len)
        jobs: dict[str, tuple[Any, ...]] = {
            "walker": (clients.walk, view),
            "reader": (clients.read, *reading),
            "archiver": (clients.archive, view, self._mounts.directory / "archive"),
        }
        with pool_of(len(jobs)) as (pool, stop):
            futures = {name: pool.submit(*job) for name, job in jobs.items()}
            yield
            stop.set()
            for name, future in futures.items():
                self._figures.seen.setdefault(name, Counter()).update(future.result())

    def _churn(self) -> None:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(self._processes, context) as pool:
            roots = [self._source / f"process {n}" for n in range(self._processes)]
            words = (roots, [self._seed] * len(roots), [self._operations] * len(roots))
            for done in pool.map(churn, *words):
                self._figures.done += done

    def _run_fsstress(self, program: str) -> None:
        numbers = (f"-n{self._operations}", f"-p{self._processes}", f"-s{self._seed}")
        # What it has made stays there.
        run(program, "-c", "-d", self._source, *numbers)

    @contextmanager
    def _beside(self, program: str) -> Iterator[None]:
        """Let stress-ng work, until it is told to end."""
        inside = self._source / "stress-ng"
        inside.mkdir()
        words = [program, "--quiet", "--temp-path", inside, "--seed", str(self._seed)]
        with subprocess.Popen([*words, *STRESS_NG]) as process:
            try:
                yield
            finally:
                process.terminate()
                process.wait()
                shutil.rmtree(inside)

    def _settle(self, view: Path) -> None:
        """Let the kernel forget what it has been told; of the root, in a second."""
        forget_names(view)
        while view.stat().st_mtime_ns != self._source.stat().st_mtime_ns:
            time.sleep(0.05)

    def _compare(self, view: Path) -> None:
        """Pull what there is now, and compare it with the source when decrypted."""
        plain = tree_at(self._source)
        wanted = _without_long_links(plain)
        too_long = plain.entries.keys() - wanted.entries.keys()
        self._figures.too_long += len(too_long)
        run(*RSYNC, f"{view}/", self._copy, status=23 if too_long else 0)
        # The encrypted names of some are files of their own, and those are there.
        is_told = any(len(path.rpartition(b"/")[2]) > LONGEST_SHORT for path in too_long)
        for name, root in (
            ("revcrypt restore", self._restored(ExitCode.FINDINGS if is_told else 0)),
            ("gocryptfs", self._mounts.gocryptfs(self._copy, "shown", "-ro")),
        ):
            found = tree_at(root)
            self._figures.compared[f"by {name}"] += len(found.entries)
            where = f"seed {self._seed}, {name}"
            different = [f"{where}: {text}" for text in _differ(found, wanted)]
            for text in different:
                print(text)
            self._figures.differences += different

    def _restored(self, status: int) -> Path:
        to = self._mounts.directory / "restored"
        passfile = f"--passfile={self._mounts.passfile}"
        words = ("restore", "-q", "-j1", passfile, "--privileged", self._copy, to)
        revcrypt(*words, status=status)
        return to


def churn(root: Path, seed: int, operations: int) -> Counter[str]:
    """Do as many operations in a new directory *root*."""
    root.mkdir()
    churn = Churn(root, f"{seed} {root.name}")
    for _ in range(operations):
        churn.operate()
        time.sleep(PACE)
    return churn.done


def _without_long_links(tree: Tree) -> Tree:
    """Return a tree without what cannot be shown."""
    entries = {
        path: entry
        for path, entry in tree.entries.items()
        if not S_ISLNK(entry.mode) or len(entry.content or b"") <= LONGEST_LINK_TARGET
    }
    links = ({path for path in group if path in entries} for group in tree.links)
    return Tree(entries, {frozenset(group) for group in links if len(group) > 1})


def _differ(found: Tree, wanted: Tree) -> Iterator[str]:
    """Yield what is not the same."""
    for path in sorted(found.entries.keys() | wanted.entries.keys()):
        one, other = found.entries.get(path), wanted.entries.get(path)
        if one is None or other is None:
            yield f"{path!r} is {'missing' if one is None else 'too much'}"
        elif one != other:
            pairs = zip(one._fields, one, other, strict=True)
            what = [(name, a, b) for name, a, b in pairs if a != b]
            yield f"{path!r}: {what}"
    for group in found.links ^ wanted.links:
        yield f"one file, or not: {sorted(group)}"
