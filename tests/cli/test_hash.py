"""`revcrypt hash`: what `sha256sum -c` needs on the backup host, where no key is."""

import hashlib
import os
from pathlib import Path
from stat import S_ISREG

import pytest

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked
from tests.cli.rescuing import Case, leased, rescue
from tests.support import Mounts, run, snapshot
from tests.view.trees import ALL_FEATURES, PLAINTEXT

LONG = "long " * 40
ODD = ["back\\slash", "new\nline", "return\r", "\\\n\r\\", "odd \udcff", " blank ", "*x"]


def fill(plain: Path) -> None:
    """Make a tree with all sorts of names, and what has no content."""
    (plain / "dir" / "sub").mkdir(parents=True)
    for name in ODD:
        (plain / "dir" / name).write_text(ascii(name))
    (plain / LONG).write_bytes(bytes(100_000))
    (plain / "empty").touch()
    (plain / "dir" / "sub" / "one").write_text("linked")
    os.link(plain / "dir" / "sub" / "one", plain / "dir" / "other name")
    (plain / "link").symlink_to("empty")
    os.mkfifo(plain / "fifo")


@pytest.fixture(params=ALL_FEATURES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A copy of such a tree."""
    case = Case(tmp_path, ALL_FEATURES[request.param])
    fill(case.plain)
    case.pull()
    return case


def check(copy: Path, sums: bytes, *, status: int = 0) -> str:
    """Have sha256sum check a copy, and return what it says."""
    path = copy.parent / "sums"
    path.write_bytes(sums)
    words = ("sha256sum", "--check", "--strict", "--quiet", path)
    return run("env", f"--chdir={copy}", "LC_ALL=C", *words, status=status).stdout


def files(root: Path) -> dict[bytes, bytes]:
    """Return what is in all regular files below a directory, by their paths."""
    return {
        path: entry.content
        for path, entry in snapshot(root).items()
        if S_ISREG(entry.mode) and entry.content is not None
    }


# What it writes


def test_vectors(tmp_path: Path) -> None:
    """The digests are those of the format specification's files (section 4.10)."""
    case = Case(tmp_path)
    (case.plain / "hello.txt").write_text("x")
    (case.plain / "five").write_bytes(bytes(i % 251 for i in range(5000)))
    lines = rescue("hash", case.passphrase, case.plain).lines
    five = "78dc4b84f3dfd5b2419537ef224c456deee635b218c0c7032d98d015d5c5dcd4"
    hello = bytes.fromhex(
        "000270aaab02fdd720312e1e339196d03d20d8f0422ea29cf884663bb0c1a6465a31764b959b08b8"
        "6cfd375b8c2b4b4275cb17"
    )
    digest = hashlib.sha256(hello).hexdigest()
    iv = hashlib.sha256(bytes.fromhex("a8f7bac432ddc1cb3dc74e684d6ae48b")).hexdigest()
    assert f"{five}  q4qCOD-XzyCAWhMd9pWDMw".encode() in lines
    assert f"{digest}  F8rwmoCL-WWYHyKmxirgkg".encode() in lines
    assert f"{iv}  gocryptfs.diriv".encode() in lines
    # And the config.
    assert len(lines) == 4


def test_accepted(case: Case) -> None:
    """sha256sum accepts a copy, and there is a line for every file in it."""
    said = rescue("hash", case.passphrase, case.plain)
    assert said.stderr == ""
    assert check(case.copy, said.stdout) == ""
    assert len(said.lines) == len(files(case.copy))


@pytest.mark.fuse
@pytest.mark.parametrize("names", ["--long-name-max=255", "--plaintext-names"])
def test_pulled_copy(names: str, mounts: Mounts) -> None:
    """sha256sum accepts what rsync has pulled from a mounted view."""
    plain = mounts.directory / "plain"
    plain.mkdir()
    fill(plain)
    mounts.init(plain, names)
    copy = mounts.directory / "copy"
    run("rsync", "-aH", f"{mounts.reverse(plain)}/", copy)
    sums = rescue("hash", f"--passfile={mounts.passfile}", plain).stdout
    assert check(copy, sums) == ""


def test_damage_is_noticed(case: Case) -> None:
    """One changed byte, and one missing file, do not pass sha256sum."""
    sums = rescue("hash", case.passphrase, case.plain).stdout
    path = case.cipher(LONG)
    data = bytearray(path.read_bytes())
    data[50_000] ^= 1
    path.write_bytes(data)
    said = check(case.copy, sums, status=1)
    assert said == f"{path.name}: FAILED\n"
    case.cipher("empty").unlink()
    assert "FAILED open or read" in check(case.copy, sums, status=1)


def test_hard_links(tmp_path: Path) -> None:
    """All names of a file have one digest, as they show the same bytes."""
    case = Case(tmp_path, PLAINTEXT)
    fill(case.plain)
    lines = rescue("hash", case.passphrase, case.plain).lines
    digests = {path: digest for digest, path in (x.split(b"  ", 1) for x in lines)}
    assert digests[b"dir/sub/one"] == digests[b"dir/other name"]


def test_order(tmp_path: Path) -> None:
    """However many processes there are, the lines come in the same order."""
    case = Case(tmp_path)
    for number in range(300):
        path = case.plain / f"{number % 7}" / f"{number}"
        path.parent.mkdir(exist_ok=True)
        # The first files take longest.
        path.write_bytes(bytes(300_000 // (number + 1)))
    words = ("hash", case.passphrase, case.plain)
    one = rescue(*words, "-j1").stdout
    paths = [line.split(b"  ", 1)[1] for line in one.splitlines()]
    assert len(paths) == 300 + 7 + 2
    assert paths == sorted(paths, key=os.path.split)
    for jobs in ("2", "3"):
        assert rescue(*words, f"--jobs={jobs}").stdout == one
    assert "--jobs" in checked(rescue(*words, "-j0", status=ExitCode.USAGE).stderr)


# Of what


def test_filters(tmp_path: Path) -> None:
    """It takes the filters of the view, and a passfile is left out by itself."""
    case = Case(tmp_path, PLAINTEXT)
    fill(case.plain)
    case.directory.joinpath("passfile").rename(case.plain / "secret")
    words = ("hash", f"--passfile={case.plain}/secret", case.plain)
    paths = {line.split(b"  ", 1)[1] for line in rescue(*words).lines}
    assert b"secret" not in paths
    assert b"gocryptfs.conf" in paths
    expected = {
        b"%b  %b" % (hashlib.sha256(data).hexdigest().encode(), path)
        for path, data in files(case.pull()).items()
        if path in (b"empty", LONG.encode())
    }
    assert len(expected) == 2
    said = rescue(*words, "--exclude=/dir", "--no-show-config")
    assert set(said.lines) == expected


def test_master_key(tmp_path: Path) -> None:
    """A master key does as well, with what the options say about names."""
    case = Case(tmp_path, PLAINTEXT)
    fill(case.plain)
    with_config = rescue("hash", case.passphrase, "--no-show-config", case.plain)
    (case.plain / ".gocryptfs.reverse.conf").unlink()
    words = ("hash", case.masterkey, "--plaintext-names", "--no-show-config")
    assert rescue(*words, case.plain).stdout == with_config.stdout


def test_missing(tmp_path: Path) -> None:
    """A source that is not there is no empty list."""
    words = ("hash", "--passfile=/missing", tmp_path / "missing")
    assert "does not exist" in checked(rescue(*words, status=ExitCode.SOURCE).stderr)


def test_unreadable(tmp_path: Path) -> None:
    """A file that cannot be read is told, and all others have their lines."""
    case = Case(tmp_path)
    fill(case.plain)
    before = rescue("hash", case.passphrase, case.plain).lines
    with leased(case.plain / "dir" / "sub" / "one"):
        words = ("hash", case.passphrase, case.plain)
        said = rescue(*words, status=ExitCode.FINDINGS)
    # It has two names.
    assert len(said.lines) == len(before) - 2
    assert set(said.lines) < set(before)
    assert "dir/sub/one (" in said.stderr
    assert "dir/other name (" in said.stderr
