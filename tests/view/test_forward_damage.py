"""Damaged files in the plain view (section 3.4)."""

import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.errors import AuthenticationError, MalformedError
from tests.view.trees import (
    PLAINTEXT,
    content,
    find,
    forward_view,
    look,
    reverse_view,
    seal,
    write_out,
)

DAMAGE = (AuthenticationError, MalformedError)
"""What becomes EIO."""
PLAIN = Random(9).randbytes(9000)
SEALED = seal(PLAIN, b"file")
ZEROS = bytes(4096)
BLOCKS = [PLAIN[:4096], PLAIN[4096:8192], PLAIN[8192:]]
EIO = "EIO"
Reads = list[bytes | str]


def cut(size: int) -> bytes:
    return SEALED[:size]


def put(offset: int, data: bytes) -> bytes:
    return SEALED[:offset] + data + SEALED[offset + len(data) :]


def flip(offset: int) -> bytes:
    return put(offset, bytes([SEALED[offset] ^ 1]))


def block(number: int) -> bytes:
    return SEALED[18 + 4128 * number :][:4128]


_0, _1, _2 = BLOCKS
CASES: dict[str, tuple[bytes, int, Reads, Reads]] = {
    # damaged ciphertext, size shown, what reading each block gives: leniently, strictly
    "whole": (SEALED, 9000, [_0, _1, _2], [_0, _1, _2]),
    "empty": (b"", 0, [b""], [b""]),
    "cut to 1": (cut(1), 0, [b""], [EIO]),
    "cut to 17": (cut(17), 0, [b""], [EIO]),
    "cut to 18": (cut(18), 0, [b""], [EIO]),
    "cut to 19": (cut(19), 1, [EIO], [EIO]),
    "cut to 50": (cut(50), 1, [EIO], [EIO]),
    "cut to 51": (cut(51), 1, [EIO], [EIO]),
    "cut in block 1": (cut(5000), 4918, [_0, EIO], [_0, EIO]),
    "cut in a nonce": (cut(8284), 8193, [_0, _1, EIO], [_0, _1, EIO]),
    "cut in a tag": (cut(8306), 8193, [_0, _1, EIO], [_0, _1, EIO]),
    "one byte short": (cut(9113), 8999, [_0, _1, EIO], [_0, _1, EIO]),
    "one byte long": (SEALED + b"x", 9001, [_0, _1, EIO], [_0, _1, EIO]),
    "cut behind block 0": (cut(4146), 4096, [_0], [_0]),
    "cut behind block 1": (cut(8274), 8192, [_0, _1], [_0, _1]),
    "zeroed block": (put(4146, bytes(4128)), 9000, [_0, ZEROS, _2], [_0, EIO, _2]),
    "zeros at the end": (
        cut(8274) + bytes(4128),
        12_288,
        [_0, _1, ZEROS],
        [_0, _1, EIO],
    ),
    "zeroed short block": (put(8274, bytes(840)), 9000, [_0, _1, EIO], [_0, _1, EIO]),
    "zeroed nonce": (put(4146, bytes(16)), 9000, [_0, EIO, _2], [_0, EIO, _2]),
    "zeroed header": (put(0, bytes(18)), 9000, [EIO] * 3, [EIO] * 3),
    "wrong version": (put(1, b"\3"), 9000, [EIO] * 3, [EIO] * 3),
    "zeroed id": (put(2, bytes(16)), 9000, [EIO] * 3, [EIO] * 3),
    "another id": (flip(5), 9000, [EIO] * 3, [EIO] * 3),
    "another nonce": (flip(4150), 9000, [_0, EIO, _2], [_0, EIO, _2]),
    "another tag": (flip(4165), 9000, [_0, EIO, _2], [_0, EIO, _2]),
    "flipped bit": (flip(4200), 9000, [_0, EIO, _2], [_0, EIO, _2]),
    "last bit flipped": (flip(9113), 9000, [_0, _1, EIO], [_0, _1, EIO]),
    "swapped blocks": (
        put(18, block(1) + block(0)),
        9000,
        [EIO, EIO, _2],
        [EIO, EIO, _2],
    ),
    "only zeros": (bytes(9114), 9000, [EIO] * 3, [EIO] * 3),
}


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_damage_is_contained_and_never_shown(
    tmp_path: Path, case: tuple[bytes, int, Reads, Reads], *, strict: bool
) -> None:
    """Of a damaged file exactly the undamaged blocks can be read; its size is told."""
    ciphertext, size, *reads = case
    (tmp_path / "file").write_bytes(ciphertext)
    with forward_view(tmp_path, PLAINTEXT, strict=strict) as view:
        node, attrs = find(view, b"file")
        assert attrs.size == size
        seen: Reads = []
        for offset in range(0, size or 1, 4096):
            try:
                with closing(view.open(node)) as file:
                    seen.append(file.read(offset, 4096, nowait=False))
            except DAMAGE:
                seen.append(EIO)
        assert seen == reads[strict]
        if EIO in seen:
            with pytest.raises(DAMAGE):
                content(view, node)


@settings(max_examples=100, deadline=None)
@given(offset=st.integers(0, len(SEALED) - 1), change=st.integers(1, 255))
def test_any_changed_byte_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, offset: int, change: int
) -> None:
    """No single changed byte of a file goes unnoticed."""
    directory = tmp_path_factory.mktemp("changed")
    (directory / "file").write_bytes(put(offset, bytes([SEALED[offset] ^ change])))
    with forward_view(directory, PLAINTEXT) as view, pytest.raises(DAMAGE):
        content(view, find(view, b"file")[0])


@settings(max_examples=60, deadline=None)
@given(
    offset=st.integers(0, 10_000),
    length=st.integers(1, 10_000),
)
def test_any_slice_is_a_slice_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, offset: int, length: int
) -> None:
    """read(a, n) is whole[a:a+n] for every slice."""
    directory = tmp_path_factory.mktemp("slices")
    (directory / "file").write_bytes(SEALED)
    with forward_view(directory, PLAINTEXT) as view:
        file = view.open(find(view, b"file")[0])
        piece = file.read(offset, length, nowait=False)
        file.close()
    assert piece == PLAIN[offset : offset + length]


def test_the_end_is_where_it_was_at_opening(tmp_path: Path) -> None:
    """A cipher file that grows while it is read shows what it was, or an error."""
    (tmp_path / "file").write_bytes(cut(4146))
    with forward_view(tmp_path, PLAINTEXT) as view:
        file = view.open(find(view, b"file")[0])
        (tmp_path / "file").write_bytes(SEALED)
        assert file.size == 4096
        assert file.read(0, 10_000, nowait=False) == PLAIN[:4096]
        file.close()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of a view that holds a symlink and an attribute."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").touch()
    os.setxattr(tmp_path / "plain" / "file", "user.comment", b"nice")
    os.symlink("target", tmp_path / "plain" / "link")
    (tmp_path / "copy").mkdir()
    with reverse_view(tmp_path / "plain") as view:
        write_out(view, tmp_path / "copy")
    return tmp_path / "copy"


def other_last(text: str) -> str:
    return text[:-5] + ("A" if text[-5] != "A" else "B") + text[-4:]


@pytest.mark.parametrize(
    "damage",
    [
        other_last,
        lambda text: text[:-1],
        lambda text: text + "=",
        lambda text: text + "\n",
        lambda text: text[:20],
        lambda _: "A" * 51,
        lambda _: "../target",
    ],
)
def test_a_damaged_link_target_is_an_error(
    copy: Path, damage: Callable[[str], str]
) -> None:
    """A target that does not authenticate is no target, of size 0."""
    with forward_view(copy) as view:
        node, attrs = find(view, b"link")
        assert (view.readlink(node), attrs.size) == (b"target", 6)
        path = copy / os.fsdecode(node.backing_name)
        target = os.readlink(path)
        path.unlink()
        path.symlink_to(damage(target))
        node, attrs = find(view, b"link")
        assert attrs.size == 0
        with pytest.raises(DAMAGE):
            view.readlink(node)


@pytest.mark.parametrize(
    ("damage", "readable"),
    [
        (lambda value: value, True),
        (lambda value: urlsafe_b64encode(value).rstrip(b"="), True),
        (b64encode, False),
        (lambda value: value[:-1], False),
        (lambda value: value[:-1] + bytes([value[-1] ^ 1]), False),
        (lambda value: b64encode(value)[:-4], False),
        (lambda value: b"\n" + b64encode(value), False),
        (lambda _: b"nice", False),
    ],
)
def test_attribute_values_authenticate(
    copy: Path, damage: Callable[[bytes], bytes], *, readable: bool
) -> None:
    """A value is read as it was sealed or as base64url of that; all else is an error."""
    with forward_view(copy) as view:
        node, _ = find(view, b"file")
        path = copy / os.fsdecode(node.backing_name)
        [name] = os.listxattr(path)
        os.setxattr(path, name, damage(os.getxattr(path, name)))
        os.setxattr(path, "user.foreign", b"value")
        assert view.list_xattrs(node) == [b"user.comment"]
        if readable:
            assert look(view, node).xattrs == {b"user.comment": b"nice"}
        else:
            with pytest.raises(DAMAGE):
                view.get_xattr(node, b"user.comment")
