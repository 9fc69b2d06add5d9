"""Deep trees and many directories: a bounded number of descriptors suffices."""

import os
import resource
from itertools import count, islice
from pathlib import Path
from random import Random

import pytest

from revcrypt.view.source import MAX_DIR_FDS
from tests.descriptors import own_descriptors
from tests.view.trees import at, content, reverse_view, unseal


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree of 200 directories below each other, with a file in the last."""
    root = tmp_path_factory.mktemp("deep")
    fd = os.open(root, os.O_RDONLY)
    for level in range(200):
        name = b"%060d" % level
        os.mkdir(name, dir_fd=fd)
        child = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = child
    file = os.open(b"file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd)
    os.write(file, b"at the bottom")
    os.close(file)
    os.close(fd)
    return root


def open_fds() -> int:
    return own_descriptors().total()


def test_paths_may_be_longer_than_the_kernel_allows(deep: Path) -> None:
    """A file 12,000 bytes down is read, and no descriptor per directory is kept."""
    before = open_fds()
    with reverse_view(deep) as view:
        node = view.root
        chain = []
        for _ in range(200):
            [child] = [c for c in view.entries(node) if c.content is None]
            node, _ = view.child(node, child)
            chain.append(node)
            assert open_fds() <= before + MAX_DIR_FDS + 1
        [file] = [c for c in view.entries(node) if c.content is None]
        bottom, _ = view.child(node, file)
        assert len(bottom.backing_path()) > 12_000
        Random(3).shuffle(chain)
        for node in chain:
            assert view.attrs(node).inode == node.inode
            assert len(view.entries(node)) == 2
            assert open_fds() <= before + MAX_DIR_FDS + 1
        assert unseal(content(view, bottom)) == b"at the bottom"
        view.forget(bottom)
    assert open_fds() == before


def test_many_directories_leak_no_descriptors(tmp_path: Path) -> None:
    """More directories than may be kept open are used, forgotten and closed."""
    for number in range(MAX_DIR_FDS + 50):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "file").write_bytes(b"%d" % number)
    before = open_fds()
    with reverse_view(tmp_path) as view:
        nodes = [view.child(view.root, c)[0] for c in view.entries(view.root)][:-1]
        for node in nodes * 2:
            [child] = [c for c in view.entries(node) if c.content is None]
            file, _ = view.child(node, child)
            assert unseal(content(view, file)) == node.backing_name
            assert open_fds() <= before + MAX_DIR_FDS + 1
        for node in nodes:
            view.forget(node)
        assert open_fds() == before + 1
    assert open_fds() == before


def test_directories_give_way(tmp_path: Path) -> None:
    """With few descriptors in all, those for directories leave one for a file."""
    for number in range(50):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "file").write_bytes(b"%d" % number)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with reverse_view(tmp_path) as view:
        taken = set(map(int, os.listdir("/proc/self/fd")))
        [most] = islice((n for n in count() if n not in taken), 10, 11)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, limits[1]))
        try:
            for number in range(50):
                directory = at(view, b"%d" % number)
                assert len(view.entries(directory)) == 2
                file = at(view, b"%d/file" % number)
                assert unseal(content(view, file)) == b"%d" % number
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
