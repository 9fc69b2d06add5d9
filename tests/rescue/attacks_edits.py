"""What attackers do to bytes of files, as functions that return what is to be done."""

import os
from collections.abc import Callable

from tests.rescue.attacks_backup import Change, Copy
from tests.rescue.attacks_tools import Where

HEADER = 18
BLOCK = 4128


def block(number: int) -> int:
    """Return where a block of a file begins."""
    return HEADER + number * BLOCK


def rewrite(plain: str, edit: Callable[[bytes], bytes]) -> Change:
    """Give a file other bytes, made from its own."""

    def change(copy: Copy) -> None:
        path = copy.at(plain)
        path.write_bytes(edit(path.read_bytes()))

    return change


def flip(plain: str, offset: int, mask: int = 1) -> Change:
    """Flip bits of one byte of a file; an *offset* below 0 counts from its end."""

    def edit(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[offset] ^= mask
        return bytes(changed)

    return rewrite(plain, edit)


def put(plain: str, offset: int, new: bytes) -> Change:
    """Put *new* over the bytes of a file from *offset* on."""
    return rewrite(plain, lambda data: data[:offset] + new + data[offset + len(new) :])


def cut(plain: str, size: int) -> Change:
    """Truncate a file; a *size* below 0 takes bytes from its end."""
    return rewrite(plain, lambda data: data[:size])


def extend(plain: str, more: bytes) -> Change:
    """Append bytes to a file."""
    return rewrite(plain, lambda data: data + more)


def resize(plain: str, size: int) -> Change:
    """Make a file longer with a hole."""

    def change(copy: Copy) -> None:
        os.truncate(copy.at(plain), size)

    return change


def rearrange(plain: str, order: list[int]) -> Change:
    """Put the blocks of a file in another order; some may be there twice, or not."""

    def edit(data: bytes) -> bytes:
        return data[:HEADER] + b"".join(data[block(n) : block(n + 1)] for n in order)

    return rewrite(plain, edit)


def splice(plain: str, other: str, start: int, end: int) -> Change:
    """Put bytes of another file into one, at the same place."""

    def change(copy: Copy) -> None:
        new = copy.at(other).read_bytes()[start:end]
        put(plain, start, new)(copy)

    return change


def splice_old(plain: str, start: int, end: int) -> Change:
    """Put bytes of the older version of a file into it, at the same place."""

    def change(copy: Copy) -> None:
        put(plain, start, copy.old(plain).read_bytes()[start:end])(copy)

    return change


def flip_at(where: Where, offset: int) -> Change:
    """Flip a bit of a file."""

    def change(copy: Copy) -> None:
        data = bytearray(where(copy).read_bytes())
        data[offset] ^= 1
        where(copy).write_bytes(data)

    return change
