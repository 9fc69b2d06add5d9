"""`verify --against`: whatever differs from what the source's view shows is found."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from revcrypt.format.config import Features
from tests.cli.rescuing import CONFIG, Case, make_config
from tests.rescue.comparing import BIG, LONG, compare, fill
from tests.view.trees import ALL_FEATURES

OLDER = 10**18


@pytest.fixture(params=["encrypted"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A source and its copy."""
    case = Case(tmp_path, ALL_FEATURES[request.param])
    fill(case.plain)
    case.pull()
    return case


Change = Callable[[Case], object]


def same_time(path: Path, change: Callable[[], object]) -> None:
    """Change a file of the copy, but not its time."""
    before = path.stat()
    change()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(case: Case) -> None:
    path = case.cipher("dir/big")
    same_time(path, lambda: os.truncate(path, 18 + 2 * 4128))


def roll_back(case: Case) -> None:
    """Put an earlier content in the place of a file, with an earlier time."""
    content = case.cipher("dir/big").read_bytes()
    (case.plain / "dir" / "big").write_bytes(BIG[1:] + b"x")
    path = case.cipher("dir/big")
    assert path.read_bytes() == content
    os.utime(path, ns=(OLDER, OLDER))


def roll_back_unseen(case: Case) -> None:
    """Do so, but with the time of the present content."""
    roll_back(case)
    now = (case.plain / "dir" / "big").stat().st_mtime_ns
    os.utime(case.cipher("dir/big"), ns=(now, now))


def flip(case: Case) -> None:
    path = case.cipher("dir/big")
    data = bytearray(path.read_bytes())
    data[18 + 4128 + 50] ^= 1
    same_time(path, lambda: path.write_bytes(data))


def become(plain: str, make: Callable[[Path], object]) -> Change:
    """Return what puts another kind of object in the place of a file."""

    def change(case: Case) -> None:
        path = case.cipher(plain)
        path.unlink()
        make(path)

    return change


def swap(case: Case) -> None:
    one, other = case.cipher("dir/small"), case.cipher("dir/sub/deep")
    data = one.read_bytes(), other.read_bytes()
    same_time(one, lambda: one.write_bytes(data[1]))
    same_time(other, lambda: other.write_bytes(data[0]))


def retarget(case: Case) -> None:
    """Have a link lead where another one led."""
    (case.plain / "other").symlink_to("elsewhere")
    case.pull("later")
    target = os.readlink(case.directory / "later" / case.cipher("other").name)
    (case.plain / "other").unlink()
    link = case.cipher("link")
    before = link.lstat()
    link.unlink()
    link.symlink_to(target)
    os.utime(link, ns=(0, before.st_mtime_ns), follow_symlinks=False)


def rewrite(find: Callable[[Case], Path], content: bytes) -> Change:
    """Return what puts another content into a file that exists only in the view."""

    def change(case: Case) -> None:
        path = find(case)
        before = path.stat()
        path.unlink()
        path.write_bytes(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def name_file(case: Case) -> Path:
    return case.cipher(LONG).with_name(case.cipher(LONG).name + ".name")


# What exists only in the view is told by the plain path of what it belongs to.
CHANGES: dict[str, tuple[Change, list[tuple[str, str | None]]]] = {
    "a file is missing": (
        lambda case: case.cipher("dir/small").unlink(),
        [("missing", "dir/small")],
    ),
    "a directory is missing": (
        lambda case: shutil.rmtree(case.cipher("dir")),
        [("missing", "dir")],
    ),
    "a link is missing": (
        lambda case: case.cipher("link").unlink(),
        [("missing", "link")],
    ),
    "a directory IV is missing": (
        lambda case: (case.cipher("dir") / "gocryptfs.diriv").unlink(),
        [("missing", "dir")],
    ),
    "a .name file is missing": (
        lambda case: name_file(case).unlink(),
        [("missing", LONG)],
    ),
    "the config is missing": (
        lambda case: (case.copy / CONFIG).rename(case.directory / "conf"),
        [("missing", "")],
    ),
    "a file was added": (
        lambda case: (case.cipher("dir") / "added").write_text("x"),
        [("extra", None)],
    ),
    "a directory was added": (
        lambda case: shutil.copytree(case.cipher("dir/sub"), case.copy / "added"),
        [("extra", None)],
    ),
    "a file was cut between two blocks": (cut, [("different", "dir/big")]),
    "a file is older": (roll_back, [("outdated", "dir/big")]),
    "a file is older, unseen": (roll_back_unseen, [("different", "dir/big")]),
    "a bit was flipped": (flip, [("content", "dir/big")]),
    "a file is a directory": (become("dir/small", os.mkdir), [("type", "dir/small")]),
    "a file is a FIFO": (become("dir/small", os.mkfifo), [("type", "dir/small")]),
    "a file is a link": (
        become("dir/small", lambda path: path.symlink_to("/etc/passwd")),
        [("type", "dir/small")],
    ),
    "a link is a file": (become("link", Path.touch), [("type", "link")]),
    "two files were swapped": (
        swap,
        [("different", "dir/small"), ("different", "dir/sub/deep")],
    ),
    "a link leads elsewhere": (retarget, [("different", "link")]),
    "the config is another one": (
        rewrite(
            lambda case: case.copy / CONFIG, make_config(Features(), "correct horse")
        ),
        [],
    ),
    "the config was changed": (
        rewrite(lambda case: case.copy / CONFIG, make_config() + b" "),
        [("different", "")],
    ),
    "a directory IV was changed": (
        rewrite(lambda case: case.cipher("dir") / "gocryptfs.diriv", bytes(range(16))),
        [("different", "dir")],
    ),
    "the .name of a long name was changed": (
        rewrite(name_file, b"A" * 64),
        [("different", LONG)],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change(change: str, case: Case) -> None:
    """Each change of a copy is found, once, and nothing else is."""
    assert compare(case) == []
    make, expected = CHANGES[change]
    make(case)
    assert compare(case) == expected


@pytest.mark.parametrize("case", ["deterministic", "plaintext"], indirect=True)
@pytest.mark.parametrize(
    "change",
    [
        "a directory is missing",
        "a file was cut between two blocks",
        "a file is older",
        "two files were swapped",
    ],
)
def test_other_names(change: str, case: Case) -> None:
    """That is so however names are encrypted."""
    make, expected = CHANGES[change]
    make(case)
    assert compare(case) == expected


@pytest.mark.parametrize("case", ALL_FEATURES, indirect=True)
def test_identical(case: Case) -> None:
    """Nothing is found in a copy that is what the view shows, nor in its metadata."""
    assert compare(case) == []
    assert compare(case, "--metadata", "-j3") == []
