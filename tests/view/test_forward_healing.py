"""Directory IVs that are put right in a copy of a reverse view, and which wins."""

import os
from pathlib import Path

import pytest

from revcrypt.errors import MalformedError
from tests.view.healing import (
    DIR_IV,
    LONG,
    RANDOM_IV,
    backing,
    encrypted,
    make_copy,
    relative,
    shown,
)
from tests.view.trees import (
    DETERMINISTIC,
    derive,
    find,
    reverse_view,
    write_out,
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of a view: directories with a few files, and long names."""
    return make_copy(tmp_path)


def test_a_right_iv_is_no_matter(copy: Path) -> None:
    """Where the stored IV is that of the path, nothing is told."""
    with shown(copy) as it:
        assert sorted(it.listing(b"dir")) == [b"a", b"b", b"c", b"d"]
        assert it.told() == []


def test_a_lost_iv_is_told_of_once(copy: Path) -> None:
    """However often its names are asked for, a directory is told of once."""
    directory = backing(copy, "dir")
    (directory / DIR_IV).unlink()
    with shown(copy) as it:
        for _ in range(3):
            assert sorted(it.listing(b"dir")) == [b"a", b"b", b"c", b"d"]
            find(it.view, b"dir/a")
        assert it.names.iv(it.node(b"dir")) == derive(relative(copy, directory), b"DIRIV")
        assert it.told() == [("diriv", relative(copy, directory), True)]
        [finding] = it.findings
        assert finding.plain_path == b"dir"
        assert "missing" in finding.text


def test_the_root_can_be_healed(copy: Path) -> None:
    """The IV of the root follows from its empty path."""
    (copy / DIR_IV).unlink()
    with shown(copy) as it:
        assert set(it.listing()) >= {b"dir", LONG.encode()}
        assert it.told() == [("diriv", b"", True)]


def test_a_stored_iv_that_fits_wins(copy: Path) -> None:
    """A directory that has been moved whole keeps its names, and nothing is put right."""
    moved = copy / os.fsdecode(encrypted([b"moved"], derive(b"", b"DIRIV"))[0])
    backing(copy, "dir").rename(moved)
    with shown(copy) as it:
        assert sorted(it.listing(b"moved")) == [b"a", b"b", b"c", b"d"]
        assert it.told() == []
        assert it.names.iv(it.node(b"moved")) == (moved / DIR_IV).read_bytes()


def test_a_foreign_directory_keeps_its_iv(copy: Path) -> None:
    """A random IV, as gocryptfs makes them, is used if it fits the names."""
    directory = backing(copy, "empty")
    (directory / DIR_IV).chmod(0o600)
    (directory / DIR_IV).write_bytes(RANDOM_IV)
    [name] = encrypted([b"new"], RANDOM_IV)
    with shown(copy) as it:
        assert it.listing(b"empty") == []
        (directory / os.fsdecode(name)).touch()
        assert it.listing(b"empty") == [b"new"]
        assert it.told() == []


def test_the_iv_of_another_directory(copy: Path) -> None:
    """An IV that fits less than that of the path is another directory's."""
    directory, other = backing(copy, "dir"), backing(copy, "other")
    (directory / DIR_IV).unlink()
    os.link(other / DIR_IV, directory / DIR_IV)
    with shown(copy) as it:
        assert sorted(it.listing(b"dir")) == [b"a", b"b", b"c", b"d"]
        assert "another directory's" in it.findings[0].text
        assert it.told() == [("diriv", relative(copy, directory), True)]


@pytest.mark.parametrize(("foreign", "is_enough"), [(12, True), (13, False), (60, False)])
def test_how_many_names_must_fit(copy: Path, foreign: int, *, is_enough: bool) -> None:
    """One name in 256 decrypts by chance, so one in four shows which IV it is."""
    directory = backing(copy, "dir")
    (directory / DIR_IV).unlink()
    for number in range(foreign):
        (directory / f"no cipher name {number}").touch()
    with shown(copy) as it:
        if is_enough:
            assert sorted(it.listing(b"dir")) == [b"a", b"b", b"c", b"d"]
            kinds = [kind for kind, _, _ in it.told()]
            assert kinds == ["diriv"] + ["name"] * foreign
            return
        for ask in (it.listing, lambda path: find(it.view, path + b"/a")):
            with pytest.raises(MalformedError, match="not where it was made"):
                ask(b"dir")
        assert it.told() == []


def test_an_empty_directory_is_not_healed(copy: Path) -> None:
    """Where nothing shows that the IV was right, the finding stays."""
    directory = backing(copy, "empty")
    (directory / DIR_IV).unlink()
    with shown(copy) as it:
        assert it.listing(b"empty") == []
        assert it.told() == [("diriv", relative(copy, directory), False)]


def test_others_are_not_healed(copy: Path) -> None:
    """A tree that is not held to be a copy of a view must have its IVs."""
    (backing(copy, "dir") / DIR_IV).unlink()
    with shown(copy, strict=False) as it:
        with pytest.raises(MalformedError, match="missing"):
            it.listing(b"dir")
        assert it.told() == []


def test_deterministic_names_have_no_iv_to_lose(tmp_path: Path) -> None:
    """Without IVs, names depend on nothing that could be lost."""
    plain, copy = tmp_path / "plain", tmp_path / "copy"
    (plain / "dir").mkdir(parents=True)
    (plain / "dir" / "a").touch()
    copy.mkdir()
    with reverse_view(plain, DETERMINISTIC) as view:
        write_out(view, copy)
    with shown(copy, features=DETERMINISTIC) as it:
        assert it.listing(b"dir") == [b"a"]
        assert it.told() == []
