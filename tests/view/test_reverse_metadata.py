"""Symlinks, attributes and special files in the encrypted view (sections 5 to 7)."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from errno import EACCES, ENAMETOOLONG
from pathlib import Path
from stat import S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK
from struct import pack

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from revcrypt.errors import NoAttributeError
from revcrypt.format.config import Features
from revcrypt.view.nodes import View
from tests.view.trees import (
    ALL_FEATURES,
    ENCRYPTED,
    PLAINTEXT,
    SIV_KEY,
    at,
    derive,
    find,
    forward_view,
    look,
    reverse_view,
)

COMMENT = b"user.gocryptfs.CQAIv8t6K4GkhFg0Ev5XmQ"
ACL_ACCESS = b"system.posix_acl_access"
ACL_DEFAULT = b"system.posix_acl_default"
ACL = pack("<I", 2) + b"".join(
    pack("<HHI", tag, permissions, identity)
    for tag, permissions, identity in [
        (0x01, 6, 0xFFFF_FFFF),
        (0x02, 4, 12_345),
        (0x04, 4, 0xFFFF_FFFF),
        (0x10, 4, 0xFFFF_FFFF),
        (0x20, 0, 0xFFFF_FFFF),
    ]
)
"""user::rw- user:12345:r-- group::r-- mask::r-- other::--- (acl(5), version 2)."""


# Symlinks


@pytest.mark.parametrize(
    ("link", "target", "sealed"),
    [
        ("lnk", "t", b"CMH3GvQ5xcpewqpg-80c2rxNGcgieMDkiTk9egPnD6Ey"),
        (
            "dir/link",
            "../target",
            b"mc8pCpOvdYPxGUC03QHXNKrV9k5DGDEvxojjqkv-e4ZybzlNVtwI37I",
        ),
    ],
)
def test_link_targets_are_the_specification_s(
    tmp_path: Path, link: str, target: str, sealed: bytes
) -> None:
    """Targets encrypt to exactly the text that gocryptfs shows."""
    (tmp_path / "dir").mkdir()
    os.symlink(target, tmp_path / link)
    with reverse_view(tmp_path) as view:
        shown = look(view, at(view, os.fsencode(link)))
    assert shown.content == sealed
    assert shown.attrs.size == len(sealed)


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
@pytest.mark.parametrize("size", [1, 2, 3, 100, 3038, 3039])
def test_a_link_is_as_long_as_its_target(
    tmp_path: Path, features: Features, size: int
) -> None:
    """The size of a link is the length of what readlink returns, up to the limit."""
    os.symlink("t" * size, tmp_path / "link")
    with reverse_view(tmp_path, features) as view:
        shown = look(view, at(view, b"link"))
    assert shown.attrs.size == len(shown.content or b"")
    if features is PLAINTEXT:
        assert shown.content == b"t" * size
    else:
        assert len(shown.content or b"") == -(-4 * (size + 32) // 3) <= 4095


@pytest.mark.parametrize("size", [3040, 3041, 4095])
def test_a_link_that_does_not_fit_is_refused(tmp_path: Path, size: int) -> None:
    """A target that the kernel would not take is an error, but the link is there."""
    os.symlink("t" * size, tmp_path / "link")
    with reverse_view(tmp_path) as view:
        node = at(view, b"link")
        assert S_IFMT(view.attrs(node).mode) == 0o120000
        with pytest.raises(OSError, match=f"Errno {ENAMETOOLONG}"):
            view.readlink(node)


def test_the_longest_target_fits_in_plain(tmp_path: Path) -> None:
    """With plaintext names, the longest target that Linux has is shown as it is."""
    os.symlink("t" * 4095, tmp_path / "link")
    with reverse_view(tmp_path, PLAINTEXT) as view:
        assert view.readlink(find(view, b"link")[0]) == b"t" * 4095


def test_a_link_without_a_size_gets_one() -> None:
    """Links of filesystems that give no size, like procfs, are measured."""
    with reverse_view(Path("/proc/self"), PLAINTEXT) as view:
        node, attrs = find(view, b"cwd")
        assert attrs.size == len(view.readlink(node)) > 0


# Extended attributes


def test_attributes_are_the_specification_s(tmp_path: Path) -> None:
    """Name and value encrypt to exactly what gocryptfs shows."""
    (tmp_path / "hello.txt").touch()
    os.setxattr(tmp_path / "hello.txt", "user.comment", b"nice")
    with reverse_view(tmp_path) as view:
        xattrs = look(view, at(view, b"hello.txt")).xattrs
    value = "af92f6b354557879d519f9aea0329bf044f4441a0edf4897bf3f5dbe8d0d12c1bd3566a5"
    assert xattrs == {COMMENT: bytes.fromhex(value)}


@pytest.mark.parametrize("name", ["", "dir", "file", "fifo"])
def test_attributes_of_everything_that_can_have_them(tmp_path: Path, name: str) -> None:
    """Root, directories and files show theirs; the kernel forbids them to the rest."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    wanted = {b"trusted.t": b"value", b"user.empty": b""}
    if name == "fifo":
        del wanted[b"user.empty"]
    for attribute, value in wanted.items():
        os.setxattr(tmp_path / name, attribute, value)
    with reverse_view(tmp_path) as view:
        node = at(view, os.fsencode(name))
        xattrs = look(view, node).xattrs
        if name == "fifo":
            assert xattrs == {}
            return
        assert all(shown.startswith(b"user.gocryptfs.") for shown in xattrs)
        assert {value for value in xattrs.values() if not value} == {b""}
        [(shown, value)] = [item for item in xattrs.items() if item[1]]
    assert value[:16] == derive(node.shown_path() + b"\0" + shown, b"XATTRIV")
    assert AESSIV(SIV_KEY).decrypt(value[16:], [bytes(8), value[:16]]) == b"value"


def test_attributes_of_a_file_of_several_names(tmp_path: Path) -> None:
    """All names of a hard-linked file show the same attributes."""
    (tmp_path / "a").touch()
    os.link(tmp_path / "a", tmp_path / "b")
    os.setxattr(tmp_path / "a", "user.comment", b"nice")
    with reverse_view(tmp_path) as view:
        assert look(view, at(view, b"a")) == look(view, at(view, b"b"))


def test_attributes_of_a_link_are_not_its_target_s(tmp_path: Path) -> None:
    """A symlink shows no attributes of what it points to, nor ones it cannot keep."""
    (tmp_path / "file").touch()
    os.symlink("file", tmp_path / "link")
    os.setxattr(tmp_path / "file", "user.comment", b"nice")
    os.setxattr(tmp_path / "link", "trusted.own", b"own", follow_symlinks=False)
    with reverse_view(tmp_path) as view:
        node = at(view, b"link")
        assert view.list_xattrs(node) == []
        with pytest.raises(NoAttributeError):
            view.get_xattr(node, COMMENT)


@pytest.mark.parametrize(
    "name", [b"user.comment", b"user.gocryptfs.AAAA", b"security.selinux", COMMENT, b""]
)
def test_foreign_attributes_do_not_exist(tmp_path: Path, name: bytes) -> None:
    """A name that the view would not list has no value."""
    (tmp_path / "file").touch()
    os.setxattr(tmp_path / "file", "user.other", b"value")
    with reverse_view(tmp_path) as view, pytest.raises(NoAttributeError):
        view.get_xattr(at(view, b"file"), name)


def test_an_attribute_with_a_long_name_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A name that does not fit when encrypted is not listed, and somebody hears of it."""
    (tmp_path / "file").touch()
    names = ["user." + "n" * 170, "user." + "n" * 171]
    for name in names:
        os.setxattr(tmp_path / "file", name, b"value")
    with reverse_view(tmp_path) as view:
        [shown] = view.list_xattrs(at(view, b"file"))
    assert len(shown) <= 255
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "nnn" not in record.getMessage()


@pytest.mark.parametrize("features", [ENCRYPTED, PLAINTEXT])
def test_acls_pass_in_clear(tmp_path: Path, features: Features) -> None:
    """Access lists keep name and value on both sides."""
    (tmp_path / "dir").mkdir()
    for name in (ACL_ACCESS, ACL_DEFAULT):
        os.setxattr(tmp_path / "dir", name, ACL)
    with reverse_view(tmp_path, features) as view:
        shown = look(view, at(view, b"dir")).xattrs
    with forward_view(tmp_path, PLAINTEXT) as view:
        back = look(view, at(view, b"dir")).xattrs
    assert shown == back == {ACL_ACCESS: ACL, ACL_DEFAULT: ACL}


# Special files


@pytest.fixture
def _no_hanging() -> Iterator[None]:
    """Interrupt an open that waits for the other end of a FIFO."""

    def interrupt(*_: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_no_hanging")
@pytest.mark.parametrize("show", [reverse_view, forward_view])
@pytest.mark.parametrize(
    ("mode", "device"),
    [
        (S_IFIFO | 0o644, 0),
        (S_IFSOCK | 0o755, 0),
        (S_IFCHR | 0o620, os.makedev(1, 3)),
        (S_IFBLK | 0o660, os.makedev(250, 7)),
    ],
    ids=["fifo", "socket", "char", "block"],
)
def test_special_files_are_shown_and_not_opened(
    tmp_path: Path,
    show: Callable[..., AbstractContextManager[View]],
    mode: int,
    device: int,
) -> None:
    """FIFOs, sockets and devices keep their attributes; opening them does nothing."""
    os.mknod(tmp_path / "special", mode, device)
    os.chmod(tmp_path / "special", mode & 0o7777)
    with show(tmp_path, PLAINTEXT) as view:
        node, attrs = find(view, b"special")
        with pytest.raises(PermissionError, match=f"Errno {EACCES}"):
            view.open(node)
    assert (attrs.mode, attrs.rdev, attrs.size, attrs.nlink) == (mode, device, 0, 1)
