"""A master key as people type it from paper: eight lines, each with a check of its own.

    1: 0001 0203 9d5e
    2: 0405 0607 1f2c
    …

A line has its number, eight digits of the key (a group of gocryptfs's notation) and four
digits of check: CRC-16/XMODEM of the number as one byte and the four bytes of the key. It
finds every error within four digits that follow each other, so each wrong or missing
digit and each exchange of neighbours is found, in its line. What looks alike and is no
digit (the letters O, l and I) is taken for the digit that it looks like.
"""

import re
from binascii import crc_hqx

from revcrypt.errors import MasterKeyError
from revcrypt.format.keys import parse_master_key

GROUPS = 8
_GROUP_SIZE = 4
"""Bytes of a key in one line."""
_DIGITS = 12
_LOOK_ALIKE = str.maketrans("oOlI|", "00111")
_NUMBERED = re.compile(r"([0-9]+)\s*[:.)]\s*(.*)", re.DOTALL)
_MARK = re.compile(rf"(?<![0-9a-fA-F])([1-{GROUPS}]):")
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_HINT = "compare it with the sheet; 8 and B, 6 and b, 0 and D look alike"


def lines(master_key: bytes) -> list[str]:
    """Return the lines that say *master_key* (32 bytes)."""
    return [
        _line(number, master_key[start : start + _GROUP_SIZE])
        for number, start in enumerate(range(0, len(master_key), _GROUP_SIZE), 1)
    ]


def _line(number: int, part: bytes) -> str:
    digits = part.hex()
    return f"{number}: {digits[:4]} {digits[4:]} {_check(number, part):04x}"


def _check(number: int, part: bytes) -> int:
    return crc_hqx(bytes([number]) + part, 0)


def parse(text: str) -> bytes:
    """Return the master key in *text*: as gocryptfs has it, as lines, or a whole sheet.

    Raises `MasterKeyError`, which says where the error is and never repeats the text.
    """
    typed = [line for line in text.splitlines() if line.strip()]
    try:
        return parse_master_key(text)
    except MasterKeyError:
        if len(typed) != GROUPS and ":" not in text:
            raise
    if len(typed) != GROUPS:
        # Lines were joined, or one was cut in two. Their numbers still tell them apart.
        typed = _split(text)
    return b"".join(parse_line(number, line) for number, line in enumerate(typed, 1))


def _split(text: str) -> list[str]:
    marks = list(_MARK.finditer(text))
    for number in range(1, GROUPS + 1):
        if len(marks) < number or marks[number - 1][1] != str(number):
            raise MasterKeyError(
                f"line {number} of the master key is missing", hint=_HINT
            )
    starts = [mark.start() for mark in marks[:GROUPS]]
    # After a blank line, a sheet speaks of other things.
    end = _BLANK_LINE.search(text, starts[-1])
    ends = [*starts[1:], len(text) if end is None else end.start()]
    return [text[start:end] for start, end in zip(starts, ends)]


def parse_line(number: int, text: str) -> bytes:
    """Return the four bytes of a line, typed with its number or without.

    Raises `MasterKeyError`.
    """
    text = text.strip()
    numbered = _NUMBERED.fullmatch(text)
    if numbered is not None:
        if numbered[1] != str(number):
            raise _wrong(number, "begins with another number")
        text = numbered[2]
    digits = "".join(text.split()).replace("-", "").translate(_LOOK_ALIKE)
    if not re.fullmatch("[0-9a-fA-F]*", digits):
        raise _wrong(number, "has something that is no digit")
    if len(digits) != _DIGITS:
        raise _wrong(number, f"has {len(digits)} digits, not {_DIGITS}")
    data = bytes.fromhex(digits)
    part, check = data[:_GROUP_SIZE], data[_GROUP_SIZE:]
    if _check(number, part) != int.from_bytes(check):
        raise _wrong(number, "is mistyped")
    return part


def _wrong(number: int, what: str) -> MasterKeyError:
    return MasterKeyError(f"line {number} of the master key {what}", hint=_HINT)
