"""A source that is written while it is pulled: every copy decrypts, block for block."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import Mounts, run

pytestmark = pytest.mark.fuse

PULLS = 10

# A hundred small lines a second, as a busy service logs them.
APPENDER = """
import sys, time
with open(sys.argv[1], "ab", buffering=0) as log:
    print("writing", flush=True)
    for number in range(1_000_000):
        log.write(b"%d a line of ordinary length, as logs have them\\n" % number)
        time.sleep(0.01)
"""

# As fast as the machine can, like a database.
OVERWRITER = """
import os, random, sys
size = os.path.getsize(sys.argv[1])
fd = os.open(sys.argv[1], os.O_WRONLY)
print("writing", flush=True)
while True:
    os.pwrite(fd, os.urandom(512), random.randrange(size - 512))
"""


@contextmanager
def writing(program: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Let *program* write to *path* all the while."""
    command = [sys.executable, "-c", program, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        assert process.poll() is None, "the writer has ended early"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def pull_and_check(mounts: Mounts, view: Path, *options: str) -> None:
    """Pull several times and let gocryptfs check every copy."""
    for number in range(PULLS):
        pulled = mounts.directory / f"pull{number}"
        run("rsync", "-a", *options, f"{view}/", pulled)
        run("gocryptfs", "-fsck", "-q", f"--passfile={mounts.passfile}", pulled)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """An empty source."""
    path = tmp_path / "source"
    path.mkdir()
    return path


def test_growing_log(mounts: Mounts, plain: Path) -> None:
    """The tail of a log that grows during the pull is never torn."""
    mounts.init(plain)
    log = plain / "log"
    log.write_bytes(b"the first line\n" * 20_000)
    view = mounts.reverse(plain)
    with writing(APPENDER, log):
        pull_and_check(mounts, view)


def test_overwritten_database(mounts: Mounts, plain: Path) -> None:
    """No block is torn, though FUSE reads cut blocks in two."""
    mounts.init(plain)
    database = plain / "database"
    database.write_bytes(bytes(range(256)) * (60 * 4096))
    view = mounts.reverse(plain)
    with writing(OVERWRITER, database):
        pull_and_check(mounts, view)


def test_incremental_pull(mounts: Mounts, plain: Path) -> None:
    """The same copy, updated in place while the log grows, stays whole."""
    mounts.init(plain)
    log = plain / "log"
    log.write_bytes(b"the first line\n" * 20_000)
    view = mounts.reverse(plain)
    pulled = mounts.directory / "pulled"
    with writing(APPENDER, log):
        for _ in range(PULLS):
            run("rsync", "-a", "--inplace", "--no-whole-file", f"{view}/", pulled)
            run("gocryptfs", "-fsck", "-q", f"--passfile={mounts.passfile}", pulled)


# Each copies everything from the view ($1) to an empty directory ($2).
CLIENTS = {
    "rsync": 'rsync -a "$1/" "$2"',
    "cp": 'cp -a "$1/." "$2"',
    "tar": 'tar -C "$1" -cf - . 2>/dev/null | tar -C "$2" -xf -',
    "small reads": 'for f in "$1"/*; do dd if="$f" of="$2/${f##*/}" bs=4096; done 2>&1',
}

LOOKER = 'while ls -l "$1" >/dev/null; do :; done'


def test_several_clients(mounts: Mounts, plain: Path) -> None:
    """Clients that pull at the same time, each its own state, do not tear blocks.

    All of them share what the kernel remembers about the file, its size above all.
    """
    mounts.init(plain)
    log = plain / "log"
    log.write_bytes(b"the first line\n" * 200_000)
    view = mounts.reverse(plain)
    fast = APPENDER.replace("sleep(0.01)", "sleep(0.0005)")

    def pull(name: str) -> None:
        for number in range(PULLS):
            copy = mounts.directory / f"{name} {number}"
            copy.mkdir()
            run("sh", "-c", CLIENTS[name], "sh", view, copy)
            run("gocryptfs", "-fsck", "-q", f"--passfile={mounts.passfile}", copy)
            shutil.rmtree(copy)

    looking = subprocess.Popen(["sh", "-c", LOOKER, "sh", view])
    try:
        with writing(fast, log), ThreadPoolExecutor(len(CLIENTS)) as pool:
            list(pool.map(pull, CLIENTS))
    finally:
        looking.kill()
        looking.wait()
