"""`revcrypt decrypt-file`: one loose file, with nothing else but the key."""

import os
import random
import shutil
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from tests.cli.refusals import checked
from tests.cli.rescuing import CONFIG, WRONG, Case, Gocryptfs, make_config, rescue

BLOCK = 4096
PLAIN = random.Random(7).randbytes(2 * BLOCK + 100)
FILE_ID = bytes(range(1, 17))
CONTENTS = {
    "aes-siv": Features(),
    "aes-gcm": Features(cipher=Cipher.AES_GCM),
    "xchacha": Features(cipher=Cipher.XCHACHA20_POLY1305),
    "aes-siv, no hkdf": Features(hkdf=False, raw64=False),
    "aes-gcm, no hkdf": Features(cipher=Cipher.AES_GCM, hkdf=False, raw64=False),
}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A copy of a tree with a few files."""
    case = Case(tmp_path)
    (case.plain / "dir" / "sub").mkdir(parents=True)
    (case.plain / "dir" / "sub" / "file").write_bytes(PLAIN)
    (case.plain / "empty").touch()
    case.pull()
    return case


@pytest.fixture
def loose(case: Case, tmp_path: Path) -> Path:
    """One encrypted file, away from the backup and by another name."""
    path = tmp_path / "elsewhere" / "loose\udcff.bin"
    path.parent.mkdir()
    shutil.copy(case.cipher("dir/sub/file"), path)
    return path


# Where the key comes from


def test_config_above(case: Case) -> None:
    """The config is the nearest one, in the directory of the file or above it."""
    path = case.cipher("dir/sub/file")
    assert rescue("decrypt-file", case.passphrase, path) == (PLAIN, "")
    (case.copy / CONFIG).rename(path.parent / CONFIG)
    assert rescue("decrypt-file", case.passphrase, path) == (PLAIN, "")
    # A nearer one counts, even if it is the wrong one.
    other = make_config(passphrase="another")
    (path.parent / CONFIG).rename(case.copy / CONFIG)
    (path.parent.parent / CONFIG).write_bytes(other)
    words = ("decrypt-file", case.passphrase, path)
    checked(rescue(*words, status=ExitCode.PASSPHRASE_WRONG).stderr)


def test_relative_path(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The config is found from within the directory of the file, too."""
    path = case.cipher("dir/sub/file")
    monkeypatch.chdir(path.parent)
    assert rescue("decrypt-file", case.passphrase, path.name) == (PLAIN, "")


def test_config_elsewhere(case: Case, loose: Path) -> None:
    """With --config, the file may be anywhere and have any name."""
    config = f"--config={case.copy / CONFIG}"
    assert rescue("decrypt-file", config, case.passphrase, loose) == (PLAIN, "")
    words = ("decrypt-file", case.passphrase, loose)
    said = checked(rescue(*words, status=ExitCode.CONFIG_UNREADABLE).stderr)
    assert "--config" in said


@pytest.mark.parametrize("content", CONTENTS)
def test_master_key(content: str, case: Case, loose: Path) -> None:
    """The master key alone opens a file of any cipher, and the message says which."""
    loose.write_bytes(Gocryptfs(CONTENTS[content]).seal(PLAIN))
    said = rescue("decrypt-file", case.masterkey, loose)
    assert said.stdout == PLAIN
    assert f"found {content.split(',', 1)[0]}" in said.stderr.lower()
    assert ("no HKDF" in said.stderr) == ("hkdf" in content)
    assert rescue("decrypt-file", "-q", case.masterkey, loose) == (PLAIN, "")


@pytest.mark.parametrize("content", CONTENTS)
def test_wrong_master_key(content: str, loose: Path) -> None:
    """A master key that does not open the file is said to be wrong."""
    loose.write_bytes(Gocryptfs(CONTENTS[content]).seal(PLAIN))
    key = WRONG.hex().encode()
    words = ("decrypt-file", "--masterkey=-", loose)
    said = checked(rescue(*words, stdin=key, status=ExitCode.MASTER_KEY).stderr)
    assert "opens nothing" in said


@pytest.mark.parametrize("content", CONTENTS)
def test_wrong_flags(content: str, case: Case, loose: Path) -> None:
    """A config whose flags are wrong is overruled by the file, with a warning."""
    loose.write_bytes(Gocryptfs(CONTENTS[content]).seal(PLAIN))
    for other in CONTENTS.values():
        config = loose.parent / CONFIG
        config.write_bytes(make_config(other))
        said = rescue("decrypt-file", case.passphrase, loose)
        assert said.stdout == PLAIN
        if other == CONTENTS[content]:
            assert said.stderr == ""
        else:
            assert "whatever the config says" in said.stderr


# What is in the file


def test_empty_file(case: Case) -> None:
    """An empty file is an empty file, with any key."""
    path = case.cipher("empty")
    assert rescue("decrypt-file", case.passphrase, path) == (b"", "")
    assert rescue("decrypt-file", "-q", case.masterkey, path) == (b"", "")


@pytest.mark.parametrize("size", [1, 18, 50])
def test_stub(size: int, case: Case, loose: Path) -> None:
    """A file that was cut to almost nothing is not taken for an empty one."""
    os.truncate(loose, size)
    words = ("decrypt-file", case.passphrase, f"--config={case.copy / CONFIG}", loose)
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == b""
    assert f"{size} bytes are no file of a reverse view" in said.stderr


@pytest.mark.parametrize("key", ["passphrase", "masterkey"])
def test_damage(key: str, case: Case, loose: Path) -> None:
    """What is before the first bad block is written, and the message says where it is."""
    data = bytearray(loose.read_bytes())
    offset = 18 + 4128
    data[offset + 100] ^= 1
    loose.write_bytes(data)
    config = f"--config={case.copy / CONFIG}"
    words = ("decrypt-file", getattr(case, key), config, loose)
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == PLAIN[:BLOCK]
    assert f"at byte {offset}: block 1 does not authenticate" in said.stderr
    # No name can do harm to a terminal.
    assert "loose\\xff.bin" in said.stderr


def test_first_block_damaged(case: Case, loose: Path) -> None:
    """A key that a config has proved right is not doubted because of one bad block."""
    data = bytearray(loose.read_bytes())
    data[100] ^= 1
    loose.write_bytes(data)
    config = f"--config={case.copy / CONFIG}"
    words = ("decrypt-file", case.passphrase, config, loose)
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == b""
    assert "at byte 18: block 0 does not authenticate" in said.stderr


def test_header_of_another_file(case: Case, loose: Path) -> None:
    """Without its header a loose file is lost, as nothing else knows its id."""
    data = loose.read_bytes()
    loose.write_bytes(b"\0\2" + FILE_ID + data[18:])
    config = f"--config={case.copy / CONFIG}"
    words = ("decrypt-file", case.passphrase, config, loose)
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == b""
    assert "blocks 0 to 2 do not authenticate" in said.stderr


# What is no file


def test_no_file(case: Case, tmp_path: Path) -> None:
    """What is no file, or not there, is refused at once, before any key is read."""
    os.mkfifo(tmp_path / "fifo")
    for name, reason in {
        "copy": "not a regular file",
        "fifo": "not a regular file",
        "missing": "No such file or directory",
    }.items():
        path = tmp_path / name
        words = ("decrypt-file", "--passfile=/missing", path)
        said = checked(rescue(*words, status=ExitCode.SOURCE).stderr)
        assert f"cannot read {path}: {reason}" in said
