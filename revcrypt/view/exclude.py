"""What is left out of a reverse view, and why.

Every kind of rule can hide an entry, and none shows what another hides. Whatever is in a
hidden directory is hidden with it: nobody gets there. The root is never hidden, nor is
the config of the view. What cannot be found out is an error of that one entry: a client
that deletes what has gone from the source must not take an error for that.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK
from typing import NamedTuple

from revcrypt.errors import FilterError
from revcrypt.view.filter_rules import FilterRules
from revcrypt.view.gitignore import GitIgnore
from revcrypt.view.inode_flags import is_nodump
from revcrypt.view.nodes import Node
from revcrypt.view.source import NotRegularError, Source, open_regular

CACHE_TAG = b"CACHEDIR.TAG"
CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
"""How a `CACHEDIR.TAG` begins (Cache Directory Tagging Specification)."""
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


class Verdict(NamedTuple):
    """Whether an entry is hidden. *rule* says what has decided, if anything has."""

    hidden: bool
    rule: str | None = None


SHOWN = Verdict(hidden=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclude:
    """Everything that decides what is left out.

    *paths* maps paths, as `literal_path` gives them, to the rule that names them.
    *if_present* are names that mark the directory that they are in. *larger_than* is in
    bytes of plaintext.
    """

    paths: Mapping[bytes, str] = field(default_factory=dict)
    ignore: GitIgnore = field(default_factory=lambda: GitIgnore(()))
    rules: FilterRules = field(default_factory=lambda: FilterRules(()))
    caches: bool = False
    if_present: Sequence[bytes] = ()
    nodump: bool = False
    larger_than: int | None = None
    special: bool = False
    one_file_system: bool = False

    def judge_path(self, path: bytes) -> Verdict:
        """Judge what can be judged without touching the entry at *path*."""
        rule = self.paths.get(path)
        return SHOWN if rule is None else Verdict(hidden=True, rule=rule)

    def judge_unknown(self, path: bytes) -> Verdict:
        """Judge an entry whose kind cannot be found out: hidden if any kind would be."""
        verdicts = [self._judge_name(path, is_dir=is_dir) for is_dir in (True, False)]
        return max(verdicts, key=lambda verdict: verdict.hidden)

    def judge(
        self,
        path: bytes,
        source: Source,
        parent: Node,
        name: bytes,
        status: os.stat_result,
    ) -> Verdict:
        """Judge the entry *name* of a directory that is shown; *path* is its path."""
        verdict = self._judge_name(path, is_dir=S_ISDIR(status.st_mode))
        if verdict.hidden:
            return verdict
        rule = self._judge_object(source, parent, name, status)
        return verdict if rule is None else Verdict(hidden=True, rule=rule)

    def _judge_name(self, path: bytes, *, is_dir: bool) -> Verdict:
        ignored = self.ignore.decide(path, is_dir=is_dir)
        if ignored is not None and ignored[0]:
            return Verdict(*ignored)
        decision = self.rules.decide(path, is_dir=is_dir)
        if decision.rule is None and ignored is not None:
            return Verdict(*ignored)
        return Verdict(not decision.shown, decision.rule)

    def _judge_object(
        self, source: Source, parent: Node, name: bytes, status: os.stat_result
    ) -> str | None:
        """Return the rule that hides an entry for what it is or where it is."""
        mode = status.st_mode
        if self.special and _is_special(mode):
            return "exclude-special"
        limit = self.larger_than
        if limit is not None and S_ISREG(mode) and status.st_size > limit:
            return "exclude-larger-than"
        if self.nodump and is_nodump(source.dir_fd(parent), name):
            return "exclude-nodump"
        if name in self.if_present or (self.caches and name == CACHE_TAG):
            # Restored, they say what they say now.
            return None
        tag = self._tag(source, parent)
        return None if tag is None else f"{os.fsdecode(tag)} beside it"

    def _tag(self, source: Source, parent: Node) -> bytes | None:
        """Return the entry that marks a directory as one whose content is left out."""
        for name in self.if_present:
            try:
                source.stat_entry(parent, name)
            except FileNotFoundError:
                continue
            return name
        if self.caches and _is_cache(source, parent):
            return CACHE_TAG
        return None


def _is_special(mode: int) -> bool:
    return S_ISSOCK(mode) or S_ISFIFO(mode) or S_ISCHR(mode) or S_ISBLK(mode)


def _is_cache(source: Source, directory: Node) -> bool:
    try:
        fd, _ = open_regular(source.dir_fd(directory), CACHE_TAG)
    except (FileNotFoundError, NotRegularError):
        return False
    try:
        return os.read(fd, len(CACHE_SIGNATURE)) == CACHE_SIGNATURE
    finally:
        os.close(fd)


def literal_path(path: bytes) -> bytes:
    """Return *path*, from the source's root, as `Exclude.paths` has it.

    Raises `FilterError` for the root itself and for what leads out of it.
    """
    names = [name for name in path.split(b"/") if name not in (b"", b".")]
    shown = os.fsdecode(path)
    if not names:
        raise FilterError(
            f"exclude={shown} leaves out everything", hint="name a path in the source"
        )
    if b".." in names:
        raise FilterError(
            f"exclude={shown} leads out of the source",
            hint="paths start at the root of the source",
        )
    return b"/".join(names)


def parse_size(text: str) -> int:
    """Return a size in bytes: a number, maybe with K, M, G or T (powers of 1024)."""
    match = re.fullmatch(r"([0-9]{1,18})(?:([KMGT])I?)?B?", text.strip().upper())
    if match is None:
        raise FilterError(f"{text} is no size", hint="a size looks like 500K or 10M")
    return int(match[1]) << (10 * _UNITS[match[2] or ""])
