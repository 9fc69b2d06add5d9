"""A plain tree under a mount, which changes at random."""

from stat import S_IFDIR, S_IFREG

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from revcrypt.view.nodes import join
from tests.fuzz.world import DEPTH, NAMES, World
from tests.view.trees import ALL_FEATURES

names = st.sampled_from(NAMES)
sizes = st.sampled_from([0, 1, 17, 4095, 4096, 4097, 9000, 70_000])
letters = st.integers(1, 255).map(lambda byte: bytes([byte]))
indexes = st.integers(0, 1 << 16)


class SourceMachine(RuleBasedStateMachine):
    """Changes the source."""

    world: World

    @initialize(features=st.sampled_from(sorted(ALL_FEATURES)))
    def mount(self, features: str) -> None:
        self.world = World(features)

    @rule(index=indexes, name=names)
    def make_directory(self, index: int, name: bytes) -> None:
        path = self.world.place(index, name)
        if path is not None:
            self.world.tree.make_directory(path)

    @rule(index=indexes, name=names, size=sizes, letter=letters)
    def make_file(self, index: int, name: bytes, size: int, letter: bytes) -> None:
        path = self.world.place(index, name)
        if path is not None:
            self.world.tree.make_file(path, letter * size)

    @rule(index=indexes, name=names, content=names)
    def make_symlink(self, index: int, name: bytes, content: bytes) -> None:
        path = self.world.place(index, name)
        if path is not None:
            self.world.tree.make_symlink(path, content)

    @rule(index=indexes, other=indexes, name=names)
    def make_link(self, index: int, other: int, name: bytes) -> None:
        path, old = self.world.place(index, name), self.world.some(S_IFREG, other)
        if path is not None and old is not None:
            self.world.tree.link(old, path)

    def file(self, index: int) -> tuple[bytes, int] | None:
        """Return a file of the source, and its size."""
        path = self.world.some(S_IFREG, index)
        return path and (path, len(self.world.tree.things[path].content))

    @rule(index=indexes, offset=sizes, size=sizes, letter=letters)
    def write(self, index: int, offset: int, size: int, letter: bytes) -> None:
        file = self.file(index)
        if file is not None:
            self.world.tree.write(file[0], min(offset, file[1]), letter * size)

    @rule(index=indexes, size=sizes)
    def append(self, index: int, size: int) -> None:
        file = self.file(index)
        if file is not None:
            self.world.tree.write(*file, b"+" * size)

    @rule(index=indexes, size=sizes)
    def truncate(self, index: int, size: int) -> None:
        file = self.file(index)
        if file is not None:
            self.world.tree.truncate(file[0], size)

    @rule(index=indexes, value=letters)
    def set_attribute(self, index: int, value: bytes) -> None:
        file = self.file(index)
        if file is not None:
            self.world.tree.set_attribute(file[0], b"user.a", value * 20)

    @rule(index=indexes, directory=indexes, name=names)
    def rename(self, index: int, directory: int, name: bytes) -> None:
        tree = self.world.tree
        paths = sorted(tree.things)
        new = join(self.world.some(S_IFDIR, directory) or b"", name)
        old = paths[index % len(paths)] if paths else new
        is_inside = (new + b"/").startswith(old + b"/")
        is_above = (old + b"/").startswith(new + b"/")
        is_same = tree.things.get(old) is tree.things.get(new)
        if not (is_inside or is_above or is_same) and new.count(b"/") < DEPTH:
            tree.rename(old, new)

    @rule(index=indexes)
    def remove(self, index: int) -> None:
        paths = sorted(self.world.tree.things)
        if paths:
            self.world.tree.remove(paths[index % len(paths)])

    @rule(seconds=st.sampled_from([0.2, 3.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.wait(seconds)
