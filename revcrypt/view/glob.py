"""Shell patterns as git and rsync know them (both have the same `wildmatch`).

Names are bytes, and a pattern sees them byte by byte, as git and rsync do: `?` matches
one byte. Here bytes are handled as text in which every character stands for one byte
(ISO 8859-1), so that regular expressions can be used.

A pattern that could never match is an error: it would leave out nothing, unnoticed.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

STAR = "*"
STARS = "**"
"""Two or more of them; what they mean depends on whose pattern it is."""

_CLASSES: dict[str, Callable[[str], bool]] = {
    "alnum": str.isalnum,
    "alpha": str.isalpha,
    "blank": lambda c: c in " \t",
    "cntrl": lambda c: ord(c) < 32 or ord(c) == 127,
    "digit": str.isdigit,
    "graph": lambda c: 32 < ord(c) < 127,
    "lower": str.islower,
    "print": lambda c: 32 <= ord(c) < 127,
    "punct": lambda c: 32 < ord(c) < 127 and not c.isalnum(),
    "space": lambda c: c in " \t\n\v\f\r",
    "upper": str.isupper,
    "xdigit": lambda c: c in "0123456789abcdefABCDEF",
}
_CLASS = re.compile(r"\[:([^]]*):\]")
_ASCII = [chr(number) for number in range(128)]
_BYTES = [chr(number) for number in range(256)]

_NEWLINE = str.maketrans("\n", "\u0100")

T = TypeVar("T")


def from_bytes(data: bytes) -> str:
    """Return bytes as text for matching.

    A newline in a name becomes a character that no byte stands for: regular expressions
    treat it specially in many places, and one that was overlooked would be a hole.
    """
    return data.decode("latin-1").translate(_NEWLINE)


def parse(pattern: str) -> list[str]:
    """Return the pieces of a pattern.

    These are `/`, `STAR`, `STARS`, and regular expressions that match one character.
    Raises `ValueError` for what never matches, and for a slash that is not what it seems.
    """
    pieces = []
    rest = pattern
    while rest:
        char, rest = rest[0], rest[1:]
        match char:
            case "*":
                pieces.append(STARS if rest.startswith("*") else STAR)
                rest = rest.lstrip("*")
            case "?":
                pieces.append("[^/]")
            case "[":
                members, rest = _bracket(rest)
                pieces.append(members)
            case "\\":
                if rest[:1] in ("", "/"):
                    raise ValueError("a backslash with nothing to escape")
                pieces.append(re.escape(rest[0]))
                rest = rest[1:]
            case _:
                pieces.append(re.escape(char))
    for name in split(pieces, "/"):
        if "".join(name) in ("", r"\.", r"\.\."):
            raise ValueError("an empty name, “.” or “..”")
    return pieces


def split(pieces: Sequence[T], separator: T) -> list[list[T]]:
    """Split a sequence where *separator* is, as `str.split` does."""
    parts: list[list[T]] = [[]]
    for piece in pieces:
        if piece == separator:
            parts.append([])
        else:
            parts[-1].append(piece)
    return parts


def translate(pieces: Sequence[str]) -> str:
    """Return a regular expression in which `STAR` matches no slash, and `STARS` does.

    What is between two stars is matched where it first can be, and there only. If any
    place will do, then that one does; and the time that it takes stays bounded.
    """
    return _join(".*?", [_translate_names(part) for part in split(pieces, STARS)])


def _translate_names(pieces: Sequence[str]) -> str:
    return "/".join(
        _join("[^/]*?", ["".join(part) for part in split(name, STAR)])
        for name in split(pieces, "/")
    )


def _join(star: str, parts: list[str]) -> str:
    first, *others = parts
    if not others:
        return first
    *middle, last = others
    return f"{first}{''.join(f'(?>{star}{part})' for part in middle)}{star}{last}"


def _bracket(rest: str) -> tuple[str, str]:
    """Return the expression for what follows a `[`, and what follows its `]`."""
    negated = rest[:1] in ("!", "^")
    members: set[str] = set()
    position = start = int(negated)
    while position == start or rest[position : position + 1] != "]":
        named = _CLASS.match(rest, position)
        if named is not None:
            members |= _named(named[1])
            position = named.end()
            continue
        first, position = _member(rest, position)
        members.add(first)
        if rest[position : position + 1] == "-" and rest[position + 1 :][:1] != "]":
            last, position = _member(rest, position + 1)
            if first > last:
                raise ValueError(f"an empty range {first}-{last}")
            members |= {chr(number) for number in range(ord(first), ord(last) + 1)}
    if negated:
        members = set(_BYTES) - members
    members = {char.translate(_NEWLINE) for char in members} - {"/"}
    if not members:
        raise ValueError("brackets that match nothing")
    return f"[{''.join(map(re.escape, sorted(members)))}]", rest[position + 1 :]


def _member(rest: str, position: int) -> tuple[str, int]:
    """Return one character of a bracket expression, and the position behind it."""
    if rest[position : position + 1] == "\\":
        position += 1
    if position >= len(rest):
        raise ValueError("an opening bracket without a closing one")
    if rest[position] == "/":
        raise ValueError("a slash in brackets, which match none")
    return rest[position], position + 1


def _named(name: str) -> set[str]:
    if name not in _CLASSES:
        raise ValueError(f"an unknown class [:{name}:]")
    return {char for char in _ASCII if _CLASSES[name](char)}
