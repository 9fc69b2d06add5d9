"""Restoring what gocryptfs has encrypted: copies of its view, and its directories."""

from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.mount.big_tree import LONGEST_LINK_TARGET, build
from tests.mount.test_interop import FORWARD_OPTIONS, NAME_OPTIONS
from tests.rescue.running import Command
from tests.rescue.trees import Tree, assert_same, tree_at
from tests.support import Mounts, run

pytestmark = pytest.mark.fuse


def without_xattrs(tree: Tree) -> Tree:
    """Return a tree as gocryptfs shows it in reverse: without attributes."""
    entries = {path: entry._replace(xattrs={}) for path, entry in tree.entries.items()}
    return tree._replace(entries=entries)


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
    source, cipher = tmp_path / "source", tmp_path / "cipher"
    source.mkdir()
    cipher.mkdir()
    build(
        source,
        files=20,
        depth=10,
        # The longer nonces of this cipher leave less room.
        longest_target=LONGEST_LINK_TARGET - (8 if name == "xchacha" else 0),
        plaintext_names=name == "plaintextnames",
    )
    passfile = f"--passfile={mounts.passfile}"
    options = FORWARD_OPTIONS[name]
    run("gocryptfs", "-init", "-q", "-scryptn=10", passfile, *options, cipher)
    writable = mounts.gocryptfs(cipher, "writable")
    # Without --inplace, rsync's temporary files would have names that are too long.
    run("rsync", "-aHAX", "--inplace", f"{source}/", writable)
    mounts.unmount(writable)
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
