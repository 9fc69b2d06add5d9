"""`revcrypt ls`: plain names, and what is with them, without restoring anything."""

import os
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked
from tests.cli.rescuing import BUFFERED, Case, rescue
from tests.cli.terminal import Terminal
from tests.support import REVCRYPT
from tests.view.trees import ALL_FEATURES

ODD = b"new\nline \x1b[31m \xff"
LONG = "long " * 40
EVERYTHING = [
    b"a",
    b"a/empty",
    b"a/file",
    b"a/sub",
    b"a/sub/deep",
    b"a.b",
    b"b",
    b"fifo",
    b"link",
    LONG.encode(),
    ODD,
]
"""The whole tree: sorted by bytes, and what is in a directory comes right after it."""


@pytest.fixture(params=ALL_FEATURES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A copy of a tree with a bit of everything."""
    case = Case(tmp_path, ALL_FEATURES[request.param])
    (case.plain / "a" / "sub").mkdir(parents=True)
    (case.plain / "a" / "empty").touch()
    (case.plain / "a" / "file").write_bytes(b"x" * 5000)
    (case.plain / "a" / "sub" / "deep").touch()
    for name in ("a.b", "b", LONG, os.fsdecode(ODD)):
        (case.plain / name).write_text(name[:1])
    (case.plain / "link").symlink_to(os.fsdecode(b"to \xff\n"))
    os.mkfifo(case.plain / "fifo")
    case.pull()
    return case


def test_names(case: Case) -> None:
    """Names come out as the bytes that they are, sorted; with -0, NULs end them."""
    top = [name for name in EVERYTHING if b"/" not in name]
    said = rescue("ls", "-0", case.passphrase, case.copy)
    assert said.nul_lines == top
    assert rescue("ls", case.passphrase, case.copy).stdout == b"\n".join([*top, b""])
    assert rescue("ls", "-0R", case.passphrase, case.copy).nul_lines == EVERYTHING
    assert said.stderr == ""


def test_paths(case: Case) -> None:
    """Files are shown as they were asked for, directories with what is in them."""
    words = ("ls", case.passphrase, case.copy)
    assert rescue(*words, "a").lines == [b"empty", b"file", b"sub"]
    assert rescue(*words, "/a//sub/.", "./a/file", "link").lines == [
        b"deep",
        b"a/file",
        b"link",
    ]
    # What is below is shown by its path from the root, which other commands take.
    assert rescue("ls", "-R", *words[1:], "a").lines == [
        b"a/empty",
        b"a/file",
        b"a/sub",
        b"a/sub/deep",
    ]
    assert rescue("ls", "-0", *words[1:], ODD).nul_lines == [ODD]


def test_long(case: Case) -> None:
    """-l has mode, links, owner, sizes and times of the plaintext, and targets."""
    os.chmod(case.cipher("a/file"), 0o4750)
    mine = (os.getuid(), os.getgid())
    # Only root can give files away.
    uid, gid = (1234, 567) if mine[0] == 0 else mine
    os.chown(case.cipher("b"), uid, gid)
    os.utime(case.cipher("a/file"), ns=(0, 1_500_000_000_123_456_789))
    when = datetime.fromtimestamp(1_500_000_000).astimezone()
    date = f"{when:%Y-%m-%d %H:%M:%S}"
    expected = f"-rwsr-x---  1 {mine[0]:5} {mine[1]:5}         5000 {date} a/file"
    words = ("ls", "-l0", case.passphrase, case.copy)
    assert rescue(*words, "a/file").nul_lines == [expected.encode()]
    fields = rescue(*words, "b").nul_lines[0].split()
    assert fields[:5] == [b"-rw-r--r--", b"1", b"%d" % uid, b"%d" % gid, b"1"]
    lines = {line.split()[7]: line for line in rescue(*words).nul_lines}
    assert lines[b"link"].endswith(b" link -> to \xff\n")
    # Such is the size of a link: the length of its target.
    assert lines[b"link"].split()[4] == b"5"
    assert lines[b"fifo"].startswith(b"p")
    assert lines[b"a"].startswith(b"d")


@pytest.mark.parametrize("seconds", [0, -1, -(2**31), 2**33, 2**40, 2**62, -(2**62)])
def test_times(seconds: int, tmp_path: Path) -> None:
    """Whatever time a file has, there is a line; one that is no date is a number."""
    case = Case(tmp_path)
    (case.plain / "file").touch()
    os.utime(case.pull() / case.cipher("file").name, (seconds, seconds))
    # The filesystem may know fewer times.
    stored = int(os.stat(case.cipher("file")).st_mtime_ns // 10**9)
    [line] = rescue("ls", "-l", case.passphrase, case.copy).lines
    shown = line.decode().split(maxsplit=5)[5].removesuffix(" file")
    try:
        expected = f"{datetime.fromtimestamp(stored).astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError):
        expected = f"@{stored}"
    assert shown == expected


def test_missing_path(case: Case) -> None:
    """A path that leads nowhere is told, and the others are listed."""
    words = ("ls", case.passphrase, case.copy)
    for path in ("a/missing", "missing", "b/below a file", "link/x"):
        said = rescue(*words, path, "a/sub", status=ExitCode.FINDINGS)
        assert said.lines == [b"deep"]
        assert said.stderr == (
            f"revcrypt: warning: {path}: there is nothing of this name\n"
        )


def test_out_of_the_backup(case: Case) -> None:
    """A path with `..` in it is refused before anything is asked for."""
    words = ("ls", "--passfile=/missing", case.copy, "a/../b")
    assert "leads out of the backup" in checked(rescue(*words, status=1).stderr)


# Damage


def test_damaged_name(tmp_path: Path) -> None:
    """A name that is lost is told with its path, and the rest is listed."""
    case = Case(tmp_path)
    (case.plain / "dir").mkdir()
    for name in ("dir/a", "dir/b", "c"):
        (case.plain / name).touch()
    case.pull()
    entry = case.cipher("dir/a")
    broken = entry.with_name("A" + entry.name[1:])
    entry.rename(broken)
    said = rescue("ls", "-R", case.passphrase, case.copy, status=ExitCode.FINDINGS)
    assert said.lines == [b"c", b"dir", b"dir/b"]
    assert "its name does not decrypt" in said.stderr
    assert str(broken.relative_to(case.copy)) in said.stderr


def test_lost_long_name(tmp_path: Path) -> None:
    """A long name without its `.name` file is told, and the rest is listed."""
    case = Case(tmp_path)
    for name in (LONG, "b"):
        (case.plain / name).touch()
    case.pull()
    entry = case.cipher(LONG)
    entry.with_name(entry.name + ".name").unlink()
    said = rescue("ls", case.passphrase, case.copy, status=ExitCode.FINDINGS)
    assert said.lines == [b"b"]
    assert f"{entry.name}: its .name file is missing" in said.stderr


def test_lost_directory_iv(tmp_path: Path) -> None:
    """In a copy of a view a lost `gocryptfs.diriv` is put right; elsewhere it is told."""
    case = Case(tmp_path)
    (case.plain / "dir").mkdir()
    (case.plain / "dir" / "file").touch()
    (case.plain / "other").touch()
    case.pull()
    (case.cipher("dir") / "gocryptfs.diriv").unlink()
    words = ("ls", "-R", case.passphrase, case.copy)
    said = rescue(*words)
    assert said.lines == [b"dir", b"dir/file", b"other"]
    assert "gocryptfs.diriv is missing; put right" in said.stderr
    said = rescue(*words, "--lenient", status=ExitCode.FINDINGS)
    assert said.lines == [b"dir", b"other"]
    assert "dir: its entries are lost: gocryptfs.diriv is missing" in said.stderr


def test_damaged_target(tmp_path: Path) -> None:
    """A link whose target is lost is listed, with a question mark for the target."""
    case = Case(tmp_path)
    (case.plain / "link").symlink_to("target")
    case.pull()
    link = case.cipher("link")
    link.unlink()
    link.symlink_to("A" * 51)
    [line] = rescue("ls", "-l", case.passphrase, case.copy).lines
    assert line.endswith(b" link -> ?")


# Where it is written to


def test_terminal(tmp_path: Path) -> None:
    """On a terminal no name or target can do harm; NULs are for programs."""
    case = Case(tmp_path)
    (case.plain / os.fsdecode(ODD)).symlink_to(os.fsdecode(b"to \x1b]0; \xfe"))
    case.pull()
    words = [*REVCRYPT, "ls", "-l", case.passphrase, str(case.copy)]
    terminal = Terminal()
    assert terminal.run(words, []) == ExitCode.OK
    escaped = r"new\x0aline \x1b[31m \xff -> to \x1b]0; \xfe"
    assert terminal.shown.endswith(f" {escaped}\n")
    assert len(terminal.shown.splitlines()) == 1


def test_nobody_reads_on(tmp_path: Path) -> None:
    """A reader that has gone before the first line is no reason for a message."""
    case = Case(tmp_path)
    (case.plain / "file").touch()
    case.pull()
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [*REVCRYPT, "ls", case.passphrase, case.copy],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        env=BUFFERED,
    )
    os.close(writing)
    assert (result.returncode, result.stderr) == (ExitCode.OTHER, b"")
