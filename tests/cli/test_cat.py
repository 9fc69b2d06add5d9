"""`revcrypt cat`: files as they were, up to the first byte that is not certain."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked
from tests.cli.rescuing import BUFFERED, Case, rescue
from tests.support import REVCRYPT
from tests.view.trees import ALL_FEATURES

BLOCK, CIPHER_BLOCK, HEADER = 4096, 4128, 18
FIVE = random.Random(5).randbytes(5 * BLOCK + 100)
ALL_BYTES = bytes(range(256)) + b"\r\n\0\x1a"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A copy of files of all sorts, and of what is no file."""
    case = Case(tmp_path)
    (case.plain / "dir").mkdir()
    (case.plain / "empty").touch()
    (case.plain / "bytes").write_bytes(ALL_BYTES)
    (case.plain / "dir" / "five").write_bytes(FIVE)
    with open(case.plain / "sparse", "wb") as file:
        file.seek(3_000_000)
        file.write(b"end")
    (case.plain / "link").symlink_to("bytes")
    os.mkfifo(case.plain / "fifo")
    case.pull()
    return case


def damage(path: Path, offset: int, data: bytes) -> None:
    """Overwrite some bytes of a file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path: Path, offset: int) -> None:
    """Change one bit of a file."""
    damage(path, offset, bytes([path.read_bytes()[offset] ^ 1]))


def test_files(case: Case) -> None:
    """Files come one after the other, with every byte as it was."""
    words = ("cat", case.passphrase, case.copy)
    assert rescue(*words, "bytes").stdout == ALL_BYTES
    assert rescue(*words, "empty").stdout == b""
    said = rescue(*words, "dir/five", "/empty", "./bytes", "dir//five")
    assert said.stdout == FIVE + ALL_BYTES + FIVE
    assert said.stderr == ""


@pytest.mark.parametrize("names", ALL_FEATURES)
def test_all_kinds_of_names(names: str, tmp_path: Path) -> None:
    """However names are encrypted, a file is found by its plain one."""
    case = Case(tmp_path, ALL_FEATURES[names])
    for name in (b"odd \xff\n", b"long " * 40):
        (case.plain / os.fsdecode(name)).write_bytes(name)
    case.pull()
    for name in (b"odd \xff\n", b"long " * 40):
        assert rescue("cat", case.passphrase, case.copy, name).stdout == name


def test_zeros(case: Case) -> None:
    """Zeros are zeros, whether the source had a hole there or not."""
    expected = bytes(3_000_000) + b"end"
    assert rescue("cat", case.passphrase, case.copy, "sparse").stdout == expected


# Damage


@pytest.mark.parametrize("block", [0, 1, 3, 5])
def test_a_bad_block_is_the_end(block: int, case: Case) -> None:
    """What is before the first bad block is written, and the message says where it is."""
    offset = HEADER + block * CIPHER_BLOCK
    flip(case.cipher("dir/five"), offset + 50)
    words = ("cat", case.passphrase, case.copy, "dir/five", "bytes")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == FIVE[: block * BLOCK] + ALL_BYTES
    assert len(said.stderr.splitlines()) == 1
    assert f"dir/five ({case.cipher('dir/five').relative_to(case.copy)})" in said.stderr
    assert f" at byte {offset}: block {block} does not authenticate" in said.stderr


def test_every_bad_block_is_told(case: Case) -> None:
    """Behind the first bad block nothing is written, but the others are told as well."""
    for block in (1, 2, 4):
        flip(case.cipher("dir/five"), HEADER + block * CIPHER_BLOCK)
    words = ("cat", case.passphrase, case.copy, "dir/five")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == FIVE[:BLOCK]
    first, second = said.stderr.splitlines()
    assert "blocks 1 to 2 do not authenticate" in first
    assert "block 4 does not authenticate" in second


def test_zeroed_block(case: Case) -> None:
    """A block of zeros is damage, unless somebody says that it is a hole."""
    damage(case.cipher("dir/five"), HEADER + 2 * CIPHER_BLOCK, bytes(CIPHER_BLOCK))
    words = ("cat", case.passphrase, case.copy, "dir/five")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == FIVE[: 2 * BLOCK]
    assert "block 2 is zeroed" in said.stderr
    expected = FIVE[: 2 * BLOCK] + bytes(BLOCK) + FIVE[3 * BLOCK :]
    assert rescue(*words, "--lenient").stdout == expected


@pytest.mark.parametrize("left", [1, 32, 33, 2000])
def test_cut_within_a_block(left: int, case: Case) -> None:
    """What is before the block in which a file was cut is certain, and written."""
    os.truncate(case.cipher("dir/five"), HEADER + 3 * CIPHER_BLOCK + left)
    words = ("cat", case.passphrase, case.copy, "dir/five")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == FIVE[: 3 * BLOCK]
    assert f" at byte {HEADER + 3 * CIPHER_BLOCK}: " in said.stderr


@pytest.mark.parametrize("size", [1, 17, 18, 19, 50])
def test_stub(size: int, case: Case) -> None:
    """A file that was cut to almost nothing is not taken for an empty one."""
    os.truncate(case.cipher("dir/five"), size)
    words = ("cat", case.passphrase, case.copy, "dir/five")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == b""
    assert f"{size} bytes are no file of a reverse view; it was cut" in said.stderr
    if size <= HEADER:
        # gocryptfs takes it for an empty file.
        assert rescue(*words, "--lenient") == (b"", "")


def test_damaged_header(case: Case) -> None:
    """A header that follows from the path is put right, with a warning."""
    damage(case.cipher("dir/five"), 2, bytes(16))
    said = rescue("cat", case.passphrase, case.copy, "dir/five")
    assert said.stdout == FIVE
    assert "put right" in said.stderr


def test_other_file(case: Case) -> None:
    """The content of another file is not passed off as this one's."""
    os.replace(case.cipher("bytes"), case.cipher("dir/five"))
    words = ("cat", case.passphrase, case.copy, "dir/five")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == b""
    assert "this is the content of another file" in said.stderr
    assert rescue(*words, "--lenient") == (ALL_BYTES, "")


# What is no file


@pytest.mark.parametrize("path", ["dir", "fifo", "link", "/", "dir/"])
def test_no_file(path: str, case: Case) -> None:
    """What is no file is told at once, even if it is a FIFO, and the rest is written."""
    words = ("cat", case.passphrase, case.copy, path, "bytes")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == ALL_BYTES
    shown = path.strip("/") or "the root"
    assert said.stderr == f"revcrypt: warning: {shown}: this is no file\n"


def test_fifo_instead_of_a_file(case: Case) -> None:
    """A FIFO that somebody has put where a file was stops nothing."""
    path = case.cipher("dir/five")
    path.unlink()
    os.mkfifo(path)
    words = ("cat", case.passphrase, case.copy, "dir/five", "bytes")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == ALL_BYTES
    assert "dir/five: this is no file" in said.stderr


def test_missing(case: Case) -> None:
    """A path that leads nowhere is told, and the rest is written."""
    words = ("cat", case.passphrase, case.copy, "dir/missing", "bytes", "bytes/below")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == ALL_BYTES
    assert said.stderr == "".join(
        f"revcrypt: warning: {path}: there is nothing of this name\n"
        for path in ("dir/missing", "bytes/below")
    )
    words = ("cat", "--passfile=/missing", case.copy, "..")
    checked(rescue(*words, status=ExitCode.USAGE).stderr)


def test_nobody_reads_on(case: Case) -> None:
    """A reader that has seen enough is no reason for a message."""
    words = [*REVCRYPT, "cat", case.passphrase, str(case.copy), "sparse"]
    script = '"$@" | head -c 10; echo " ${PIPESTATUS[0]}"'
    result = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        capture_output=True,
        check=True,
        env=BUFFERED,
    )
    assert (result.stdout, result.stderr) == (bytes(10) + b" 11\n", b"")


def test_a_name_longer_than_any(case: Case) -> None:
    """A name that no entry can have is not there, whatever its length."""
    for size in (256, 2048, 5000):
        said = rescue(
            "cat", case.masterkey, case.copy, "a" * size, status=ExitCode.FINDINGS
        )
        assert said.stdout == b""
        assert "there is nothing of this name" in said.stderr
