"""Which mounts lie below the source, as mountinfo tells (proc(5))."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from revcrypt.view import mounts
from revcrypt.view.mounts import Mount, MountsBelow, read_mounts

Write = Callable[..., None]


@pytest.fixture
def mountinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return what writes the lines that the kernel would give."""
    path = tmp_path / "mountinfo"
    monkeypatch.setattr(mounts, "MOUNTINFO", str(path))

    def write(*lines: bytes) -> None:
        path.write_bytes(b"".join(line + b"\n" for line in lines))

    return write


def line(
    mountpoint: bytes,
    optional: bytes = b"shared:1 ",
    source: bytes = b"dev",
    fstype: bytes = b"fuse.revcrypt",
) -> bytes:
    return b"36 35 0:50 / %b rw,noatime %b- %b %b ro,user_id=0" % (
        mountpoint,
        optional,
        fstype,
        source,
    )


@pytest.mark.parametrize("optional", [b"", b"shared:1 ", b"shared:1 master:2 "])
def test_a_line_has_any_number_of_optional_fields(
    mountinfo: Write, optional: bytes
) -> None:
    """Type and source are found behind the separator, wherever that is."""
    mountinfo(line(b"/mnt", optional, b"//host/share", b"cifs"))
    options = frozenset([b"rw", b"noatime"]), frozenset([b"ro", b"user_id=0"])
    device, share = os.makedev(0, 50), b"//host/share"
    mount = Mount(36, 35, device, b"/mnt", options[0], b"cifs", share, options[1])
    assert list(read_mounts()) == [mount]


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (rb"/a\040b", b"/a b"),
        (rb"/a\011b\012c", b"/a\tb\nc"),
        (rb"/a\134b", rb"/a\b"),
        (rb"/a\134040b", rb"/a\040b"),
        (rb"/a\043b", b"/a#b"),
        (b"/\xff\xc3\xa9", b"/\xff\xc3\xa9"),
        (rb"/\040-\040", b"/ - "),
    ],
)
def test_escapes_are_undone_once(mountinfo: Write, escaped: bytes, plain: bytes) -> None:
    """Mountpoint and source have their octal escapes undone, and exactly once."""
    mountinfo(line(escaped, source=escaped))
    [mount] = read_mounts()
    assert (mount.mountpoint, mount.source) == (plain, plain)


def test_the_machine_s_own_mounts_can_be_read() -> None:
    """What the kernel gives is understood; there is always something on /proc."""
    assert b"/proc" in {mount.mountpoint for mount in read_mounts()}


@contextmanager
def mounts_below(directory: Path) -> Iterator[MountsBelow]:
    fd = os.open(directory, os.O_PATH)
    yield MountsBelow(fd)
    os.close(fd)


@pytest.fixture
def below(tmp_path: Path) -> Iterator[MountsBelow]:
    """Return the mounts below the directory `tree`."""
    (tmp_path / "tree").mkdir()
    with mounts_below(tmp_path / "tree") as below:
        yield below


def test_only_what_lies_below_counts(
    below: MountsBelow, mountinfo: Write, tmp_path: Path
) -> None:
    """Neither the directory itself counts, nor what is beside or above it."""
    base = os.fsencode(tmp_path)
    inside = [b"/tree/a", b"/tree/b/c", rb"/tree/b/d\040e", b"/tree/f/f"]
    outside = [b"", b"/tree", b"/tree2", b"/tree2/x", b"/other/tree/y"]
    mountinfo(*(line(base + path) for path in inside + outside))
    below.refresh()
    assert [p for p in (b"a", b"b/c", b"b/d e", b"f/f") if below.is_mount(p)] == [
        b"a",
        b"b/c",
        b"b/d e",
        b"f/f",
    ]
    for path in (b"", b"b", b"c", b"f", b"2", b"2/x", b"x", b"y", b"a/a"):
        assert not below.is_mount(path)
    for name in (b"a", b"c", b"d e", b"f"):
        assert below.may_be_mount(name)
    for name in (b"", b"b", b"x", b"y", b"tree"):
        assert not below.may_be_mount(name)


@pytest.mark.parametrize(
    ("fstype", "is_view"),
    [
        (b"fuse.revcrypt", True),
        (b"fuse.gocryptfs-reverse", True),
        (b"fuse./usr/local/bin/revcrypt", True),
        (b"revcrypt", True),
        (b"fuse.gocryptfs", False),
        (b"fuse.sshfs", False),
        (b"fuse./revcrypt/x", False),
        (b"ext4", False),
    ],
)
def test_views_are_recognised(
    below: MountsBelow, mountinfo: Write, tmp_path: Path, fstype: bytes, *, is_view: bool
) -> None:
    """Encrypted views are told from other filesystems by their type."""
    mountinfo(line(os.fsencode(tmp_path) + b"/tree/a", fstype=fstype))
    below.refresh()
    assert below.is_view(b"a") is is_view
    assert not below.is_view(b"absent")


@pytest.mark.parametrize("on_top", [False, True])
def test_the_topmost_mount_counts(
    below: MountsBelow, mountinfo: Write, tmp_path: Path, *, on_top: bool
) -> None:
    """Where several things are mounted on one another, the last one is seen."""
    path = os.fsencode(tmp_path) + b"/tree/stack"
    fstypes = [b"fuse.revcrypt", b"ext4"]
    mountinfo(*(line(path, fstype=t) for t in fstypes[:: -1 if on_top else 1]))
    below.refresh()
    assert below.is_view(b"stack") is on_top


def test_refresh_forgets_what_was_unmounted(
    below: MountsBelow, mountinfo: Write, tmp_path: Path
) -> None:
    """What is not mounted any more is a directory like any other."""
    mountinfo(line(os.fsencode(tmp_path) + b"/tree/a"))
    below.refresh()
    assert below.is_mount(b"a")
    mountinfo()
    below.refresh()
    assert not below.is_mount(b"a")
    assert not below.may_be_mount(b"a")


def test_below_the_root_lies_everything(mountinfo: Write) -> None:
    """A view of / sees every mount but the one on / itself."""
    mountinfo(line(b"/"), line(b"/home"), line(b"/mnt/x"))
    with mounts_below(Path("/")) as below:
        below.refresh()
        assert below.is_mount(b"home")
        assert below.is_mount(b"mnt/x")
        assert not below.is_mount(b"")


def test_a_source_that_was_moved_is_followed(
    below: MountsBelow, mountinfo: Write, tmp_path: Path
) -> None:
    """Mounts are looked for where the directory is now."""
    (tmp_path / "tree").rename(tmp_path / "moved")
    mountinfo(line(os.fsencode(tmp_path) + b"/moved/a"))
    below.refresh()
    assert below.is_mount(b"a")
