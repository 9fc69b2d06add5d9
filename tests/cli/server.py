"""A server whose key was sealed, for what happens to it over several epochs."""

import os
from pathlib import Path

from revcrypt.cli import configs, views
from revcrypt.cli.recovery_files import RecoveryFiles, open_text
from revcrypt.errors import UserError
from revcrypt.format import config as config_format
from revcrypt.format.config import Features
from revcrypt.format.keys import derive_kek, unwrap
from revcrypt.format.volume import Volume
from tests.certificates import person
from tests.cli.rescuing import REVERSE_CONFIG, Case, rescue
from tests.support import PASSPHRASE
from tests.view.trees import write_out

LETTER = b"dear all\n"


class Server(Case):
    """A server with a backup of its first epoch; its disk is all but *copies*."""

    def __init__(self, directory: Path) -> None:
        (directory / "server").mkdir()
        super().__init__(directory / "server")
        (self.directory / "keyfile").unlink()
        (self.plain / "letter").write_bytes(LETTER)
        self.home = directory / "home"
        self.home.mkdir()
        self.certificate, self.private = person("ada").write(self.home)
        self.recovery_key = f"--recovery-key={self.private}"
        self.copies = directory
        self.config = self.plain / REVERSE_CONFIG

    def add(self) -> None:
        """Seal the key of the present epoch."""
        config = f"--config={self.plain}"
        rescue("recovery", "add", config, self.passphrase, self.certificate)

    def rotate(self, *words: str | Path, status: int = 0) -> str:
        """Begin a new epoch; return what was said."""
        key = self.passphrase
        words = (key, "--yes", *words, self.plain)
        return rescue("rotate", *words, status=status).stderr

    def pull_as(self, name: str) -> Path:
        """Make a copy of the view, with whatever key its passphrase opens."""
        copy = self.copies / name
        copy.mkdir()
        opened = opened_by(self.config, PASSPHRASE)
        assert opened is not None
        write_view(self.plain, opened, copy)
        return copy

    def recovery(self, name: str, *words: str | Path, status: int = 0) -> str:
        """Run `revcrypt recovery NAME` on the config; return what was said."""
        config = f"--config={self.plain}"
        said = rescue("recovery", name, config, *words, status=status)
        return os.fsdecode(said.stdout) + said.stderr

    def sealed_for(self, name: str) -> set[bytes]:
        """Return the master keys that somebody's private key opens."""
        paths = RecoveryFiles(str(self.config)).all_sealed()
        texts = [open_text(path, person(name).key) for path in paths]
        return {text.master_key for text in texts if text is not None}

    def disk(self) -> dict[str, bytes]:
        """Return all that is beside the config."""
        return {path.name: path.read_bytes() for path in self.plain.iterdir()}

    def archives(self) -> list[str]:
        """Return the names of the archives that belong to the config."""
        return [Path(path).name for path in RecoveryFiles(str(self.config)).archives()]


def write_view(plain: Path, key: bytes, copy: Path) -> None:
    """Write what the view shows under *key*."""
    config = configs.reverse_config_path(str(plain), None)
    view = views.reverse_view(str(plain), Volume.open(key, Features()), config)
    try:
        write_out(view, copy)
    finally:
        view.close()


def opened_by(config: Path, passphrase: str) -> bytes | None:
    """Return the master key that a passphrase opens, if it does."""
    try:
        parsed = config_format.parse(config.read_bytes())
        kek = derive_kek(os.fsencode(passphrase), parsed.scrypt, memory_limit=1 << 30)
        return unwrap(parsed.encrypted_key, kek, hkdf=True)
    except UserError:
        return None
