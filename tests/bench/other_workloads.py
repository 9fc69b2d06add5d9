"""The work that no tool does as it is: random reads, restoring, growing, starting."""

import os
import shutil
import time
from functools import partial
from pathlib import Path
from random import Random
from typing import ClassVar

from tests.bench import machine
from tests.bench.bench import Bench
from tests.bench.figures import SECONDS, Sample
from tests.bench.mounts import Words, execute
from tests.bench.peers import Peer, Revcrypt
from tests.bench.trees import Tree, Trees
from tests.bench.workloads import Job, OnView, Stream, Work, Workload, largest, mib


class RandomReads(OnView):
    """Small reads all over a large file, as databases make them."""

    name = "random"
    reads = 10_000
    size = 4096

    def summary(self, trees: Trees) -> str:
        count, _ = self.amount(trees)
        return f"{count:.0f} random reads of 4 KiB in a file of {mib(trees.huge.size)}"

    def tree(self, trees: Trees) -> Tree:
        return trees.huge

    def amount(self, trees: Trees) -> tuple[float, str]:
        return trees.scaled(self.reads), "reads"

    def plan(self, job: Job) -> Work:
        [path] = largest(job.view, 1)
        pages = Random(self.name).choices(
            range(path.stat().st_size // self.size), k=job.bench.trees.scaled(self.reads)
        )

        def work() -> None:
            with open(path, "rb", buffering=0) as file:
                for page in pages:
                    os.pread(file.fileno(), self.size, page * self.size)

        return work


class ForwardStream(Stream):
    """Large files of a copy, mounted readable."""

    name = "forward-stream"

    def summary(self, trees: Trees) -> str:
        return f"{super().summary(trees)}, from a copy that is mounted forward"

    def prepare(self, bench: Bench, peer: Peer) -> None:
        bench.cipherdir(peer, bench.trees.large)

    def shown(self, bench: Bench, peer: Peer) -> tuple[Path, Words]:
        cipherdir = bench.cipherdir(peer, bench.trees.large)
        return cipherdir, peer.forward(cipherdir)


class Restore(Workload):
    """A whole copy, brought back from the command to the last byte."""

    name = "restore"

    def summary(self, trees: Trees) -> str:
        entries = trees.small.entries
        return (
            f"a copy of {entries} files and directories: revcrypt restore; mount, cp -a"
        )

    def tree(self, trees: Trees) -> Tree:
        return trees.small

    def prepare(self, bench: Bench, peer: Peer) -> None:
        bench.cipherdir(peer, bench.trees.small)

    def measure(self, bench: Bench, peer: Peer) -> Sample:
        cipherdir = bench.cipherdir(peer, bench.trees.small)
        target = bench.directory / "restored"
        bench.prepare_caches(cipherdir)
        try:
            return {SECONDS: self._seconds(bench, peer, cipherdir, target)}
        finally:
            shutil.rmtree(target, ignore_errors=True)

    def _seconds(self, bench: Bench, peer: Peer, cipherdir: Path, target: Path) -> float:
        start = time.perf_counter()
        if isinstance(peer, Revcrypt):
            execute(*peer.restore(cipherdir, target))
            return time.perf_counter() - start
        with bench.mounted(peer.forward(cipherdir)) as mount:
            execute("cp", "-a", mount.path, target)
            return time.perf_counter() - start


GIVES_BACK = 5
"""Seconds within which a daemon should have returned what it needs no more."""


class Scale(Workload):
    """What a daemon takes for a very large tree, and what it gives back."""

    name = "scale"
    lacking: ClassVar[dict[str, str]] = {"bind": "there is no daemon"}

    def summary(self, trees: Trees) -> str:
        many, million = trees.many.entries, trees.million.entries
        return f"find -ls over {million} entries; CPU per entry compared with {many}"

    def tree(self, trees: Trees) -> Tree:
        return trees.million

    def measure(self, bench: Bench, peer: Peer) -> Sample:
        many, million = bench.trees.many, bench.trees.million
        cpu_of_many = self._walk(bench, peer, many)["daemon_CPU_seconds"]
        sample = self._walk(bench, peer, million)
        cpu = sample["daemon_CPU_seconds"]
        growth = (cpu / million.entries) / (cpu_of_many / many.entries)
        return {**sample, "CPU_growth": growth}

    def _walk(self, bench: Bench, peer: Peer, tree: Tree) -> Sample:
        with bench.mounted(peer.reverse(tree.path)) as mount:
            bench.prepare_caches(tree.path)
            at_first = mount.memory("VmRSS")
            sample = mount.measure(partial(execute, "find", mount.path, "-ls"))
            known = mount.memory("VmRSS") - at_first
            sample["bytes_per_entry"] = known / tree.entries
            if machine.can_drop_caches():
                machine.forget_names()
                mount.settle()
                time.sleep(GIVES_BACK)
                left = mount.memory("VmRSS") - at_first
                sample["given_back_percent"] = 100 * (1 - left / max(known, 1))
            return sample


class StartUp(Workload):
    """From the command to the first byte, with a passphrase hash that costs nothing."""

    name = "start-up"

    def summary(self, trees: Trees) -> str:  # noqa: ARG002 - as all workloads
        return "from the command that mounts to the first byte of a file"

    def tree(self, trees: Trees) -> Tree:
        return trees.large

    def amount(self, trees: Trees) -> tuple[float, str]:  # noqa: ARG002 - as above
        return 1, "starts"

    def measure(self, bench: Bench, peer: Peer) -> Sample:
        words = peer.reverse(bench.trees.large.path)
        start = time.perf_counter()
        with bench.mounted(words) as mount:
            [path] = largest(mount.path, 1)
            with open(path, "rb", buffering=0) as file:
                file.read(1)
            return {SECONDS: time.perf_counter() - start}
