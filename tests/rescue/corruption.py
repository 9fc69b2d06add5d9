"""Ways to spoil a copy of a view at random, all of them reproducible."""

import os
import shutil
from collections.abc import Callable
from stat import S_ISDIR, S_ISLNK, S_ISREG

from tests.rescue.corruption_files import (
    DIR_IV,
    LETTERS,
    Entry,
    FileSpoiler,
    NothingLeftError,
)


class Spoiler(FileSpoiler):
    """Spoils everything in a copy: files, entries and attributes."""

    def spoil(self, kind: str) -> None:
        """Do one of `KINDS`, unless nothing is left to do it to."""
        try:
            KINDS[kind](self)
        except NothingLeftError:
            return

    # Entries

    def _swap(self, first: bytes, second: bytes) -> None:
        if first == second or (second + b"/").startswith(first + b"/"):
            return
        if (first + b"/").startswith(second + b"/"):
            return
        away = self._root + b"/away"
        os.rename(first, away)
        os.rename(second, first)
        os.rename(away, second)

    def _move(self, path: bytes, target: bytes) -> None:
        if not (target + b"/").startswith(path + b"/") and not os.path.lexists(target):
            os.rename(path, target)

    def _swap_files(self) -> None:
        self._swap(self._file(), self._file())

    def _swap_directories(self) -> None:
        self._swap(self._directory(), self._directory())

    def _swap_objects(self) -> None:
        self._swap(self._object(), self._object())

    def _move_elsewhere(self) -> None:
        path = self._object()
        self._move(path, os.path.join(self._directory(), os.path.basename(path)))

    def _rename(self) -> None:
        path = self._object()
        self._move(path, os.path.join(os.path.dirname(path), self._name()))

    def _delete(self) -> None:
        _remove(self._object())

    def _delete_small(self) -> None:
        _remove(self._some(lambda e: e[0].endswith((DIR_IV, b".name"))))

    def _duplicate(self) -> None:
        path = self._object()
        name = self._random.choice([os.path.basename(path), self._name()])
        target = os.path.join(self._random.choice([self._root, self._directory()]), name)
        if os.path.lexists(target) or (target + b"/").startswith(path + b"/"):
            return
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.copytree(path, target, symlinks=True, copy_function=_copy)
        else:
            _copy(path, target)

    def _link(self) -> None:
        path = self._some(lambda e: not S_ISDIR(e[1]))
        target = self._some(lambda e: not S_ISDIR(e[1]))
        if path != target:
            os.unlink(target)
            os.link(path, target, follow_symlinks=False)

    def _add(self) -> None:
        path = os.path.join(self._directory(), self._name())
        if not os.path.lexists(path):
            with open(path, "xb") as file:
                file.write(self._random.randbytes(self._random.choice([0, 16, 60, 5000])))

    def _replace(self) -> None:
        path = self._object()
        _remove(path)
        targets = [self._outside, b"../" + os.path.basename(self._outside), b"."]
        targets.append(self._random.choice([path, self._root, b"/dev/zero"]))
        kind = self._random.choice(["fifo", "socket", "directory", "link", "file"])
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            os.mknod(path, 0o140644)
        elif kind == "directory":
            os.mkdir(path)
        elif kind == "link":
            os.symlink(self._random.choice(targets), path)
        else:
            with open(path, "xb"):
                return

    def _retarget(self) -> None:
        path = self._some(lambda e: S_ISLNK(e[1]))
        target = bytearray(os.readlink(path))
        target[self._random.randrange(len(target))] = self._random.choice(LETTERS)
        other = os.readlink(self._some(lambda e: S_ISLNK(e[1])))
        shorter = bytes(target[:-1]) or b"."
        options = [bytes(target), other, self._name(), self._outside, shorter]
        os.unlink(path)
        os.symlink(self._random.choice(options), path)

    # Attributes

    def _change_xattr(self) -> None:
        def has_some(entry: Entry) -> bool:
            return bool(os.listxattr(entry[0], follow_symlinks=False))

        path, other = self._some(has_some), self._some(has_some)
        name = self._random.choice(os.listxattr(path, follow_symlinks=False))
        value = bytearray(os.getxattr(path, name, follow_symlinks=False))
        if value:
            value[self._random.randrange(len(value))] ^= 1 << self._random.randrange(8)
        theirs = self._random.choice(os.listxattr(other, follow_symlinks=False))
        borrowed = os.getxattr(other, theirs, follow_symlinks=False)
        match self._random.randrange(4):
            case 0:
                os.setxattr(path, name, bytes(value), follow_symlinks=False)
            case 1:
                os.setxattr(path, name, borrowed, follow_symlinks=False)
            case 2:
                os.removexattr(path, name, follow_symlinks=False)
            case _:
                odd = b"user.gocryptfs." + bytes(self._random.choices(LETTERS, k=22))
                os.setxattr(path, odd, borrowed, follow_symlinks=False)


def _remove(path: bytes) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _copy(path: bytes, target: bytes) -> None:
    """Copy anything but a directory."""
    mode = os.lstat(path).st_mode
    if S_ISREG(mode) or S_ISLNK(mode):
        shutil.copy2(path, target, follow_symlinks=False)
    else:
        os.mknod(target, mode)


KINDS: dict[str, Callable[[Spoiler], None]] = {
    name.removeprefix("_").replace("_", " "): getattr(Spoiler, name)
    for name in (
        "_flip _overwrite _zero _zero_block _cut _cut_to_stub _cut_at_block _extend "
        "_extend_with_hole _swap_blocks _repeat_block _borrow_block _borrow_header "
        "_copy_over _swap_files _swap_directories _swap_objects _move_elsewhere _rename "
        "_delete _delete_small _duplicate _link _add _replace _retarget _change_xattr"
    ).split()
}
"""What can be done, by a name for messages."""
