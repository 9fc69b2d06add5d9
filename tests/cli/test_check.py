"""`revcrypt check`: its counts, sums and lists are those of a mounted view."""

import os
import re
import socket
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG

import pytest

from revcrypt.errors import ExitCode
from tests.cli.checking import check
from tests.cli.refusals import refused
from tests.cli.terminal import Terminal
from tests.support import REVCRYPT, Mounts, revcrypt, run, walk

NAMES = ["--long-name-max=62", "--plaintext-names", "--deterministic-names"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with a bit of everything, without a config."""
    path = tmp_path / "source"
    (path / "a" / "empty directory").mkdir(parents=True)
    (path / "b" / "c").mkdir(parents=True)
    for number, size in enumerate((0, 1, 4095, 4096, 4097, 100_000)):
        (path / "a" / f"file {number}").write_bytes(bytes(size))
    (path / "b" / ("long name " * 20)).write_bytes(b"content")
    (path / "b" / "c" / "object.o").write_bytes(b"object")
    os.link(path / "a" / "file 5", path / "b" / "hard link")
    with open(path / "sparse", "wb") as file:
        file.truncate(5_000_000)
    (path / "link").symlink_to("target")
    os.mkfifo(path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path / "socket"))
    (path / os.fsdecode(b"name \xff")).write_bytes(b"x" * 10_000)
    return path


def sums(view: Path) -> tuple[dict[str, int], int]:
    """Count what is in a mounted view, without what exists only there."""
    kinds = dict.fromkeys(("files", "directories", "links", "others"), 0)
    size = 0
    for path in walk(view):
        name = os.path.basename(path)
        if name.startswith(b"gocryptfs.") and re.search(rb"(conf|diriv|\.name)$", name):
            continue
        status = os.lstat(os.fsencode(view) + b"/" + path)
        if S_ISREG(status.st_mode):
            kinds["files"] += 1
            size += status.st_size
        elif S_ISDIR(status.st_mode):
            kinds["directories"] += 1
        else:
            kinds["links" if S_ISLNK(status.st_mode) else "others"] += 1
    return kinds, size


# Sums


@pytest.mark.fuse
@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--exclude=/a", "--exclude-special"],
        ["--exclude-larger-than=4096", "--exclude-wildcard=*.o"],
    ],
    ids=" ".join,
)
def test_sums(names: str, options: list[str], mounts: Mounts, source: Path) -> None:
    """It counts what a view with the same options shows, and how much that is."""
    mounts.init(source, names)
    view = mounts.reverse(source, "view", *options)
    # Another view is a directory that nobody goes into.
    inside = mounts.reverse(source, "source/view inside")
    assert len(os.listdir(inside)) > 3
    report = check(source, *options)
    assert (report.kinds, report.cipher_bytes) == sums(view)
    shown = [f for f in walk(source) if not f.startswith(b"view inside/")]
    assert (sum(report.kinds.values()) < len(shown) - 1) == bool(options)
    if not options:
        # All of it, but the config.
        files = [os.fsencode(source) + b"/" + f for f in shown if b"conf" not in f]
        sizes = [os.lstat(f).st_size for f in files if S_ISREG(os.lstat(f).st_mode)]
        assert report.plain_bytes == sum(sizes)
        assert report.left_out == 0
    assert report.problems == []


def test_sizes_for_people(source: Path) -> None:
    """Sums are in units, and exact beside it."""
    for path in (source / "b", source / "a" / "empty directory"):
        output = revcrypt("check", path).stdout
        total = sum(f.lstat().st_size for f in path.rglob("*") if f.is_file())
        expected = f"{total} bytes of content"
        if total >= 1024:
            expected = f"{total / 1024:.1f} KiB ({total} bytes) of content"
        assert f"\n  {expected}\n" in output


# Lists


def test_excluded(source: Path) -> None:
    """Every entry that is left out is listed once, with what has decided."""
    (source / "patterns").write_text("# comment\n*.o\n!keep.o\n")
    (source / "keep.o").touch()
    (source / "rules").write_text("+ /b/c/***\n\n- /b/h*\n")
    (source / "a" / ".nobackup").touch()
    (source / "cache").mkdir()
    (source / "cache" / "cached").touch()
    signature = "Signature: 8a477f597d28d172789f06886806bc55"
    (source / "cache" / "CACHEDIR.TAG").write_text(signature)
    report = check(
        source,
        "--excluded",
        f"--exclude-from={source}/patterns",
        f"--filter-from={source}/rules",
        "--exclude=./sparse/",
        b"--exclude=name \xff",
        "--exclude-wildcard=lin?",
        "--exclude-if-present=.nobackup",
        "--exclude-caches",
        "--exclude-special",
        "--exclude-larger-than=50K",
    )
    patterns, rules = f"{source}/patterns".encode(), f"{source}/rules".encode()
    expected = [
        b"- a/empty directory\t.nobackup beside it",
        *[b"- a/file %d\t.nobackup beside it" % number for number in range(5)],
        b"- a/file 5\texclude-larger-than",
        b"- b/c/object.o\t%b:2: *.o" % patterns,
        b"- b/hard link\t%b:3: - /b/h*" % rules,
        b"- cache/cached\tCACHEDIR.TAG beside it",
        b"- fifo\texclude-special",
        b"- link\texclude-wildcard: lin?",
        b"- name \xff\texclude=name \xff",
        b"- socket\texclude-special",
        b"- sparse\texclude=./sparse/",
    ]
    assert sorted(report.lines) == expected
    assert report.left_out == len(expected)


def test_included(source: Path) -> None:
    """Each entry that is shown is listed once, with the rule that says so if one does."""
    (source / "rules").write_text("+ /b/***\n- /a/*\n")
    rules = f"{source}/rules".encode()
    report = check(source, "--included", f"--filter-from={rules.decode()}")
    assert b"+ link" in report.lines
    assert b"+ name \xff" in report.lines
    assert b"+ a" in report.lines
    for path in (b"b", b"b/c", b"b/c/object.o", b"b/hard link"):
        assert b"+ %b\t%b:1: + /b/***" % (path, rules) in report.lines
    assert not [line for line in report.lines if line.startswith((b"-", b"+ a/"))]
    assert len(report.lines) == len(set(report.lines)) == sum(report.kinds.values())


def test_both_lists(source: Path) -> None:
    """Together, the lists have everything, but what is in a directory left out."""
    report = check(source, "--included", "--excluded", "--exclude=b")
    listed = [line.split(b" ", 1)[1].split(b"\t")[0] for line in report.lines]
    assert sorted(listed) == sorted(p for p in walk(source) if not p.startswith(b"b/"))


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_are_bytes(locale: str, source: Path) -> None:
    """A name comes out as it is, whatever the language of the machine."""
    name = b"\xff\xfe \xc3\xa4 \xe2\x82"
    Path(os.fsdecode(os.fsencode(source) + b"/" + name)).touch()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LC_")}
    environment |= {"LANG": locale, "LC_ALL": locale, "PYTHONUTF8": "0"}
    report = check(source, "--included", env=environment)
    assert b"+ " + name in report.lines
    report = check(source, "--excluded", b"--exclude=" + name, env=environment)
    assert report.lines == [b"- %b\texclude=%b" % (name, name)]


# No secrets


def test_no_key_is_needed(source: Path, mounts: Mounts) -> None:
    """Nothing is asked for and nothing is read, with a config or without."""
    for with_config in (False, True):
        if with_config:
            mounts.init(source)
        terminal = Terminal()
        words = ["check", "--passfile=/missing", source]
        assert terminal.run([*REVCRYPT, *words], []) == ExitCode.OK
        assert "shown: " in terminal.shown


def test_config_says_how_names_are(source: Path, mounts: Mounts) -> None:
    """Options that contradict the config are refused, as by a mount."""
    mounts.init(source)
    arguments = ("check", "--plaintext-names", source)
    assert "contradict" in refused(ExitCode.USAGE, *arguments)
    assert "does not exist" in refused(ExitCode.SOURCE, "check", source / "missing")


def test_nothing_is_touched(source: Path) -> None:
    """The source is as it was, and no file has been read."""
    for path in source.rglob("*"):
        os.utime(path, ns=(10**18, 10**18), follow_symlinks=False)
    before = {path: path.lstat() for path in source.rglob("*") if not path.is_dir()}
    check(source, "--included", "--exclude-caches", "--exclude-nodump")
    assert {path: path.lstat() for path in before} == before
    assert run("findmnt", "-n", source, status=1).stdout == ""


def test_key_file(source: Path) -> None:
    """The file of a master key is left out, and not read."""
    (source / "key").touch()
    report = check(source, f"--masterkey={source}/key", "--excluded")
    assert b"- key\ta passphrase or key" in report.lines


def test_nobody_reads_on(source: Path) -> None:
    """A reader that has seen enough is no reason for a traceback."""
    for number in range(3000):
        (source / f"{number:0>200}").touch()
    script = 'set -o pipefail; "$@" | head -n 1'
    command = [*REVCRYPT, "check", "--included", source]
    result = run("bash", "-c", script, "bash", *command, status=11)
    assert "Traceback" not in result.stderr
    assert "bug" not in result.stderr


def test_config_in_no_directory(source: Path) -> None:
    """A config that cannot be is an error like any other."""
    option = "--config=/no/such/directory/conf"
    said = revcrypt("check", source, option, status=23).stderr
    assert "cannot show config /no/such/directory/conf" in said
