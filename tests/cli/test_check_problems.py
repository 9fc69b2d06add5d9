"""`revcrypt check`: what a view cannot show, which is what a mounted view does not."""

import os
import subprocess
import sys
from errno import ENAMETOOLONG
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.cli.checking import check, parse
from tests.support import Mounts, walk

NOBODY = 65534
PATH_MAX = 4096


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with nothing wrong in it."""
    path = tmp_path / "source"
    (path / "directory").mkdir(parents=True)
    (path / "directory" / "file").write_bytes(b"content")
    return path


def test_nothing_wrong(source: Path) -> None:
    """Where everything can be shown, nothing is found, and that is a success."""
    assert check(source).problems == []


@pytest.mark.fuse
@pytest.mark.parametrize("names", ["--long-name-max=255", "--plaintext-names"])
def test_link_targets(names: str, mounts: Mounts, source: Path) -> None:
    """The links are found that a view has, but cannot read."""
    for length in (1, 3038, 3039, 3040, 3041, 4095):
        os.symlink(b"x" * length, source / f"link of {length}")
    mounts.init(source, names)
    view = mounts.reverse(source)
    sizes = []
    for path in (p for p in view.iterdir() if p.is_symlink()):
        try:
            os.readlink(path)
        except OSError as error:
            assert error.errno == ENAMETOOLONG  # noqa: PT017 - not all are errors
            sizes.append(path.lstat().st_size)
    lengths = [] if "plaintext" in names else [3040, 3041, 4095]
    problems = sorted(check(source).problems)
    assert [path for path, _ in problems] == [b"link of %d" % n for n in lengths]
    said = "the link target is too long, {} bytes when encrypted"
    assert sorted(text for _, text in problems) == sorted(map(said.format, sizes))


@pytest.mark.fuse
def test_attribute_names(mounts: Mounts, source: Path) -> None:
    """The extended attributes are found that a view leaves out."""
    paths = [source / "directory", source / "directory" / "file"]
    names = [f"user.{length}".ljust(length, "x") for length in range(150, 200, 3)]
    for path in paths:
        for name in names:
            os.setxattr(path, name, b"value")
    mounts.init(source, "--plaintext-names")
    view = mounts.reverse(source)
    problems = check(source).problems
    for path in paths:
        below = path.relative_to(source)
        left_out = len(names) - len(os.listxattr(view / below))
        assert 0 < left_out < len(names)
        texts = [text for found, text in problems if found == os.fsencode(below)]
        said = "an extended attribute has too long a name, {} bytes"
        lengths = [len(name) for name in names][-left_out:]
        assert sorted(texts) == [said.format(length) for length in lengths]
    assert len({path for path, _ in problems}) == 2


def make_deep(directory: Path) -> None:
    """Make directories so deep that paths in a view are longer than in the source."""
    fd = os.open(directory, os.O_RDONLY)
    # 100 bytes become 152.
    for number in range(30):
        name = f"{number:04}".ljust(100, "x")
        os.mkdir(name, dir_fd=fd)
        for length in range(1, 140, 15):
            os.mknod("f" * length, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


@pytest.mark.fuse
@pytest.mark.parametrize("names", ["--long-name-max=255", "--plaintext-names"])
def test_paths(names: str, mounts: Mounts, source: Path) -> None:
    """The paths are found that are too long in a view, though not in the source."""
    make_deep(source)
    mounts.init(source, names)
    view = mounts.reverse(source)
    virtual = (b".name", b"gocryptfs.diriv", b"gocryptfs.conf")
    shown = [len(path) + 1 for path in walk(view) if not path.endswith(virtual)]
    too_long = [length for length in shown if length > PATH_MAX]
    problems = check(source).problems
    assert bool(too_long) == ("plaintext" not in names)
    said = "the path is too long for many programs, {} bytes when encrypted"
    assert sorted(text for _, text in problems) == sorted(map(said.format, too_long))
    for path, _ in problems:
        assert os.lstat(os.fsencode(source) + b"/" + path)


# Without the rights of root

AS_NOBODY = f"""
import os, sys
from revcrypt.cli.main import main, make_parser
make_parser()  # loads all commands
os.chdir(sys.argv.pop())
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
sys.exit(main())
"""


def test_unreadable(public: Path) -> None:
    """What cannot be read is found, in a directory that can be listed and beyond."""
    source = public / "source"
    modes = {
        "readable": 0o700,
        "readable/file": 0o600,
        "unreadable file": 0o000,
        "locked": 0o000,
        "locked/not even known": 0o600,
        "not to be entered": 0o400,
        "not to be entered/file": 0o600,
        "not to be listed": 0o100,
        "not to be listed/file": 0o600,
    }
    source.mkdir()
    for name in modes:
        path = source / name
        if "/" in name or name.endswith("file"):
            path.write_bytes(b"content")
        else:
            path.mkdir()
    os.symlink("unreadable file", source / "link")
    os.mkfifo(source / "fifo", 0o000)
    for path in [source, *source.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    for name, mode in reversed(modes.items()):
        (source / name).chmod(mode)
    command = [sys.executable, "-c", AS_NOBODY, "check", "source", str(public)]
    result = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert result.returncode == ExitCode.FINDINGS
    report = parse(result.stdout, result.stderr.decode())
    denied = "Permission denied"
    assert sorted(report.problems) == [
        (b"locked", f"cannot be listed: {denied}"),
        (b"not to be entered/file", f"cannot be looked at: {denied}"),
        (b"not to be listed", f"cannot be listed: {denied}"),
        (b"unreadable file", f"cannot be read: {denied}"),
    ]
    assert report.kinds == {"files": 2, "directories": 4, "links": 1, "others": 1}
    for name in modes:
        if (source / name).is_dir():
            (source / name).chmod(0o700)


def test_problems_of_names_that_are_no_text(source: Path) -> None:
    """A problem names what it is about byte for byte, and all problems of it are told."""
    name = b"\xff\xc3\xa4\xfe"
    path = os.fsencode(source) + b"/" + name
    os.symlink(b"\xff" * 4000, path)
    [(found, text)] = check(source).problems
    assert found == name
    assert "link target" in text
    os.unlink(path)
    Path(os.fsdecode(path)).touch()
    for length in (220, 230):
        os.setxattr(path, b"user.".ljust(length, b"\xfe"), b"")
    assert [path for path, _ in check(source).problems] == [name, name]


def test_what_is_left_out_is_no_problem(source: Path) -> None:
    """A filter is a remedy for everything above."""
    os.symlink("x" * 4000, source / "directory" / "link")
    assert len(check(source).problems) == 1
    for option in ("--exclude=directory", "--exclude-wildcard=link"):
        assert check(source, option).problems == []


# Options that are probably a mistake


def test_missing_paths(source: Path) -> None:
    """A path that is not there is worth a warning; one from the wrong root, a hint."""
    (source / "other").mkdir()
    for option, said in (
        ("missing", "there is no such path in the source"),
        ("/missing", "there is no such path in the source"),
        ("*.o", "there is no such path in the source"),
        ("/etc", "there is no such path in the source"),
        (f"{source}/directory/file", "did you mean directory/file?"),
        (f"{source}/./missing", "did you mean missing?"),
    ):
        report = check(source, f"--exclude={option}", "--exclude=other")
        [warning] = [line for line in report.stderr.splitlines() if "exclude=" in line]
        assert warning.startswith(f"revcrypt: warning: exclude={option}: ")
        assert warning.endswith(said)
        assert report.left_out == 1


def test_path_through_a_link(source: Path) -> None:
    """The hint comes whichever way the source and the path are spelled."""
    link = source.with_name("link to source")
    link.symlink_to(source)
    for start, path in ((link, source), (source, link), (link, link)):
        report = check(start, f"--exclude={path}/directory")
        assert "did you mean directory?" in report.stderr
