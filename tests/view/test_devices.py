"""Inode numbers, and filesystems mounted below the source."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from revcrypt.format.config import Features
from revcrypt.view.nodes import Device, inode_number
from tests.support import Mounts, run
from tests.view.trees import (
    ALL_FEATURES,
    Shown,
    at,
    content,
    picture,
    reverse_view,
    unseal,
    walk,
)

OWN = Device(5, b"")
OTHER = Device.at(6, b"cipher/path")


@pytest.mark.parametrize("inode", [2, 3, 2**32, 2**62 - 1])
def test_numbers_of_the_own_device_pass_through(inode: int) -> None:
    """A file of the source's own filesystem keeps its inode number."""
    assert inode_number(OWN, inode) == inode


@pytest.mark.parametrize("inode", [0, 1, 2**62, 2**62 + 1, 2**63, 2**64 - 1])
def test_numbers_with_a_meaning_are_hashed(inode: int) -> None:
    """Numbers that FUSE or the view itself uses are replaced by a hash."""
    number = inode_number(OWN, inode)
    assert 2**62 <= number < 2**63
    assert number != inode


def test_hashed_numbers_tell_everything_apart() -> None:
    """Devices and inodes give different numbers, whatever the device number is."""
    devices = [OTHER, Device.at(6, b"other/path"), OWN]
    numbers = {inode_number(device, inode) for device in devices for inode in range(2000)}
    assert len(numbers) == 6000
    assert inode_number(Device.at(99, b"cipher/path"), 7) == inode_number(OTHER, 7)


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_a_directory_has_another_number_elsewhere(tree: Path, features: Features) -> None:
    """What is in a renamed directory is not what was in it, so it is another one."""
    with reverse_view(tree, features) as view, reverse_view(tree, features) as other:
        paths = (b"dir", b"dir/sub", b"one")
        before = [at(view, path).inode for path in paths]
        assert before == [at(other, path).inode for path in paths]
        (tree / "dir").rename(tree / "new")
        (tree / "one").rename(tree / "dir")
        (tree / "new").rename(tree / "one")
        after = [at(view, path).inode for path in (b"one", b"one/sub", b"dir")]
        files = [at(view, path).inode for path in (b"file", b"one/sub/file")]
    assert len({*before, *after}) == 6
    assert files == [os.stat(tree / path).st_ino for path in ("file", "one/sub/file")]


@contextmanager
def mounted(directory: Path, *words: str | Path) -> Iterator[None]:
    """Mount something on *directory* for a while."""
    run("mount", *words, directory)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def tmpfs() -> tuple[str, ...]:
    return ("-t", "tmpfs", "tmpfs")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with places to mount on."""
    tree = tmp_path / "tree"
    for name in ("one", "two", "dir/sub"):
        (tree / name).mkdir(parents=True)
    for name in ("file", "dir/file", "dir/sub/file"):
        (tree / name).write_text(name)
    os.link(tree / "file", tree / "dir" / "link")
    return tree


def fill(directory: Path) -> None:
    """Make the same objects in the same order, so that they get the same numbers."""
    (directory / "deep").mkdir()
    for name in ("a", "deep/b"):
        (directory / name).write_text(name)
        os.link(directory / name, directory / f"{name} again")


def numbers(shown: dict[bytes, Shown]) -> dict[bytes, int]:
    return {path: thing.attrs.inode for path, thing in shown.items()}


@pytest.mark.fuse
def test_other_filesystems_have_numbers_of_their_own(tree: Path, mounts: Mounts) -> None:
    """Files of two other filesystems collide neither with each other nor with ours."""
    with mounted(tree / "one", *tmpfs()), mounted(tree / "two", *tmpfs()):
        for name in ("one", "two"):
            fill(tree / name)
        assert os.stat(tree / "one/a").st_ino == os.stat(tree / "two/a").st_ino
        with reverse_view(tree) as view:
            found = list(walk(view))
            linked = [a.inode for _, a in found if a.nlink > 1 and not a.mode & 0o40000]
            single = [a.inode for _, a in found if a.nlink == 1 or a.mode & 0o40000]
            file_ids = {content(view, at(view, name))[:18] for name in LINKED}
    assert len(set(single)) == len(single)
    assert sorted(linked.count(number) for number in set(linked)) == [2] * 5
    assert not set(single) & set(linked)
    assert len(file_ids) == len(LINKED)


LINKED = [b"file", b"one/a", b"two/a", b"one/deep/b", b"two/deep/b"]


@pytest.mark.fuse
def test_numbers_survive_another_device_number(tree: Path) -> None:
    """A filesystem that gets another st_dev at the next boot shows the same view."""
    shown, devices = [], []
    for _ in range(2):
        with ExitStack() as boot:
            boot.enter_context(mounted(tree / "one", *tmpfs()))
            if os.stat(tree / "one").st_dev in devices:
                # The number was free again; on top of it, another one is needed.
                boot.enter_context(mounted(tree / "one", *tmpfs()))
            fill(tree / "one")
            devices.append(os.stat(tree / "one").st_dev)
            with reverse_view(tree) as view:
                shown.append(picture(view))
    first, second = shown
    assert devices[0] != devices[1]
    assert numbers(first) == numbers(second)
    assert {path: thing.content for path, thing in first.items()} == {
        path: thing.content for path, thing in second.items()
    }


@pytest.mark.fuse
def test_a_bind_mount_is_a_device_of_its_own(tree: Path, mounts: Mounts) -> None:
    """The same directory at two places has two numbers, and so has all below it."""
    with mounted(tree / "one", "--bind", tree / "dir"):
        assert os.stat(tree / "one").st_ino == os.stat(tree / "dir").st_ino
        with reverse_view(tree) as view:
            pairs = [
                (at(view, b"dir" + path).inode, at(view, b"one" + path).inode)
                for path in (b"", b"/file", b"/sub", b"/sub/file", b"/link")
            ]
            linked = [content(view, at(view, name)) for name in (b"file", b"one/link")]
    assert all(there != here for there, here in pairs)
    assert len({number for pair in pairs for number in pair}) == 2 * len(pairs)
    assert [unseal(sealed) for sealed in linked] == [b"file", b"file"]


@pytest.mark.fuse
def test_a_bind_mounted_file_is_a_device_of_its_own(tree: Path, mounts: Mounts) -> None:
    """A file that is mounted over another has a number of its own there."""
    with (
        mounted(tree / "dir" / "file", "--bind", tree / "dir" / "sub" / "file"),
        reverse_view(tree) as view,
    ):
        there, here = at(view, b"dir/sub/file"), at(view, b"dir/file")
        assert there.inode != here.inode
        assert unseal(content(view, here)) == b"dir/sub/file"


@pytest.mark.fuse
def test_a_view_is_an_empty_directory(
    tree: Path, mounts: Mounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a view is mounted, an empty directory is shown, and nobody looks further."""
    (tree / "one" / "below").touch()
    with mounted(tree / "one", *tmpfs()), reverse_view(tree) as view:
        (tree / "one" / "inside").touch()
        status = os.stat(tree / "one")
        inside = at(view, b"one/inside").shown_name
        monkeypatch.setattr("revcrypt.view.mounts._ENCRYPTED", (b"tmpfs",))
        node = at(view, b"one")
        assert node.inode not in (status.st_ino, inode_number(OTHER, status.st_ino))
        entries = view.entries(node)
        assert [child.shown_name for child in entries] == [b"gocryptfs.diriv"]
        assert view.attrs(node).mode == 0o040555
        assert view.list_xattrs(node) == []
        with pytest.raises(FileNotFoundError):
            view.lookup(node, inside)
        view.lookup(node, b"gocryptfs.diriv")
