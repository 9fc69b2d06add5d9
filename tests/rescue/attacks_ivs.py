"""Group C: directory IVs; and what they are, for attacks that need right ones."""

import os
from stat import S_IFCHR, S_IFIFO

from revcrypt.format import derive
from tests.rescue.attacks_backup import Change, Copy, encrypted
from tests.rescue.attacks_edits import flip_at
from tests.rescue.attacks_kinds import (
    ALL_FIND,
    FOUND,
    HANG,
    PUT_RIGHT,
    Attack,
    Group,
)
from tests.rescue.attacks_tools import (
    Where,
    at,
    both,
    delete,
    directory,
    entry,
    node,
    symlink,
    write,
)

DIR_IV = "gocryptfs.diriv"
HEAL_WHY = "the IV follows from the path, and the names prove it"


def iv_bytes(plain: str) -> bytes:
    """Return the IV of a directory."""
    return derive.dir_iv(os.fsencode(encrypted(plain)))


def iv(plain: str) -> Where:
    """Return where a directory has its IV."""
    return entry(plain, DIR_IV)


def iv_of(where: Where) -> Change:
    """Put the right IV into a directory; no key is needed to know it."""

    def change(copy: Copy) -> None:
        path = os.path.relpath(where(copy), copy.path)
        path = "" if path == "." else path
        (where(copy) / DIR_IV).write_bytes(derive.dir_iv(os.fsencode(path)))

    return change


def empty_directory(where: Where) -> Change:
    """Make a directory that looks like an empty one of a reverse view."""
    return both(directory(where), iv_of(where))


def no_ivs(copy: Copy) -> None:
    """Delete the IVs of all directories."""
    for path in copy.path.rglob(DIR_IV):
        path.unlink()


IVS = Group(
    "C",
    "Directory IVs (`gocryptfs.diriv`)",
    [
        Attack("deleted", delete(iv("docs")), PUT_RIGHT, FOUND, HEAL_WHY),
        Attack("deleted at the root", delete(iv("")), PUT_RIGHT, FOUND, HEAL_WHY),
        Attack("deleted everywhere but in empty directories",
            both(no_ivs, iv_of(at("docs/void"))), PUT_RIGHT, FOUND, HEAL_WHY),
        Attack("deleted in an empty directory", delete(iv("docs/void")), ALL_FIND, FOUND,
            "whether it was empty, nothing proves"),
        Attack("empty", write(iv("docs"), b""), PUT_RIGHT, FOUND, HEAL_WHY),
        Attack("a byte short", write(iv("docs"), bytes(range(15))), PUT_RIGHT, FOUND,
            HEAL_WHY),
        Attack("a byte long", write(iv("docs"), iv_bytes("docs") + b"\n"), PUT_RIGHT,
            FOUND, HEAL_WHY),
        Attack("10 MB long", write(iv("docs"), bytes(10_000_000)), PUT_RIGHT, FOUND,
            HEAL_WHY),
        Attack("zeroed", write(iv("docs"), bytes(16)), PUT_RIGHT, FOUND, HEAL_WHY),
        Attack("a bit flipped", flip_at(iv("docs"), 0), PUT_RIGHT, FOUND, HEAL_WHY),
        Attack("random", write(iv("docs"), os.urandom(16)), PUT_RIGHT, FOUND, HEAL_WHY),
        Attack("another directory's", write(iv("docs"), iv_bytes("photos")), PUT_RIGHT,
            FOUND, HEAL_WHY),
        Attack("another directory's at the root", write(iv(""), iv_bytes("photos")),
            PUT_RIGHT, FOUND, HEAL_WHY),
        Attack("a directory", directory(iv("docs")), PUT_RIGHT, FOUND, HEAL_WHY),
        Attack("a symlink to another", symlink(iv("docs"), "../gocryptfs.diriv"),
            PUT_RIGHT, FOUND, HEAL_WHY),
        Attack("a FIFO", node(iv("docs"), S_IFIFO), PUT_RIGHT, HANG, HEAL_WHY),
        Attack("a FIFO at the root", node(iv(""), S_IFIFO), PUT_RIGHT, HANG, HEAL_WHY),
        Attack("/dev/zero", node(iv("docs"), S_IFCHR, os.makedev(1, 5)), PUT_RIGHT, FOUND,
            HEAL_WHY),
    ],
)  # fmt: skip
