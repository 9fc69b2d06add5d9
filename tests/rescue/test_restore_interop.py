"""Restoring what gocryptfs has encrypted: copies of its view, and its directories."""

from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.mount.big_tree import build
from tests.mount.formats import FORWARD_OPTIONS, NAME_OPTIONS, write_forward
from tests.rescue.running import Command
from tests.rescue.trees import assert_same, tree_at, without_xattrs
from tests.support import Mounts, run

pytestmark = pytest.mark.fuse


@pytest.mark.parametrize("name", NAME_OPTIONS)
def test_reverse_view(
    name: str, mounts: Mounts, tmp_path: Path, dest: Path, restore: Command
) -> None:
    """What rsync has pulled from gocryptfs's view comes back whole."""
    source, pulled = tmp_path / "source", tmp_path / "pulled"
    source.mkdir()
    options, _ = NAME_OPTIONS[name]
    mounts.init(source, *options)
    build(source, files=20, depth=10, plaintext_names=name == "plaintext")
    view = mounts.gocryptfs(source, "view", "-reverse")
    run("rsync", "-aH", f"{view}/", pulled)
    # For gocryptfs, the modes of files are no matter; ACLs show in them.
    assert restore("--privileged", pulled, dest) == ("", "")
    assert_same(tree_at(dest), without_xattrs(tree_at(source)))


@pytest.mark.parametrize("name", FORWARD_OPTIONS)
def test_forward_directory(
    name: str, mounts: Mounts, tmp_path: Path, dest: Path, restore: Command
) -> None:
    """What was written through a mount of gocryptfs comes back whole, in any format."""
    source, cipher = write_forward(name, mounts, tmp_path, files=20)
    lenient = []
    if name == "aessiv":
        # That is what reverse views are made of, and in one, all this would be misplaced.
        said = restore("--privileged", cipher, dest, status=ExitCode.FINDINGS)
        assert "give --lenient" in said.stderr
        assert list(dest.iterdir()) == []
        lenient = ["--lenient"]
    assert restore("--privileged", *lenient, cipher, dest) == ("", "")
    assert_same(tree_at(dest), tree_at(source))


def test_our_own_pull(
    plain: Path, mounts: Mounts, tmp_path: Path, dest: Path, restore: Command
) -> None:
    """What rsync has pulled from our own mounted view comes back whole."""
    pulled = tmp_path / "pulled"
    view = mounts.reverse(plain)
    run("rsync", "-aHAX", f"{view}/", pulled)
    assert restore(pulled, dest) == ("", "")
    assert_same(tree_at(dest), tree_at(plain))


def test_as_gocryptfs_does(
    plain: Path, copy: Path, mounts: Mounts, dest: Path, restore: Command
) -> None:
    """Restoring gives what copying out of a mount of gocryptfs gives."""
    mounted = mounts.gocryptfs(copy, "mounted", "-ro")
    other = dest.with_name("other")
    run("cp", "-a", mounted, other)
    restore(copy, dest)
    assert_same(tree_at(dest), tree_at(other))
