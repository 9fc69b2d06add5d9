"""Where secrets come from, byte for byte (format specification, section 9.4)."""

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from revcrypt.cli import configs, options
from revcrypt.cli.main import make_parser
from revcrypt.cli.secrets import (
    PassphraseSource,
    descriptor,
    read_master_key,
    read_private_key,
)
from revcrypt.errors import (
    MasterKeyError,
    PassphraseUnreadableError,
    RecoveryError,
    UsageError,
)
from tests.support import KEY

LONGEST = b"x" * 2048

LINES = [
    pytest.param(b"secret\n", b"secret", id="one line"),
    pytest.param(b"secret", b"secret", id="no newline"),
    pytest.param(b"secret\r\n", b"secret\r", id="carriage return"),
    pytest.param(b"  secret \t\n", b"  secret \t", id="blanks"),
    pytest.param(b"\xff\xfe \xc3\xa9\n", b"\xff\xfe \xc3\xa9", id="not UTF-8"),
    pytest.param(b"sec\0ret\n", b"sec\0ret", id="NUL"),
    pytest.param(LONGEST + b"\n", LONGEST, id="longest"),
    pytest.param(LONGEST, LONGEST, id="longest without newline"),
]

BAD_LINES = [
    pytest.param(b"", id="empty"),
    pytest.param(b"\n", id="only newline"),
    pytest.param(b"\nsecret\n", id="first line empty"),
    pytest.param(LONGEST + b"x\n", id="too long"),
    pytest.param(LONGEST + b"x", id="too long without newline"),
    pytest.param(LONGEST * 1000, id="endless"),
]

MORE_LINES = pytest.param(b"secret\nmore\n", b"secret", id="more lines")


def from_file(content: bytes, tmp_path: Path) -> bytes:
    """Return what a passfile of this content gives."""
    path = tmp_path / "passfile"
    path.touch(0o600)
    path.write_bytes(content)
    return PassphraseSource([str(path)]).read(new=False)


def put_on_stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Make *content* the standard input, which is no terminal."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


# Files


@pytest.mark.parametrize(("content", "expected"), LINES)
def test_passfile(
    content: bytes, expected: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The passphrase is the first line without its newline, otherwise unchanged."""
    assert from_file(content, tmp_path) == expected
    warnings = ["carriage return" in record.getMessage() for record in caplog.records]
    assert warnings == ([True] if expected.endswith(b"\r") else [])


@pytest.mark.parametrize("content", BAD_LINES)
def test_bad_passfile(content: bytes, tmp_path: Path) -> None:
    """A first line that is empty or too long is no passphrase."""
    with pytest.raises(PassphraseUnreadableError) as caught:
        from_file(content, tmp_path)
    assert str(tmp_path / "passfile") in str(caught.value)


@pytest.mark.parametrize("more", [b"more\n", b"more", b"\n"])
def test_passfile_with_more_lines(
    more: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Further lines do not count, but are worth a warning that shows nothing of them."""
    assert from_file(b"secret\n" + more, tmp_path) == b"secret"
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert str(tmp_path / "passfile") in message
    assert "secret" not in message


def test_long_passfile_has_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A first line that is too long is not taken for two lines."""
    with pytest.raises(PassphraseUnreadableError):
        from_file(LONGEST * 2, tmp_path)
    assert caplog.records == []


def test_several_passfiles(tmp_path: Path) -> None:
    """The first lines of several passfiles are joined, in the order of the options."""
    paths = [tmp_path / name for name in ("z", "a", "m")]
    for path, content in zip(paths, (b"one\r\n", b" two\n", b"three")):
        path.write_bytes(content)
    source = PassphraseSource([str(path) for path in paths])
    assert source.read(new=False) == b"one\r twothree"
    paths[1].write_bytes(b"")
    with pytest.raises(PassphraseUnreadableError, match=str(paths[1])):
        source.read(new=False)


def test_two_kinds_of_source() -> None:
    """A passfile and a program exclude each other."""
    with pytest.raises(UsageError):
        PassphraseSource(["file"], ["program"])


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_others_can_read(
    mode: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file with a secret that others can read is told, with the cure."""
    path = tmp_path / "a key"
    path.write_text(KEY.hex())
    path.chmod(mode)
    assert PassphraseSource([str(path)]).read(new=False) == KEY.hex().encode()
    assert read_master_key(str(path)) == KEY
    with pytest.raises(RecoveryError):
        read_private_key(str(path))
    assert len(caplog.records) == 3
    messages = {record.getMessage() for record in caplog.records}
    assert messages == {f"others can read {path}; forbid it: chmod 600 '{path}'"}


# Descriptors


@pytest.mark.parametrize(("content", "expected"), [*LINES, MORE_LINES])
def test_descriptor(content: bytes, expected: bytes) -> None:
    """One line is read, and nothing behind it."""
    with memory_file(content) as fd:
        assert PassphraseSource(fd=descriptor(str(fd))).read(new=True) == expected
        rest = content[len(expected) :].removeprefix(b"\n")
        assert os.read(fd, 100) == rest
        assert not os.get_inheritable(fd)


@pytest.mark.parametrize("content", BAD_LINES)
def test_bad_descriptor(content: bytes) -> None:
    """A line that is empty or too long is no passphrase."""
    with memory_file(content) as fd, pytest.raises(PassphraseUnreadableError):
        PassphraseSource(fd=fd).read(new=False)


@pytest.mark.parametrize("text", ["x", "-1", "1000000", "9" * 30])
def test_no_descriptor(text: str) -> None:
    """What is not open is refused before it can become something else."""
    with pytest.raises(UsageError, match=text):
        make_parser().parse_args(["ls", f"--passphrase-fd={text}", "copy"])


@contextmanager
def memory_file(content: bytes) -> Iterator[int]:
    """Open a file of this content."""
    fd = os.memfd_create("secret", 0)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        yield fd
    finally:
        os.close(fd)


# Programs


@pytest.mark.usefixtures("null_stdin")
@pytest.mark.parametrize(("content", "expected"), [*LINES, MORE_LINES])
def test_extpass(content: bytes, expected: bytes, tmp_path: Path) -> None:
    """The passphrase is the first line that the program prints."""
    path = tmp_path / "output"
    path.write_bytes(content)
    assert PassphraseSource(extpass=["cat", str(path)]).read(new=True) == expected


@pytest.mark.usefixtures("null_stdin")
@pytest.mark.parametrize("content", BAD_LINES)
def test_bad_extpass(content: bytes, tmp_path: Path) -> None:
    """A program that prints an empty first line, or too much, gives no passphrase."""
    path = tmp_path / "output"
    path.write_bytes(content)
    with pytest.raises(PassphraseUnreadableError, match="cat"):
        PassphraseSource(extpass=["cat", str(path)]).read(new=False)


@pytest.mark.usefixtures("null_stdin")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("printf %s,%s a b", b"a,b"),
        ("printf '%s,%s' 'a  b' \"c d\"", b"a  b,c d"),
        (r"printf %s a\ b", b"a b"),
        ("printf %s $HOME;id", b"$HOME;id"),
    ],
)
def test_extpass_option(value: str, expected: bytes) -> None:
    """The value of --extpass is split as a shell would, but no shell is run."""
    command_line = ["reverse", "--extpass", value, "plain", "mountpoint"]
    arguments = make_parser().parse_args(command_line)
    assert options.passphrase(arguments).read(new=False) == expected


def test_extpass_has_our_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program can ask whoever is at our standard input."""
    path = tmp_path / "input"
    path.write_bytes(b"typed\n")
    with open(path) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert PassphraseSource(extpass=["cat"]).read(new=False) == b"typed"


# Standard input


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize(("content", "expected"), [*LINES, MORE_LINES])
def test_stdin(
    content: bytes, expected: bytes, new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal, one line is read, once, also for a new passphrase."""
    put_on_stdin(monkeypatch, content)
    assert PassphraseSource().read(new=new) == expected


@pytest.mark.parametrize("content", BAD_LINES)
def test_bad_stdin(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input with an empty or too long first line gives no passphrase."""
    put_on_stdin(monkeypatch, content)
    with pytest.raises(PassphraseUnreadableError, match="stdin"):
        PassphraseSource().read(new=False)


# Master keys

DIGITS = KEY.hex()
GROUPS = [DIGITS[at : at + 8] for at in range(0, 64, 8)]
KEY_TEXTS = [
    DIGITS,
    DIGITS.upper() + "\n",
    "-".join(GROUPS),
    "-".join(GROUPS[:4]) + "-\r\n    " + "-".join(GROUPS[4:]) + "\r\n",
    " ".join(GROUPS),
]


@pytest.mark.parametrize("text", KEY_TEXTS)
@pytest.mark.parametrize("stdin", [False, True])
def test_master_key(
    text: str, stdin: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A master key is read from a file or stdin as it was printed, or as plain digits."""
    path = tmp_path / "key"
    path.write_text(text, newline="")
    put_on_stdin(monkeypatch, text.encode())
    assert read_master_key("-" if stdin else str(path)) == KEY


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff" * 64, b"0" * 1_000_000])
def test_bad_master_key(content: bytes, tmp_path: Path) -> None:
    """A file that holds anything else is no key file, whatever its encoding and size."""
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(MasterKeyError):
        read_master_key(str(path))


def test_missing_master_key_file(tmp_path: Path) -> None:
    """A key file that cannot be read is named."""
    path = tmp_path / "key"
    with pytest.raises(MasterKeyError, match=str(path)):
        read_master_key(str(path))


def test_memory_without_meminfo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that does not see /proc/meminfo goes by all the memory there is."""
    real_open = open

    def hiding(path: object, *args: Any, **kwargs: Any) -> Any:
        if path == "/proc/meminfo":
            raise FileNotFoundError(2, "No such file or directory", path)
        return real_open(path, *args, **kwargs)  # type: ignore[call-overload]

    available = configs.memory_limit()
    monkeypatch.setattr("builtins.open", hiding)
    assert configs.memory_limit() > available > 1 << 20
