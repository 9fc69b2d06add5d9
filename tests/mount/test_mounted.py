"""What a mount looks like to the rest of the system: mount table, df, other users."""

import os
import subprocess
from pathlib import Path
from re import sub
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import pytest

from tests.support import Mounts, revcrypt, run

pytestmark = pytest.mark.fuse

NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")


@pytest.fixture
def plain(mounts: Mounts) -> Path:
    """A small source whose names are not encrypted."""
    return make_source(mounts, mounts.directory / "source")


def make_source(mounts: Mounts, path: Path) -> Path:
    """Create a small source whose names are not encrypted."""
    path.mkdir(exist_ok=True)
    (path / "file").write_bytes(b"content" * 10_000)
    mounts.init(path, "--plaintext-names")
    return path


class TableLine(NamedTuple):
    """A line of the mount table."""

    fstype: bytes
    source: bytes
    options: set[bytes]


def table_line(view: Path) -> TableLine:
    """Return the line of a mountpoint (proc(5), mountinfo)."""
    found = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        mount, filesystem = line.split(b" - ")
        fields = [
            sub(rb"\\(\d{3})", lambda octal: bytes([int(octal[1], 8)]), field)
            for field in (*mount.split(b" ")[4:6], *filesystem.split(b" "))
        ]
        if fields[0] == os.fsencode(view):
            options = set(fields[1].split(b",")) & set(fields[4].split(b",")) | {
                option for option in fields[1].split(b",") if option.startswith(b"no")
            }
            found.append(TableLine(fields[2], fields[3], options))
    [line] = found
    return line


# The mount table


@pytest.mark.parametrize(
    "name",
    [
        b"simple",
        b"with space",
        b"with, comma,ro,",
        b"back\\slash\\,",
        b"quote\"'",
        b"=equals=",
        "Größe ☃".encode(),
        b"\xff\xfe",
        b"tab\tand\nnewline",
    ],
)
def test_any_source(name: bytes, mounts: Mounts) -> None:
    """Any source can be shown, and the table names it, in ASCII where it must be."""
    source = make_source(mounts, mounts.directory / os.fsdecode(name))
    view = mounts.reverse(source)
    fstype, shown, options = table_line(view)
    assert fstype == b"fuse.revcrypt"
    assert {b"ro", b"nosuid", b"nodev"} <= options
    assert shown.isascii()
    assert unquote_to_bytes(shown) == os.fsencode(source)
    assert sorted(os.listdir(view)) == ["file", "gocryptfs.conf"]


@pytest.mark.parametrize("name", ["with space", "with, comma", "Größe ☃", "=;'\""])
def test_any_mountpoint(name: str, mounts: Mounts, plain: Path) -> None:
    """A mountpoint can have any name, too."""
    view = mounts.reverse(plain, name)
    assert table_line(view).fstype == b"fuse.revcrypt"
    assert sorted(os.listdir(view)) == ["file", "gocryptfs.conf"]


def test_options_and_name(mounts: Mounts, plain: Path) -> None:
    """The name in the table can be chosen, and programs forbidden."""
    view = mounts.mountpoint("view")
    options = r"reverse,rw,dev,suid,noexec,fsname=me@here: all\, really"
    revcrypt("-q", "-o", options, "-passfile", mounts.passfile, plain, view)
    line = table_line(view)
    assert line.source == b"me@here: all, really"
    assert {b"ro", b"nosuid", b"nodev", b"noexec"} <= line.options


@needs_root
def test_free_space(mounts: Mounts) -> None:
    """The size of the filesystem, and what is free of it, are the source's."""
    path = mounts.mountpoint("source")
    # Nobody else uses a filesystem of our own, so nothing changes in between.
    run("mount", "-t", "tmpfs", "-o", "size=9m,nr_inodes=1234", "none", path)
    source = make_source(mounts, path)
    view = mounts.reverse(source)
    fields = "f_bsize f_frsize f_blocks f_bfree f_bavail f_files f_ffree f_namemax"
    ours, theirs = os.statvfs(view), os.statvfs(source)
    for field in fields.split():
        assert getattr(ours, field) == getattr(theirs, field), field
    assert ours.f_files == 1234


# Other users


def read_as_nobody(directory: Path, name: str) -> subprocess.CompletedProcess[bytes]:
    """Read a file as a user whose way into *directory* is free."""
    return subprocess.run(
        ["cat", name],
        cwd=directory,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        check=False,
    )


@needs_root
@pytest.mark.parametrize("allowed", [False, True])
def test_other_users(allowed: bool, mounts: Mounts, plain: Path) -> None:
    """Other users get in only with --allow-other, and then as far as modes allow."""
    private, locked = plain / "private", plain / "locked"
    private.write_bytes(b"private")
    locked.mkdir()
    (locked / "file").write_bytes(b"behind a locked door")
    for path, mode in ((plain, 0o755), (private, 0o600), (locked, 0o700)):
        path.chmod(mode)
    options = ["--allow-other"] if allowed else []
    view = mounts.reverse(plain, "view", *options)
    result = read_as_nobody(view, "file")
    if allowed:
        assert result.stdout == (view / "file").read_bytes()
    for name in ("private", "locked/file") if allowed else ("file", "private"):
        result = read_as_nobody(view, name)
        assert result.returncode == 1
        assert b"Permission denied" in result.stderr
        assert result.stdout == b""
