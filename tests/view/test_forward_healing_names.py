"""Names that are lost or put right in a copy of a view, and what is told of them."""

import os
from pathlib import Path

import pytest

from revcrypt.errors import BadNameError
from tests.view.healing import (
    DIR_IV,
    LONG,
    OTHER,
    RANDOM_IV,
    backing,
    encrypted,
    make_copy,
    relative,
    shown,
)
from tests.view.trees import (
    SHORT_NAMES,
    derive,
    hashed,
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of a view: directories with a few files, and long names."""
    return make_copy(tmp_path)


def test_what_is_told_of_names(copy: Path) -> None:
    """Each entry without a plain name is told of by its cipher path alone."""
    iv = (copy / DIR_IV).read_bytes()
    [slash, gone] = encrypted([b"a/b", b"g" * 200], iv)
    (copy / "garbage").touch()
    (copy / os.fsdecode(slash)).touch()
    (copy / f"{hashed(gone).decode()}.name").write_bytes(gone)
    before = {b"dir", b"other", b"empty", b"file", LONG.encode(), OTHER.encode()}
    with shown(copy) as it:
        assert set(it.listing()) == before
        assert sorted(it.told()) == sorted(
            [
                ("name", b"garbage", False),
                ("name", slash, False),
                ("name-file", hashed(gone) + b".name", False),
            ]
        )
        assert {finding.plain_path for finding in it.findings} == {None}


def test_names_that_should_be_hashed(tmp_path: Path) -> None:
    """An entry whose name is longer than it may be is told of, and left out."""
    iv = derive(b"", b"DIRIV")
    (tmp_path / DIR_IV).write_bytes(iv)
    short, long = encrypted([b"s" * 31, b"l" * 32], iv)
    for name in (short, long):
        (tmp_path / os.fsdecode(name)).touch()
    with shown(tmp_path, features=SHORT_NAMES) as it:
        assert it.listing() == [b"s" * 31]
        assert it.told() == [("name", long, False)]
        assert "longer" in it.findings[0].text


def test_below_the_root_nothing_is_a_config(copy: Path) -> None:
    """`gocryptfs.conf` is the config in the root, and a wrong name elsewhere."""
    (copy / "gocryptfs.conf").touch()
    directory = backing(copy, "other")
    (directory / "gocryptfs.conf").touch()
    with shown(copy) as it:
        it.listing()
        assert it.listing(b"other") == [b"e"]
        wrong = relative(copy, directory / "gocryptfs.conf")
        assert it.told() == [("name", wrong, False)]


def test_everything_is_kept_on_request(copy: Path) -> None:
    """With *keeps_all*, entries without a plain name have their cipher names."""
    entry = backing(copy, LONG).name
    (copy / f"{entry}.name").unlink()
    (copy / "garbage").touch()
    with shown(copy, keeps_all=True) as it:
        names = it.listing()
        assert {entry.encode(), b"garbage"} <= set(names)
        assert len(names) == len(set(names)) == 7
        assert LONG.encode() not in names
        assert len(it.findings) == 2


def test_name_files_are_found_by_what_they_hold(copy: Path) -> None:
    """Of name files that hold each other's names, both names are known."""
    first, second = (backing(copy, name).name + ".name" for name in (LONG, OTHER))
    (copy / first).rename(copy / "away")
    (copy / second).rename(copy / first)
    (copy / "away").rename(copy / second)
    with shown(copy) as it:
        assert {LONG.encode(), OTHER.encode()} <= set(it.listing())
        told = {("name-file", name[:-5].encode(), True) for name in (first, second)}
        assert set(it.told()) == told
    with shown(copy, strict=False) as it:
        assert not {LONG.encode(), OTHER.encode()} & set(it.listing())
        assert {is_healed for _, _, is_healed in it.told()} == {False}


@pytest.mark.parametrize("size", [0, 344, 345, 100_000])
def test_name_files_of_odd_sizes(copy: Path, size: int) -> None:
    """A name file that holds no name of its directory costs one name, and no memory."""
    name_file = copy / (backing(copy, LONG).name + ".name")
    name_file.chmod(0o600)
    name_file.write_bytes(b"A" * size)
    with shown(copy) as it:
        assert LONG.encode() not in it.listing()
        entry = name_file.name.removesuffix(".name").encode()
        assert it.told() == [("name-file", entry, False)]


def test_more_names_than_one_batch(copy: Path) -> None:
    """All of many names are there, each for its own entry, in the order of the source."""
    directory = backing(copy, "empty")
    iv = (directory / DIR_IV).read_bytes()
    plain = [b"file %d" % number for number in range(9000)]
    entries = dict(zip(encrypted(plain, iv), plain))
    for entry in [*entries, b"garbage", b"more garbage"]:
        (directory / os.fsdecode(entry)).touch()
    order = os.listdir(os.fsencode(directory))
    with shown(copy) as it:
        children = it.view.entries(it.node(b"empty"))
        wanted = [(entries[entry], entry) for entry in order if entry in entries]
        assert [(child.shown_name, child.backing_name) for child in children] == wanted
        assert len(it.findings) == 2


# One name


def test_plain_names(copy: Path) -> None:
    """The plain name of an entry is told for what is there and for what is not."""
    iv = derive(relative(copy, backing(copy, "dir")), b"DIRIV")
    entries = [backing(copy, name).name.encode() for name in ("file", LONG)]
    [absent] = encrypted([b"absent"], iv)
    with shown(copy) as it:
        plain = [it.names.plain_name(it.view.root, entry) for entry in entries]
        assert plain == [b"file", LONG.encode()]
        assert it.names.plain_name(it.node(b"dir"), absent) == b"absent"


def test_names_that_are_none(copy: Path) -> None:
    """What is no name of its directory is an error, and not a finding."""
    entry = backing(copy, LONG).name
    (copy / f"{entry}.name").unlink()
    [foreign] = encrypted([b"file"], RANDOM_IV)
    with shown(copy) as it:
        for name in (b"garbage", entry.encode(), foreign, DIR_IV.encode()):
            with pytest.raises(BadNameError):
                it.names.plain_name(it.view.root, name)
        assert it.told() == []
