"""Fixtures for hostile trees."""

from pathlib import Path

import pytest

from tests.descriptors import descriptors_return
from tests.hostile.compiling import compile_program

__all__ = ["descriptors_return"]


@pytest.fixture(scope="session")
def oddfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of a filesystem that claims odd things."""
    return compile_program("oddfs", tmp_path_factory.mktemp("oddfs"), "fuse3")


@pytest.fixture(scope="session")
def swaps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that swaps names."""
    return compile_program("swaps", tmp_path_factory.mktemp("swaps"))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """An empty source."""
    path = tmp_path / "source"
    path.mkdir()
    return path
