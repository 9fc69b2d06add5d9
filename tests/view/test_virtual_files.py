"""Files that exist only in the encrypted view (sections 4.5 and 4.6)."""

import os
from pathlib import Path
from stat import S_IFREG, S_ISREG

import pytest

from revcrypt.errors import (
    ConfigUnreadableError,
    NoAttributeError,
    SourceChangedError,
)
from revcrypt.format.config import Features
from revcrypt.view.shown_config import REVERSE_CONFIG_NAME, ShownConfig
from tests.view.trees import (
    ALL_FEATURES,
    DETERMINISTIC,
    PLAINTEXT,
    at,
    content,
    derive,
    find,
    look,
    reverse_view,
    walk,
)

LONG = "L" * 176
HASH = b"gocryptfs.longname.qF68nyhu0f4otrf71flV1L7wklkZVm1l4yDdQZFj9MA"
DIR_IV = b"gocryptfs.diriv"
CONFIG = "gocryptfs.conf"
OWNERS = {
    DIR_IV: "",
    b"E0rbsoIUrhlVt55JEJ2UIA/" + DIR_IV: "dir",
    HASH + b".name": LONG,
    CONFIG.encode(): ".gocryptfs.reverse.conf",
}
"""Virtual file -> what it follows."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree whose objects differ in owner and times."""
    tree = tmp_path / "tree"
    (tree / "dir").mkdir(parents=True)
    (tree / LONG).write_text("long name 176")
    (tree / ".gocryptfs.reverse.conf").write_text("the config\n")
    (tree / ".gocryptfs.reverse.conf").chmod(0o400)
    for number, owner in enumerate(OWNERS.values(), 1):
        os.chown(tree / owner, 1000 + number, 2000 + number)
        os.utime(tree / owner, ns=(10**18 + number, 10**18 + 123 * number))
    return tree


def test_the_root_has_the_iv_that_every_root_has(tree: Path) -> None:
    """The root's directory IV is the public constant of the specification."""
    with reverse_view(tree) as view:
        iv = content(view, find(view, DIR_IV)[0])
    assert iv.hex() == "a8f7bac432ddc1cb3dc74e684d6ae48b"


def test_a_directory_iv_is_derived_from_its_path(tree: Path) -> None:
    """`gocryptfs.diriv` holds the vector's bytes, which the derivation explains."""
    path = b"E0rbsoIUrhlVt55JEJ2UIA"
    with reverse_view(tree) as view:
        iv = content(view, find(view, path + b"/" + DIR_IV)[0])
    assert iv.hex() == "fdb02902eb0933afc1993320c0f9dca9"
    assert iv == derive(path, b"DIRIV")


def test_a_name_file_holds_the_full_name(tree: Path) -> None:
    """The `.name` file is the full cipher name, whose hash is the entry's name."""
    with reverse_view(tree) as view:
        full = content(view, find(view, HASH + b".name")[0])
    assert len(full) == 256
    assert full.startswith(b"w94BL4VzcuV1hQxmq3rq3rd6IjhETHVBXh3gnb95Xlip_cxoiSETp7BJ")
    assert full.endswith(b"kvWMLAYXLillYKP_")


@pytest.mark.parametrize("features", [DETERMINISTIC, PLAINTEXT])
def test_there_are_no_directory_ivs_without_the_flag(
    tree: Path, features: Features
) -> None:
    """With deterministic or plaintext names there is no `gocryptfs.diriv` anywhere."""
    with reverse_view(tree, features) as view:
        assert DIR_IV not in {node.shown_name for node, _ in walk(view)}
        for directory in (view.root, at(view, b"dir")):
            with pytest.raises(FileNotFoundError):
                view.lookup(directory, DIR_IV)


@pytest.mark.parametrize("path", OWNERS)
def test_virtual_files_follow_their_owner(tree: Path, path: bytes) -> None:
    """Owner and times are those of what a virtual file belongs to, also afterwards."""
    owner = tree / OWNERS[path]
    with reverse_view(tree) as view:
        node, found = find(view, path)
        for times in [None, (5 * 10**17, 6 * 10**17)]:
            if times:
                os.utime(owner, ns=times)
                os.chown(owner, 77, 78)
                found = view.attrs(node)
            status = os.lstat(owner)
            assert (found.uid, found.gid) == (status.st_uid, status.st_gid)
            assert found.mtime_ns == status.st_mtime_ns
            assert found.atime_ns == status.st_atime_ns
            assert found.ctime_ns == status.st_ctime_ns


@pytest.mark.parametrize("path", [path for path in OWNERS if path != CONFIG.encode()])
def test_virtual_files_are_plain_readable_files(tree: Path, path: bytes) -> None:
    """They are regular files of mode 0444 with one link, as large as their content."""
    with reverse_view(tree) as view:
        node, attrs = find(view, path)
        assert attrs.mode == S_IFREG | 0o444
        assert (attrs.nlink, attrs.rdev) == (1, 0)
        assert attrs.size == len(content(view, node))


def test_the_config_is_shown_as_it_is(tree: Path) -> None:
    """`gocryptfs.conf` has the config's own bytes, mode and link count."""
    with reverse_view(tree) as view:
        node, attrs = find(view, CONFIG.encode())
        assert content(view, node) == b"the config\n"
    assert (attrs.mode, attrs.nlink, attrs.size) == (S_IFREG | 0o400, 1, 11)


@pytest.mark.parametrize("size", [1, 512, 513, 5000])
def test_no_regular_file_looks_sparse(tree: Path, size: int) -> None:
    """Every file occupies as many blocks as its size says, also a virtual one."""
    config = tree / ".gocryptfs.reverse.conf"
    config.write_bytes(b"c" * size)
    with reverse_view(tree) as view:
        files = [attrs for _, attrs in walk(view) if S_ISREG(attrs.mode)]
    assert len(files) == len(OWNERS) + 1
    assert [attrs.blocks for attrs in files] == [-(-a.size // 512) for a in files]


def test_a_new_config_is_seen(tree: Path) -> None:
    """A config that was replaced under the view is shown with its new content."""
    config = tree / ".gocryptfs.reverse.conf"
    with reverse_view(tree) as view:
        node, _ = find(view, CONFIG.encode())
        config.rename(tree / "old")
        config.write_text("another passphrase wraps the key now")
        assert view.attrs(node).size == 36
        assert content(view, node) == config.read_bytes()


def refuse_what_is_bad(suffix: bytes, content: bytes) -> None:
    """Stand in for the check of a config."""
    if content.startswith(b"bad"):
        raise ConfigUnreadableError("x")


@pytest.mark.parametrize("bad", [None, "bad content"])
def test_a_config_is_never_lost(
    tree: Path, bad: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A config that has gone, or is none any more, is shown as it was, with a warning.

    A backup without it could not be restored, and an rsync --delete would remove it.
    """
    name = REVERSE_CONFIG_NAME
    path = tree / os.fsdecode(name)
    fd = os.open(tree, os.O_PATH)
    config = ShownConfig(fd, name, in_root=True, check=refuse_what_is_bad)
    before = config.read()
    path.unlink()
    if bad is not None:
        path.write_text(bad)
    assert config.read() == before
    assert config.read() == before
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    path.unlink(missing_ok=True)
    path.write_text("the next one")
    assert config.read()[0] == b"the next one"
    os.close(fd)


def test_half_a_config_is_none(tree: Path) -> None:
    """A config that has become longer than a client was told is not cut."""
    with reverse_view(tree) as view:
        file = view.open(find(view, CONFIG.encode())[0])
        with pytest.raises(SourceChangedError):
            file.freeze(file.size - 1)
        file.freeze(file.size)


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_numbers_of_virtual_files_are_out_of_the_way(
    tree: Path, features: Features
) -> None:
    """Virtual files, and directories, have numbers that no file of the source has."""
    with reverse_view(tree, features) as view, reverse_view(tree, features) as other:
        shown = {node.shown_path(): attrs.inode for node, attrs in walk(view)}
        again = {path: find(other, path)[1].inode for path in reversed(shown)}
    virtual = set(shown.values()) - {os.lstat(tree / LONG).st_ino}
    assert len(set(shown.values())) == len(shown)
    assert all(2**62 <= number < 2**63 for number in virtual)
    assert shown == again


@pytest.mark.parametrize("path", OWNERS)
def test_virtual_files_have_no_attributes(tree: Path, path: bytes) -> None:
    """A virtual file shows no extended attributes, whatever its owner has."""
    os.setxattr(tree / OWNERS[path], "user.comment", b"nice")
    with reverse_view(tree) as view:
        node, _ = find(view, path)
        assert look(view, node).xattrs == {}
        with pytest.raises(NoAttributeError):
            view.get_xattr(node, b"user.gocryptfs.CQAIv8t6K4GkhFg0Ev5XmQ")


@pytest.mark.parametrize(("offset", "size"), [(0, 4), (4, 100), (16, 1), (99, 9)])
def test_virtual_files_are_read_in_pieces(tree: Path, offset: int, size: int) -> None:
    """A piece of a virtual file is that piece of its content."""
    with reverse_view(tree) as view:
        file = view.open(find(view, DIR_IV)[0])
        whole = derive(b"", b"DIRIV")
        assert file.read(offset, size, nowait=True) == whole[offset : offset + size]
        file.close()
