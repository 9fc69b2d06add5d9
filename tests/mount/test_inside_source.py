"""A mountpoint inside the source: the view never contains itself, and never hangs."""

import os
from pathlib import Path

import pytest

from tests.support import Mounts, is_mounted, run

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can bind mounts"),
]


@pytest.fixture
def plain(mounts: Mounts) -> Path:
    """A source whose names are not encrypted, with two directories."""
    path = mounts.directory / "source"
    (path / "outer").mkdir(parents=True)
    (path / "other").mkdir()
    (path / "file").write_bytes(b"content")
    mounts.init(path, "--plaintext-names")
    return path


def found(view: Path) -> list[str]:
    """Return what a full walk through *view* finds, if it ends."""
    # A program of its own, since a walk that waits for itself can only be killed.
    listing = run("timeout", "20", "find", view, "-mindepth", "1", "-printf", r"%P\n")
    return sorted(listing.stdout.splitlines())


NORMAL = ["file", "gocryptfs.conf", "other", "outer"]


@pytest.mark.parametrize("through_symlink", [False, True])
def test_direct(through_symlink: bool, mounts: Mounts, plain: Path) -> None:
    """The mountpoint is an empty directory in the view."""
    (mounts.directory / "link").symlink_to(plain / "outer")
    directory = "link" if through_symlink else "source/outer"
    view = mounts.reverse(plain, f"{directory}/inner")
    assert found(view) == [*NORMAL, "outer/inner"]
    # Asked again, the kernel has its answers ready; ask for what it has not.
    run("timeout", "20", "stat", view / "outer" / "inner" / "outer", status=1)


def test_forward(mounts: Mounts, tmp_path: Path) -> None:
    """With encrypted names, a backup of the mountpoint is an empty directory."""
    plain = tmp_path / "source"
    plain.mkdir()
    (plain / "file").write_bytes(b"content")
    mounts.init(plain)
    view = mounts.reverse(plain, "source/inner")
    found(view)
    pulled = tmp_path / "pulled"
    run("timeout", "20", "rsync", "-a", f"{view}/", pulled)
    assert found(mounts.forward(pulled)) == ["file", "inner"]


def test_bind_mount_of_the_parent(mounts: Mounts, plain: Path) -> None:
    """A second way to the mountpoint ends at an empty directory, too."""
    view = mounts.reverse(plain, "source/outer/inner")
    assert found(view) == [*NORMAL, "outer/inner"]
    mounts.mount("--rbind", plain / "outer", plain / "other")
    assert is_mounted(plain / "other" / "inner")
    assert found(view) == sorted([*NORMAL, "other/inner", "outer/inner"])


def test_propagated_mount(mounts: Mounts, plain: Path) -> None:
    """A mount that appears in two places at once is recognised in both."""
    mounts.mount("--bind", plain / "outer", plain / "outer")
    run("mount", "--make-shared", plain / "outer")
    mounts.mount("--bind", plain / "outer", plain / "other")
    view = mounts.reverse(plain, "source/outer/inner")
    assert is_mounted(plain / "other" / "inner")
    assert found(view) == sorted([*NORMAL, "other/inner", "outer/inner"])


def test_bind_mount_of_the_view(mounts: Mounts, plain: Path) -> None:
    """The view, mounted into the source while it is served, is an empty directory."""
    view = mounts.reverse(plain)
    assert found(view) == NORMAL
    mounts.mount("--bind", view, plain / "other")
    assert found(view) == NORMAL
    run("timeout", "20", "stat", view / "other" / "file", status=1)
    assert found(plain / "other") == NORMAL


def test_bind_mount_of_a_part_of_the_view(mounts: Mounts, plain: Path) -> None:
    """A directory or a file of the view, mounted into the source, does not hang it."""
    (plain / "outer" / "below").mkdir()
    view = mounts.reverse(plain)
    mounts.mount("--bind", view / "outer", plain / "other")
    assert found(view) == [*NORMAL, "outer/below"]
    (plain / "target").touch()
    mounts.mount("--bind", view / "file", plain / "target")
    run("timeout", "20", "cat", view / "file")
    assert found(view) == sorted([*NORMAL, "outer/below", "target"])


def test_another_view_inside(mounts: Mounts, plain: Path) -> None:
    """The view of another source is an empty directory as well."""
    another = mounts.directory / "another"
    another.mkdir()
    (another / "content").touch()
    mounts.init(another, "--plaintext-names")
    mounts.reverse(another, "source/other/view")
    view = mounts.reverse(plain)
    assert found(view) == sorted([*NORMAL, "other/view"])


def test_two_views_inside(mounts: Mounts, plain: Path) -> None:
    """Two views of one source, mounted inside it, do not wait for each other.

    Each serves from one thread, so the first look of one at the other would be the last.
    """
    views = [mounts.reverse(plain, f"source/{name}") for name in ("outer/a", "outer/b")]
    for view in views:
        assert found(view) == sorted([*NORMAL, "outer/a", "outer/b"])


@pytest.mark.parametrize("option", ["--allow-other", "--allow-user=0"])
def test_long_name(option: str, mounts: Mounts) -> None:
    """The name of a mountpoint can be so long that it has a file of its own."""
    plain = mounts.directory / "source"
    plain.mkdir()
    mounts.init(plain)
    view = mounts.reverse(plain, f"source/{'m' * 200}", option)
    listing = run("timeout", "20", "ls", "-l", view).stdout
    assert ".name" in listing
    [name] = [line.split()[-1] for line in listing.splitlines() if ".name" in line]
    run("timeout", "20", "stat", view / name)
