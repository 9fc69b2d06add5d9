"""Ordered rules as rsync has them: the first that matches decides.

    + /home/*/Documents/***
    - *

Each line is `+ PATTERN` or `- PATTERN`; `include` and `exclude` may be written out. Empty
lines and lines that begin with `#` or `;` are comments. In patterns, `*`, `?` and `[…]`
match within a name, `**` matches slashes too, a slash in front anchors the pattern at the
root of the source, one at the end limits it to directories, and `/***` at the end stands
for a directory and everything in it. A pattern without a slash is about names anywhere.
As in rsync, a blank at the end belongs to the pattern, and a backslash is an ordinary
character in a pattern without `*`, `?` and `[`.

A directory that is left out takes along what is in it. Yet it stays visible, with nothing
else in it, where an include may match below: one that is higher up in the list, or one
that is anchored and names the directory as a part of what it is about, as
`+ /home/me/keep` does with `/home/me`. (`+ /home/***` does not: it is about `/home/me`
itself, and comes too late for that.)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from revcrypt.errors import FilterError
from revcrypt.view import glob
from revcrypt.view.gitignore import Line

_WORDS = {"+": True, "include": True, "-": False, "exclude": False}
_CACHED = 4096


@dataclass(frozen=True, slots=True)
class _Rule:
    number: int
    includes: bool
    name: str
    regex: re.Pattern[str]
    """What it matches, with a slash in front, and maybe one behind a directory."""
    only_directories: bool
    takes_directory: bool
    """Whether a directory has a slash behind it, so that `/***` matches it."""
    above: tuple[re.Pattern[str], ...]
    """What the directories above a match look like, from the root on."""
    is_open: bool
    """Whether the last of those may be followed by others, or there may be any at all."""

    def matches(self, path: str, *, is_dir: bool) -> bool:
        if self.only_directories and not is_dir:
            return False
        end = "/" if is_dir and self.takes_directory else ""
        return self.regex.fullmatch(f"/{path}{end}") is not None

    def may_match_below(self, directory: str) -> bool:
        names = directory.split("/")
        if len(names) > len(self.above) and not self.is_open:
            return False
        return all(above.fullmatch(name) for above, name in zip(self.above, names))

    def names_place_in(self, directory: str) -> bool:
        """Tell whether it is about something in a directory, and not about itself."""
        depth = directory.count("/") + 1
        return (
            depth <= len(self.above) - self.is_open
            and self.may_match_below(directory)
            and not self.matches(directory, is_dir=True)
        )

    def reaches(self, left_out: "_LeftOut") -> bool:
        """Tell whether it counts, as an include, below what others have left out."""
        return all(
            self.number < number or self.names_place_in(directory)
            for number, directory in left_out
        )


_LeftOut = tuple[tuple[int, str], ...]
"""Directories above each other, and the numbers of the rules that have left them out."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules say of a path.

    *left_out* is not empty if it is left out, also for a directory that is shown only for
    what may be below it.
    """

    shown: bool
    rule: str | None
    left_out: _LeftOut = ()


_SHOWN = Decision(shown=True, rule=None)


class FilterRules:
    """An ordered list of includes and excludes."""

    def __init__(self, lines: Iterable[Line]) -> None:
        """Understand *lines*; raises `FilterError`."""
        self._rules: list[_Rule] = []
        for line in lines:
            text = line.text.strip(b" \t\r")
            if text and not text.startswith((b"#", b";")):
                self._rules.append(_parse(len(self._rules), line))
        self._directories: dict[bytes, Decision] = {}

    def decide(self, path: bytes, *, is_dir: bool) -> Decision:
        """Return whether the entry at *path* is shown."""
        if not self._rules:
            return _SHOWN
        if is_dir:
            return self._directory(path)
        parent, _, _ = path.rpartition(b"/")
        return self._decide(glob.from_bytes(path), self._directory(parent), is_dir=False)

    def _directory(self, path: bytes) -> Decision:
        """Decide about a directory, and first about those that it is in."""
        unknown = []
        while path and path not in self._directories:
            unknown.append(path)
            path, _, _ = path.rpartition(b"/")
        decision = self._directories[path] if path else _SHOWN
        for path in reversed(unknown):
            decision = self._decide_directory(glob.from_bytes(path), decision)
            if len(self._directories) >= _CACHED:
                del self._directories[next(iter(self._directories))]
            self._directories[path] = decision
        return decision

    def _decide_directory(self, path: str, parent: Decision) -> Decision:
        decision = self._decide(path, parent, is_dir=True)
        if decision.shown:
            return decision
        is_needed = any(
            rule.includes
            and rule.may_match_below(path)
            and rule.reaches(decision.left_out)
            for rule in self._rules
        )
        return replace(decision, shown=is_needed)

    def _decide(self, path: str, parent: Decision, *, is_dir: bool) -> Decision:
        for rule in self._rules:
            if not rule.matches(path, is_dir=is_dir):
                continue
            if not rule.includes:
                # What reaches below this also reaches below what a later rule left out.
                above = [pair for pair in parent.left_out if pair[0] < rule.number]
                return Decision(False, rule.name, (*above, (rule.number, path)))
            if rule.reaches(parent.left_out):
                return Decision(shown=True, rule=rule.name)
        if parent.left_out:
            return replace(parent, shown=False)
        return _SHOWN


def _parse(number: int, line: Line) -> _Rule:
    text = glob.from_bytes(line.text.removesuffix(b"\r").lstrip(b" \t"))
    word, _, pattern = text.partition(" ")
    includes = _WORDS.get(word)
    # rsync ends a line at either of these.
    if includes is None or not pattern.strip() or "\r" in pattern or "\0" in pattern:
        raise FilterError(
            f"{line}: is no rule", hint="a rule looks like “+ /home/***” or “- *.tmp”"
        )
    if pattern.startswith(" "):
        raise FilterError(
            f"{line}: more than one blank", hint="a name that begins with one: - [ ]name"
        )
    entry = pattern.removesuffix("/")
    is_anchored = entry.startswith("/")
    try:
        pieces = glob.parse(_escape(entry.removeprefix("/")))
    except ValueError as error:
        raise FilterError(
            f"{line}: {error}", hint="a pattern that never matches would decide nothing"
        ) from None
    above, is_open = _above(pieces) if is_anchored else ([], True)
    if is_anchored:
        pieces.insert(0, "/")
    elif pieces[0] != glob.STARS:
        pieces[:0] = [glob.STARS, "/"]
    return _Rule(
        number,
        includes,
        name=str(line),
        regex=re.compile(glob.translate(pieces)),
        only_directories=entry != pattern,
        takes_directory=entry.endswith("/***"),
        above=tuple(re.compile(glob.translate(name)) for name in above),
        is_open=is_open,
    )


def _escape(pattern: str) -> str:
    """Return a pattern in which a backslash escapes, as it does not in all of rsync's."""
    return pattern if re.search(r"[*?[]", pattern) else pattern.replace("\\", "\\\\")


def _above(pieces: list[str]) -> tuple[list[list[str]], bool]:
    """Return the directories above a match, and whether others may follow them."""
    names = glob.split(pieces, "/")
    for position, name in enumerate(names):
        if glob.STARS in name:
            start = name[: name.index(glob.STARS) + 1]
            return [*names[:position], start], True
    return names[:-1], False
