"""The lines of a sheet: every slip of whoever types them is found in its line."""

import re
import string
from binascii import crc_hqx

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcrypt.errors import MasterKeyError
from revcrypt.format.keys import format_master_key
from revcrypt.recovery import paper
from tests.support import KEY

KEYS = [KEY, bytes(32), b"\xff" * 32, bytes(range(224, 256))]
TYPED = string.printable
"""All of ASCII that a keyboard has, blanks and line ends among them."""

keys = pytest.mark.parametrize("key", KEYS, ids=bytes.hex)


def is_located(key: bytes, typed: str, *lines: int) -> bool:
    """Tell whether an error in *typed* is found in one of *lines*, or did no harm."""
    try:
        return paper.parse(typed) == key
    except MasterKeyError as error:
        match = re.match(r"line (\d) of the master key ", str(error))
        return match is not None and int(match[1]) in lines


def sheet(key: bytes) -> str:
    """Return what is typed."""
    return "\n".join(paper.lines(key))


def line_at(text: str, at: int) -> int:
    """Return the number of the line that position *at* belongs to; so does its end."""
    return text.count("\n", 0, at) + 1


def test_layout() -> None:
    """A line is its number, eight digits and the check that the docstring describes."""
    assert paper.lines(KEY)[0] == f"1: 0001 0203 {crc_hqx(bytes([1, 0, 1, 2, 3]), 0):04x}"
    assert len(paper.lines(KEY)) == 8


@given(st.binary(min_size=32, max_size=32))
def test_round_trip(key: bytes) -> None:
    """What is typed as it stands is the key, in both notations."""
    assert paper.parse(sheet(key)) == key
    assert paper.parse(format_master_key(key)) == key


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda text: text.replace("\n", " "),
        lambda text: text.replace(" ", ""),
        lambda text: text.replace("\n", "\r\n") + "\r\n\r\n",
        lambda text: re.sub(r"^(\d): ", r"  \1) ", text, flags=re.MULTILINE).replace(
            "1)", "1:", 1
        ),
        lambda text: text.replace("0", "O").replace(" 1", " l"),
        lambda text: text.replace("\n2: ", "\n"),
        lambda text: re.sub("^.: ", "", text, flags=re.MULTILINE),
        lambda text: f"A key: mine\n\n{text}\n\nprinted on: 2026-11-26\n7: x\n",
    ],
)
def test_as_people_type(change) -> None:
    """Case, blanks, line ends and look-alikes do not matter."""
    assert paper.parse(change(sheet(KEY))) == KEY


@keys
def test_every_wrong_character(key: bytes) -> None:
    """Every character exchanged for every other is found in its line."""
    text = sheet(key)
    for at, right in enumerate(text):
        line = line_at(text, at)
        lines = (line, line + 1) if right == "\n" else (line,)
        for wrong in TYPED:
            assert is_located(key, text[:at] + wrong + text[at + 1 :], *lines), (
                at,
                wrong,
            )


@keys
def test_every_wrong_digit_is_an_error(key: bytes) -> None:
    """A digit exchanged for another one never gives a key at all."""
    text = sheet(key)
    digits = "0123456789abcdef"
    for at, right in enumerate(text):
        for wrong in set(digits) - {right}:
            if right in digits:
                with pytest.raises(MasterKeyError, match=f"line {line_at(text, at)} "):
                    paper.parse(text[:at] + wrong + text[at + 1 :])


@keys
def test_every_lost_added_or_swapped_character(key: bytes) -> None:
    """So is every character that is missing, one too many, or changed places."""
    text = sheet(key)
    for at in range(len(text)):
        line = line_at(text, at)
        assert is_located(
            key, text[:at] + text[at + 1 :], line, line + (text[at] == "\n")
        )
        swapped = text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
        near = {line, line_at(text, at + 1), line_at(text, at + 2)}
        assert is_located(key, swapped, *near), at
        for added in TYPED:
            near = {line, line_at(text, max(at - 1, 0))}
            assert is_located(key, text[:at] + added + text[at:], *near), (at, added)


def test_lines_in_the_wrong_order() -> None:
    """Lines that have changed places are no key, even without their numbers."""
    lines = paper.lines(KEY)
    lines[2], lines[4] = lines[4], lines[2]
    with pytest.raises(MasterKeyError, match=r"line 3 .*another number"):
        paper.parse("\n".join(lines))
    with pytest.raises(MasterKeyError, match=r"line 3 .*mistyped"):
        paper.parse_line(3, lines[2][3:])
    for missing in range(8):
        rest = [line for at, line in enumerate(paper.lines(KEY)) if at != missing]
        with pytest.raises(MasterKeyError, match=f"line {missing + 1} "):
            paper.parse("\n".join(rest))
