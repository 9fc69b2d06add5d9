"""The passphrase, and the configs that the peers mount with."""

from functools import cached_property
from pathlib import Path

from tests.bench.mounts import execute, mounted
from tests.support import PASSPHRASE, REVCRYPT, write_secret


class Keys:
    """Passphrase and configs, all below *directory*; nothing is in the trees.

    scrypt is cheap, because it is not what is compared.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.passfile = directory / "passfile"
        write_secret(self.passfile, PASSPHRASE + "\n")

    @cached_property
    def encrypted_names(self) -> Path:
        """The config that revcrypt and gocryptfs share."""
        return self._init("encrypted-names.conf")

    @cached_property
    def plain_names(self) -> Path:
        """Another one, with plaintext names."""
        return self._init("plain-names.conf", "--plaintext-names")

    @cached_property
    def encfs(self) -> Path:
        """The config of EncFS, which it only writes into what it mounts."""
        template = self._directory / "encfs-template"
        template.mkdir()
        words = ["encfs", "--reverse", "--standard", *self.extpass, str(template)]
        with mounted(self._directory / "encfs-mountpoint", words):
            pass
        return template / ".encfs6.xml"

    @property
    def extpass(self) -> list[str]:
        """How EncFS gets the passphrase."""
        return ["--extpass", f"cat {self.passfile}"]

    def _init(self, name: str, *options: str) -> Path:
        config = self._directory / name
        empty = self._directory / f"{name}.empty"
        empty.mkdir()
        words = [*REVCRYPT, "init", "-q", "--scrypt-n=10", f"--passfile={self.passfile}"]
        execute(*words, f"--config={config}", *options, empty)
        return config
