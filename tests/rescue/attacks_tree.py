"""Group B: what is in directories."""

import os
from stat import S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK

from tests.rescue.attacks_backup import Copy, encrypted
from tests.rescue.attacks_ivs import empty_directory, iv, iv_of
from tests.rescue.attacks_kinds import (
    ALL_FIND,
    FOUND,
    MISSED,
    SOURCE_ONLY,
    Attack,
    Group,
    Ours,
)
from tests.rescue.attacks_tools import (
    at,
    both,
    directory,
    duplicate,
    entry,
    hard_link,
    lucky,
    move,
    node,
    remove,
    remove_path,
    spelled,
    swap,
    swap_names,
    symlink,
    with_unused_bits,
    write,
)

FILE = "ledger.db"
GONE_WHY = "nothing says what should be there"
NAME_WHY = "a name decrypts only in its directory, in one spelling"
LUCKY_WHY = "one random name in 256 decrypts, and what is empty belongs nowhere"
PLACE_WHY = "ids and IVs follow from the path"
TYPE_WHY = "a source may have this there, and it has no bytes that could tell"
LINK_WHY = "a link target authenticates, too"


def everything(copy: Copy) -> None:
    """Delete all but the config."""
    for path in copy.path.iterdir():
        if path != copy.config:
            remove_path(path)


GONE = [
    Attack("a file deleted", remove(FILE), SOURCE_ONLY, MISSED, GONE_WHY),
    Attack("an empty file deleted", remove("empty"), SOURCE_ONLY, MISSED, GONE_WHY),
    Attack("a directory deleted", remove("docs"), SOURCE_ONLY, MISSED, GONE_WHY),
    Attack("a symlink deleted", remove("link"), SOURCE_ONLY, MISSED, GONE_WHY),
    Attack("a FIFO deleted", remove("pipe"), SOURCE_ONLY, MISSED, GONE_WHY),
    Attack("a name of a file with two deleted", remove("twin"), SOURCE_ONLY, MISSED,
        GONE_WHY),
    Attack("everything deleted but the config", everything, ALL_FIND, FOUND,
        "even an empty root has an IV"),
    Attack("everything deleted but the config and the IV",
        both(everything, iv_of(at(""))), SOURCE_ONLY, MISSED, GONE_WHY),
]  # fmt: skip

ADDED = [
    Attack("a plain file added", write(entry("", "ransom.txt"), b"Pay!"), ALL_FIND, FOUND,
        NAME_WHY),
    Attack("a directory with a plain name added", directory(entry("docs", "tmp")),
        ALL_FIND, FOUND, NAME_WHY),
    Attack("a file with a random name added", write(entry("", "A" * 21 + "Q"), b""),
        ALL_FIND, FOUND, NAME_WHY),
    Attack("a name of 255 bytes added", write(entry("", "A" * 255), b""), ALL_FIND, FOUND,
        NAME_WHY),
    Attack("a name with a line end added",
        duplicate(FILE, spelled(FILE, lambda name: f"{name}\n")), ALL_FIND, MISSED,
        NAME_WHY),
    Attack("a name with control characters added", write(entry("", "\x1b[2J\r"), b""),
        ALL_FIND, FOUND, NAME_WHY),
    Attack("a name that is no UTF-8 added", write(entry("", "\udcff\udcfe"), b""),
        ALL_FIND, FOUND, NAME_WHY),
    Attack("another spelling of a name added",
        duplicate(FILE, spelled(FILE, with_unused_bits)), ALL_FIND, MISSED, NAME_WHY),
    Attack("the same name in upper case added", duplicate(FILE, spelled(FILE, str.upper)),
        ALL_FIND, FOUND, NAME_WHY),
    Attack("a name with padding added",
        duplicate(FILE, spelled(FILE, lambda name: f"{name}==")), ALL_FIND, FOUND,
        NAME_WHY),
    Attack("a file of rsync's left over",
        duplicate(FILE, spelled(FILE, ".{}.Ab12cD".format)), ALL_FIND, FOUND, NAME_WHY),
    Attack("a second config in a directory",
        write(entry("docs", "gocryptfs.conf"), b"{}"), ALL_FIND, FOUND,
        "only the root has one"),
    Attack("a copy of a file under a name that decrypts", duplicate(FILE, lucky("docs")),
        ALL_FIND, MISSED, PLACE_WHY),
    Attack("an empty file under a name that decrypts", write(lucky(""), b""), SOURCE_ONLY,
        MISSED, LUCKY_WHY),
    Attack("an empty directory under a name that decrypts",
        empty_directory(lucky("docs")), SOURCE_ONLY, MISSED, LUCKY_WHY),
    Attack("a FIFO under a name that decrypts", node(lucky(""), S_IFIFO), SOURCE_ONLY,
        MISSED, LUCKY_WHY),
    Attack("another name for a file", hard_link("exact.bin", lucky("")), SOURCE_ONLY,
        MISSED, "gocryptfs gives an object with several names the id of any of them"),
]  # fmt: skip

RENAMED = [
    Attack("a name spelled otherwise", move(FILE, spelled(FILE, with_unused_bits)),
        ALL_FIND, FOUND, NAME_WHY),
    Attack("a line end in a name", move(FILE, spelled(FILE, lambda name: name + "\n")),
        ALL_FIND, FOUND, NAME_WHY),
    Attack("a bit of a name",
        move(FILE, spelled(FILE, lambda name: chr(ord(name[0]) ^ 1) + name[1:])),
        ALL_FIND, FOUND, NAME_WHY),
    Attack("a file renamed to a name that decrypts", move(FILE, lucky("")), ALL_FIND,
        MISSED, PLACE_WHY),
    Attack("an empty file renamed to a name that decrypts", move("empty", lucky("")),
        SOURCE_ONLY, MISSED, LUCKY_WHY),
    Attack("a file moved to another directory",
        move(FILE, lambda copy: copy.at("docs") / copy.at(FILE).name), ALL_FIND, FOUND,
        NAME_WHY),
    Attack("a file moved to another directory, under a name that decrypts",
        move(FILE, lucky("docs")), ALL_FIND, MISSED, PLACE_WHY),
    Attack("a directory moved, under a name that decrypts",
        move("docs/deep", lucky("photos")), ALL_FIND, MISSED, PLACE_WHY),
    Attack("a directory moved and its IV made right",
        both(move("docs/deep", lucky("photos")), iv_of(lucky("photos"))), ALL_FIND, FOUND,
        "its names were not made with this IV"),
    Attack("two directories swapped", swap("docs", "photos"), ALL_FIND, MISSED,
        PLACE_WHY),
    Attack("two directories swapped, but not their IVs",
        both(swap("docs", "photos"), swap_names(iv("docs"), iv("photos"))), ALL_FIND,
        FOUND, "their names were not made with these IVs"),
    Attack("a directory copied over another",
        both(remove("photos"), duplicate("docs", at("photos"))), ALL_FIND, MISSED,
        PLACE_WHY),
]  # fmt: skip

REPLACED = [
    Attack("a file replaced by a symlink", symlink(at(FILE), "/etc/passwd"), ALL_FIND,
        FOUND, LINK_WHY),
    Attack("a file replaced by a FIFO", node(at(FILE), S_IFIFO), SOURCE_ONLY, MISSED,
        TYPE_WHY),
    Attack("a file replaced by a socket", node(at(FILE), S_IFSOCK), SOURCE_ONLY, MISSED,
        TYPE_WHY),
    Attack("a file replaced by /dev/zero", node(at(FILE), S_IFCHR, os.makedev(1, 5)),
        Ours(MISSED, FOUND, FOUND), MISSED,
        f"{TYPE_WHY}; devices are not restored, which is said"),
    Attack("a file replaced by a disk", node(at(FILE), S_IFBLK, os.makedev(8, 0)),
        Ours(MISSED, FOUND, FOUND), MISSED,
        f"{TYPE_WHY}; devices are not restored, which is said"),
    Attack("a file replaced by a directory", directory(at(FILE)), ALL_FIND, FOUND,
        "every directory has an IV"),
    Attack("a file replaced by a directory with its IV", empty_directory(at(FILE)),
        SOURCE_ONLY, MISSED, TYPE_WHY),
    Attack("a directory replaced by an empty one", empty_directory(at("docs")),
        SOURCE_ONLY, MISSED, GONE_WHY),
    Attack("a directory replaced by an empty file", write(at("docs"), b""), SOURCE_ONLY,
        MISSED, TYPE_WHY),
    Attack("a directory replaced by a file",
        both(remove("docs"), duplicate(FILE, at("docs"))), ALL_FIND, MISSED, PLACE_WHY),
    Attack("a directory replaced by a symlink to another",
        symlink(at("docs"), encrypted("photos")), ALL_FIND, FOUND, LINK_WHY),
    Attack("a directory replaced by a FIFO", node(at("docs"), S_IFIFO), SOURCE_ONLY,
        MISSED, TYPE_WHY),
    Attack("a symlink replaced by an empty file", write(at("link"), b""), SOURCE_ONLY,
        MISSED, TYPE_WHY),
    Attack("a symlink replaced by what it leads to",
        both(remove("link"), duplicate("report.txt", at("link"))), ALL_FIND, MISSED,
        PLACE_WHY),
    Attack("a FIFO replaced by an empty file", write(at("pipe"), b""), SOURCE_ONLY,
        MISSED, TYPE_WHY),
]  # fmt: skip

TREE = Group("B", "The tree", [*GONE, *ADDED, *RENAMED, *REPLACED])
