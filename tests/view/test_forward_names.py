"""Names in the plain view, and trees whose names are damaged (section 4.8)."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from revcrypt.errors import MalformedError
from revcrypt.format.volume import Volume
from tests.support import KEY
from tests.view.trees import (
    DETERMINISTIC,
    ENCRYPTED,
    PLAINTEXT,
    SHORT_NAMES,
    content,
    find,
    forward_view,
    hashed,
    reverse_view,
    seal,
    write_out,
)

LONG = "long " * 40
CONFIG = "gocryptfs.conf"
DIR_IV = "gocryptfs.diriv"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of a view: two files, one of a long name, and a directory."""
    plain = tmp_path / "plain"
    (plain / "dir").mkdir(parents=True)
    for name in ("a", LONG, "dir/b"):
        (plain / name).write_text(name)
    (plain / ".gocryptfs.reverse.conf").write_text("the config")
    copy = tmp_path / "copy"
    copy.mkdir()
    with reverse_view(plain) as view:
        write_out(view, copy)
    return copy


def listing(directory: Path, path: bytes = b"") -> set[bytes]:
    with forward_view(directory) as view:
        children = view.entries(find(view, path)[0])
    names = [child.shown_name for child in children]
    assert len(names) == len(set(names))
    return set(names)


def cipher_name(directory: Path, plain: str) -> str:
    with forward_view(directory) as view:
        return os.fsdecode(find(view, plain.encode())[0].backing_path())


def test_only_plain_names_are_shown(copy: Path) -> None:
    """Config, directory IVs and name files are no part of the plaintext."""
    assert CONFIG in os.listdir(copy)
    assert listing(copy) == {b"a", LONG.encode(), b"dir"}
    assert listing(copy, b"dir") == {b"b"}


@pytest.mark.parametrize("name", ["absent", CONFIG, DIR_IV, LONG + "r", LONG[:-1]])
def test_what_is_not_there_is_not_found(copy: Path, name: str) -> None:
    """Only names that were encrypted are found, and none of the format's own."""
    with forward_view(copy) as view, pytest.raises(FileNotFoundError):
        view.lookup(view.root, name.encode())


def test_with_plaintext_names_only_the_config_is_hidden(copy: Path) -> None:
    """The config is hidden in the root, and there is nothing else to hide."""
    (copy / "dir").mkdir()
    (copy / "dir" / CONFIG).touch()
    with forward_view(copy, PLAINTEXT) as view:
        shown = {os.fsdecode(child.shown_name) for child in view.entries(view.root)}
        assert shown == set(os.listdir(copy)) - {CONFIG}
        find(view, b"dir/gocryptfs.conf")
        find(view, DIR_IV.encode())
        with pytest.raises(FileNotFoundError):
            view.lookup(view.root, CONFIG.encode())


# Directory IVs


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_link(path: Path) -> None:
    path.rename(path.parent / "away")
    path.symlink_to("away")


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda path: replace(path, b""),
        lambda path: replace(path, b"\1" * 15),
        lambda path: replace(path, b"\1" * 17),
        lambda path: replace(path, bytes(16)),
        make_fifo,
        make_link,
        make_directory,
    ],
    ids=["missing", "empty", "short", "long", "zero", "fifo", "link", "directory"],
)
@pytest.mark.parametrize("directory", ["", "dir"])
def test_a_directory_without_its_iv_is_damaged(
    copy: Path, directory: str, damage: Callable[[Path], None]
) -> None:
    """Without a good IV nothing is listed or found there; it does not look empty.

    In a copy of a reverse view the IV is derived anew (test_forward_healing.py).
    """
    backing = cipher_name(copy, directory) if directory else ""
    with forward_view(copy, strict=False) as view:
        node, _ = find(view, directory.encode())
        damage(copy / backing / DIR_IV)
        with pytest.raises(MalformedError):
            view.entries(node)
        with pytest.raises(MalformedError):
            view.lookup(node, b"a")


def test_deterministic_names_need_no_iv(tmp_path: Path) -> None:
    """Without the flag a directory has no IV, and one that lies there is foreign."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a").write_text("a")
    (tmp_path / "copy").mkdir()
    with reverse_view(tmp_path / "plain", DETERMINISTIC) as view:
        write_out(view, tmp_path / "copy")
    (tmp_path / "copy" / DIR_IV).write_bytes(b"\1" * 16)
    with forward_view(tmp_path / "copy", DETERMINISTIC) as view:
        assert [child.shown_name for child in view.entries(view.root)] == [b"a"]


# Names


def full_names(names: list[bytes], iv: bytes) -> list[bytes]:
    return Volume.open(KEY, ENCRYPTED).names.encrypt(names, iv)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path, _: path.unlink(),
        lambda path, _: replace(path, b""),
        lambda path, _: replace(path, b"garbage"),
        lambda path, full: replace(path, full + b"\n"),
        lambda path, full: replace(path, full[:-1]),
        lambda path, full: replace(path, full * 2),
        lambda path, _: replace(path, b"A" * 342),
        lambda path, _: make_link(path),
        lambda path, _: make_fifo(path),
    ],
    ids="missing empty garbage newline cut doubled another link fifo".split(),
)
def test_a_long_name_without_its_name_file_is_left_out(
    copy: Path,
    damage: Callable[[Path, bytes], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without a name file that matches it, an entry is left out, with a warning."""
    entry = cipher_name(copy, LONG)
    name_file = copy / f"{entry}.name"
    damage(name_file, name_file.read_bytes())
    with caplog.at_level(logging.INFO):
        left = listing(copy)
    away = {b"away"} & set(os.listdir(os.fsencode(copy)))
    assert left == {b"a", b"dir"}
    messages = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(messages) == 1 + len(away)
    assert any(entry in message for message in messages)
    assert all("long " not in message for message in messages)


def test_a_name_file_of_another_file_does_not_count(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A name file that would decrypt, but belongs to another entry, gives no name."""
    entry = cipher_name(copy, LONG)
    iv = (copy / DIR_IV).read_bytes()
    [other] = full_names([b"other " * 40], iv)
    replace(copy / f"{entry}.name", other)
    assert listing(copy) == {b"a", b"dir"}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_name_file_alone_is_no_entry(copy: Path) -> None:
    """A name file whose content has gone shows nothing."""
    (copy / cipher_name(copy, LONG)).unlink()
    assert listing(copy) == {b"a", b"dir"}


def malleable() -> list[bytes]:
    """Return other spellings of what decrypts to a name."""
    return [b"%s==", b"%s=", b"%s\n", b"\n%s", b"%s ", b"%s\r\n", b"%sA", b"%sAAAA"]


@pytest.mark.parametrize("spelling", [*malleable(), b"last", b"standard"])
def test_names_are_spelled_in_one_way(
    copy: Path, spelling: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A second spelling of a cipher name is left out, so no file is shown twice."""
    names = [b"%d" % number for number in range(200)]
    encrypted = full_names(names, (copy / DIR_IV).read_bytes())
    if spelling == b"last":
        # Four of the last six bits are unused: g is 100000, h is 100001.
        spelled = encrypted[0][:-1] + bytes([encrypted[0][-1] + 1])
    elif spelling == b"standard":
        spelled = next(n for n in encrypted if b"-" in n).replace(b"-", b"+")
    else:
        spelled = spelling % encrypted[0]
    (copy / os.fsdecode(spelled)).touch()
    assert listing(copy) == {b"a", LONG.encode(), b"dir"}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("name", [b".", b"..", b"x/y", b"x\0y", b"", b"n" * 256])
def test_no_directory_has_such_names(
    copy: Path, name: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Names that Linux forbids are not shown, although they authenticate."""
    [full] = full_names([name], (copy / DIR_IV).read_bytes())
    entry = full
    if len(full) > 255:
        entry = hashed(full)
        (copy / f"{entry.decode()}.name").write_bytes(full)
    (copy / entry.decode()).touch()
    assert listing(copy) == {b"a", LONG.encode(), b"dir"}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_what_is_listed_can_be_looked_up(tmp_path: Path) -> None:
    """Names that should be hashed, but are not, are either found or left out."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / ("n" * 40)).write_text("hashed")
    (tmp_path / "copy").mkdir()
    with reverse_view(tmp_path / "plain", SHORT_NAMES) as view:
        write_out(view, tmp_path / "copy")
        iv = content(view, find(view, DIR_IV.encode())[0])
    [full, alone] = full_names([b"n" * 40, b"m" * 40], iv)
    for name in (full, alone):
        (tmp_path / "copy" / name.decode()).write_bytes(seal(b"not hashed", name))
    with forward_view(tmp_path / "copy", SHORT_NAMES) as view:
        children = view.entries(view.root)
        names = [child.shown_name for child in children]
        assert names.count(b"n" * 40) == 1
        for shown, backing, _ in children:
            assert view.lookup(view.root, shown)[0].backing_name == backing
