"""Everything at once, for a while; then all must be as it was."""

import json
import multiprocessing
import os
import re
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from revcrypt.fuse.live import RELIED_ON
from tests.descriptors import STATUS
from tests.mount.processes import arguments
from tests.sealed import master_key
from tests.soak import clients
from tests.soak.source import Source
from tests.support import REVCRYPT, Mounts, forget_names, run, snapshot

SEED = 7
ROUND = 60
"""Seconds, about; after each, all must be as it was."""
FEWEST = 2
MEMORY = "memory in MiB"
EXPLAINED = (
    # A file was cut while it was read: an error instead of zeros or half a block.
    r".*: the file has become shorter while it was read",
    # A file has grown, and the kernel asks for more than was promised to the reader.
    r".*: the file has grown since it was opened",
)
"""Warnings that a changing source is the reason of, without their beginning."""
ENOUGH_MIB = 8
"""By how much more memory may be in use at the end: what allocators keep."""
ENOUGH_SECONDS = 20
_MESSAGE = re.compile(r"revcrypt: (debug|info|warning|error|critical): (.*)")


@dataclass(slots=True)
class Figures:
    """What a soak has seen."""

    seconds: float = 0
    done: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By client."""
    most: dict[str, float] = field(default_factory=dict)
    quiet: list[dict[str, float]] = field(default_factory=list)
    """What was left when the mount was new, and after each round."""
    told: dict[str, Any] = field(default_factory=dict)
    """The status at the end."""
    warnings: Counter[str] = field(default_factory=Counter)
    """By what they say, without the path."""

    def lines(self) -> Iterator[str]:
        """Yield them for people."""
        yield f"{self.seconds:.0f} seconds in {len(self.quiet) - 1} rounds"
        for name, done in self.done.items():
            yield f"{name}: " + ", ".join(f"{key} {n}" for key, n in done.items())
        for name, most in self.most.items():
            left = " ".join(f"{quiet[name]:.0f}" for quiet in self.quiet)
            yield f"{name}: at most {most:.0f}; new, and after each round: {left}"
        yield f"requests: {sum(self.told['requests'].values())}, {self.told['requests']}"
        yield f"errors: {self.told['errors']}, mistakes: {self.told['mistakes']}"
        for text, number in self.warnings.items():
            yield f"warning, {number} times: {text}"

    def check(self) -> None:
        """Raise `AssertionError` unless all is as it was, and everybody has worked."""
        assert self.quiet[0]["entries"] == 1
        for name in ("entries", "descriptors", "open files", "open directories"):
            assert {quiet[name] for quiet in self.quiet} == {self.quiet[0][name]}, name
        # The first round shows how much allocators keep; what comes on top is a leak.
        assert self.quiet[-1][MEMORY] - self.quiet[1][MEMORY] < ENOUGH_MIB
        assert self.told["mistakes"] == 0
        assert all(sum(done.values()) for done in self.done.values())


class Daemon:
    """The view, and what its process has."""

    def __init__(self, view: Path, process: subprocess.Popen[str]) -> None:
        self.view, self.pid = view, process.pid

    def told(self) -> dict[str, Any]:
        """Return its status."""
        told: dict[str, Any] = json.loads(os.getxattr(self.view, STATUS))
        return told

    def measure(self) -> dict[str, float]:
        """Return what must come back to where it was."""
        told = self.told()
        status = Path(f"/proc/{self.pid}/status").read_text()
        [kib] = re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        return {
            MEMORY: int(kib) / 1024,
            "descriptors": len(os.listdir(f"/proc/{self.pid}/fd")),
            "entries": told["known_entries"],
            "open files": told["open_files"],
            "open directories": told["open_directories"],
        }

    def forgotten(self) -> dict[str, float]:
        """Make the kernel forget all names in the view; measure a moment after it has."""
        give_up = time.monotonic() + ENOUGH_SECONDS
        while True:
            forget_names(self.view)
            if self.measure()["entries"] == 1 or time.monotonic() > give_up:
                # The daemon itself waits that long before it gives memory back.
                time.sleep(RELIED_ON + 1)
                return self.measure()


def soak(directory: Path, seconds: float) -> Figures:
    """Soak a view for some time, and return what is to be checked.

    Raises `AssertionError` if a client, or a last pull, is not content.
    """
    mounts, figures = Mounts(directory), Figures()
    source = directory / "source"
    source.mkdir()
    Source(source, SEED, first=1).fill()
    mounts.init(source)
    view, log = mounts.mountpoint("view"), directory / "log"
    words = [*REVCRYPT, *arguments(mounts, "--foreground"), source, view]
    try:
        daemon = Daemon(view, mounts.start(*words, log=log))
        figures.quiet.append(daemon.forgotten())
        key = master_key(view)
        rounds = max(FEWEST, round(seconds / ROUND))
        for number in range(rounds):
            begin = time.monotonic()
            copy = directory / "copy"
            jobs = _jobs(source, view, copy, key, SEED + number)
            _run_all(jobs, seconds / rounds, daemon, figures)
            figures.seconds += time.monotonic() - begin
            _check_copy(mounts, daemon, copy, source)
            figures.quiet.append(daemon.forgotten())
        figures.told = daemon.told()
        mounts.unmount(view)
    finally:
        mounts.close()
    figures.warnings = _warnings(log.read_text())
    return figures


Job = tuple[Callable[..., Counter[str]], tuple[Any, ...]]


def _jobs(source: Path, view: Path, copy: Path, key: bytes, seed: int) -> dict[str, Job]:
    return {
        "changes": (clients.change, (source, seed)),
        "reader 1": (clients.read, (view, key, seed)),
        "reader 2": (clients.read, (view, key, -seed)),
        "walker": (clients.walk, (view,)),
        "holder": (clients.hold, (view, seed)),
        "puller": (clients.pull, (view, copy)),
    }


def _run_all(
    jobs: Mapping[str, Job], seconds: float, daemon: Daemon, figures: Figures
) -> None:
    """Run all at the same time, look at the daemon, and note what they have done."""
    with pool_of(len(jobs)) as (pool, stop):
        futures = {name: pool.submit(job, *words) for name, (job, words) in jobs.items()}
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up and not _failed(futures.values()):
            now = daemon.measure()
            most = {name: max(now[name], figures.most.get(name, 0)) for name in now}
            figures.most = most
        stop.set()
        for name, future in futures.items():
            figures.done[name] += future.result()


def _failed(futures: Any) -> bool:
    """Wait a moment; tell whether anybody has ended."""
    done: set[Future[Counter[str]]] = wait(futures, 1, FIRST_EXCEPTION).done
    return bool(done)


@contextmanager
def pool_of(size: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    """Yield processes, and how to tell them to stop, which they are in any case."""
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    with ProcessPoolExecutor(size, context, clients.be_told, (stop,)) as pool:
        try:
            yield pool, stop
        finally:
            stop.set()


def _check_copy(mounts: Mounts, daemon: Daemon, copy: Path, source: Path) -> None:
    """Check that a pull, now that all is quiet, is complete, by gocryptfs."""
    # What has changed twice within a second looks the same to rsync otherwise.
    exactly = ("--checksum", "--modify-window=-1")
    run("rsync", "-aHX", "--delete", *exactly, f"{daemon.view}/", copy)
    assert daemon.told()["last_walk"]["failures_since_begun"] == 0
    plain = mounts.gocryptfs(copy, "plain", "-ro")
    expected = snapshot(source, leave_out=[b".gocryptfs.reverse.conf"])
    found = snapshot(plain)
    assert found.keys() == expected.keys()
    different = {path for path in found if found[path] != expected[path]}
    assert not different, [(found[path], expected[path]) for path in different]
    mounts.unmount(plain)
    plain.rmdir()


def _warnings(log: str) -> Counter[str]:
    """Return the warnings of a log; raises `AssertionError` for what nothing explains."""
    warnings: Counter[str] = Counter()
    for line in log.splitlines():
        message = _MESSAGE.fullmatch(line)
        assert message is not None, line
        level, text = message.groups()
        if level in ("debug", "info"):
            continue
        assert any(re.fullmatch(explained, text) for explained in EXPLAINED), line
        warnings[text.rpartition(": ")[2]] += 1
    return warnings
