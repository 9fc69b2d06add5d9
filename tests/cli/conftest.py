"""Directories to show, with cheap configs, and a place to mount them on."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from revcrypt.cli import init, mounting
from tests.cli.parsing import Parsed
from tests.cli.server import Server
from tests.support import PASSPHRASE, revcrypt


@pytest.fixture(scope="package")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A reverse config for `PASSPHRASE`, as JSON."""
    plain = tmp_path_factory.mktemp("plain")
    revcrypt("init", "-q", "--scrypt-n=10", plain, stdin=PASSPHRASE)
    return (plain / ".gocryptfs.reverse.conf").read_text()


@pytest.fixture
def plain(tmp_path: Path, config: str) -> Path:
    """A plain directory with nothing but its config."""
    path = tmp_path / "plain"
    path.mkdir()
    (path / ".gocryptfs.reverse.conf").write_text(config)
    return path


@pytest.fixture
def cipher(tmp_path: Path, config: str) -> Path:
    """An encrypted directory with nothing but its config."""
    path = tmp_path / "cipher"
    path.mkdir()
    (path / "gocryptfs.conf").write_text(config)
    return path


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server."""
    return Server(tmp_path)


@pytest.fixture
def mountpoint(tmp_path: Path) -> Path:
    """An empty directory."""
    path = tmp_path / "mountpoint"
    path.mkdir()
    return path


@pytest.fixture
def null_stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a standard input that programs can inherit, as tests have none."""
    with open("/dev/null") as null:
        monkeypatch.setattr("sys.stdin", null)
        yield


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Parsed:
    """What the command line has asked for."""
    parsed = Parsed()
    monkeypatch.setattr(mounting, "mount_reverse", parsed.mount_reverse)
    monkeypatch.setattr(mounting, "mount_forward", parsed.mount_forward)
    monkeypatch.setattr(init, "initialise", parsed.initialise)
    return parsed


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory below which everybody can read."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)
