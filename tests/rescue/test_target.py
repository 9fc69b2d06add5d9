"""The destination: nothing is written outside of it, and nothing half is left in it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK
from typing import NamedTuple

import pytest

from revcrypt.errors import UnwritableError
from revcrypt.rescue.target import MAX_DIR_FDS, Target
from revcrypt.view.nodes import Attrs
from tests.descriptors import own_descriptors
from tests.rescue.trees import ACL, tree_at
from tests.rescue.untouched import unchanged

PAGE = 4096
MTIME = 1_000_000_000_123_456_789


def attrs_of(mode: int, size: int = 0) -> Attrs:
    """Return attributes of something that belongs to users 12 and 13."""
    return Attrs(1, mode, 1, 12, 13, 0, size, 0, PAGE, MTIME - 1, MTIME, MTIME)


ACL_NAME = b"system.posix_acl_access"
FILE = attrs_of(S_IFREG | 0o640, 5)


class Place(NamedTuple):
    """A destination, and a directory outside that somebody wants to reach."""

    root: Path
    target: Target
    outside: Path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An empty destination, and a file and a directory outside."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    (outside / "inner").mkdir(parents=True)
    (outside / "file").write_text("mine")
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    target = Target(fd, is_privileged=False)
    yield Place(root, target, outside)
    target.close()
    os.close(fd)


def write(target: Target, path: bytes, data: bytes = b"bytes") -> list[str]:
    """Write a whole file."""
    with target.new_file(path) as file:
        file.write(data)
        return target.finish_file(file, FILE, {})


Step = Callable[[Target, bytes], object]
STEPS: dict[str, Step] = {
    "directory": lambda target, path: target.make_directory(path),
    "file": write,
    "symlink": lambda target, path: target.make_link(
        path, b"t", attrs_of(S_IFLNK | 0o777)
    ),
    "fifo": lambda target, path: target.make_node(path, attrs_of(S_IFIFO | 0o600), {}),
    "socket": lambda target, path: target.make_node(path, attrs_of(S_IFSOCK | 0o600), {}),
    "hard link": lambda target, path: target.make_hard_link(path, b"present"),
}
"""Ways to make something at a path."""


@pytest.mark.parametrize("step", STEPS)
def test_made(step: str, place: Place) -> None:
    """Each of them makes one entry, under its name and no other."""
    write(place.target, b"present")
    STEPS[step](place.target, b"new")
    assert sorted(os.listdir(place.root)) == ["new", "present"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("where", [b"way/new", b"way/inner/new", b"way/file"])
def test_link_in_the_way(step: str, where: bytes, place: Place) -> None:
    """A symlink where a directory should be is not followed, at any depth."""
    write(place.target, b"present")
    (place.root / "way").symlink_to(place.outside)
    with (
        unchanged(place.outside),
        pytest.raises(UnwritableError, match="something else is in the way"),
    ):
        STEPS[step](place.target, where)
    assert sorted(os.listdir(place.root)) == ["present", "way"]


@pytest.mark.parametrize("step", sorted(STEPS.keys() - {"directory"}))
def test_link_in_its_place(step: str, place: Place) -> None:
    """A symlink in the place of something else is replaced; what it leads to stays."""
    write(place.target, b"present")
    (place.root / "new").symlink_to(place.outside / "file")
    with unchanged(place.outside):
        STEPS[step](place.target, b"new")
    status = (place.root / "new").lstat()
    assert not (place.root / "new").is_symlink() or step == "symlink"
    assert (status.st_uid, status.st_gid) == (12, 13)
    assert len(os.listdir(place.root)) == 2


@pytest.mark.parametrize("step", sorted(STEPS.keys() - {"directory"}))
def test_directory_in_its_place(step: str, place: Place) -> None:
    """A directory is never removed for something else, nor is anything left beside it."""
    write(place.target, b"present")
    (place.root / "new").mkdir()
    (place.root / "new" / "file").write_text("mine")
    with pytest.raises(UnwritableError, match="something else is in the way"):
        STEPS[step](place.target, b"new")
    assert (place.root / "new" / "file").read_text() == "mine"
    assert sorted(os.listdir(place.root)) == ["new", "present"]


def test_file_in_place_of_directory(place: Place) -> None:
    """A file is never removed for a directory."""
    (place.root / "new").write_text("mine")
    with pytest.raises(UnwritableError, match="something else is in the way"):
        place.target.make_directory(b"new")
    assert (place.root / "new").read_text() == "mine"


def test_link_under_temporary_name(place: Place) -> None:
    """Nor is a symlink followed that has the name of a file in the making."""
    with place.target.new_file(b"new"):
        [temporary] = os.listdir(place.root)
    (place.root / temporary).symlink_to(place.outside / "file")
    with unchanged(place.outside):
        write(place.target, b"new")
    assert os.listdir(place.root) == ["new"]


def test_given_up(place: Place) -> None:
    """A file that is not finished leaves nothing, and the old one as it was."""
    write(place.target, b"file", b"the old one")
    before = tree_at(place.root).entries[b"file"]
    with place.target.new_file(b"file") as file:
        file.write(b"half of the new")
        assert len(os.listdir(place.root)) == 2
    assert os.listdir(place.root) == ["file"]
    assert tree_at(place.root).entries[b"file"] == before


def test_attributes(place: Place) -> None:
    """A file has all its attributes; a mode without write permission is no hindrance."""
    attrs = FILE._replace(mode=S_IFREG | 0o040)
    xattrs = {b"user.a": b"value", b"user.empty": b""}
    with place.target.new_file(b"file") as file:
        assert place.target.finish_file(file, attrs, xattrs) == []
    entry = tree_at(place.root).entries[b"file"]
    assert (entry.mode, entry.uid, entry.gid) == (attrs.mode, 12, 13)
    assert entry.mtime_ns == MTIME
    assert entry.xattrs == {"user.a": b"value", "user.empty": b""}


def test_attributes_that_cannot_be(place: Place) -> None:
    """Attributes that the filesystem does not take are told of, and the rest is there."""
    # ext4 says that there is no space left for the second.
    xattrs = {b"nonsense.a": b"value", b"user.large": bytes(60_000), b"user.b": b"value"}
    with place.target.new_file(b"file") as file:
        problems = place.target.finish_file(file, FILE, xattrs)
    assert "attribute nonsense.a cannot be set" in problems[0]
    assert all("attribute user.large cannot be set" in text for text in problems[1:])
    found = tree_at(place.root).entries[b"file"].xattrs
    assert found["user.b"] == b"value"
    assert ("user.large" in found) == (len(problems) == 1)


def test_holes(place: Place) -> None:
    """Pages of zeros are holes, wherever they are; other zeros are written."""
    data = bytes(3 * PAGE) + b"data" + bytes(PAGE - 4) + bytes(PAGE) + b"end"
    with place.target.new_file(b"file") as file:
        file.write(data)
        file.skip(5 * PAGE)
        file.write(bytes(PAGE))
        file.write(b"x" + bytes(PAGE - 1))
        file.write(bytes(100))
        place.target.finish_file(file, FILE, {})
    whole = data + bytes(6 * PAGE) + b"x" + bytes(PAGE - 1) + bytes(100)
    assert (place.root / "file").read_bytes() == whole
    with open(place.root / "file", "rb") as opened:
        assert os.lseek(opened.fileno(), 0, os.SEEK_DATA) == 3 * PAGE
    allocated = (place.root / "file").stat().st_blocks * 512
    # `data`, `end`, which shares its page with a hole, and `x` on two pages.
    assert allocated == 4 * PAGE


def test_is_there(place: Place) -> None:
    """A file is there if type, size, time, mode and owner are what they should be."""
    assert not place.target.is_there(b"file", FILE)
    assert not place.target.is_there(b"no/such", FILE)
    write(place.target, b"file")
    assert place.target.is_there(b"file", FILE)
    for change in (
        {"size": 6},
        {"mtime_ns": MTIME + 1},
        {"mode": S_IFREG | 0o641},
        {"uid": 1},
        {"gid": 1},
    ):
        assert not place.target.is_there(b"file", FILE._replace(**change))
    place.target.make_node(b"fifo", attrs_of(S_IFIFO | 0o640), {})
    assert not place.target.is_there(b"fifo", FILE._replace(size=0))


@pytest.mark.parametrize("is_privileged", [False, True])
def test_privileges(is_privileged: bool, place: Place) -> None:
    """What could do harm is only made for those who trust the backup."""
    target = Target(place.target._root_fd, is_privileged=is_privileged)
    modes = [S_IFREG | 0o6755, S_IFREG | 0o1644, S_IFDIR | 0o2755]
    harmless = [S_IFREG | 0o755, *modes[1:]]
    allowed = [target.allowed_mode(mode) for mode in modes]
    assert allowed == (modes if is_privileged else harmless)
    assert target.allows_node(S_IFCHR) == target.allows_node(S_IFBLK) == is_privileged
    assert target.allows_node(S_IFIFO)
    assert target.allows_node(S_IFSOCK)
    names = [b"user.a", b"security.capability", b"trusted.a", b"system.posix_acl_access"]
    withheld = [] if is_privileged else names[1:3]
    assert target.withheld_xattrs(names) == withheld


def test_few_descriptors(place: Place) -> None:
    """However many directories there are, and however deep, few of them are open."""
    before, path = own_descriptors().total(), b""
    for number in range(3 * MAX_DIR_FDS):
        path += b"/" * bool(path) + b"%d" % number
        place.target.make_directory(path)
        place.target.make_directory(b"wide%d" % number)
        write(place.target, path + b"/file")
    write(place.target, b"wide0/file")
    place.target.make_hard_link(path + b"/other", b"wide0/file")
    assert own_descriptors().total() == before + MAX_DIR_FDS
    place.target.close()
    assert own_descriptors().total() == before


DEFAULT_ACL = {b"system.posix_acl_default": ACL}


def test_inherited_acl(place: Place) -> None:
    """What the directory would have new entries inherit is no part of the backup."""
    place.target.make_directory(b"directory")
    attrs = attrs_of(S_IFDIR | 0o750)
    place.target.finish_directory(b"directory", attrs, DEFAULT_ACL)
    write(place.target, b"directory/file")
    for step in ("directory", "fifo", "symlink"):
        STEPS[step](place.target, b"directory/" + step.encode())
    place.target.finish_directory(b"directory/directory", attrs, {})
    found = tree_at(place.root).entries
    assert found.pop(b"directory").xattrs == {"system.posix_acl_default": ACL}
    assert [path for path, entry in found.items() if entry.xattrs] == []
    modes = {path: entry.mode & 0o7777 for path, entry in found.items()}
    assert modes[b"directory/file"] == 0o640
    assert modes[b"directory/fifo"] == 0o600
    assert modes[b"directory/directory"] == 0o750


@pytest.mark.parametrize("step", STEPS)
def test_name_of_its_own(step: str, place: Place) -> None:
    """What has the temporary name of another entry is refused, lest it becomes that."""
    write(place.target, b"present")
    with place.target.new_file(b"file"):
        temporary = (set(os.listdir(place.root)) - {"present"}).pop()
    with pytest.raises(UnwritableError, match="temporary"):
        STEPS[step](place.target, os.fsencode(temporary))
    assert os.listdir(place.root) == ["present"]


@pytest.mark.parametrize("kind", [S_IFIFO, S_IFSOCK])
def test_swapped_for_a_link(
    kind: int, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that somebody puts where a node was just made is not followed."""
    file = place.outside / "file"
    file.chmod(0o600)

    def mknod(path: bytes, mode: int, device: int, *, dir_fd: int) -> None:
        os.symlink(file, path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mknod", mknod)
    with unchanged(place.outside), pytest.raises(UnwritableError, match="in the way"):
        place.target.make_node(b"node", attrs_of(kind | 0o666), {})
    assert os.listdir(place.root) == []


def test_an_acl_of_a_fifo(place: Place) -> None:
    """A FIFO has its ACL, too, or its group could do what the mask allows."""
    place.target.make_node(b"fifo", attrs_of(S_IFIFO | 0o660), {ACL_NAME: ACL})
    assert os.getxattr(place.root / "fifo", ACL_NAME) == ACL
