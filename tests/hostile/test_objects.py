"""Objects that are not what their names say, and links across a border."""

import errno
import os
import stat
from collections import Counter
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.hostile.backup import pull, restore
from tests.hostile.odd_filesystem import claim, mount_odd_filesystem
from tests.mount.big_tree import NAME_BYTES
from tests.rescue.trees import assert_same, tree_at
from tests.support import REVCRYPT, Mounts, run, snapshot, walk

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices"),
]

NAMES = [[], ["--plaintext-names"]]
DEVICES = {
    "null": (stat.S_IFCHR, 1, 3),
    "zero": (stat.S_IFCHR, 1, 5),
    "random": (stat.S_IFCHR, 1, 8),
    "terminal": (stat.S_IFCHR, 5, 0),
    "disk": (stat.S_IFBLK, 7, 99),
    "none": (stat.S_IFCHR, 0, 0),
}
ORDINARY = ("report.pdf", "CACHEDIR.TAG", ".nobackup", "core", "mailbox")
"""Some of them are read by filters, if they are files."""


def opened(view: Path) -> Counter[str]:
    """Open all special files in a view, and return what comes of it, and how often."""
    outcomes = Counter[str]()
    for path in walk(view):
        full = os.fsencode(view) + b"/" + path
        mode = os.lstat(full).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            continue
        try:
            fd = os.open(full, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            outcomes[errno.errorcode[error.errno or 0]] += 1
        else:
            outcomes[f"{len(os.read(fd, 1))} bytes"] += 1
            os.close(fd)
    return outcomes


@pytest.mark.parametrize("names", NAMES, ids=["encrypted", "plaintext"])
def test_special_files_with_ordinary_names(
    names: list[str], mounts: Mounts, plain: Path
) -> None:
    """FIFOs, sockets and devices with the names of files are waited for by nobody."""
    mounts.init(plain, *names)
    for name in ORDINARY:
        for kind, (mode, *device) in DEVICES.items():
            (plain / kind).mkdir(exist_ok=True)
            os.mknod(plain / kind / name, mode | 0o666, os.makedev(*device))
        for kind, mode in (("fifo", stat.S_IFIFO), ("socket", stat.S_IFSOCK)):
            (plain / kind).mkdir(exist_ok=True)
            os.mknod(plain / kind / name, mode | 0o666)
    view = mounts.reverse(plain, "view", "--exclude-caches", "--exclude-nodump")
    each = len(ORDINARY)
    # Devices are refused by the kernel; a FIFO is nobody's at the other end.
    wanted = {"EACCES": len(DEVICES) * each, "ENXIO": each, "0 bytes": each}
    assert opened(view) == wanted
    restored = restore(mounts, pull(mounts, view), "--privileged")
    assert_same(tree_at(restored), tree_at(plain))


def test_special_config(mounts: Mounts, plain: Path) -> None:
    """A FIFO in the place of the config does not keep anybody waiting."""
    os.mkfifo(plain / ".gocryptfs.reverse.conf")
    view = mounts.mountpoint("view")
    words = ["reverse", f"--passfile={mounts.passfile}", plain, view]
    said = run("timeout", "20", *REVCRYPT, *words, status=ExitCode.CONFIG_UNREADABLE)
    assert "not a regular file" in said.stderr


@pytest.mark.parametrize("names", NAMES, ids=["encrypted", "plaintext"])
def test_every_byte_in_names(names: list[str], mounts: Mounts, plain: Path) -> None:
    """Names of one byte and of 255, and link targets, have any value but NUL and /."""
    mounts.init(plain, *names)
    base = os.fsencode(plain)
    for kind in (b"short", b"long", b"mixed"):
        os.mkdir(base + b"/" + kind)
    for value in NAME_BYTES:
        byte = bytes([value])
        if byte != b".":
            (plain / "short" / os.fsdecode(byte)).write_bytes(byte)
        os.mkdir(base + b"/long/" + byte * 255)
        (plain / "long" / os.fsdecode(byte * 255 + b"/" + b"-" + byte)).write_bytes(byte)
        os.symlink(byte + b"/" + byte, base + b"/mixed/a" + byte + b"b")
    view = mounts.reverse(plain)
    copy = pull(mounts, view)
    assert_same(tree_at(restore(mounts, copy)), tree_at(plain))
    assert_same(tree_at(mounts.gocryptfs(copy, "shown", "-ro")), tree_at(plain))


def test_hard_links_across_a_border(mounts: Mounts, plain: Path) -> None:
    """A file that has other names where nothing is shown is whole, and shows no more.

    What is left out changes nothing about what is shown: not a byte, nor a number.
    """
    mounts.init(plain)
    (plain / "hidden" / "below").mkdir(parents=True)
    (plain / "shown").mkdir()
    for number in range(4):
        first, second = ("hidden/below", "shown")[:: 1 if number % 2 else -1]
        (plain / first / f"first {number}").write_text(f"content {number}")
        os.link(plain / first / f"first {number}", plain / second / f"second {number}")
        os.link(plain / first / f"first {number}", plain / "shown" / f"third {number}")
    (plain / "hidden" / "link").symlink_to("target")
    os.link(plain / "hidden" / "link", plain / "shown" / "link", follow_symlinks=False)
    whole = mounts.reverse(plain, "whole")
    before = {path: os.lstat(os.fsencode(whole) + b"/" + path) for path in walk(whole)}
    contents = snapshot(whole)
    view = mounts.reverse(plain, "view", "--exclude=hidden")
    after = {path: os.lstat(os.fsencode(view) + b"/" + path) for path in walk(view)}
    assert 0 < len(after) < len(before)
    for path, status in after.items():
        assert (status.st_ino, status.st_mtime_ns, status.st_size) == (
            before[path].st_ino,
            before[path].st_mtime_ns,
            before[path].st_size,
        )
    assert snapshot(view) == {path: contents[path] for path in after}
    restored = tree_at(restore(mounts, pull(mounts, view)))
    wanted = tree_at(plain)
    for path in [path for path in wanted.entries if path.startswith(b"hidden")]:
        del wanted.entries[path]
    links = {frozenset(p for p in g if p in wanted.entries) for g in wanted.links}
    assert_same(restored, wanted._replace(links={g for g in links if len(g) > 1}))


def test_sizes_that_are_lies(mounts: Mounts, plain: Path, oddfs: Path) -> None:
    """What is missing of a file is an error, never zeros; there is no more than told."""
    mounts.init(plain)
    for number, (size, claimed) in enumerate(LIES):
        (plain / f"file {number}").write_bytes(b"x" * size)
        claim(plain / f"file {number}", size=claimed)
    view = mounts.reverse(mount_odd_filesystem(mounts, oddfs, plain))
    shown = mounts.forward(view, "shown")
    for number, (size, claimed) in enumerate(LIES):
        path = shown / f"file {number}"
        if size < claimed:
            with pytest.raises(OSError, match="Input/output error"):
                path.read_bytes()
        else:
            assert path.read_bytes() == b"x" * claimed
    lies = sum(size < claimed for size, claimed in LIES)
    said = pull_with_losses(mounts, view)
    assert said.count("Input/output error") >= lies
    restored = restore(mounts, mounts.directory / "copy")
    assert len(list(restored.iterdir())) == len(LIES) - lies


LIES = [(0, 1), (10, 100), (100, 10), (4096, 4097), (4096, 1), (10_000, 1 << 20), (5, 5)]
"""What a file has, and what it claims to have."""


def pull_with_losses(mounts: Mounts, view: Path) -> str:
    """Pull what can be pulled; return what rsync says."""
    words = ["rsync", "-aH", "--delete", f"{view}/", mounts.directory / "copy"]
    return run("timeout", "60", *words, status=23).stderr


def test_what_cannot_be_read(mounts: Mounts, plain: Path, oddfs: Path) -> None:
    """Files of a disk that is broken in places are errors; all others are pulled."""
    mounts.init(plain)
    broken = (errno.EIO, errno.EACCES, errno.ESTALE, errno.ENOSYS, errno.ENXIO)
    for number in range(20):
        (plain / f"file {number}").write_text(f"content {number}")
    source = mount_odd_filesystem(mounts, oddfs, plain)
    view = mounts.reverse(source)
    copy = pull(mounts, view)
    for number, error in enumerate(broken):
        (plain / f"file {number}").write_text("changed")
        claim(plain / f"file {number}", error=error)
    said = pull_with_losses(mounts, view)
    assert said.count("failed to open") + said.count("read errors") >= len(broken), said
    found = tree_at(restore(mounts, copy))
    assert {e.content for p, e in found.entries.items() if p} == {
        b"content %d" % number for number in range(20)
    }
