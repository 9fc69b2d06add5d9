"""What is whole, but not where it belongs: only a copy of a view can tell."""

import os
import shutil
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from tests.cli.rescuing import Case, rescue
from tests.rescue.misplacing import made, swap, verify
from tests.view.trees import ALL_FEATURES, DETERMINISTIC, PLAINTEXT

FILE = "this is the content of another file"
DIRECTORY = "this is another directory"
LINK = "this is the target of another link"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A copy of such a tree."""
    return made(tmp_path)


# What was swapped


@pytest.mark.parametrize("features", ALL_FEATURES)
def test_files(features: str, tmp_path: Path) -> None:
    """Of two files that were swapped, each is told with the place where it belongs."""
    case = made(tmp_path, ALL_FEATURES[features])
    swap(case.cipher("a/one"), case.cipher("b/three"))
    found = verify(case)
    note = ("misplaced", "b/three", "its attribute user.note is that of another path")
    assert found == sorted(
        [
            ("misplaced", "a/one", f"{FILE}, b/three"),
            ("misplaced", "b/three", f"{FILE}, a/one"),
            note,
        ]
    )
    # gocryptfs would not have noticed.
    assert verify(case, "--lenient") == []


@pytest.mark.parametrize("features", ["encrypted", "longnamemax"])
def test_directories(features: str, tmp_path: Path) -> None:
    """A directory that was swapped is one finding, not one for each file in it."""
    case = made(tmp_path, ALL_FEATURES[features])
    swap(case.cipher("a"), case.cipher("b"))
    assert verify(case) == [
        ("misplaced", "a", f"{DIRECTORY}, b"),
        ("misplaced", "b", f"{DIRECTORY}, a"),
    ]


@pytest.mark.parametrize("features", [DETERMINISTIC, PLAINTEXT], ids=["det", "plain"])
def test_directories_without_iv(features: Features, tmp_path: Path) -> None:
    """Where directories have no IV, what is in them tells that they were swapped."""
    case = made(tmp_path, features)
    swap(case.cipher("a"), case.cipher("b"))
    found = {path: text for _, path, text in verify(case) if "attribute" not in text}
    # The places where they belong do not exist any more.
    expected = dict.fromkeys(["a/three", "a/four", "b/one", "b/two"], FILE)
    if features is DETERMINISTIC:
        expected["a/link"] = LINK
    assert found == expected


@pytest.mark.parametrize("features", ["encrypted", "deterministic", "longnamemax"])
def test_links(features: str, tmp_path: Path) -> None:
    """Of two links whose targets were swapped, each is told with its place."""
    case = made(tmp_path, ALL_FEATURES[features])
    swap(case.cipher("link"), case.cipher("b/link"))
    assert verify(case) == [
        ("misplaced", "b/link", f"{LINK}, link"),
        ("misplaced", "link", f"{LINK}, b/link"),
    ]


def test_attributes(case: Case) -> None:
    """The value of an attribute that is another file's is told."""
    one, top = case.cipher("a/one"), case.cipher("top")
    [name] = os.listxattr(one)
    os.setxattr(one, name, os.getxattr(top, name))
    text = "its attribute user.note is that of another path"
    assert verify(case) == [("misplaced", "a/one", text)]


# What was moved, renamed or copied


def test_copied_over(case: Case) -> None:
    """A file with the content of another one is told, and the other one is not."""
    shutil.copyfile(case.cipher("top"), case.cipher("a/two"))
    assert verify(case) == [("misplaced", "a/two", f"{FILE}, top")]


def test_renamed(case: Case) -> None:
    """A name that somebody has made up does not decrypt."""
    path = case.cipher("a/one")
    path.rename(path.with_name("A" * 22))
    [(kind, plain, text)] = verify(case)
    assert (kind, plain, text) == ("name", None, "its name does not decrypt")


def test_moved(case: Case) -> None:
    """What was moved into another directory has no name there."""
    for plain in ("a/one", "b/link"):
        path = case.cipher(plain)
        path.rename(case.copy / path.name)
    found = verify(case)
    assert [kind for kind, *_ in found] == ["name", "name"]


def test_moved_directory(case: Case) -> None:
    """A moved directory is one finding, whatever is in it."""
    a, b = case.cipher("a"), case.cipher("b")
    a.rename(b / a.name)
    [(kind, *_)] = verify(case)
    assert kind == "name"


def test_renamed_with_plain_names(tmp_path: Path) -> None:
    """Where names are plain, what was renamed is told by its content."""
    case = made(tmp_path, PLAINTEXT)
    os.rename(case.copy / "b" / "three", case.copy / "b" / "five")
    assert verify(case) == [("misplaced", "b/five", FILE)]


def test_copy_of_a_directory(case: Case) -> None:
    """A directory with all that belongs to another one is told once."""
    shutil.rmtree(case.cipher("b"))
    shutil.copytree(case.cipher("a"), case.cipher("b"), symlinks=True)
    assert verify(case) == [("misplaced", "b", f"{DIRECTORY}, a")]


# Restoring


@pytest.mark.parametrize(
    ("one", "other"), [("a/one", "b/three"), ("a", "b"), ("link", "b/link")]
)
def test_restore(one: str, other: str, case: Case) -> None:
    """What is misplaced is not restored, unless somebody takes it as it is."""
    swap(case.cipher(one), case.cipher(other))
    words = ("restore", "-q", case.masterkey)
    dest = case.directory / "dest"
    said = rescue(*words, case.copy, dest, status=ExitCode.FINDINGS)
    assert said.stderr.count("this is ") == 2
    for path in (one, other):
        assert not is_there(dest, path)
    assert (dest / "top").read_text() == (case.plain / "top").read_text()
    for option, status in (("--lenient", ExitCode.OK), ("--salvage", ExitCode.FINDINGS)):
        taken = case.directory / option
        rescue(*words, option, case.copy, taken, status=status)
        for path, origin in ((one, other), (other, one)):
            assert same(taken / path, case.plain / origin)


def is_there(root: Path, path: str) -> bool:
    """Tell whether there is a file or link, or anything in a directory."""
    full = root / path
    return any(full.iterdir()) if full.is_dir() else os.path.lexists(full)


def same(one: Path, other: Path) -> bool:
    """Tell whether two files, links or directories of files are equal."""
    if other.is_symlink():
        return one.readlink() == other.readlink()
    if other.is_dir():
        names = sorted(os.listdir(other))
        return sorted(os.listdir(one)) == names and all(
            same(one / name, other / name) for name in names
        )
    return one.read_bytes() == other.read_bytes()
