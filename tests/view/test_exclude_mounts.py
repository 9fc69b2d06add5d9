"""What is left out of a reverse view: what is mounted below the source."""

import os
from pathlib import Path

import pytest

from revcrypt.format.config import Features
from revcrypt.view.exclude import Exclude
from tests.support import Mounts
from tests.view.excluding import (
    break_stat,
    excluding_view,
    ignore,
    make_tree,
    paths,
    rules,
    seen,
)
from tests.view.test_devices import mounted, tmpfs
from tests.view.trees import ALL_FEATURES, at, reverse_view

IN_DIR = ["dir/bad", "dir/file", "dir/sub"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with places to mount on, and names to leave out."""
    return make_tree(tmp_path)


@pytest.mark.fuse
@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_another_filesystem_is_an_empty_directory(
    tree: Path, mounts: Mounts, features: Features
) -> None:
    """With one_file_system, a mountpoint shows the mounted root's status, and no more."""
    with mounted(tree / "dir" / "sub", *tmpfs()):
        (tree / "dir" / "sub" / "inside").touch()
        os.chown(tree / "dir" / "sub", 1234, 2345)
        (tree / "dir" / "sub").chmod(0o2751)
        os.setxattr(tree / "dir" / "sub", "trusted.x", b"y")
        with excluding_view(tree, Exclude(), features) as view:
            assert "dir/sub/inside" in seen(view)
        with excluding_view(tree, Exclude(one_file_system=True), features) as view:
            shown = {path for path in seen(view) if "@" not in path}
            node = at(view, b"dir/sub")
            attrs = view.attrs(node)
            assert view.list_xattrs(node) == []
            names = [child.shown_name for child in view.entries(node)]
    assert shown == {"bad", "dir", *IN_DIR, "other", "other/file"}
    assert (attrs.mode, attrs.uid, attrs.gid, attrs.nlink) == (0o042751, 1234, 2345, 2)
    is_with_iv = features.dir_iv and not features.plaintext_names
    assert names == [b"gocryptfs.diriv"] * is_with_iv


@pytest.mark.fuse
@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_bind_mounts_are_other_filesystems(
    tree: Path, mounts: Mounts, features: Features
) -> None:
    """A bind mount counts, though it has the same device: a file there is hidden."""
    with (
        mounted(tree / "other", "--bind", tree / "dir"),
        mounted(tree / "bad", "--bind", tree / "dir" / "file"),
    ):
        with excluding_view(tree, Exclude(one_file_system=True), features) as view:
            shown = {path for path in seen(view) if "@" not in path}
        with excluding_view(tree, Exclude(), features) as view:
            assert {"other/sub/file", "bad"} <= seen(view)
    assert shown == {"dir", *IN_DIR, "dir/sub/file", "other"}


@pytest.mark.fuse
def test_what_is_mounted_later_is_another_filesystem(tree: Path, mounts: Mounts) -> None:
    """A directory with another device is shown empty, whether a mount is known or not."""
    with (
        excluding_view(tree, Exclude(one_file_system=True)) as view,
        mounted(tree / "dir" / "sub", *tmpfs()),
    ):
        (tree / "dir" / "sub" / "inside").touch()
        shown = seen(view)
    assert "dir/sub" in shown
    assert "dir/sub/inside" not in shown


@pytest.mark.fuse
def test_a_file_of_another_filesystem_is_hidden(tree: Path, mounts: Mounts) -> None:
    """A file from elsewhere that is mounted over one is hidden."""
    with mounted(mounts.mountpoint("elsewhere"), *tmpfs()):
        file = mounts.directory / "elsewhere" / "file"
        file.touch()
        with (
            mounted(tree / "dir" / "file", "--bind", file),
            excluding_view(tree, Exclude(one_file_system=True)) as view,
        ):
            shown = seen(view)
    assert "dir/file" not in shown
    assert "dir/bad" in shown


@pytest.mark.fuse
@pytest.mark.parametrize(
    ("exclude", "is_hidden"),
    [
        (Exclude(paths=paths(b"dir/sub")), True),
        (Exclude(ignore=ignore(b"sub/")), True),
        (Exclude(ignore=ignore(b"/dir")), True),
        (Exclude(rules=rules(b"- sub")), True),
        (Exclude(one_file_system=True), False),
        (Exclude(ignore=ignore(b"file")), False),
    ],
)
def test_filters_hide_mounted_views_too(
    tree: Path, monkeypatch: pytest.MonkeyPatch, exclude: Exclude, is_hidden: bool
) -> None:
    """A mounted view is left out by its name without a look at it; else it is empty."""
    with mounted(tree / "dir" / "sub", *tmpfs()):
        (tree / "dir" / "sub" / "inside").touch()
        with excluding_view(tree, exclude) as view:
            monkeypatch.setattr(view, "is_view", lambda _, name: name == b"sub")
            asked = break_stat(view, monkeypatch)
            shown = seen(view)
    assert b"sub" not in asked
    assert ("dir/sub" in shown) is not is_hidden
    assert "dir/sub/inside" not in shown


@pytest.mark.fuse
def test_the_files_of_an_overlay_stay(tree: Path, mounts: Mounts) -> None:
    """An overlay is one filesystem, though its files have the devices of its layers."""
    with mounted(mounts.mountpoint("lower"), *tmpfs()):
        lower = mounts.directory / "lower"
        (lower / "from_below").touch()
        options = f"lowerdir={lower},upperdir={tree},workdir={mounts.directory / 'work'}"
        (mounts.directory / "work").mkdir()
        overlay = mounts.mountpoint("overlay")
        with mounted(overlay, "-t", "overlay", "-o", f"{options},xino=off", "overlay"):
            devices = {(overlay / name).stat().st_dev for name in ("from_below", "dir")}
            assert len(devices) == 2
            with excluding_view(overlay, Exclude(one_file_system=True)) as view:
                shown = seen(view)
    assert {"from_below", "bad", "dir", "dir/file", "other/file"} <= shown


@pytest.mark.fuse
def test_what_need_not_answer_is_not_asked(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one_file_system, a mount that a server has to answer for is never touched."""
    monkeypatch.setattr("revcrypt.view.mounts._SERVED", {b"tmpfs"})
    with mounted(tree / "dir" / "sub", *tmpfs()):
        (tree / "dir" / "sub").chmod(0o700)
        with excluding_view(tree, Exclude(one_file_system=True)) as view:
            asked = break_stat(view, monkeypatch)
            shown = seen(view)
            assert view.attrs(at(view, b"dir/sub")).mode == 0o40555
    assert b"sub" not in asked
    assert "dir/sub" in shown


@pytest.mark.fuse
def test_a_name_that_is_mounted_elsewhere(tmp_path: Path) -> None:
    """A `.name` file follows its own entry, whatever is mounted under that name."""
    name = "n" * 200
    for directory in ("here", "there"):
        (tmp_path / directory / name).mkdir(parents=True)
    os.chown(tmp_path / "here" / name, 1234, 2345)
    with mounted(tmp_path / "there" / name, *tmpfs()), reverse_view(tmp_path) as view:
        parent = at(view, b"here")
        [child] = [
            child
            for child in view.entries(parent)
            if child.backing_name and child.content is not None
        ]
        attrs = view.child(parent, child)[1]
    assert (attrs.uid, attrs.gid) == (1234, 2345)
