"""Group A: the bytes of files."""

import os

from tests.rescue.attacks_backup import Change, Copy
from tests.rescue.attacks_edits import (
    BLOCK,
    block,
    cut,
    extend,
    flip,
    put,
    rearrange,
    resize,
    rewrite,
    splice,
)
from tests.rescue.attacks_kinds import (
    ALL_FIND,
    FOUND,
    HANG,
    HARMLESS,
    MISSED,
    NOTHING,
    PUT_RIGHT,
    SOURCE_ONLY,
    Attack,
    Group,
)
from tests.rescue.attacks_tools import at, both, duplicate, hard_link, swap, write

FILE = "ledger.db"
"""Six blocks, of which the last is short."""
LAST = 5

HEADER_WHY = "the id follows from the path, and the blocks prove it"
TAG_WHY = "the tag of the block covers it"
NUMBER_WHY = "the tag of each block covers its number"
OWNER_WHY = "the tag of each block covers the id of its file"
PLACE_WHY = "the id of a file follows from its path"
ZERO_WHY = "a reverse view never shows zeroed blocks"
BOUNDARY_WHY = "what is left is whole, and no block says that it is the last"
SIZE_WHY = "no file of a reverse view has this size"


def separate(plain: str) -> Change:
    """Make a name of a file with several a file of its own."""

    def change(copy: Copy) -> None:
        aside = copy.path / "aside"
        duplicate(plain, lambda _: aside)(copy)
        aside.rename(copy.at(plain))

    return change


HEADERS = [
    Attack("version 0 in the header", flip(FILE, 1, 2), PUT_RIGHT, FOUND, HEADER_WHY),
    Attack("version 1 in the header", put(FILE, 0, b"\0\1"), PUT_RIGHT, FOUND,
        HEADER_WHY),
    Attack("version 0x0102", flip(FILE, 0), PUT_RIGHT, FOUND, HEADER_WHY),
    Attack("a bit of the file id", flip(FILE, 9), PUT_RIGHT, FOUND, HEADER_WHY),
    Attack("the file id zeroed", put(FILE, 2, bytes(16)), PUT_RIGHT, FOUND, HEADER_WHY),
    Attack("the header zeroed", put(FILE, 0, bytes(18)), PUT_RIGHT, FOUND, HEADER_WHY),
    Attack("the header of another file", splice(FILE, "report.txt", 0, 18), PUT_RIGHT,
        FOUND, HEADER_WHY),
    Attack("the header taken away", rewrite(FILE, lambda data: data[18:]), ALL_FIND,
        FOUND, "all blocks are 18 bytes from where they belong"),
]  # fmt: skip

FLIPS = [
    Attack("a bit of the first nonce", flip(FILE, block(0)), ALL_FIND, FOUND, TAG_WHY),
    Attack("a bit of a nonce", flip(FILE, block(3) + 15), ALL_FIND, FOUND, TAG_WHY),
    Attack("a bit of a tag", flip(FILE, block(2) + 16), ALL_FIND, FOUND, TAG_WHY),
    Attack("a bit of the ciphertext", flip(FILE, block(2) + 32), ALL_FIND, FOUND,
        TAG_WHY),
    Attack("a bit of the last byte", flip(FILE, -1, 128), ALL_FIND, FOUND, TAG_WHY),
    Attack("a nonce zeroed", put(FILE, block(2), bytes(16)), ALL_FIND, FOUND, TAG_WHY),
    Attack("random bytes instead of the content",
        rewrite(FILE, lambda data: os.urandom(len(data))), ALL_FIND, FOUND,
        "nothing authenticates"),
    Attack("a text instead of the content", write(at(FILE), b"Pay the ransom. " * 100),
        ALL_FIND, FOUND, "nothing authenticates"),
]  # fmt: skip

ZEROS = [
    Attack("the first block zeroed", put(FILE, block(0), bytes(BLOCK)), ALL_FIND, MISSED,
        ZERO_WHY),
    Attack("a block zeroed", put(FILE, block(3), bytes(BLOCK)), ALL_FIND, MISSED,
        ZERO_WHY),
    Attack("the short last block zeroed", put(FILE, block(LAST), bytes(732)), ALL_FIND,
        FOUND, ZERO_WHY),
    Attack("the last block zeroed and made a full one",
        put(FILE, block(LAST), bytes(BLOCK)), ALL_FIND, MISSED, ZERO_WHY),
    Attack("everything zeroed", rewrite(FILE, lambda data: bytes(len(data))), ALL_FIND,
        FOUND, ZERO_WHY),
    Attack("all blocks zeroed, but not the header",
        rewrite("exact.bin", lambda data: data[:18] + bytes(2 * BLOCK)), ALL_FIND, MISSED,
        ZERO_WHY),
]  # fmt: skip

CUTS = [
    Attack("cut to 0 bytes", cut(FILE, 0), SOURCE_ONLY, MISSED,
        "an empty file is a file, too"),
    Attack("cut to 1 byte", cut(FILE, 1), ALL_FIND, MISSED, SIZE_WHY),
    Attack("cut to 17 bytes", cut(FILE, 17), ALL_FIND, MISSED, SIZE_WHY),
    Attack("cut to its header", cut(FILE, 18), ALL_FIND, MISSED, SIZE_WHY),
    Attack("cut after 19 bytes", cut(FILE, 19), ALL_FIND, FOUND, SIZE_WHY),
    Attack("cut after 50 bytes", cut(FILE, 50), ALL_FIND, FOUND, SIZE_WHY),
    Attack("cut within the first block", cut(FILE, 2000), ALL_FIND, FOUND, TAG_WHY),
    Attack("cut within a block", cut(FILE, block(3) + 100), ALL_FIND, FOUND, TAG_WHY),
    Attack("cut within a tag", cut(FILE, block(3) + 20), ALL_FIND, FOUND, SIZE_WHY),
    Attack("cut by 1 byte", cut(FILE, -1), ALL_FIND, FOUND, TAG_WHY),
    Attack("cut between blocks", cut(FILE, block(3)), SOURCE_ONLY, MISSED, BOUNDARY_WHY),
    Attack("cut to one block", cut("exact.bin", block(1)), SOURCE_ONLY, MISSED,
        BOUNDARY_WHY),
]  # fmt: skip

EXTENSIONS = [
    Attack("1 byte more", extend(FILE, b"\0"), ALL_FIND, FOUND, TAG_WHY),
    Attack("1 byte more after a full block", extend("exact.bin", b"\0"), ALL_FIND, FOUND,
        SIZE_WHY),
    Attack("a block of zeros more", extend("exact.bin", bytes(BLOCK)), ALL_FIND, MISSED,
        ZERO_WHY),
    Attack("a short block of zeros more", extend("exact.bin", bytes(33)), ALL_FIND, FOUND,
        ZERO_WHY),
    Attack("a random block more", extend("exact.bin", os.urandom(BLOCK)), ALL_FIND, FOUND,
        TAG_WHY),
    Attack("its own first block again at the end", rearrange("exact.bin", [0, 1, 0]),
        ALL_FIND, FOUND, NUMBER_WHY),
    Attack("a terabyte of zeros more, as a hole", resize("exact.bin", block(1 << 28)),
        ALL_FIND, HANG, f"{ZERO_WHY}; a hole is known without reading it"),
    Attack("bytes added to an empty file", extend("empty", b"boo"), ALL_FIND, MISSED,
        SIZE_WHY),
]  # fmt: skip

ORDERS = [
    Attack("two blocks swapped", rearrange(FILE, [0, 2, 1, 3, 4, 5]), ALL_FIND, FOUND,
        NUMBER_WHY),
    Attack("a block there twice", rearrange(FILE, [0, 1, 1, 3, 4, 5]), ALL_FIND, FOUND,
        NUMBER_WHY),
    Attack("a block left out", rearrange(FILE, [0, 1, 3, 4, 5]), ALL_FIND, FOUND,
        NUMBER_WHY),
    Attack("a block put in", rearrange(FILE, [0, 1, 1, 2, 3, 4, 5]), ALL_FIND, FOUND,
        NUMBER_WHY),
    Attack("blocks in reverse order", rearrange("exact.bin", [1, 0]), ALL_FIND, FOUND,
        NUMBER_WHY),
    Attack("a block of another file", splice(FILE, "photos/beach", block(2), block(3)),
        ALL_FIND, FOUND, OWNER_WHY),
    Attack("all blocks of another file under its own header",
        splice("photos/beach", "photos/harbour", 18, block(7)), ALL_FIND, FOUND,
        OWNER_WHY),
]  # fmt: skip

PLACES = [
    Attack("two files swapped", swap("photos/beach", "photos/harbour"), ALL_FIND, MISSED,
        PLACE_WHY),
    Attack("two files of two directories swapped", swap("docs/letter", "photos/letter"),
        ALL_FIND, MISSED, PLACE_WHY),
    Attack("a file copied over another", duplicate("report.txt", at(FILE)), ALL_FIND,
        MISSED, PLACE_WHY),
    Attack("a file copied over an empty one", duplicate("report.txt", at("empty")),
        ALL_FIND, MISSED, PLACE_WHY),
    Attack("two empty files swapped", swap("empty", "docs/blank"), NOTHING, HARMLESS,
        "empty files are alike"),
    Attack("the config copied over a file",
        lambda copy: copy.at(FILE).write_bytes(copy.config.read_bytes()), ALL_FIND, FOUND,
        "nothing authenticates"),
    Attack("a file with two names copied over another", duplicate("twin", at("README")),
        SOURCE_ONLY, MISSED,
        "the id of an object with several names cannot depend on any of them"),
    Attack("two files with two names swapped",
        both(swap("twin", "pair"), swap("docs/twin", "photos/pair")), SOURCE_ONLY, MISSED,
        "the id of an object with several names cannot depend on any of them"),
    Attack("a file made another name of one", hard_link("exact.bin", FILE), SOURCE_ONLY,
        MISSED, "gocryptfs gives an object with several names the id of any of them"),
    Attack("two names of a file made two files", separate("twin"), NOTHING, HARMLESS,
        "a pull without -H makes the same copy"),
]  # fmt: skip

CONTENT = Group(
    "A",
    "The bytes of files",
    [*HEADERS, *FLIPS, *ZEROS, *CUTS, *EXTENSIONS, *ORDERS, *PLACES],
)
