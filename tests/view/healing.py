"""Copies of views whose names are spoiled, and what is told of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from revcrypt.format.config import Features
from revcrypt.format.volume import Volume
from revcrypt.view.findings import Finding
from revcrypt.view.forward import ForwardView
from revcrypt.view.forward_names import ForwardNames
from revcrypt.view.nodes import Node
from revcrypt.view.source import Source
from tests.support import KEY
from tests.view.trees import ENCRYPTED, find, reverse_view, write_out

LONG = "long " * 40
OTHER = "other " * 33
DIR_IV = "gocryptfs.diriv"
RANDOM_IV = b"a random dir IV."


class Shown(NamedTuple):
    """A view of a copy, and what it has reported."""

    view: ForwardView
    names: ForwardNames
    findings: list[Finding]

    def node(self, path: bytes) -> Node:
        """Find a directory without listing it."""
        return find(self.view, path)[0]

    def listing(self, path: bytes = b"") -> list[bytes]:
        """List a directory."""
        return [child.shown_name for child in self.view.entries(self.node(path))]

    def told(self) -> list[tuple[str, bytes, bool]]:
        """Return kind and cipher path of each finding, and whether it is healed."""
        return [(f.kind.value, f.cipher_path, f.is_healed) for f in self.findings]


@contextmanager
def shown(
    copy: Path,
    *,
    features: Features = ENCRYPTED,
    strict: bool = True,
    keeps_all: bool = False,
) -> Iterator[Shown]:
    """Show a copy as plaintext."""
    findings: list[Finding] = []
    view = ForwardView(
        Source(os.fsencode(copy)),
        Volume.open(KEY, features),
        strict=strict,
        report=findings.append,
        keeps_all=keeps_all,
    )
    assert view.names is not None
    try:
        yield Shown(view, view.names, findings)
    finally:
        view.close()


def make_copy(directory: Path) -> Path:
    """Make a copy of a view: directories with a few files, and long names."""
    plain = directory / "plain"
    for name in ("dir/a", "dir/b", "dir/c", "dir/d", "other/e", LONG, OTHER, "file"):
        (plain / name).parent.mkdir(parents=True, exist_ok=True)
        (plain / name).write_text(name)
    (plain / "empty").mkdir()
    copy = directory / "copy"
    copy.mkdir()
    with reverse_view(plain) as view:
        write_out(view, copy)
    return copy


def encrypted(names: list[bytes], iv: bytes) -> list[bytes]:
    """Return the full cipher names."""
    return Volume.open(KEY, ENCRYPTED).names.encrypt(names, iv)


def backing(copy: Path, path: str) -> Path:
    """Return where the copy has a plain path."""
    with shown(copy) as it:
        return copy / os.fsdecode(it.node(path.encode()).backing_path())


def relative(copy: Path, path: Path) -> bytes:
    """Return a path in the copy as findings have it."""
    return os.fsencode(path.relative_to(copy))
