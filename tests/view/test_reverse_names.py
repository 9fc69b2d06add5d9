"""Names in the encrypted view (format specification, sections 4.2 to 4.9)."""

import os
from pathlib import Path

import pytest

from revcrypt.format.config import Features
from revcrypt.format.volume import Volume
from tests.support import KEY
from tests.view.trees import (
    ALL_FEATURES,
    DETERMINISTIC,
    ENCRYPTED,
    PLAINTEXT,
    SHORT_NAMES,
    at,
    content,
    derive,
    find,
    hashed,
    look,
    picture,
    reverse_view,
    walk,
    without_atime,
)

CONFIG = b".gocryptfs.reverse.conf"
LONG = b"L" * 176
HASH = b"gocryptfs.longname.qF68nyhu0f4otrf71flV1L7wklkZVm1l4yDdQZFj9MA"
FULL = (
    b"w94BL4VzcuV1hQxmq3rq3rd6IjhETHVBXh3gnb95Xlip_cxoiSETp7BJsWZfl_OZwGhYifatZ3odj36B"
    b"ehm9T6R_7cHKU4DiststGolmje_luJNlV7waDUj5jDv3XYKqdVhixilKL8iIkwBcTN0g9u8wWEbM67pG"
    b"zovyXcyNxtDfh3y_c-zEx8AkN3scqE-6bYzHpsqHhppJ1e47GFqY5ExrozZ2Bs9_nnUzxycryImWPn3b"
    b"kvWMLAYXLillYKP_"
)
HELLO = b"F8rwmoCL-WWYHyKmxirgkg"
ENCRYPTED_VECTORS = {
    b"hello.txt": HELLO,
    b"five": b"q4qCOD-XzyCAWhMd9pWDMw",
    b"sixteen-bytes-nm": b"uCmKM2cFZJ6HfqUU44smqX-nYz91gzbO70ivqkoN4N4",
    b"dir": b"E0rbsoIUrhlVt55JEJ2UIA",
    b"dir/sub": b"E0rbsoIUrhlVt55JEJ2UIA/MjuJW2DI_aPGhyLFmC24RQ",
    b"dir/sub/file": b"E0rbsoIUrhlVt55JEJ2UIA/MjuJW2DI_aPGhyLFmC24RQ/"
    b"rp82j1vSVWEaPII93V61XQ",
    LONG: HASH,
    b"dir/" + "é".encode() * 100: b"E0rbsoIUrhlVt55JEJ2UIA/gocryptfs.longname."
    b"LmwRgN5SYM3Ji1mfgnhrkqe31WbaYw1DPRX8KAs3hdY",
}
DETERMINISTIC_VECTORS = {
    b"dir": b"tcj2asXr3fBgkyar5-PgnQ",
    b"dir/sub": b"tcj2asXr3fBgkyar5-PgnQ/F3tyDQFBJtlUXm3YdOGx3A",
    b"dir/sub/file": b"tcj2asXr3fBgkyar5-PgnQ/F3tyDQFBJtlUXm3YdOGx3A/"
    b"UqUh-nQD5g6834y9A0xGwg",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree of the names that the specification has vectors for."""
    (tmp_path / "dir" / "sub").mkdir(parents=True)
    for name in ENCRYPTED_VECTORS:
        if name not in (b"dir", b"dir/sub"):
            (tmp_path / os.fsdecode(name)).write_bytes(name)
    return tmp_path


@pytest.mark.parametrize(
    ("features", "vectors"),
    [(ENCRYPTED, ENCRYPTED_VECTORS), (DETERMINISTIC, DETERMINISTIC_VECTORS)],
    ids=["encrypted", "deterministic"],
)
def test_names_are_the_specification_s(
    tree: Path, features: Features, vectors: dict[bytes, bytes]
) -> None:
    """Names, hashed names and names below them are what gocryptfs shows."""
    with reverse_view(tree, features) as view:
        assert {plain: at(view, plain).shown_path() for plain in vectors} == vectors
        for plain, shown in vectors.items():
            assert find(view, shown)[0].backing_path() == plain


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_listing_and_lookup_agree(tree: Path, features: Features) -> None:
    """Everything listed is found by a view that has not listed anything, and once."""
    (tree / os.fsdecode(CONFIG)).write_text("the config")
    with reverse_view(tree, features) as view, reverse_view(tree, features) as fresh:
        listed = [(node.shown_path(), without_atime(attrs)) for node, attrs in walk(view)]
        assert len(listed) == len(dict(listed)) >= len(ENCRYPTED_VECTORS)
        for path, attrs in listed:
            found, found_attrs = find(fresh, path)
            assert (found.shown_path(), without_atime(found_attrs)) == (path, attrs)


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_two_views_show_the_same_in_any_order(tree: Path, features: Features) -> None:
    """Names, numbers, attributes and bytes do not depend on what is looked at first."""
    os.link(tree / "five", tree / "dir" / "sub" / "a second name")
    os.symlink("five", tree / "link")
    with reverse_view(tree, features) as view, reverse_view(tree, features) as other:
        forwards = picture(view)
        backwards = {
            path: look(other, find(other, path)[0]) for path in [*forwards][::-1]
        }
    assert forwards == backwards


def names_of(names: list[bytes], iv: bytes) -> list[bytes]:
    return Volume.open(KEY, ENCRYPTED).names.encrypt(names, iv)


ROOT_IV = derive(b"", b"DIRIV")
FOREIGN = {
    "its plain name": b"hello.txt",
    "not base64": b"F8rwmoCL!WWYHyKmxirgkg",
    "other alphabet": b"uCmKM2cFZJ6HfqUU44smqX+nYz91gzbO70ivqkoN4N4",
    "padded": HELLO + b"==",
    "unused bits set": HELLO[:-1] + b"h",
    "line end": HELLO + b"\n",
    "half a block": HELLO[:11],
    "of another directory": b"MjuJW2DI_aPGhyLFmC24RQ",
    "an absent file": names_of([b"absent"], ROOT_IV)[0],
    "dot dot": names_of([b".."], ROOT_IV)[0],
    "dot": names_of([b"."], ROOT_IV)[0],
    "a path": names_of([b"dir/sub"], ROOT_IV)[0],
    "no name": names_of([b""], ROOT_IV)[0],
    "a NUL": names_of([b"five\0"], ROOT_IV)[0],
    "the config under its own name": names_of([CONFIG], ROOT_IV)[0],
    "the config's plain name": CONFIG,
    "a name that should be hashed": FULL,
    "no such hash": b"gocryptfs.longname." + b"A" * 43,
    "name file of no such hash": b"gocryptfs.longname." + b"A" * 43 + b".name",
    "name file of a short name": hashed(HELLO) + b".name",
    "hash of a short name": hashed(HELLO),
    "empty hash": b"gocryptfs.longname.",
    "empty hash with a name file": b"gocryptfs.longname..name",
    "name file of a name file": HASH + b".name.name",
    "empty": b"",
}


@pytest.mark.parametrize("name", FOREIGN.values(), ids=FOREIGN)
def test_foreign_names_do_not_exist(tree: Path, name: bytes) -> None:
    """A name that the view does not list is not found, whatever is wrong with it."""
    (tree / os.fsdecode(CONFIG)).write_text("the config")
    with reverse_view(tree) as view:
        for _ in range(2):
            with pytest.raises(FileNotFoundError):
                view.lookup(view.root, name)
            # What a listing has taught the view makes no difference.
            assert name not in {child.shown_name for child in view.entries(view.root)}


@pytest.mark.parametrize("listed", [False, True])
def test_a_name_over_a_custom_threshold_exists_only_hashed(
    tmp_path: Path, *, listed: bool
) -> None:
    """With longnamemax 62, names of 32 bytes are hashed and 31 bytes are not."""
    short, long = b"s" * 31, b"l" * 32
    for name in (short, long):
        (tmp_path / os.fsdecode(name)).touch()
    full_short, full_long = names_of([short, long], ROOT_IV)
    assert (len(full_short), len(full_long)) == (43, 64)
    with reverse_view(tmp_path, SHORT_NAMES) as view:
        if listed:
            shown = {child.shown_name for child in view.entries(view.root)}
            virtual = {hashed(full_long) + b".name", b"gocryptfs.diriv"}
            assert shown == {full_short, hashed(full_long), *virtual}
        assert find(view, full_short)[0].backing_name == short
        assert find(view, hashed(full_long))[0].backing_name == long
        for wrong in (full_long, hashed(full_short)):
            with pytest.raises(FileNotFoundError):
                view.lookup(view.root, wrong)


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_the_config_under_its_own_name_is_hidden(
    tmp_path: Path, features: Features
) -> None:
    """`.gocryptfs.reverse.conf` shows up in the root as `gocryptfs.conf` and only so."""
    (tmp_path / os.fsdecode(CONFIG)).write_text("the config")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / os.fsdecode(CONFIG)).write_text("an ordinary file")
    with reverse_view(tmp_path, features) as view:
        shown = [child.shown_name for child in view.entries(view.root)]
        assert shown.count(b"gocryptfs.conf") == 1
        assert CONFIG not in [child.backing_name for child in view.entries(view.root)]
        assert content(view, find(view, b"gocryptfs.conf")[0]) == b"the config"
        for name in (CONFIG, *names_of([CONFIG], bytes(16))):
            with pytest.raises(FileNotFoundError):
                view.lookup(view.root, name)
        at(view, b"dir/" + CONFIG)
        with pytest.raises(FileNotFoundError):
            view.lookup(at(view, b"dir"), b"gocryptfs.conf")


def test_plaintext_names_pass_through(tmp_path: Path) -> None:
    """With plaintext names no name has a meaning, except the config in the root."""
    names = {b"gocryptfs.diriv", HASH, HASH + b".name", b"d", b"d/gocryptfs.conf"}
    names |= {b"\xff\xfe not UTF-8", b"d/" + CONFIG}
    (tmp_path / "d").mkdir()
    for name in names - {b"d"}:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    with reverse_view(tmp_path, PLAINTEXT) as view:
        assert {node.shown_path() for node, _ in walk(view)} == names
        for name in names:
            assert find(view, name)[0].backing_path() == name


def test_a_file_named_like_the_config_is_shadowed(tmp_path: Path) -> None:
    """With plaintext names, a file `gocryptfs.conf` gives way to the config."""
    (tmp_path / os.fsdecode(CONFIG)).write_text("the config")
    (tmp_path / "gocryptfs.conf").write_text("a file of the same name")
    with reverse_view(tmp_path, PLAINTEXT) as view:
        shown = [child.shown_name for child in view.entries(view.root)]
        assert shown == [b"gocryptfs.conf"]
        assert content(view, find(view, shown[0])[0]) == b"the config"


def test_no_file_passes_for_the_config(tmp_path: Path) -> None:
    """With plaintext names and no config shown, the name still is the config's alone."""
    (tmp_path / "gocryptfs.conf").write_text("a file of the same name")
    with reverse_view(tmp_path, PLAINTEXT) as view:
        assert view.entries(view.root) == []
        with pytest.raises(FileNotFoundError):
            view.lookup(view.root, b"gocryptfs.conf")


def test_encrypted_names_have_no_forbidden_words(tmp_path: Path) -> None:
    """Plain names that mean something on the encrypted side are names like any other."""
    names = [b"gocryptfs.conf", b"gocryptfs.diriv", HASH, HASH + b".name", b"\xff\xfe"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    with reverse_view(tmp_path) as view:
        shown = {name: at(view, name).shown_name for name in names}
        expected = names_of(names, ROOT_IV)
        assert shown == dict(zip(names, expected))
