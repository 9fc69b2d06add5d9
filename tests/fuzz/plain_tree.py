"""A plain tree that is changed at random, and a model of what is in it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from stat import S_IFDIR, S_IFLNK, S_IFREG

from tests.view.trees import cipher_size


@dataclass(eq=False)
class Thing:
    """An object of the tree, whatever names it has; *states* are all it has ever held.

    For a symlink, that is its target.
    """

    kind: int
    inode: int
    states: list[bytes] = field(default_factory=lambda: [b""])
    attributes: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.states[-1]

    @property
    def sizes(self) -> set[int]:
        """Sizes of the ciphertext of all states."""
        return {cipher_size(len(state)) for state in self.states}


class PlainTree:
    """The tree at *root*, which is what *things* says, by path (without the root)."""

    def __init__(self, root: bytes) -> None:
        os.mkdir(root)
        self.root = root
        self.things: dict[bytes, Thing] = {}
        self._fds: list[int] = []
        """Of all things, so that no inode number is used twice."""
        self.top = Thing(S_IFDIR, os.stat(root).st_ino)

    def at(self, path: bytes) -> bytes:
        """Return the real path."""
        return self.root + b"/" + path if path else self.root

    def paths(self, kind: int) -> list[bytes]:
        """Return where objects of a kind are; the root counts as a directory."""
        found = [path for path, thing in self.things.items() if thing.kind == kind]
        return sorted([b"", *found] if kind == S_IFDIR else found)

    def names(self, directory: bytes) -> dict[bytes, Thing]:
        """Return what is in a directory."""
        parts = ((path.rpartition(b"/"), thing) for path, thing in self.things.items())
        return {name: thing for (above, _, name), thing in parts if above == directory}

    def chain(self, path: bytes) -> tuple[int, ...] | None:
        """Return the inodes on the way to a path, if it exists."""
        names = path.split(b"/") if path else []
        above = [b"/".join(names[: end + 1]) for end in range(len(names))]
        if not all(one in self.things for one in above):
            return None
        return tuple(self.things[one].inode for one in above)

    def _add(self, path: bytes, kind: int, content: bytes = b"") -> None:
        fd = os.open(self.at(path), os.O_PATH | os.O_NOFOLLOW)
        self._fds.append(fd)
        self.things[path] = Thing(kind, os.fstat(fd).st_ino, [content])

    def close(self) -> None:
        """Let go of what was removed."""
        while self._fds:
            os.close(self._fds.pop())

    def make_directory(self, path: bytes) -> None:
        os.mkdir(self.at(path))
        self._add(path, S_IFDIR)

    def make_file(self, path: bytes, content: bytes) -> None:
        with open(self.at(path), "xb") as file:
            file.write(content)
        self._add(path, S_IFREG, content)

    def make_symlink(self, path: bytes, target: bytes) -> None:
        os.symlink(target, self.at(path))
        self._add(path, S_IFLNK, target)

    def link(self, old: bytes, new: bytes) -> None:
        os.link(self.at(old), self.at(new), follow_symlinks=False)
        self.things[new] = self.things[old]

    def write(self, path: bytes, offset: int, data: bytes) -> None:
        thing = self.things[path]
        with open(self.at(path), "r+b") as file:
            file.seek(offset)
            file.write(data)
        old = thing.content.ljust(offset, b"\0")
        thing.states.append(old[:offset] + data + old[offset + len(data) :])

    def overwrite(self, thing: Thing, letter: bytes, *, more: int = 0) -> None:
        """Fill a file with other bytes, and some more, if it still has a name."""
        for path in [path for path, one in self.things.items() if one is thing][:1]:
            self.write(path, 0, letter * (len(thing.content) + more))

    def truncate(self, path: bytes, size: int) -> None:
        thing = self.things[path]
        os.truncate(self.at(path), size)
        thing.states.append(thing.content[:size].ljust(size, b"\0"))

    def set_attribute(self, path: bytes, name: bytes, value: bytes) -> None:
        os.setxattr(self.at(path), name, value)
        self.things[path].attributes[name] = value

    def remove(self, path: bytes) -> None:
        """Remove what is at a path, with all that is in it."""
        for below in sorted(self.below(path), reverse=True):
            (os.rmdir if self.things[below].kind == S_IFDIR else os.unlink)(
                self.at(below)
            )
            del self.things[below]

    def rename(self, old: bytes, new: bytes) -> None:
        """Move what is at a path; what is in the way is replaced."""
        if new in self.things:
            self.remove(new)
        os.rename(self.at(old), self.at(new))
        for path in list(self.below(old)):
            self.things[new + path[len(old) :]] = self.things.pop(path)

    def below(self, path: bytes) -> Iterator[bytes]:
        """Yield a path and all below it."""
        for one in list(self.things):
            if one == path or one.startswith(path + b"/"):
                yield one
