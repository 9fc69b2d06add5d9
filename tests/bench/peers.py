"""The programs that are compared: how each shows a tree, and brings a copy back."""

import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit

from revcrypt import __version__
from revcrypt.format import bulk
from tests.bench.figures import REFERENCE
from tests.bench.keys import Keys
from tests.bench.mounts import Words
from tests.bench.trees import Tree
from tests.support import REVCRYPT


class Peer(ABC):
    """A program. Its commands mount in the background, and lack the mountpoint."""

    name: str
    has_own_format = False
    """Whether it cannot read what revcrypt writes."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @abstractmethod
    def version(self) -> str:
        """Return what exactly is compared."""

    @abstractmethod
    def reverse(self, source: Path, *, plain_names: bool = False) -> Words:
        """Return the command that shows *source*."""

    @abstractmethod
    def forward(self, cipherdir: Path) -> Words:
        """Return the command that shows what is in a copy."""

    def reason_against(self, tree: Tree) -> str | None:  # noqa: ARG002 - for one of them
        """Return why it cannot show *tree*, if so."""
        return None

    def _config(self, *, plain_names: bool) -> Path:
        return self._keys.plain_names if plain_names else self._keys.encrypted_names


class Revcrypt(Peer):
    """This program."""

    name = REFERENCE
    command = tuple(REVCRYPT)

    def version(self) -> str:
        commit = first_line("git", "describe", "--always", "--dirty")
        how = "compiled cipher" if bulk.RUNS is not None else "cipher in Python"
        return f"{__version__} ({commit}), {how}, Python {sys.version.split()[0]}"

    def reverse(self, source: Path, *, plain_names: bool = False) -> Words:
        config = self._config(plain_names=plain_names)
        return [*self._words("reverse"), f"--config={config}", source]

    def forward(self, cipherdir: Path) -> Words:
        return [*self._words("forward"), cipherdir]

    def restore(self, cipherdir: Path, target: Path) -> Words:
        """Return the command that restores a copy, without a mount."""
        return [*self._words("restore"), cipherdir, target]

    def _words(self, subcommand: str) -> list[str]:
        return [*self.command, subcommand, "-q", f"--passfile={self._keys.passfile}"]


class RevcryptInPython(Revcrypt):
    """This program, as it is where nothing could be compiled."""

    name = "revcrypt-python"
    command = (
        sys.executable,
        "-c",
        """import sys
sys.modules["revcrypt.format._bulk"] = None
from revcrypt.cli.main import main
sys.exit(main())""",
    )

    def version(self) -> str:
        return "the same, with the cipher in Python"


class Gocryptfs(Peer):
    """Debian's gocryptfs, with the same keys and configs."""

    name = "gocryptfs"

    def version(self) -> str:
        return first_line("gocryptfs", "-version")

    def reverse(self, source: Path, *, plain_names: bool = False) -> Words:
        config = self._config(plain_names=plain_names)
        return [*self._words("-reverse"), "-config", config, source]

    def forward(self, cipherdir: Path) -> Words:
        return [*self._words("-ro"), cipherdir]

    def _words(self, option: str) -> list[str]:
        return ["gocryptfs", "-q", "-passfile", str(self._keys.passfile), option]


class EncFs(Peer):
    """Debian's EncFS. It has no authentication here, and its keys are its own."""

    name = "encfs"
    has_own_format = True

    def version(self) -> str:
        return first_line("encfs", "--version").removeprefix("encfs version ")

    def reverse(self, source: Path, *, plain_names: bool = False) -> Words:
        assert not plain_names
        return self._words("--reverse", source)

    def forward(self, cipherdir: Path) -> Words:
        return self._words("--standard", cipherdir)

    def _words(self, option: str, directory: Path) -> Words:
        config = str(self._keys.encfs)
        return ["encfs", option, "-c", config, *self._keys.extpass, directory]


class Unencrypted(Peer):
    """What shows everything as it is: an outer limit."""

    def reverse(self, source: Path, *, plain_names: bool = False) -> Words:  # noqa: ARG002
        return self.forward(source)


class Passthrough(Unencrypted):
    """libfuse's own example in C. It holds a descriptor for each inode."""

    name = "passthrough"

    def __init__(self, keys: Keys, program: Path) -> None:
        super().__init__(keys)
        self._program = program
        self._descriptors = _most_descriptors()

    def version(self) -> str:
        fuse = first_line("pkg-config", "--modversion", "fuse3")
        return f"{self._program.name} of libfuse {fuse}"

    def forward(self, cipherdir: Path) -> Words:
        limit = f"--nofile={self._descriptors}:{self._descriptors}"
        return ["prlimit", limit, self._program, "-o", f"ro,source={cipherdir}"]

    def reason_against(self, tree: Tree) -> str | None:
        # A view has at most two entries for one, and a few descriptors are its own.
        if 2 * tree.entries + 100 < self._descriptors:
            return None
        return f"it takes a descriptor for each entry, and may have {self._descriptors}"


class BindMount(Unencrypted):
    """The kernel alone, where the example cannot be: what no filesystem can reach."""

    name = "bind"

    def version(self) -> str:
        return "mount --bind, without FUSE"

    def forward(self, cipherdir: Path) -> Words:
        return ["mount", "--bind", cipherdir]


def available(
    keys: Keys, compile_passthrough: Callable[[], Path | None], say: Callable[[str], None]
) -> list[Peer]:
    """Return the peers that this machine has, the reference first."""
    peers: list[Peer] = [Revcrypt(keys)]
    if bulk.RUNS is not None:
        peers.append(RevcryptInPython(keys))
    for kind in (Gocryptfs, EncFs):
        if shutil.which(kind.name):
            peers.append(kind(keys))
        else:
            say(f"{kind.name} is not installed, and is left out")
    program = compile_passthrough()
    if program is not None:
        peers.append(Passthrough(keys, program))
    if os.geteuid() == 0:
        peers.append(BindMount(keys))
    return peers


def _most_descriptors() -> int:
    """Return how many descriptors a program of ours may have."""
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    raised = subprocess.run(
        ["prlimit", f"--nofile={most}:{most}", "true"], capture_output=True, check=False
    )
    return most if raised.returncode == 0 else getrlimit(RLIMIT_NOFILE)[1]


def first_line(*words: str) -> str:
    """Return the first line that a program says about itself, wherever it says it."""
    result = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    lines = result.stdout.splitlines()
    return lines[0] if result.returncode == 0 and lines else "unknown"
