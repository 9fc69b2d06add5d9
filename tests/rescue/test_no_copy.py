"""Encrypted directories that are no whole copies of a view, or not of one of ours."""

import os
import shutil
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from tests.cli.rescuing import CONFIG, REVERSE_CONFIG, Case, Gocryptfs, rescue
from tests.rescue.misplacing import FILES, fill, made, verify
from tests.support import Mounts, run


def test_part_of_a_backup(tmp_path: Path) -> None:
    """A directory of a backup, taken for one, is one finding, and can be read."""
    case = made(tmp_path)
    shutil.copy(case.copy / CONFIG, case.cipher("a") / CONFIG)
    case.copy = case.cipher("a")
    [(kind, path, text)] = verify(case)
    assert (kind, path) == ("misplaced", "")
    assert "no whole copy of a reverse view" in text
    assert verify(case, "--lenient") == []
    words = (case.masterkey, case.copy)
    assert rescue("ls", *words).lines == [b"empty", b"one", b"two"]
    dest = case.directory / "dest"
    rescue("restore", "-q", *words, dest, status=ExitCode.FINDINGS)
    assert list(dest.iterdir()) == []
    rescue("restore", "-q", "--lenient", *words, dest)
    assert (dest / "one").read_text() == (case.plain / "a" / "one").read_text()


def test_directory_of_gocryptfs(tmp_path: Path) -> None:
    """Nothing is in its place in a directory that no view has made."""
    case = Case(tmp_path)
    fill(case.plain)
    (case.plain / REVERSE_CONFIG).unlink()
    case.copy.mkdir()
    Gocryptfs(Features()).write(case.plain, case.copy)
    [(kind, path, _)] = verify(case)
    assert (kind, path) == ("misplaced", "")
    assert verify(case, "--lenient") == []


@pytest.mark.fuse
def test_aes_siv_by_gocryptfs(mounts: Mounts) -> None:
    """The same is true of an AES-SIV directory that gocryptfs itself has written."""
    cipher = mounts.directory / "cipher"
    cipher.mkdir()
    passfile = f"--passfile={mounts.passfile}"
    run("gocryptfs", "-init", "-q", "-aessiv", "-scryptn=10", passfile, cipher)
    plain = mounts.gocryptfs(cipher, "plain")
    for name in FILES:
        (plain / name).parent.mkdir(exist_ok=True)
        (plain / name).write_text(name)
    os.link(plain / "top", plain / "b" / "other name")
    (plain / "link").symlink_to("target")
    mounts.unmount(plain)
    said = rescue("verify", passfile, cipher, status=ExitCode.FINDINGS)
    [line] = said.lines
    assert line.startswith(b"the root: nothing is in its place")
    assert rescue("verify", "-q", "--lenient", passfile, cipher) == (b"", "")
    rescue("restore", "-q", "--lenient", passfile, cipher, mounts.directory / "dest")
    assert (mounts.directory / "dest" / "b" / "other name").read_text() == "top"


@pytest.mark.fuse
def test_hard_links_by_gocryptfs(mounts: Mounts) -> None:
    """In a copy of gocryptfs's own view, either name of a file may have given its id."""
    plain = mounts.directory / "plain"
    plain.mkdir()
    fill(plain)
    os.link(plain / "top", plain / "a" / "other name")
    os.link(plain / "b" / "three", plain / "a" / "third name")
    mounts.init(plain)
    view = mounts.gocryptfs(plain, "view", "-reverse")
    copy = mounts.directory / "copy"
    run("rsync", "-aH", f"{view}/", copy)
    words = ("-q", f"--passfile={mounts.passfile}", copy)
    assert rescue("verify", *words) == (b"", "")
