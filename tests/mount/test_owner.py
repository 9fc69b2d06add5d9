"""Views in which everything belongs to one user, who need not own it in the source."""

import os
from errno import EACCES
from pathlib import Path
from struct import pack

import pytest

from tests.mount.people import person, read
from tests.support import Mounts, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others"),
]

USER, STRANGER = 12345, 23456
"""Neither they nor their groups have an account."""
GROUP = 777


@pytest.fixture
def plain(mounts: Mounts) -> Path:
    """A source with files that only root or only some user can read."""
    path = mounts.directory / "source"
    (path / "a" / "b").mkdir(parents=True)
    for name, uid in (("private", 0), ("a/b/private", 0), ("of user", USER)):
        (path / name).write_bytes(name.encode() * 1000)
        (path / name).chmod(0o600)
        os.chown(path / name, uid, uid)
    (path / "a" / "b").chmod(0o700)
    os.setxattr(path / "private", "user.a", b"value")
    (path / "link").symlink_to("target")
    os.mkfifo(path / "fifo")
    (path / "long name".ljust(200, "x")).touch(mode=0o600)
    return path


@pytest.mark.parametrize(
    "names", ["--long-name-max=255", "--plaintext-names", "--deterministic-names"]
)
def test_one_owner(names: str, mounts: Mounts, plain: Path) -> None:
    """Everything belongs to the owner: what is in the source, and what is not."""
    mounts.init(plain, names)
    view = mounts.reverse(plain, "view", f"--force-owner={USER}:{GROUP}")
    entries = snapshot(view)
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(USER, GROUP)}
    assert (view.stat().st_uid, view.stat().st_gid) == (USER, GROUP)
    suffixes = {path.rpartition(b".")[2] for path in entries if b"gocryptfs." in path}
    assert b"conf" in suffixes
    assert (b"diriv" in suffixes) == ("255" in names)
    assert (b"name" in suffixes) == ("plaintext" not in names)


def test_the_owner_can_read_everything(mounts: Mounts, plain: Path) -> None:
    """The owner sees what root sees; others go by the modes, as with any files."""
    mounts.init(plain)
    view = mounts.reverse(plain, "view", f"--force-owner={USER}:{USER}")
    expected = snapshot(view)
    private = [path for path, entry in expected.items() if entry.mode & 0o77 == 0]
    assert len(private) >= 5
    with person(mounts.directory, USER, USER) as user:
        assert user.ask(snapshot, Path("view")) == expected
    with person(mounts.directory, STRANGER, STRANGER) as stranger:
        assert stranger.errno(os.listdir, "view") == 0
        for path in private:
            assert stranger.errno(read, os.fsdecode(b"view/" + path)) == EACCES


def test_the_owner_alone(mounts: Mounts, plain: Path) -> None:
    """Together with allow_user, nobody but the owner gets in."""
    mounts.init(plain)
    options = (f"--force-owner={USER}:{USER}", f"--allow-user={USER}")
    view = mounts.reverse(plain, "view", *options)
    with person(mounts.directory, USER, USER) as user:
        assert user.ask(snapshot, Path("view")) == snapshot(view)
    with person(mounts.directory, STRANGER, STRANGER) as stranger:
        assert stranger.errno(os.stat, "view") == EACCES
    # Nor does the owner get in if somebody else is the one who is allowed.
    other = mounts.reverse(plain, "other", options[0], f"--allow-user={STRANGER}")
    with person(mounts.directory, USER, USER) as user:
        assert user.errno(os.stat, other.name) == EACCES


def test_restored_for_one_owner(mounts: Mounts, plain: Path) -> None:
    """A forward mount can give everything to one user, too."""
    mounts.init(plain)
    view = mounts.reverse(plain)
    back = mounts.forward(view, "back", f"--force-owner={USER}:{GROUP}")
    entries = snapshot(back)
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(USER, GROUP)}
    with person(mounts.directory, USER, USER) as user:
        assert user.ask(snapshot, Path("back")) == entries
    assert entries[b"private"].content == (plain / "private").read_bytes()


def test_no_owner_is_named_by_an_acl(mounts: Mounts, plain: Path) -> None:
    """Access control lists, which are shown in clear, would tell the real owners."""
    name = "system.posix_acl_access"
    # Owner rw, user 4242 r, group none, mask r, others none (posix_acl_xattr.h).
    entries = [(1, 6, -1), (2, 4, 4242), (4, 0, -1), (16, 4, -1), (32, 0, -1)]
    acl = pack("<I", 2) + b"".join(pack("<HHi", *entry) for entry in entries)
    os.setxattr(plain / "private", name, acl)
    mounts.init(plain, "--plaintext-names")
    assert name in os.listxattr(mounts.reverse(plain, "real") / "private")
    view = mounts.reverse(plain, "view", f"--force-owner={USER}:{USER}")
    shown = os.listxattr(view / "private")
    assert len(shown) == 1
    assert name not in shown
    with pytest.raises(OSError, match="No data available"):
        os.getxattr(view / "private", name)
