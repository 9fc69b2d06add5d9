"""Digests of what a view shows: with them a backup host needs no key to check a copy."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from stat import S_ISDIR, S_ISREG
from typing import NamedTuple

from revcrypt.errors import DataError
from revcrypt.rescue.walk import BATCH, Batch, Nodes, chain, steps_finding
from revcrypt.rescue.workers import Count, OnTick, Workers
from revcrypt.view.findings import Finding, Report
from revcrypt.view.nodes import Child
from revcrypt.view.reverse import ReverseView

_PIECE = 1 << 20


class Digest(NamedTuple):
    """The SHA-256 of a file of the view."""

    cipher_path: bytes
    digest: str

    def line(self) -> bytes:
        """Return it as `sha256sum` writes it, and understands it with `--check`."""
        path = self.cipher_path
        for char, escaped in ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r")):
            path = path.replace(char, escaped)
        mark = b"" if path == self.cipher_path else b"\\"
        return mark + self.digest.encode() + b"  " + path + b"\n"


class _Job(NamedTuple):
    number: int
    batch: Batch


class _Result(NamedTuple):
    number: int
    digests: list[Digest]
    findings: list[Finding]


def hash_view(
    view: ReverseView, report: Report, on_tick: OnTick, *, workers: int
) -> Iterator[Digest]:
    """Yield the digests of all files of *view*, always in the same order.

    Virtual files are among them; links and special files have no content to hash.
    """
    pool = Workers[_Job, _Result](partial(_Hasher, view), count=workers, on_tick=on_tick)
    waiting: dict[int, _Result] = {}
    following = 0
    for result in pool.run(_jobs(view, report)):
        waiting[result.number] = result
        while following in waiting:
            _, digests, findings = waiting.pop(following)
            following += 1
            for finding in findings:
                report(finding)
            yield from digests


def _jobs(view: ReverseView, report: Report) -> Iterator[_Job]:
    number = 0
    pending = [view.root]
    while pending:
        directory = pending.pop()
        steps = chain(directory)
        files: list[Child] = []
        below = []
        try:
            children = sorted(view.entries(directory))
        except (OSError, DataError) as error:
            report(steps_finding(_for_finding(steps), error))
            continue
        for child in children:
            try:
                node, attrs = view.child(directory, child)
            except FileNotFoundError:
                continue  # It is left out.
            except (OSError, DataError) as error:
                report(steps_finding(_for_finding((*steps, child)), error))
                continue
            if S_ISREG(attrs.mode):
                files.append(child)
            elif S_ISDIR(attrs.mode):
                below.append(node)
        pending += reversed(below)
        for start in range(0, len(files), BATCH):
            batch = tuple(files[start : start + BATCH])
            yield _Job(number, Batch(steps, batch, in_place=True))
            number += 1


def _for_finding(steps: Iterable[Child]) -> list[Child]:
    """Return *steps* through a reverse view as those through its copy."""
    return [Child(step.backing_name, step.shown_name) for step in steps]


class _Hasher:
    """Hashes the files of batches: what a worker does."""

    def __init__(self, view: ReverseView, count: Count) -> None:
        self._view = view
        self._count = count
        self._nodes = Nodes(view)

    def __call__(self, job: _Job) -> _Result:
        """Hash a batch."""
        result = _Result(job.number, [], [])
        steps = job.batch.directory
        for child in job.batch.entries:
            try:
                node, _ = self._nodes.find(steps, child)
                file = self._view.open(node)
                try:
                    digest = hashlib.sha256()
                    for offset in range(0, file.size, _PIECE):
                        data = file.read(offset, _PIECE, nowait=False)
                        self._count(len(data))
                        digest.update(data)
                finally:
                    file.close()
            except (OSError, DataError) as error:
                finding = steps_finding(_for_finding((*steps, child)), error)
                result.findings.append(finding)
            else:
                path = self._view.cipher_path(node)
                result.digests.append(Digest(path, digest.hexdigest()))
            self._count(0, 1)
        return result
