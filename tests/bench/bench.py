"""What a whole run shares: a directory, the trees in it, copies of them, mounts."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

from tests.bench import machine
from tests.bench.keys import Keys
from tests.bench.mounts import Mount, Words, execute, mounted
from tests.bench.passthrough import compile_passthrough
from tests.bench.peers import Peer, available
from tests.bench.trees import Tree, Trees


class Bench:
    """A place to work in. Nothing outside *directory* is written to."""

    def __init__(
        self, directory: Path, scale: float, *, is_warm: bool, say: Callable[[str], None]
    ) -> None:
        self.directory = directory
        self.say = say
        self.is_warm = is_warm or not machine.can_drop_caches()
        self.trees = Trees(self._new("trees"), scale)
        tools = self._new("tools")
        self._keys = Keys(tools)
        self.peers = available(self._keys, lambda: compile_passthrough(tools, say), say)
        self._mountpoints = (directory / f"mount {number}" for number in count(1))
        self._backups: dict[Path, Path] = {}

    def mounted(self, words: Words) -> AbstractContextManager[Mount]:
        """Mount on a new mountpoint."""
        return mounted(next(self._mountpoints), words)

    def prepare_caches(self, source: Path) -> None:
        """Let the kernel know nothing of *source*, or everything if warm."""
        if self.is_warm:
            execute("find", source, "-type", "f", "-exec", "cat", "{}", "+")
        else:
            machine.forget_everything()

    def backup(self, peer: Peer, tree: Tree) -> Path:
        """Return a copy of *tree* as *peer* shows it."""
        path = self.directory / f"{tree.path.name} by {peer.name}"
        if path not in self._backups:
            self.say(f"copying the {tree.path.name} tree as {peer.name} shows it")
            with self.mounted(peer.reverse(tree.path)) as mount:
                execute("rsync", "-a", f"{mount.path}/", f"{path}/")
            self._backups[path] = path
        return path

    def cipherdir(self, peer: Peer, tree: Tree) -> Path:
        """Return a copy of *tree* that *peer* can read, the same for most."""
        return self.backup(peer if peer.has_own_format else self.peers[0], tree)

    def _new(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir()
        return path
