"""What may come out of a spoiled backup, judged by its source alone.

Some damage a copy cannot show: what is deleted or cut at the end of a block, what is
empty or of another type, and where something with several names belongs.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG
from typing import Any

from revcrypt.view.findings import printable
from tests.rescue.spoiled_trees import Backup, Object, Tree

Finding = dict[str, Any]
BLOCK = 4096
_DOUBT = re.compile(r".+: .+\n")
_LINE = re.compile(r"(.*): from byte (\d+) on, (\d+) are zeros\n")


def findings_in(output: str) -> list[Finding]:
    """Return the harmful findings that a command has written as JSON."""
    messages = [json.loads(line) for line in output.splitlines()]
    found = [message for message in messages if message["type"] == "finding"]
    return [finding for finding in found if not finding["healed"]]


class Oracle:
    """Judges what was *restored* of *copy*, a spoiled copy of *backup*.

    *zeroed* is the report about lost bytes, and None where nothing may be lost.
    """

    def __init__(
        self,
        backup: Backup,
        copy: Path,
        restored: Tree,
        findings: Iterable[Finding],
        zeroed: Path | None,
    ) -> None:
        self._backup = backup
        self._source = backup.source
        self._copy = os.fsencode(copy)
        self._restored = restored
        self._salvages = zeroed is not None
        self._zeroed = list(_ranges(zeroed))
        self._findings = list(findings)
        self._linked = [found for found in self._source.values() if found.first]
        self._inodes = dict(self._inodes_in_copy())

    def _inodes_in_copy(self) -> Iterator[tuple[bytes, int]]:
        """Yield the paths of the source that the copy still has, with inode numbers."""
        for path in self._source:
            with suppress(FileNotFoundError, NotADirectoryError):
                yield path, os.lstat(self._in_copy(path)).st_ino

    def _in_copy(self, path: bytes) -> bytes:
        return os.path.join(self._copy, self._cipher_path(path))

    def complaints(self) -> Iterator[str]:
        """Yield what is not as it has to be."""
        for path, found in self._restored.items():
            if S_ISREG(found.mode) and not self._is_right_file(path, found.data):
                yield f"{path!r} has wrong content"
            if S_ISLNK(found.mode) and not self._is_right_link(path, found.data):
                yield f"{path!r} leads to {found.data!r}"
            for name, value in found.xattrs.items():
                if not self._is_right_xattr(path, name, value):
                    yield f"{path!r} has {name} = {value!r}"
        for path, wanted in self._source.items():
            found = self._restored.get(path)
            if found is None:
                if not self._may_be_missing(path):
                    yield f"{path!r} is missing, and nothing says so"
            elif S_IFMT(found.mode) != S_IFMT(wanted.mode):
                if S_IFMT(found.mode) != self._type_in_copy(path):
                    yield f"{path!r} is of a type that not even the copy has"
            elif found[1:3] != wanted[1:3] and not self._may_differ(path, found, wanted):
                yield f"{path!r} differs, and nothing says so"

    # What is there

    def _is_right_file(self, path: bytes, data: bytes) -> bool:
        return not data or any(
            S_ISREG(other.mode) and self._is_made_of(path, data, other.data)
            for other in self._candidates(path)
        )

    def _is_made_of(self, path: bytes, data: bytes, wanted: bytes) -> bool:
        """Tell whether *data* is *wanted*, maybe cut, with zeros where it is told."""
        for start in range(0, len(data), BLOCK):
            block = data[start : start + BLOCK]
            if block == wanted[start : start + BLOCK]:
                continue
            if any(block) or not self._is_zeroed(path, start, start + len(block)):
                return False
        return True

    def _is_zeroed(self, path: bytes, start: int, end: int) -> bool:
        return any(
            name == printable(path) and offset <= start and end <= offset + size
            for name, offset, size in self._zeroed
        )

    def _is_right_link(self, path: bytes, target: bytes) -> bool:
        return any(
            S_ISLNK(other.mode) and other.data == target
            for other in self._candidates(path)
        )

    def _is_right_xattr(self, path: bytes, name: str, value: bytes) -> bool:
        if not value:
            return True
        if self._salvages and self._is_told_of(path):
            return any(value in other.xattrs.values() for other in self._source.values())
        candidates = self._candidates(path)
        return any(other.xattrs.get(name) == value for other in candidates)

    def _candidates(self, path: bytes) -> list[Object]:
        """Return the objects of the source that may have come out at *path*."""
        found = list(self._linked)
        # One with several names in the copy may be that of any of them.
        inode = self._inodes.get(path)
        found += [
            self._source[other]
            for other, number in self._inodes.items()
            if other == path or number == inode
        ]
        if self._salvages and self._is_told_of(path):
            found += self._source.values()
        return found

    # What is not there, or not whole

    def _may_be_missing(self, path: bytes) -> bool:
        return any(
            above not in self._inodes
            or self._is_told(above, but_for={"xattr", "withheld"})
            for above in _with_ancestors(path)
            if above
        )

    def _type_in_copy(self, path: bytes) -> int:
        return S_IFMT(os.lstat(self._in_copy(path)).st_mode)

    def _may_differ(self, path: bytes, found: Object, wanted: Object) -> bool:
        if self._is_told_of(path):
            return True
        lost = wanted.xattrs.keys() - found.xattrs.keys()
        left = os.listxattr(self._in_copy(path), follow_symlinks=False)
        if any(self._backup.xattr_names[name] in left for name in lost):
            return False
        # What it is has been judged, so it is only shorter, or another one.
        return S_ISDIR(found.mode) or any(
            found.data == other.data
            or (len(found.data) % BLOCK == 0 and other.data.startswith(found.data))
            for other in self._candidates(path)
        )

    def _is_told_of(self, path: bytes) -> bool:
        """Tell whether there is a finding about what was restored at *path*."""
        names = {path}
        if path in self._restored:
            first = self._restored[path].first or path
            names |= {n for n, o in self._restored.items() if first in (n, o.first)}
        return any(
            self._is_told(above) for name in names for above in _with_ancestors(name)
        )

    def _is_told(self, path: bytes, but_for: Iterable[str] = ()) -> bool:
        """Tell whether there is a finding about just this plain path."""
        cipher_path = self._cipher_path(path)
        names = {cipher_path, cipher_path + b".name"}
        name = os.path.basename(path)
        for finding in self._findings:
            if finding["kind"] in but_for:
                continue
            if finding["path"] is not None and os.fsencode(finding["path"]) == path:
                return True
            told = os.fsencode(finding["cipher_path"])
            # What has lost its name has that of the copy.
            if told in names or (name and os.path.basename(told) == name):
                return True
        return False

    def _cipher_path(self, path: bytes) -> bytes:
        return self._backup.cipher_paths.get(path, path)


def _with_ancestors(path: bytes) -> Iterator[bytes]:
    while path:
        yield path
        path = os.path.dirname(path)
    yield b""


def _ranges(report: Path | None) -> Iterator[tuple[str, int, int]]:
    """Yield path, offset and size of what is lost."""
    if report is None or not report.exists():
        return
    with open(report, encoding="utf-8") as lines:
        next(lines)  # What it is about.
        for line in lines:
            match = _LINE.fullmatch(line)
            if match is None:
                # It is told of, but nothing of it is zeroed.
                assert _DOUBT.fullmatch(line), line
                continue
            yield match[1], int(match[2]), int(match[3])


def signature(root: Path) -> list[tuple[bytes, tuple[int, ...]]]:
    """Return what changes if anything below a directory is written to."""
    found = []
    pending = [os.fsencode(root)]
    while pending:
        path = pending.pop()
        s = os.lstat(path)
        numbers = (s.st_mode, s.st_size, s.st_nlink, s.st_mtime_ns, s.st_ctime_ns)
        found.append((path, numbers))
        if S_ISDIR(s.st_mode):
            pending += [os.path.join(path, name) for name in os.listdir(path)]
    return sorted(found)
