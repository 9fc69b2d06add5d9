"""Patterns as in `.gitignore` (gitignore(5)), asked about one entry at a time.

The libraries for this let `[!x]` match a slash, know no `[[:alpha:]]`, read `dir/***` and
blanks at the end differently, and take no names in bytes (`pathspec` 1.1, the best one,
decides otherwise than git in 0.8 % of random cases). A filter that fails uploads what it
should not, so this does what git does, and the tests hold it against git.

What git reads as a pattern that never matches is an error here, and so is what nobody
means: an empty range, a slash in brackets, an escaped slash. Where releases of git differ
(`a**/b`, mended in 2025), the manual counts: `**` that is a part of a name is like `*`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from revcrypt.errors import FilterError
from revcrypt.view import glob

_ANY = [glob.STARS]
"""The part of a pattern that stands for any number of directories."""


@dataclass(frozen=True, slots=True)
class Line:
    """One pattern. *origin* tells the user where it comes from."""

    origin: str
    text: bytes

    def __str__(self) -> str:
        """Return how messages show it."""
        return f"{self.origin}: {self.text.decode(errors='replace')}"


@dataclass(frozen=True, slots=True)
class _Rule:
    regex: re.Pattern[str]
    excludes: bool
    only_directories: bool
    name: str

    def matches(self, path: str, *, is_dir: bool) -> bool:
        if self.only_directories and not is_dir:
            return False
        return self.regex.fullmatch(path) is not None


class GitIgnore:
    """A list of patterns, of which the last one that matches decides."""

    def __init__(self, lines: Iterable[Line]) -> None:
        """Understand *lines*; raises `FilterError` for what could never match."""
        rules = [_parse(line) for line in lines]
        self._rules = [rule for rule in rules if rule is not None][::-1]

    def decide(self, path: bytes, *, is_dir: bool) -> tuple[bool, str] | None:
        """Return whether an entry of a directory that is shown is excluded, and why.

        None if no pattern is about it.
        """
        if not self._rules:
            return None
        text = glob.from_bytes(path)
        for rule in self._rules:
            if rule.matches(text, is_dir=is_dir):
                return rule.excludes, rule.name
        return None


def _parse(line: Line) -> _Rule | None:
    text = _without_blanks(glob.from_bytes(line.text).removesuffix("\r"))
    if not text or text.startswith("#"):
        return None
    positive = text.removeprefix("!")
    pattern = positive.removesuffix("/")
    is_anchored = "/" in pattern
    try:
        if "\0" in pattern:
            raise ValueError("a NUL byte")
        names = glob.split(glob.parse(pattern.removeprefix("/")), "/")
    except ValueError as error:
        raise FilterError(
            f"{line}: {error}",
            hint="a pattern that never matches would leave nothing out",
        ) from None
    return _Rule(
        re.compile(_translate(names if is_anchored else [_ANY, *names])),
        excludes=positive == text,
        only_directories=pattern != positive,
        name=str(line),
    )


def _without_blanks(text: str) -> str:
    """Return *text* without the spaces at its end, but for one behind a backslash."""
    stripped = text.rstrip(" ")
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    return text[: len(stripped) + backslashes % 2]


def _translate(names: list[list[str]]) -> str:
    """Return a regular expression for a pattern, of which *names* are the parts."""
    first, *others = [
        "/".join(map(_translate_name, part)) for part in glob.split(names, _ANY)
    ]
    if not others:
        return first
    *middle, last = others
    return "".join(
        [
            first and f"{first}/",
            # Any place where it fits will do, so the first one does.
            *(f"(?>(?:[^/]+/)*?{part}/)" for part in middle if part),
            f"(?:[^/]+/)*{last}" if last else ".+",
        ]
    )


def _translate_name(name: list[str]) -> str:
    return glob.translate([glob.STAR if piece == glob.STARS else piece for piece in name])
