"""A source that others write to: it must neither mislead a pull nor stop the view."""

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mount.processes import wait_until_quiet
from tests.support import Mounts, is_mounted, run

pytestmark = pytest.mark.fuse

# Who holds a lease is asked by SIGIO to give it back, and may take his time.
HOLDER = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def plain(mounts: Mounts) -> Path:
    """A source whose names are not encrypted."""
    path = mounts.directory / "source"
    path.mkdir()
    (path / "file").write_bytes(b"content")
    mounts.init(path, "--plaintext-names")
    return path


@contextmanager
def leased(path: Path) -> Iterator[None]:
    """Let another process hold a lease on a file; it gives it back by ending."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "leased\n"
        try:
            yield
        finally:
            holder.stdin.close()
            holder.wait()


def test_a_dead_mount_deletes_nothing(mounts: Mounts, plain: Path) -> None:
    """What cannot be looked at now is not deleted from the copy by rsync --delete."""
    other = mounts.directory / "other"
    other.mkdir()
    (other / "precious").write_bytes(b"content")
    mounts.init(other, "--plaintext-names")
    # A forward mount by gocryptfs is a filesystem like sshfs: it can die.
    pulled = mounts.directory / "other pulled"
    run("rsync", "-a", f"{mounts.reverse(other, 'other view')}/", pulled)
    net = mounts.gocryptfs(pulled, "source/net", "-ro")
    view = mounts.reverse(plain)
    copy = mounts.directory / "copy"
    run("rsync", "-a", "--delete", f"{view}/", copy)
    assert (copy / "net" / "precious").exists()
    [server] = [p for p in mounts._processes if str(net) in p.args]  # type: ignore[operator]
    server.kill()
    server.wait()
    # A new mount knows nothing of the directory that has been there.
    mounts.unmount(view)
    view = mounts.reverse(plain, "view again")
    again = run("rsync", "-a", "--delete", f"{view}/", copy, status=23)
    assert "skipping file deletion" in again.stdout + again.stderr
    assert (copy / "net" / "precious").exists()


def test_a_lease_does_not_stop_the_view(mounts: Mounts, plain: Path) -> None:
    """While one file waits for its lease to end, others are read."""
    (plain / "leased").write_bytes(b"content")
    view = mounts.reverse(plain)
    with leased(plain / "leased"):
        reader = subprocess.Popen(["cat", view / "leased"], stdout=subprocess.PIPE)
        run("timeout", "10", "cat", view / "file")
        assert reader.poll() is None, "the lease was no obstacle"
    assert reader.stdout is not None
    assert len(reader.stdout.read()) == 18 + 32 + 7
    assert reader.wait() == 0
    reader.stdout.close()


def test_an_unseen_change_tears_no_block(mounts: Mounts, plain: Path) -> None:
    """Writes to a mapped page leave the times alone; old pages must not be mixed in."""
    size = 64 * 4096
    path = plain / "mapped"
    path.write_bytes(b"a" * size)
    view = mounts.reverse(plain)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), size) as mapped:
        mapped[:] = b"b" * size
        # As if the page had been dirty for a while.
        os.utime(path, (1_500_000_000, 1_500_000_000))
        wait_until_quiet(path)
        shown = os.open(view / "mapped", os.O_RDONLY)
        os.posix_fadvise(shown, 0, 0, os.POSIX_FADV_RANDOM)
        assert len(os.pread(shown, 8192, 0)) == 8192
        os.close(shown)
        before = path.stat()
        mapped[:] = b"c" * size
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        pulled = mounts.directory / "pulled"
        run("cp", "-a", f"{view}/.", pulled)
    run("gocryptfs", "-fsck", "-q", f"--passfile={mounts.passfile}", pulled)


def test_a_renamed_parent_of_the_view(mounts: Mounts, plain: Path) -> None:
    """Renaming a directory above a mount is not told by the kernel, and must not hang."""
    (plain / "above" / "inner").mkdir(parents=True)
    view = mounts.reverse(plain)
    run("mount", "--bind", view, plain / "above" / "inner")
    os.stat(view / "above")  # so that the news of the mount has been heard
    (plain / "above").rename(plain / "beside")
    moved = plain / "beside" / "inner"
    mounts._mountpoints.append(moved)
    assert is_mounted(moved)
    listing = run("timeout", "20", "find", view, "-mindepth", "1", "-printf", r"%P\n")
    assert "beside/inner" in listing.stdout.splitlines()
    assert "beside/inner/file" not in listing.stdout
