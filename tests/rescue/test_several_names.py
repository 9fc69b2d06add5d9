"""Objects with several names: which names they may have, and what is told of each."""

import os
import shutil
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.rescue.conftest import CONFIG_NAME
from tests.rescue.running import Command
from tests.rescue.trees import assert_same, tree_at, write_copy
from tests.support import Mounts, run
from tests.view.trees import find, forward_view

NAMES = ("a", "dir/b", "z")


@pytest.fixture
def plain(tmp_path: Path, config: Path) -> Path:
    """A tree of three files and three links, which are all the same, but not linked."""
    path = tmp_path / "plain"
    (path / "dir").mkdir(parents=True)
    shutil.copy(config, path / CONFIG_NAME)
    for name in NAMES:
        (path / name).write_bytes(b"content" * 2000)
        (path / f"{name} link").symlink_to("target")
        os.setxattr(path / name, "user.comment", b"value")
        times = (0, 1_111_111_111_000_000_000)
        for made in (name, f"{name} link"):
            os.utime(path / made, ns=times, follow_symlinks=False)
    return path


@pytest.fixture
def copy(plain: Path, tmp_path: Path) -> Path:
    """The cipherdir that was pulled from `plain`."""
    path = tmp_path / "copy"
    write_copy(plain, path)
    return path


def link(paths: list[Path]) -> None:
    """Make several paths names of what the first one is, and keep all times."""
    times = {path.parent: path.parent.stat().st_mtime_ns for path in paths}
    first, *others = paths
    for other in others:
        other.unlink()
        os.link(first, other, follow_symlinks=False)
    for directory, mtime in times.items():
        os.utime(directory, ns=(mtime, mtime))


def in_copy(copy: Path, path: str) -> Path:
    """Return where the copy has a plain path."""
    with forward_view(copy) as view:
        return copy / os.fsdecode(find(view, path.encode())[0].backing_path())


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("end", ["", " link"], ids=["files", "links"])
def test_the_ids_of_any_name(
    first: str,
    end: str,
    plain: Path,
    copy: Path,
    dest: Path,
    restore: Command,
    command: Command,
) -> None:
    """What has the ids of one of its names is in place, as in copies by gocryptfs."""
    names = [first + end, *(name + end for name in NAMES if name != first)]
    link([in_copy(copy, name) for name in names])
    link([plain / name for name in names])
    assert command("verify", "-q", "-j1", copy).stdout.count("misplaced") == 0
    assert restore(copy, dest).stderr == ""
    assert_same(tree_at(dest), tree_at(plain))


@pytest.mark.fuse
def test_links_pulled_from_gocryptfs(
    plain: Path, dest: Path, mounts: Mounts, restore: Command, command: Command
) -> None:
    """Symlinks with several names come from gocryptfs with the nonce of any of them."""
    link([plain / f"{name} link" for name in NAMES])
    pulled = dest.with_name("pulled")
    view = mounts.gocryptfs(plain, "view", "-reverse")
    run("rsync", "-aH", f"{view}/", pulled)
    mounts.unmount(view)
    command("verify", "-q", "-j1", pulled)
    assert restore(pulled, dest).stderr == ""
    assert tree_at(dest).links == tree_at(plain).links
    assert all(os.readlink(dest / f"{name} link") == "target" for name in NAMES)


@pytest.fixture
def damaged(plain: Path, tmp_path: Path) -> Path:
    """A copy in which the second of four blocks of a file with three names is damaged."""
    link([plain / name for name in NAMES])
    copy = tmp_path / "damaged"
    write_copy(plain, copy)
    with open(in_copy(copy, "a"), "r+b") as file:
        file.seek(18 + 4128 + 100)
        file.write(b"!")
    return copy


def test_all_names_of_a_damaged_file_are_told_of(
    damaged: Path, dest: Path, restore: Command
) -> None:
    """None of the names is restored, and none without being told of."""
    said = restore(damaged, dest, status=ExitCode.FINDINGS)
    assert not any((dest / name).exists() for name in NAMES)
    lines = [line.removeprefix("revcrypt: warning: ") for line in said.stderr.split("\n")]
    assert {line.split(" ")[0] for line in lines} >= set(NAMES)


def test_all_names_of_a_salvaged_file_are_in_the_report(
    damaged: Path, dest: Path, restore: Command
) -> None:
    """Whoever looks for any name in the report finds which bytes are lost."""
    restore("--salvage", damaged, dest, status=ExitCode.FINDINGS)
    content = b"content" * 2000
    for name in NAMES:
        restored = (dest / name).read_bytes()
        assert restored == content[:4096] + bytes(4096) + content[8192:]
    assert len({(dest / name).stat().st_ino for name in NAMES}) == 1
    report = Path(f"{dest}.salvage.txt").read_text()
    assert report.splitlines()[1:] == [
        f"{name}: from byte 4096 on, 4096 are zeros" for name in NAMES
    ]


def test_an_attribute_of_another_path(
    copy: Path, dest: Path, restore: Command, command: Command
) -> None:
    """An attribute that belongs elsewhere is not restored, unless salvaged."""
    entry = in_copy(copy, "a")
    [name] = os.listxattr(entry)
    os.setxattr(entry, name, os.getxattr(in_copy(copy, "z"), name))
    said = restore(copy, dest, status=ExitCode.FINDINGS)
    assert "user.comment is that of another path" in said.stderr
    assert os.listxattr(dest / "a") == []
    assert os.getxattr(dest / "z", "user.comment") == b"value"
    verified = command("verify", "-q", "-j1", copy, status=ExitCode.FINDINGS)
    assert "user.comment is that of another path" in verified.stdout
    salvaged = dest.with_name("salvaged")
    restore("--salvage", copy, salvaged, status=ExitCode.FINDINGS)
    assert os.getxattr(salvaged / "a", "user.comment") == b"value"


def test_an_attribute_of_a_directory_of_another_path(
    plain: Path, dest: Path, restore: Command
) -> None:
    """Directories are treated as files are."""
    os.setxattr(plain / "dir", "user.comment", b"value")
    copy = dest.with_name("copy")
    write_copy(plain, copy)
    entry = in_copy(copy, "dir")
    [name] = os.listxattr(entry)
    os.setxattr(entry, name, os.getxattr(in_copy(copy, "a"), name))
    restore(copy, dest, status=ExitCode.FINDINGS)
    assert os.listxattr(dest / "dir") == []
    assert os.getxattr(dest / "a", "user.comment") == b"value"


@pytest.mark.parametrize("first", NAMES)
def test_one_name_alone(
    first: str, copy: Path, dest: Path, restore: Command, command: Command
) -> None:
    """Whichever name is asked for, the others are looked up before it is refused."""
    for end in ("", " link"):
        names = [first + end, *(name + end for name in NAMES if name != first)]
        link([in_copy(copy, name) for name in names])
    assert command("cat", copy, "dir/b").stderr == ""
    assert restore(copy, dest, "dir/b", "z link").stderr == ""
    assert (dest / "dir" / "b").read_bytes() == b"content" * 2000
    assert os.getxattr(dest / "dir" / "b", "user.comment") == b"value"
    assert os.readlink(dest / "z link") == "target"
