"""What one program has encrypted, the other one restores, whole and unchanged."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mount.big_tree import YEAR, build
from tests.mount.formats import FORWARD_OPTIONS, NAME_OPTIONS, write_forward
from tests.rescue.trees import Tree, assert_same, tree_at, without_xattrs
from tests.support import Mounts, backdate, revcrypt, run, walk, write_secret

pytestmark = pytest.mark.fuse

CONFIG = b".gocryptfs.reverse.conf"
# rsync cannot pull paths that are longer than PATH_MAX.
DEPTH = 60


class Pulls(NamedTuple):
    """A source, its config, and copies of what two programs show of it."""

    source: Path
    original: Tree
    from_revcrypt: Path
    from_gocryptfs: Path


@pytest.fixture(scope="module", params=NAME_OPTIONS)
def pulls(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pulls]:
    """Pull the big tree with rsync through both programs."""
    directory = tmp_path_factory.mktemp(request.param)
    source = directory / "source"
    source.mkdir()
    options, files = NAME_OPTIONS[request.param]
    plaintext_names = request.param == "plaintext"
    ours, theirs = directory / "from revcrypt", directory / "from gocryptfs"
    with closing(Mounts(directory)) as mounts:
        mounts.init(source, *options)
        build(source, files=files, depth=DEPTH, plaintext_names=plaintext_names)
        run("rsync", "-aHAX", f"{mounts.reverse(source, 'ours')}/", ours)
        view = mounts.gocryptfs(source, "theirs", "-reverse")
        run("rsync", "-aH", f"{view}/", theirs)
    yield Pulls(source, tree_at(source), ours, theirs)
    # Thousands of files that nobody needs any more.
    shutil.rmtree(directory)


def test_gocryptfs_restores_ours(pulls: Pulls, mounts: Mounts) -> None:
    """A stock gocryptfs restores a backup of revcrypt's view, attributes and ACLs too."""
    restored = mounts.gocryptfs(pulls.from_revcrypt, "plain", "-ro")
    assert_same(tree_at(restored), pulls.original)


def test_revcrypt_restores_ours(pulls: Pulls, mounts: Mounts) -> None:
    """Revcrypt restores a backup of its own view, attributes and ACLs too."""
    restored = mounts.forward(pulls.from_revcrypt)
    assert_same(tree_at(restored), pulls.original)


def test_revcrypt_restores_theirs(pulls: Pulls, mounts: Mounts) -> None:
    """Revcrypt restores a backup of gocryptfs's view, which has no attributes."""
    restored = mounts.forward(pulls.from_gocryptfs)
    assert_same(tree_at(restored), without_xattrs(pulls.original))


def test_fsck_finds_nothing(pulls: Pulls, mounts: Mounts) -> None:
    """`gocryptfs -fsck` has nothing to say about a copy of revcrypt's view."""
    passfile = f"--passfile={mounts.passfile}"
    checked = run("gocryptfs", "-fsck", "-q", passfile, pulls.from_revcrypt)
    assert checked.stdout == ""


def test_config_comes_and_goes(pulls: Pulls, mounts: Mounts) -> None:
    """The config is called gocryptfs.conf in the copy, and is no part of the restore."""
    original = (pulls.source / os.fsdecode(CONFIG)).read_bytes()
    copied = pulls.from_revcrypt / "gocryptfs.conf"
    assert copied.read_bytes() == original
    assert not (pulls.from_revcrypt / os.fsdecode(CONFIG)).exists()
    restored = mounts.forward(pulls.from_revcrypt)
    assert CONFIG not in list(walk(restored))


@pytest.mark.parametrize("name", FORWARD_OPTIONS)
def test_forward_directories(name: str, mounts: Mounts, tmp_path: Path) -> None:
    """Revcrypt reads what was written through a mount of gocryptfs, in any format."""
    source, cipher = write_forward(name, mounts, tmp_path, files=50)
    assert_same(tree_at(mounts.forward(cipher)), tree_at(source))


def test_hole_in_aessiv_directory(mounts: Mounts, tmp_path: Path) -> None:
    """Holes of a gocryptfs AES-SIV directory are damage, unless revcrypt is lenient."""
    cipher = tmp_path / "cipher"
    cipher.mkdir()
    passfile = f"--passfile={mounts.passfile}"
    run("gocryptfs", "-init", "-q", "-scryptn=10", passfile, "-aessiv", cipher)
    writable = mounts.gocryptfs(cipher, "writable")
    with open(writable / "sparse", "xb") as file:
        file.seek(1 << 20)
        file.write(b"the end")
    mounts.unmount(writable)
    lenient = mounts.forward(cipher, "lenient", "--lenient")
    assert (lenient / "sparse").read_bytes() == bytes(1 << 20) + b"the end"
    strict = mounts.forward(cipher, "strict")
    with pytest.raises(OSError, match="Input/output error"):
        (strict / "sparse").read_bytes()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small source without a config."""
    source = tmp_path / "source"
    (source / "directory").mkdir(parents=True)
    (source / "directory" / "file").write_bytes(b"content" * 1000)
    return source


def test_config_of_gocryptfs(small: Path, mounts: Mounts, tmp_path: Path) -> None:
    """A reverse config that gocryptfs has made serves revcrypt as well."""
    passfile = f"--passfile={mounts.passfile}"
    run("gocryptfs", "-init", "-reverse", "-q", "-scryptn=10", passfile, small)
    backdate(small)
    pulled = tmp_path / "pulled"
    run("rsync", "-aH", f"{mounts.reverse(small)}/", pulled)
    assert_same(tree_at(mounts.forward(pulled)), tree_at(small))
    other = mounts.gocryptfs(pulled, "other", "-ro")
    assert_same(tree_at(other), tree_at(small))


@pytest.mark.skipif(
    shutil.which("gocryptfs-xray") is None, reason="gocryptfs-xray is not installed"
)
def test_dumped_master_key(small: Path, mounts: Mounts, tmp_path: Path) -> None:
    """The master key that gocryptfs-xray finds in revcrypt's config opens the backup."""
    mounts.init(small)
    backdate(small)
    pulled = tmp_path / "pulled"
    view = mounts.reverse(small, "view", "--no-show-config")
    run("rsync", "-aH", f"{view}/", pulled)
    config = small / os.fsdecode(CONFIG)
    passphrase = mounts.passfile.read_text()
    dumped = run("gocryptfs-xray", "-dumpmasterkey", config, stdin=passphrase)
    key = tmp_path / "key"
    write_secret(key, dumped.stdout)
    restored = mounts.mountpoint("by key")
    revcrypt("forward", "-q", f"--masterkey={key}", pulled, restored)
    assert_same(tree_at(restored), tree_at(small))


def test_times_beyond_gocryptfs(small: Path, mounts: Mounts, tmp_path: Path) -> None:
    """Times that gocryptfs 2.3 cannot show come back from view and restore alike."""
    mounts.init(small)
    backdate(small)
    for path, year in ((small / "directory", 400), (small / "directory" / "file", -65)):
        os.utime(path, ns=(0, year * YEAR + 123_456_789))
    pulled = tmp_path / "pulled"
    run("rsync", "-aH", f"{mounts.reverse(small)}/", pulled)
    assert_same(tree_at(mounts.forward(pulled)), tree_at(small))
