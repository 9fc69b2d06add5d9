"""Groups G and H: metadata, and older versions."""

import os
from collections.abc import Callable

from tests.rescue.attacks_backup import Change, Copy
from tests.rescue.attacks_edits import block, splice_old
from tests.rescue.attacks_kinds import (
    ALL_FIND,
    FOUND,
    HARMLESS,
    MISSED,
    NOTHING,
    SOURCE_ONLY,
    Attack,
    Group,
    Ours,
)
from tests.rescue.attacks_tools import roll_back

FILE = "report.txt"
OPEN_WHY = "nothing authenticates it"
VALUE_WHY = "the value authenticates"
VALUE_PLACE_WHY = "the nonce of a value follows from path and attribute"
FOREIGN_WHY = "only encrypted attributes belong to a backup"
OLD_WHY = "it was right once, at the same place"
ACL = bytes.fromhex(
    "02000000 01000600ffffffff 02000700e8030000 04000400ffffffff 10000700ffffffff"
    "20000400ffffffff"
)
"""user::rw-, user:1000:rwx, group::r--, mask::rwx, other::r--"""


def mode(plain: str, bits: int) -> Change:
    """Change a mode."""
    return lambda copy: os.chmod(copy.at(plain), bits)


def owner(plain: str, uid: int, gid: int) -> Change:
    """Change owner and group."""
    return lambda copy: os.chown(copy.at(plain), uid, gid, follow_symlinks=False)


def time(plain: str, seconds: int) -> Change:
    """Change a time."""
    return lambda copy: os.utime(
        copy.at(plain), times=(seconds, seconds), follow_symlinks=False
    )


def names(copy: Copy, plain: str) -> list[str]:
    """Return the encrypted attributes of something."""
    return sorted(os.listxattr(copy.at(plain)))


def value(plain: str, edit: Callable[[bytes], bytes]) -> Change:
    """Change the value of an attribute."""

    def change(copy: Copy) -> None:
        path, name = copy.at(plain), names(copy, plain)[0]
        os.setxattr(path, name, edit(os.getxattr(path, name)))

    return change


def without_attribute(copy: Copy) -> None:
    """Remove an attribute."""
    os.removexattr(copy.at(FILE), names(copy, FILE)[0])


def swapped_names(copy: Copy) -> None:
    """Let two attributes of a file change places."""
    path = copy.at(FILE)
    first, second = names(copy, FILE)
    values = os.getxattr(path, first), os.getxattr(path, second)
    os.setxattr(path, first, values[1])
    os.setxattr(path, second, values[0])


def from_other(copy: Copy) -> None:
    """Give a file an attribute of another."""
    [name] = names(copy, "ledger.db")
    os.setxattr(copy.at(FILE), name, os.getxattr(copy.at("ledger.db"), name))


def renamed(copy: Copy) -> None:
    """Give an attribute a name that does not decrypt."""
    path, name = copy.at(FILE), names(copy, FILE)[0]
    os.setxattr(path, name[:-2] + "AA", os.getxattr(path, name))
    os.removexattr(path, name)


def added(name: str, value: bytes, plain: str = FILE) -> Change:
    """Add an attribute as it is."""
    return lambda copy: os.setxattr(copy.at(plain), name, value)


METADATA = Group(
    "G",
    "Metadata (with `--metadata`)",
    [
        Attack("mode 4755", mode("README", 0o4755), Ours(MISSED, FOUND, FOUND), MISSED,
            f"{OPEN_WHY}; setuid bits are not restored, which is said"),
        Attack("mode 2755", mode("README", 0o2755), Ours(MISSED, FOUND, FOUND), MISSED,
            f"{OPEN_WHY}; setgid bits are not restored, which is said"),
        Attack("mode 0777", mode(FILE, 0o777), SOURCE_ONLY, MISSED, OPEN_WHY),
        Attack("mode 0", mode(FILE, 0), SOURCE_ONLY, MISSED, OPEN_WHY),
        Attack("mode of a directory", mode("photos", 0o1777), SOURCE_ONLY, MISSED,
            OPEN_WHY),
        Attack("mode of the root", mode("", 0o777), SOURCE_ONLY, MISSED, OPEN_WHY),
        Attack("owner", owner(FILE, 4321, -1), SOURCE_ONLY, MISSED, OPEN_WHY),
        Attack("group", owner(FILE, -1, 4321), SOURCE_ONLY, MISSED, OPEN_WHY),
        Attack("owner of a symlink", owner("link", 4321, -1), SOURCE_ONLY, MISSED,
            OPEN_WHY),
        Attack("time 0", time(FILE, 0), SOURCE_ONLY, MISSED, OPEN_WHY),
        Attack("a time in 1969", time(FILE, -1), SOURCE_ONLY, MISSED, OPEN_WHY),
        Attack("a time in 2446", time(FILE, (1 << 34) - (1 << 31) - 1), SOURCE_ONLY,
            MISSED, OPEN_WHY),
        Attack("time of a symlink", time("link", 5), SOURCE_ONLY, MISSED, OPEN_WHY),
        Attack("time of a directory", time("docs", 5), SOURCE_ONLY, MISSED, OPEN_WHY),
        Attack("an attribute removed", without_attribute, SOURCE_ONLY, MISSED,
            "nothing says what should be there"),
        Attack("a bit of an attribute's nonce",
            value(FILE, lambda data: bytes([data[0] ^ 1]) + data[1:]), ALL_FIND, FOUND,
            VALUE_WHY),
        Attack("a bit of an attribute's value",
            value(FILE, lambda data: data[:-1] + bytes([data[-1] ^ 1])), ALL_FIND, FOUND,
            VALUE_WHY),
        Attack("an attribute cut", value(FILE, lambda data: data[:20]), ALL_FIND, FOUND,
            VALUE_WHY),
        Attack("an attribute emptied", value(FILE, lambda _: b""), SOURCE_ONLY, MISSED,
            "an empty value is a value, too"),
        Attack("a bit of an attribute of a directory",
            value("docs", lambda data: data[:-1] + bytes([data[-1] ^ 1])), ALL_FIND,
            FOUND, VALUE_WHY),
        Attack("an attribute's name that does not decrypt", renamed, ALL_FIND, FOUND,
            "names of attributes decrypt only in one spelling"),
        Attack("two attributes of a file swapped", swapped_names, ALL_FIND, MISSED,
            VALUE_PLACE_WHY),
        Attack("an attribute of another file", from_other, ALL_FIND, MISSED,
            VALUE_PLACE_WHY),
        Attack("a plain attribute added", added("user.plain", b"x"), NOTHING, HARMLESS,
            FOREIGN_WHY),
        Attack("a capability added",
            added("security.capability", bytes.fromhex("0100000200000002") + bytes(12)),
            NOTHING, HARMLESS, FOREIGN_WHY),
        Attack("a trusted attribute added", added("trusted.overlay.opaque", b"y", "docs"),
            NOTHING, HARMLESS, FOREIGN_WHY),
        Attack("an ACL added", added("system.posix_acl_access", ACL), SOURCE_ONLY, MISSED,
            "ACLs are not encrypted"),
    ],
    metadata=True,
)  # fmt: skip


def old_attribute(copy: Copy) -> None:
    """Give an attribute back the value it had."""
    for name in os.listxattr(copy.old(FILE)):
        os.setxattr(copy.at(FILE), name, os.getxattr(copy.old(FILE), name))


def old_of_two(copy: Copy) -> None:
    """Take every second block of a file from its older version."""
    for number in (0, 2):
        splice_old(FILE, block(number), block(number + 1))(copy)


OLDER = Group(
    "H",
    "Older versions",
    [
        Attack("a file as it was", roll_back(FILE), SOURCE_ONLY, MISSED, OLD_WHY),
        Attack("a directory as it was", roll_back("docs"), SOURCE_ONLY, MISSED, OLD_WHY),
        Attack("a symlink as it was", roll_back("link"), SOURCE_ONLY, MISSED, OLD_WHY),
        Attack("everything as it was", roll_back(FILE, "docs", "link"), SOURCE_ONLY,
            MISSED, OLD_WHY),
        Attack("one block as it was", splice_old(FILE, block(1), block(2)), SOURCE_ONLY,
            MISSED, OLD_WHY),
        Attack("two of three blocks as they were", old_of_two, SOURCE_ONLY, MISSED,
            OLD_WHY),
        Attack("half a block as it was", splice_old(FILE, block(1), block(1) + 2000),
            ALL_FIND, FOUND, "the tag covers all of the block"),
        Attack("the nonce of a block as it was",
            splice_old(FILE, block(1), block(1) + 16), NOTHING, HARMLESS,
            "it follows from the path, so it is the same"),
    ],
)  # fmt: skip

OLD_ATTRIBUTES = Group(
    "H",
    "Older attributes (with `--metadata`)",
    [
        Attack("an attribute as it was", old_attribute, SOURCE_ONLY, MISSED, OLD_WHY),
    ],
    metadata=True,
)  # fmt: skip
