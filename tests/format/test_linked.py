"""Ids and nonces of what has several names: told from those of paths, by anybody."""

import os
from base64 import urlsafe_b64decode
from hashlib import sha256
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcrypt.format import derive
from revcrypt.format.derive import Purpose
from revcrypt.rescue.verify import Verify
from revcrypt.view.findings import Finding
from revcrypt.view.reverse import ReverseView
from tests.view.trees import at, find, forward_view, look, reverse_view, write_out

link_ids = st.binary(min_size=8, max_size=8)
tags = st.sampled_from([b"", b"tag of a device "])
inodes = st.integers(0, 2**64 - 1)
ivs = st.binary(min_size=16, max_size=16)
PURPOSES = [
    Purpose.FILE_ID,
    Purpose.BLOCK0_NONCE,
    Purpose.SYMLINK_NONCE,
    Purpose.XATTR_NONCE,
]
purposes = st.sampled_from(PURPOSES)
cipher_names = st.sampled_from([b"", b"user.gocryptfs.a", b"user.gocryptfs.b"])
paths = st.binary(min_size=1, max_size=60).filter(lambda path: b"\0" not in path)


@given(link_ids, purposes, cipher_names)
def test_formula(link_id: bytes, purpose: Purpose, name: bytes) -> None:
    """An IV is the link id, and half a hash of it that whoever has it can check."""
    marked = b"\0" + link_id + b"\0" + name + b"\0" + purpose.value
    wanted = link_id + sha256(marked).digest()[:8]
    assert derive.linked_iv(link_id, purpose, name) == wanted


@given(tags, inodes)
def test_link_ids_are_stable(tag: bytes, inode: int) -> None:
    """A link id is a pure function of device and inode number, which it tells apart."""
    link_id = derive.link_id(tag, inode)
    hashed = b"\0" + tag + inode.to_bytes(8) + b"\0REVCRYPT-LINK-ID"
    assert link_id == sha256(hashed).digest()[:8]
    assert link_id != derive.link_id(tag, inode ^ 1)
    assert link_id != derive.link_id(tag + b"x", inode)


@given(link_ids, purposes, cipher_names)
def test_the_mark_is_found(link_id: bytes, purpose: Purpose, name: bytes) -> None:
    """What has the mark is known as such, for its own purpose and name only."""
    iv = derive.linked_iv(link_id, purpose, name)
    assert derive.is_linked(iv, purpose, name)
    others = [
        (other, cipher_name)
        for other, cipher_name in product(PURPOSES, [b"", b"user.gocryptfs.a", b"x"])
        if (other, cipher_name) != (purpose, name)
    ]
    assert not any(derive.is_linked(iv, *other) for other in others)


@given(paths, purposes)
def test_paths_have_no_mark(path: bytes, purpose: Purpose) -> None:
    """What is derived from a path is never taken for that of several names."""
    assert not derive.is_linked(derive.derive(path, purpose), purpose)
    assert not derive.is_linked(derive.symlink_nonce(path), Purpose.SYMLINK_NONCE)
    name = b"user.gocryptfs.a"
    nonce = derive.xattr_nonce(path, name)
    assert not derive.is_linked(nonce, Purpose.XATTR_NONCE, name)


@given(link_ids, purposes, st.integers(0, 127))
def test_no_changed_bit_keeps_the_mark(
    link_id: bytes, purpose: Purpose, bit: int
) -> None:
    """A spoiled IV is not one of several names any more."""
    iv = int.from_bytes(derive.linked_iv(link_id, purpose))
    assert not derive.is_linked((iv ^ 1 << bit).to_bytes(16), purpose)


@given(ivs, purposes)
def test_random_ivs_have_no_mark(iv: bytes, purpose: Purpose) -> None:
    """What gocryptfs draws at random in forward mode has no mark."""
    assert not derive.is_linked(iv, purpose)


def test_an_empty_iv_has_no_mark() -> None:
    """A value that is cut short is simply not linked."""
    assert not derive.is_linked(b"", Purpose.XATTR_NONCE)
    assert not derive.is_linked(bytes(16), Purpose.FILE_ID)


@given(link_ids)
def test_files(link_id: bytes) -> None:
    """File id and nonces of one file have one link id, and differ otherwise."""
    ids = derive.linked_file_ids(link_id)
    assert derive.is_linked(ids.file_id, Purpose.FILE_ID)
    assert derive.is_linked(ids.block0_nonce, Purpose.BLOCK0_NONCE)
    assert ids.file_id != ids.block0_nonce
    # Every nonce begins with it, so any block tells whose it is.
    assert all(ids.nonce(block)[:8] == link_id for block in (0, 1, 2**40))


# What a view shows of them


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A tree in which a file and a symlink have two names each, and others have one."""
    path = tmp_path / "plain"
    (path / "dir").mkdir(parents=True)
    (path / "file").write_bytes(b"content" * 1000)
    os.setxattr(path / "file", "user.comment", b"value")
    (path / "link").symlink_to("target")
    for name in ("file", "link"):
        os.link(path / name, path / "dir" / f"other {name}", follow_symlinks=False)
    (path / "alone").write_bytes(b"alone")
    os.setxattr(path / "alone", "user.comment", b"value")
    (path / "dir" / "lone link").symlink_to("target")
    return path


def copy_of(plain: Path, copy: Path) -> Path:
    copy.mkdir()
    with reverse_view(plain) as view:
        write_out(view, copy)
    return copy


def verify(copy: Path) -> list[Finding]:
    findings: list[Finding] = []
    with forward_view(copy) as view:
        Verify(view, findings.append, in_place=True, workers=1).run(lambda *_: None)
    return findings


def marks(view: ReverseView, path: bytes) -> dict[Purpose, bool]:
    """Tell which ids and nonces of what is shown of *path* are those of several names."""
    shown = look(view, at(view, path))
    assert shown.content is not None
    ivs = {
        (Purpose.XATTR_NONCE, name): value[:16] for name, value in shown.xattrs.items()
    }
    if path.endswith(b"link"):
        padding = b"=" * (-len(shown.content) % 4)
        sealed = urlsafe_b64decode(shown.content + padding)
        ivs[Purpose.SYMLINK_NONCE, b""] = sealed[:16]
    else:
        ivs[Purpose.FILE_ID, b""] = shown.content[2:18]
        ivs[Purpose.BLOCK0_NONCE, b""] = shown.content[18:34]
    return {
        purpose: derive.is_linked(iv, purpose, name)
        for (purpose, name), iv in ivs.items()
    }


def test_the_view_marks_what_has_several_names(plain: Path) -> None:
    """Ids and nonces have the mark where there are several names, and nowhere else."""
    file = [Purpose.FILE_ID, Purpose.BLOCK0_NONCE, Purpose.XATTR_NONCE]
    link = [Purpose.SYMLINK_NONCE]
    with reverse_view(plain) as view:
        for path in (b"file", b"dir/other file"):
            assert marks(view, path) == dict.fromkeys(file, True)
        for path in (b"link", b"dir/other link"):
            assert marks(view, path) == dict.fromkeys(link, True)
        assert marks(view, b"alone") == dict.fromkeys(file, False)
        assert marks(view, b"dir/lone link") == dict.fromkeys(link, False)


def test_all_names_show_the_same(plain: Path) -> None:
    """Whichever name is read, and in whichever view, the ciphertext is one."""
    shown = []
    for _ in range(2):
        with reverse_view(plain) as view:
            for path in (b"file", b"dir/other file"):
                found = look(view, at(view, path))
                shown.append((found.content, found.xattrs))
    assert shown.count(shown[0]) == 4


def test_a_copy_without_the_links_is_whole(plain: Path, tmp_path: Path) -> None:
    """Pulled as files of their own, several names are all in their place."""
    copy = copy_of(plain, tmp_path / "copy")
    assert all(os.lstat(path).st_nlink == 1 for path in copy.iterdir() if path.is_file())
    assert verify(copy) == []


def test_a_copy_with_the_links_is_whole(plain: Path, tmp_path: Path) -> None:
    """Pulled as what they are, with `rsync -H`, they are as well."""
    copy = copy_of(plain, tmp_path / "copy")
    with forward_view(copy) as view:
        for name in (b"file", b"link"):
            first, other = (
                os.fsencode(copy) + b"/" + find(view, path)[0].backing_path()
                for path in (name, b"dir/other " + name)
            )
            os.unlink(other)
            os.link(first, other, follow_symlinks=False)
    assert verify(copy) == []


def test_names_that_come_and_go(plain: Path, tmp_path: Path) -> None:
    """A file that was pulled with one name or with two fits under both."""
    copy = copy_of(plain, tmp_path / "copy")
    (plain / "dir" / "other file").unlink()
    again = copy_of(plain, tmp_path / "again")
    with forward_view(copy) as view:
        names = [find(view, path)[0].backing_path() for path in (b"file", b"alone")]
    for name in map(os.fsdecode, names):
        assert ((copy / name).read_bytes() == (again / name).read_bytes()) == (
            name == os.fsdecode(names[1])
        )
        (copy / name).unlink()
        (again / name).rename(copy / name)
    assert verify(copy) == []


def test_a_mark_is_for_one_attribute(plain: Path, tmp_path: Path) -> None:
    """An attribute of several names that is given another name is found out."""
    os.setxattr(plain / "file", "user.other", b"another value")
    copy = copy_of(plain, tmp_path / "copy")
    with forward_view(copy) as view:
        file = copy / os.fsdecode(find(view, b"file")[0].backing_path())
    first, second = os.listxattr(file)
    os.setxattr(file, first, os.getxattr(file, second))
    [finding] = verify(copy)
    assert (finding.kind.value, finding.plain_path) == ("misplaced", b"file")
