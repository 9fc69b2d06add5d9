"""A small backup of odd objects, what opens it, and restoring it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from revcrypt.cli.main import main
from revcrypt.format.config import Features
from tests.cli.rescuing import make_config
from tests.rescue.running import Command, Said
from tests.rescue.trees import build_small, write_copy
from tests.support import PASSPHRASE, write_secret

CONFIG_NAME = ".gocryptfs.reverse.conf"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory of somebody else, with files of names that are in the backup."""
    path = tmp_path / "outside"
    path.mkdir()
    for name in ("letter.txt", "big", "relative"):
        (path / name).write_text("mine")
    return path


@pytest.fixture(scope="session")
def passfile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that holds `PASSPHRASE`."""
    path = tmp_path_factory.mktemp("secrets") / "passfile"
    write_secret(path, PASSPHRASE + "\n")
    return path


@pytest.fixture(scope="session")
def config(passfile: Path) -> Path:
    """A config of a default reverse view, for `PASSPHRASE` and `KEY`."""
    path = passfile.with_name("config")
    path.write_bytes(make_config(Features()))
    return path


@pytest.fixture
def plain(tmp_path: Path, config: Path) -> Path:
    """A small tree of odd objects, with a config."""
    path = tmp_path / "plain"
    path.mkdir()
    shutil.copy(config, path / CONFIG_NAME)
    build_small(path)
    return path


@pytest.fixture
def copy(plain: Path, tmp_path: Path) -> Path:
    """The cipherdir that was pulled from `plain`."""
    path = tmp_path / "copy"
    write_copy(plain, path)
    return path


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """Where to restore; it does not exist."""
    return tmp_path / "dest"


@pytest.fixture
def command(passfile: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a subcommand that needs the key, in this process; check its exit status."""

    def run(name: str, *words: str | Path, status: int = 0) -> Said:
        capsys.readouterr()
        arguments = [name, f"--passfile={passfile}", *map(str, words)]
        found = main(arguments)
        said = Said(*capsys.readouterr())
        assert found == status, said
        return said

    return run


@pytest.fixture
def restore(command: Command) -> Command:
    """Run `revcrypt restore` with one process, in this process; check its status."""

    def run(*words: str | Path, status: int = 0) -> Said:
        return command("restore", "-q", "-j1", *words, status=status)

    return run


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory below which everybody can read."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)
