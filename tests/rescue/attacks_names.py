"""Groups D and E: long names, and symlinks."""

import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from stat import S_IFIFO

from tests.rescue.attacks_backup import LONG_DIR, LONG_FILE, LONG_FILE_2, Change, Copy
from tests.rescue.attacks_edits import HEADER, flip_at
from tests.rescue.attacks_kinds import (
    ALL_FIND,
    FOUND,
    HANG,
    MISSED,
    PUT_RIGHT,
    SOURCE_ONLY,
    Attack,
    Group,
)
from tests.rescue.attacks_tools import (
    Where,
    at,
    both,
    delete,
    directory,
    duplicate,
    entry,
    hard_link,
    lucky,
    name_file,
    node,
    remove,
    rewrite_link,
    swap,
    swap_names,
    symlink,
    with_unused_bits,
    write,
)
from tests.view.trees import hashed

LONG_WHY = "the entry is the hash of what is in its .name file"
PLACE_WHY = "ids follow from the path, in which the entry takes part"
NAME = name_file(LONG_FILE)


def other_hash(copy: Copy) -> None:
    """Move a long name and its `.name` file to another hash."""
    other = os.fsdecode(hashed(b"another name"))
    name_file(LONG_FILE)(copy).rename(copy.at("docs") / f"{other}.name")
    copy.at(LONG_FILE).rename(copy.at("docs") / other)


def long_entry(full: bytes, *, content: bytes = b"") -> Change:
    """Add a long name whose hash is right."""
    name = os.fsdecode(hashed(full))
    return both(
        write(entry("docs", name), content), write(entry("docs", f"{name}.name"), full)
    )


def second_spelling(copy: Copy) -> None:
    """Hash a name that is short enough not to be hashed."""
    long_entry(os.fsencode(copy.at("docs/letter").name))(copy)


def append(where: Where, data: bytes) -> Change:
    """Append bytes to a file."""
    return lambda copy: where(copy).write_bytes(where(copy).read_bytes() + data)


def turned(index: int) -> Callable[[str], str]:
    """Return what changes one character of a text."""

    def edit(text: str) -> str:
        changed = list(text)
        changed[index] = "A" if text[index] != "A" else "B"
        return "".join(changed)

    return edit


def other_name(copy: Copy) -> None:
    """Put the full name of a file into the `.name` file of another."""
    NAME(copy).write_bytes(name_file(LONG_FILE_2)(copy).read_bytes())


def to_other_directory(copy: Copy) -> None:
    """Move a file with a long name, and its `.name` file."""
    NAME(copy).rename(copy.at("photos") / NAME(copy).name)
    copy.at(LONG_FILE).rename(copy.at("photos") / copy.at(LONG_FILE).name)


def block_as_target(copy: Copy) -> None:
    """Make the only block of a file the target of a link."""
    block = urlsafe_b64encode(copy.at("README").read_bytes()[HEADER:]).decode()
    symlink(at("link"), block.rstrip("="))(copy)


def value_as_target(copy: Copy) -> None:
    """Make the sealed value of an attribute the target of a link."""
    [name] = os.listxattr(copy.at("docs"))
    value = urlsafe_b64encode(os.getxattr(copy.at("docs"), name)).decode()
    symlink(at("link"), value.rstrip("="))(copy)


LONG = Group(
    "D",
    "Long names (`gocryptfs.longname.*`)",
    [
        Attack(".name file deleted", delete(NAME), ALL_FIND, FOUND,
            "a hash cannot be turned back"),
        Attack(".name file of a directory deleted", delete(name_file(LONG_DIR)), ALL_FIND,
            FOUND, "a hash cannot be turned back"),
        Attack(".name file empty", write(NAME, b""), ALL_FIND, FOUND, LONG_WHY),
        Attack("a bit of a .name file", flip_at(NAME, 100), ALL_FIND, FOUND, LONG_WHY),
        Attack(".name file cut", lambda copy: os.truncate(NAME(copy), 100), ALL_FIND,
            FOUND, LONG_WHY),
        Attack("a line end in a .name file", append(NAME, b"\n"), ALL_FIND, MISSED,
            LONG_WHY),
        Attack("garbage in a .name file", write(NAME, bytes(range(256))), ALL_FIND, FOUND,
            LONG_WHY),
        Attack("10 MB in a .name file", write(NAME, b"A" * 10_000_000), ALL_FIND, FOUND,
            LONG_WHY),
        Attack("`../` in a .name file", write(NAME, b"../../etc/passwd"), ALL_FIND, FOUND,
            LONG_WHY),
        Attack("another file's name in a .name file", other_name, ALL_FIND, MISSED,
            LONG_WHY),
        Attack("a directory as .name file", directory(NAME), ALL_FIND, FOUND, LONG_WHY),
        Attack("a symlink as .name file", symlink(NAME, "/etc/passwd"), ALL_FIND, FOUND,
            LONG_WHY),
        Attack("a FIFO as .name file", node(NAME, S_IFIFO), ALL_FIND, HANG, LONG_WHY),
        Attack("two .name files swapped", swap_names(NAME, name_file(LONG_FILE_2)),
            PUT_RIGHT, MISSED,
            f"{LONG_WHY}, which tells whose it is; gocryptfs shows both names, too"),
        Attack("two files with long names swapped", swap(LONG_FILE, LONG_FILE_2),
            ALL_FIND, MISSED, PLACE_WHY),
        Attack("two files with long names swapped, and their .name files",
            both(swap(LONG_FILE, LONG_FILE_2), swap_names(NAME, name_file(LONG_FILE_2))),
            ALL_FIND, MISSED, f"{LONG_WHY}, and {PLACE_WHY}"),
        Attack("a file with a long name deleted, but not the .name file",
            remove(LONG_FILE), ALL_FIND, MISSED, "each .name file has an entry"),
        Attack("a file with a long name deleted, and its .name file",
            both(remove(LONG_FILE), delete(NAME)), SOURCE_ONLY, MISSED,
            "nothing says what should be there"),
        Attack("a long name under another hash", other_hash, ALL_FIND, FOUND, LONG_WHY),
        Attack("a long name added that does not decrypt", long_entry(b"A" * 342),
            ALL_FIND, FOUND, "names decrypt only in their directory"),
        Attack("a long name added that is no base64", long_entry(b"/../" * 75), ALL_FIND,
            FOUND, "names decrypt only in their directory"),
        Attack("a short name hashed, as a second entry for it", second_spelling, ALL_FIND,
            MISSED, "a name that fits is not hashed"),
        Attack("a .name file without an entry added",
            duplicate(LONG_FILE, entry("docs", os.fsdecode(hashed(b"x")) + ".name")),
            ALL_FIND, MISSED, LONG_WHY),
        Attack("a file with a long name moved to another directory", to_other_directory,
            ALL_FIND, FOUND, "names decrypt only in their directory"),
    ],
)  # fmt: skip

TARGET_WHY = "the target authenticates"
LINKED_WHY = "gocryptfs gives an object with several names the id of any of them"
LINK_PLACE_WHY = "the nonce of a target follows from the path of its link"

LINKS = Group(
    "E",
    "Symlinks",
    [
        Attack("two swapped", swap("docs/up", "docs/out"), ALL_FIND, MISSED,
            LINK_PLACE_WHY),
        Attack("two of two directories swapped", swap("link", "docs/up"), ALL_FIND,
            MISSED, LINK_PLACE_WHY),
        Attack("one made another name of another", hard_link("docs/up", "docs/out"),
            SOURCE_ONLY, MISSED, LINKED_WHY),
        Attack("one copied to a name that decrypts",
            lambda copy: symlink(lucky("docs"), os.readlink(copy.at("link")))(copy),
            ALL_FIND, MISSED, LINK_PLACE_WHY),
        Attack("a bit of the nonce", rewrite_link("link", turned(0)), ALL_FIND, FOUND,
            TARGET_WHY),
        Attack("a bit of the tag", rewrite_link("link", turned(30)), ALL_FIND, FOUND,
            TARGET_WHY),
        Attack("a bit of the target", rewrite_link("link", turned(-3)), ALL_FIND, FOUND,
            TARGET_WHY),
        Attack("cut", rewrite_link("link", lambda text: text[:-4]), ALL_FIND, FOUND,
            TARGET_WHY),
        Attack("cut within the nonce", rewrite_link("link", lambda text: text[:8]),
            ALL_FIND, FOUND, TARGET_WHY),
        Attack("longer", rewrite_link("link", lambda text: text + "AAAA"), ALL_FIND,
            FOUND, TARGET_WHY),
        Attack("spelled otherwise", rewrite_link("link", with_unused_bits), ALL_FIND,
            FOUND, "a target is written in one spelling"),
        Attack("a line end in the target", rewrite_link("link", lambda text: text + "\n"),
            ALL_FIND, MISSED, "a target is written in one spelling"),
        Attack("with padding", rewrite_link("link", lambda text: text + "=="), ALL_FIND,
            FOUND, "a target is written in one spelling"),
        Attack("a plain target", symlink(at("link"), "report.txt"), ALL_FIND, FOUND,
            TARGET_WHY),
        Attack("an absolute target", symlink(at("link"), "/etc/passwd"), ALL_FIND, FOUND,
            TARGET_WHY),
        Attack("a target that leads out", symlink(at("link"), "../../../../etc/passwd"),
            ALL_FIND, FOUND, TARGET_WHY),
        Attack("a link to itself",
            lambda copy: symlink(at("link"), copy.at("link").name)(copy), ALL_FIND, FOUND,
            TARGET_WHY),
        Attack("4095 random characters", symlink(at("link"), "A" * 4095), ALL_FIND, FOUND,
            TARGET_WHY),
        Attack("all zero", symlink(at("link"), "A" * 56), ALL_FIND, FOUND, TARGET_WHY),
        Attack("the first block of a file as target", block_as_target, ALL_FIND, FOUND,
            "the tag of a block covers the id of its file"),
        Attack("an attribute's value as target", value_as_target, ALL_FIND, MISSED,
            f"both are sealed alike, but {LINK_PLACE_WHY}"),
    ],
)  # fmt: skip
