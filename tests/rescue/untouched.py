"""What must not have changed, and what must be there besides what is lost."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rescue.trees import Tree, assert_same, tree_at


def without(tree: Tree, *paths: str) -> Tree:
    """Return a tree without some paths and all that is below them."""
    gone = [os.fsencode(path) for path in paths]
    entries = {
        path: entry
        for path, entry in tree.entries.items()
        if path not in gone and not path.startswith(tuple(p + b"/" for p in gone))
    }
    links = {frozenset(group & entries.keys()) for group in tree.links}
    return Tree(entries, {group for group in links if len(group) > 1})


@contextmanager
def unchanged(directory: Path) -> Iterator[None]:
    """Check that nothing in a directory is touched, nor the directory itself."""
    before = tree_at(directory, leave_out=())
    yield
    assert_same(tree_at(directory, leave_out=()), before)
