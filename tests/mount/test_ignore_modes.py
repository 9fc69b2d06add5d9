"""`--ignore-modes`: whoever is let in reads everything, as it is encrypted anyway."""

import os
from errno import EACCES
from pathlib import Path

import pytest

from tests.mount.people import person, read
from tests.support import Mounts, revcrypt

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others"),
]

USER, STRANGER, OWNER = 12345, 23456, 777


@pytest.fixture
def plain(mounts: Mounts) -> Path:
    """A source in which only its owner may read."""
    path = mounts.directory / "source"
    (path / "locked").mkdir(parents=True, mode=0o700)
    (path / "locked" / "file").write_bytes(b"x" * 5000)
    (path / "locked" / "file").chmod(0o400)
    os.chown(path / "locked" / "file", OWNER, OWNER)
    mounts.init(path, "--plaintext-names")
    return path


def test_who_is_let_in_reads_everything(mounts: Mounts, plain: Path) -> None:
    """Modes and owners are shown as they are, and keep nobody out who is named."""
    view = mounts.reverse(plain, "view", f"--allow-user={USER}", "--ignore-modes")
    status = (view / "locked" / "file").stat()
    assert (status.st_uid, status.st_mode) == (OWNER, 0o100400)
    sealed = (view / "locked" / "file").read_bytes()
    paths = ("view", "view/locked", "view/locked/file")
    with person(mounts.directory, USER, USER) as user:
        assert user.ask(read, paths[2]) == sealed
        assert user.ask(os.listdir, paths[1]) == ["file"]
    with person(mounts.directory, STRANGER, STRANGER) as stranger:
        assert {stranger.errno(os.stat, path) for path in paths} == {EACCES}
        assert stranger.errno(read, paths[2]) == EACCES


def test_without_it_modes_count(mounts: Mounts, plain: Path) -> None:
    """Being let in is not being let into everything."""
    mounts.reverse(plain, "view", f"--allow-user={USER}")
    with person(mounts.directory, USER, USER) as user:
        assert user.errno(os.listdir, "view") == 0
        assert user.errno(os.listdir, "view/locked") == EACCES
        assert user.errno(read, "view/locked/file") == EACCES


@pytest.mark.parametrize("option", ["--ignore-modes", "--allow-other --ignore-modes"])
def test_not_for_everybody(mounts: Mounts, plain: Path, option: str) -> None:
    """Without a name there is nobody whom it could be for."""
    words = ("reverse", *option.split(), plain, mounts.mountpoint("view"))
    assert "allow_user or allow_group" in revcrypt(*words, status=1).stderr


def test_not_for_plaintext(mounts: Mounts, plain: Path) -> None:
    """What is readable is shown to whom the modes allow it, always."""
    words = ("-o", f"ignore_modes,allow_user={USER}", plain, mounts.mountpoint("plain"))
    assert "encrypted" in revcrypt(*words, status=1).stderr
    words = ("forward", "--ignore-modes", plain, mounts.directory / "plain")
    assert "unrecognized" in revcrypt(*words, status=1).stderr
