"""Fixtures for all tiers, and what must be true after every test."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Mounts, missing_for_fuse

REQUIRE_FUSE = os.environ.get("REVCRYPT_REQUIRE_FUSE") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the FUSE tier where it cannot run, unless it is required."""
    missing = missing_for_fuse()
    if missing is None or REQUIRE_FUSE:
        return
    for item in items:
        if item.get_closest_marker("fuse"):
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="session", autouse=True)
def _fuse_if_required() -> None:
    missing = missing_for_fuse()
    if REQUIRE_FUSE and missing is not None:
        pytest.exit(f"the FUSE tier is required, but {missing}", returncode=1)


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = mounted()
    yield
    left = mounted() - before
    for mountpoint in left:
        subprocess.run(["umount", "--lazy", mountpoint], check=False)
    assert not left, f"left mounted: {left}"


def mounted() -> set[str]:
    """Return all FUSE mountpoints."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {line.split()[4] for line in lines if " - fuse." in line}


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    """Mount things, and unmount them whatever happens."""
    mounts = Mounts(tmp_path)
    try:
        yield mounts
    finally:
        mounts.close()
