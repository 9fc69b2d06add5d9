"""A short stress test; `make stress` is a long one."""

import os
from pathlib import Path

import pytest

from tests.counts import Counted
from tests.hostile.stress import stress

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices"),
]

OPERATIONS = 300
PROCESSES = 4


def test_stress(tmp_path: Path, counted: Counted) -> None:
    """What has changed in every way while it was read is backed up as it is at last."""
    figures = stress(tmp_path, [1], OPERATIONS, PROCESSES)
    print(*figures.lines(), sep="\n")
    assert figures.differences == []
    assert figures.seen["walker"]["walks"] > 0
    assert figures.done.total() > figures.operations / 2
    assert min(figures.compared.values()) > 100
    counted("operations on a source while it is read", figures.operations)
