"""Restoring a small backup of odd objects, whole."""

from pathlib import Path

import pytest

from tests.rescue.running import Command
from tests.rescue.trees import assert_same, tree_at


@pytest.mark.parametrize("jobs", ["-j1", "-j3"])
def test_whole(jobs: str, plain: Path, copy: Path, dest: Path, restore: Command) -> None:
    """However many processes work on it, everything comes back, and nothing is said."""
    said = restore(jobs, copy, dest)
    assert (said.stdout, said.stderr) == ("", "")
    assert_same(tree_at(dest), tree_at(plain))
