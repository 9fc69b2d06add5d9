"""Places that are too large, too deep, or no places for files at all."""

import os
import stat
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EINVAL, EIO, ENODATA, ENOENT, ENXIO, EPERM, ESRCH, errorcode
from itertools import count
from pathlib import Path

import pytest

from revcrypt.cli.main import main
from revcrypt.format.config import Features
from tests.cli.rescuing import make_config
from tests.hostile.backup import mistakes, pull, restore
from tests.mount.big_tree import REVERSE_CONFIG_NAME, open_directory
from tests.rescue.trees import tree_at
from tests.support import Mounts, run, walk
from tests.view.trees import find, forward_view

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
]

ENTRIES = 100_000
LEVELS = 1000
SAMPLE = 40
"""Every how many-th file of /sys is read."""
HONEST = {EACCES, EINVAL, EIO, ENODATA, ENOENT, ENXIO, EPERM, ESRCH}


@pytest.fixture
def memory(mounts: Mounts) -> Path:
    """A directory in memory, in which much is made, and gone, in no time."""
    path = mounts.mountpoint("memory")
    run("mount", "-t", "tmpfs", "-o", "nr_inodes=1m", "tmpfs", path)
    return path


def test_many_entries(mounts: Mounts, memory: Path) -> None:
    """A directory of 100,000 entries has each of them once, and is listed in one go."""
    config = memory / os.fsdecode(REVERSE_CONFIG_NAME)
    config.write_bytes(make_config(Features()))
    (memory / "many").mkdir()
    with open_directory(os.fsencode(memory / "many")) as fd:
        for number in range(ENTRIES):
            os.mknod(f"entry {number}", stat.S_IFREG | 0o600, dir_fd=fd)
    view = mounts.reverse(memory)
    [many] = [entry for entry in os.scandir(view) if entry.is_dir()]
    listed = os.listdir(many.path)
    assert len(listed) == ENTRIES + len(["gocryptfs.diriv"])
    for name in listed[:: ENTRIES // 100]:
        assert os.lstat(os.path.join(many.path, name)).st_nlink == 1
    with forward_view(view) as decrypted:
        node, _ = find(decrypted, b"many")
        found = [child.shown_name for child in decrypted.entries(node)]
    assert sorted(found) == sorted(b"entry %d" % number for number in range(ENTRIES))


def test_many_levels(mounts: Mounts, memory: Path) -> None:
    """What is 1,000 levels deep, with a path of 20,000 bytes and more, is restored."""
    source = memory / "source"
    source.mkdir()
    mounts.init(source)
    fd = os.open(source, os.O_RDONLY)
    for level in range(LEVELS):
        os.mkdir(f"level {level}", dir_fd=fd)
        with open_directory(b"level %d" % level, fd) as inner:
            os.dup2(inner, fd)
    os.symlink("bottom", "link", dir_fd=fd)
    with open(os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as file:
        file.write(b"far below")
    os.close(fd)
    view = mounts.reverse(source)
    paths = list(walk(view))
    assert max(path.count(b"/") for path in paths) == LEVELS
    assert max(len(path) for path in paths) > 20_000
    restored = memory / "restored"
    passfile = f"--passfile={mounts.passfile}"
    assert main(["restore", "-q", "-j1", passfile, str(view), str(restored)]) == 0
    assert set(walk(restored)) == set(walk(source)) - {REVERSE_CONFIG_NAME}
    assert read_bottom(restored) == (b"far below", "bottom")


def read_bottom(root: Path) -> tuple[bytes, str]:
    """Return what is in the deepest directory."""
    fd = os.open(root, os.O_RDONLY)
    for level in range(LEVELS):
        with open_directory(b"level %d" % level, fd) as inner:
            os.dup2(inner, fd)
    with open(os.open("bottom", os.O_RDONLY, dir_fd=fd), "rb") as file:
        found = file.read(), os.readlink("link", dir_fd=fd)
    os.close(fd)
    return found


@contextmanager
def few_processes(directory: Path) -> Iterator[None]:
    """Mount /proc of a namespace of few processes, as the real one is never the same."""
    script = 'mount -t proc proc "$1" && echo mounted && read -r line'
    words = ["unshare", "--pid", "--fork", "sh", "-c", script, "sh", directory]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "mounted\n"
        try:
            yield
        finally:
            process.stdin.close()
            run("umount", "--lazy", directory)


def use_all(view: Path, every: int) -> Counter[str]:
    """Look at everything, and read the beginning of *every* so many-th file."""
    outcomes, numbers = Counter[str](), count()
    for directory, _, names in os.walk(view, onerror=lambda e: check(e, outcomes)):
        for name in names:
            path = os.path.join(directory, name)
            try:
                mode = os.lstat(path).st_mode
                outcomes["seen"] += 1
                if stat.S_ISLNK(mode):
                    os.readlink(path)
                elif stat.S_ISREG(mode) and next(numbers) % every == 0:
                    with open(path, "rb") as file:
                        outcomes["read"] += 1
                        file.read(1 << 16)
            except OSError as error:
                check(error, outcomes)
    return outcomes


def check(error: OSError, outcomes: Counter[str]) -> None:
    """Take note of an error that can be expected of such files."""
    assert error.errno in HONEST, error
    outcomes[errorcode[error.errno]] += 1


@pytest.fixture
def machine(mounts: Mounts, plain: Path) -> Path:
    """A source with room for the filesystems of the kernel, and a file."""
    (plain / "proc").mkdir()
    (plain / "sys").mkdir()
    (plain / "file").write_text("content")
    mounts.init(plain, "--plaintext-names")
    return plain


def test_proc(mounts: Mounts, machine: Path) -> None:
    """/proc can be walked and read to its end: files without a size are empty."""
    view = mounts.reverse(machine)
    with few_processes(machine / "proc"):
        outcomes = use_all(view, 1)
        assert os.path.getsize(view / "proc" / "meminfo") == 0
    assert outcomes["read"] > 300, outcomes
    assert mistakes(view) == 0


def test_sys(mounts: Mounts, machine: Path) -> None:
    """/sys, too: of files that are shorter than they say, an error is read."""
    run("mount", "-t", "sysfs", "sysfs", machine / "sys")
    mounts._mountpoints.append(machine / "sys")
    view = mounts.reverse(machine)
    outcomes = use_all(view, SAMPLE)
    assert min(outcomes["read"], outcomes["EIO"]) > 20, outcomes
    assert mistakes(view) == 0


def test_one_file_system(mounts: Mounts, machine: Path) -> None:
    """With --one-file-system, all of it is an empty directory, and a pull is complete."""
    run("mount", "-t", "sysfs", "sysfs", machine / "sys")
    mounts._mountpoints.append(machine / "sys")
    with few_processes(machine / "proc"):
        view = mounts.reverse(machine, "view", "--one-file-system")
        copy = pull(mounts, view)
    found = tree_at(restore(mounts, copy))
    assert set(found.entries) == {b"", b"file", b"proc", b"sys"}
