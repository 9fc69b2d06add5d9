"""A short soak; `make soak` is a long one."""

import os
from pathlib import Path

import pytest

from tests.soak.soak import soak

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can remount"),
]

SECONDS = 8


def test_soak(tmp_path: Path) -> None:
    """Readers, walkers and a changing source at once leave nothing behind."""
    figures = soak(tmp_path, SECONDS)
    print(*figures.lines(), sep="\n")
    figures.check()
    assert figures.done["reader 1"]["files"] > 50
