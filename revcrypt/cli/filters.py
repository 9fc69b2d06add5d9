"""What is left out: the options, the same in every language in which they are given."""

import argparse
import codecs
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revcrypt.errors import FilterError
from revcrypt.view.exclude import Exclude, literal_path, parse_size
from revcrypt.view.filter_rules import FilterRules
from revcrypt.view.gitignore import GitIgnore, Line
from revcrypt.view.mounts import read_mounts

LISTS = {
    "exclude": ("PATH", "leave out PATH, from the root of PLAINDIR; taken literally"),
    "exclude-wildcard": ("PATTERN", "leave out what a line of .gitignore would"),
    "exclude-from": ("FILE", "read such patterns from FILE, after all wildcards"),
    "filter-from": (
        "FILE",
        "read ordered rules from FILE, as of rsync; the first that matches decides",
    ),
    "exclude-if-present": (
        "NAME",
        "leave out what is in directories with an entry NAME, such as .nobackup",
    ),
}
"""Options that may be given several times: metavar and help."""
VALUES = {
    "exclude-larger-than": (
        "SIZE",
        "leave out files of more than SIZE, such as 500K or 2G",
    )
}
SWITCHES = {
    "exclude-caches": "leave out what is in directories with a valid CACHEDIR.TAG",
    "exclude-nodump": "leave out what is marked with chattr +d",
    "exclude-special": "leave out sockets, FIFOs and devices",
    "one-file-system": "show directories where another filesystem is mounted as empty",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The options above, as they were given."""

    exclude: Sequence[str] = ()
    exclude_wildcard: Sequence[str] = ()
    exclude_from: Sequence[str] = ()
    filter_from: Sequence[str] = ()
    exclude_if_present: Sequence[str] = ()
    exclude_larger_than: str | None = None
    exclude_caches: bool = False
    exclude_nodump: bool = False
    exclude_special: bool = False
    one_file_system: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Filters":
        """Pick the filters out of *options*, by the names above."""
        return cls(
            **{
                name.replace("-", "_"): options[name]
                for name in (*LISTS, *VALUES, *SWITCHES)
                if options.get(name) not in (None, False, [])
            }
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("what is left out")
    for name, (metavar, text) in LISTS.items():
        group.add_argument(
            f"--{name}", metavar=metavar, action="append", default=[], help=text
        )
    for name, (metavar, text) in VALUES.items():
        group.add_argument(f"--{name}", metavar=metavar, help=text)
    for name, text in SWITCHES.items():
        group.add_argument(f"--{name}", action="store_true", help=text)


def of_arguments(arguments: argparse.Namespace) -> Filters:
    """Return what `add_arguments` has declared."""
    return Filters.of({name.replace("_", "-"): v for name, v in vars(arguments).items()})


def describe(filters: Filters) -> Iterator[str]:
    """Yield each filter as it would be written in a list of mount options."""
    for name in (*LISTS, *VALUES, *SWITCHES):
        value = getattr(filters, name.replace("-", "_"))
        if value is True:
            yield name
        elif value:
            yield from (
                f"{name}={text}" for text in ([value] if name in VALUES else value)
            )


def make_exclude(
    filters: Filters, source: str, secrets: Iterable[tuple[str, str]]
) -> Exclude | None:
    """Return what decides what is left out of *source*, or None if nothing can be.

    *secrets* are files that no backup should hold, each with what it is. Raises
    `FilterError`.
    """
    paths = dict(_secret_paths(source, secrets))
    for text in filters.exclude:
        path = literal_path(os.fsencode(text))
        paths[path] = f"exclude={text}"
        problem = _problem(source, text, path)
        if problem is not None:
            log.warning("exclude=%s: %s", text, problem)
    if not paths and filters == Filters():
        return None
    for text in filters.exclude_wildcard:
        if not text.strip() or text.startswith("#"):
            raise FilterError(
                f"exclude-wildcard={text} would be a comment, or nothing",
                hint=f"write it with a backslash in front: \\{text}",
            )
    wildcards = [
        Line("exclude-wildcard", os.fsencode(text)) for text in filters.exclude_wildcard
    ]
    size = filters.exclude_larger_than
    for name in filters.exclude_if_present:
        if "/" in name or name in ("", ".", ".."):
            raise FilterError(f"exclude-if-present={name} is no name of an entry")
    return Exclude(
        paths=paths,
        ignore=GitIgnore([*wildcards, *_lines(filters.exclude_from)]),
        rules=FilterRules(_lines(filters.filter_from)),
        caches=filters.exclude_caches,
        if_present=[os.fsencode(name) for name in filters.exclude_if_present],
        nodump=filters.exclude_nodump,
        larger_than=None if size is None else parse_size(size),
        special=filters.exclude_special,
        one_file_system=filters.one_file_system,
    )


def _secret_paths(
    source: str, secrets: Iterable[tuple[str, str]]
) -> Iterator[tuple[bytes, str]]:
    root = os.stat(source)
    for file, what in secrets:
        path = os.path.realpath(os.fsencode(file))
        names: list[bytes] = []
        # By object: the source may be a bind mount of where the file is.
        while path != b"/":
            path, name = os.path.split(path)
            names.insert(0, name)
            if _is_object(path, root):
                yield b"/".join(names), what
                break


def _is_object(path: bytes, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), status)
    except OSError:
        return False


def _problem(source: str, text: str, path: bytes) -> str | None:
    """Return what is wrong with a path to leave out, if that can be told safely."""
    root = os.path.realpath(os.fsencode(source))
    whole = os.path.join(root, path)
    for mount in read_mounts():
        # What is mounted may hang, and be left out for just that.
        is_inside = mount.mountpoint.startswith(root.rstrip(b"/") + b"/")
        if is_inside and (whole + b"/").startswith(mount.mountpoint + b"/"):
            return None
    if not os.path.lexists(whole):
        return _why_missing(source, text)
    directory, name = os.path.split(whole)
    real = os.path.join(os.path.realpath(directory), name)
    if real == whole:
        return None
    shown = os.fsdecode(os.path.relpath(real, root))
    return f"that leads through a symlink, and leaves out nothing; did you mean {shown}?"


def _why_missing(source: str, text: str) -> str:
    root = os.path.realpath(source)
    directory, name = os.path.split(os.path.join("/", text.rstrip("/")))
    path = os.path.join(os.path.realpath(directory), name)
    if os.path.commonpath([root, path]) == root != "/":
        path = os.path.relpath(path, root)
        return f"paths start at the root of the source; did you mean {path}?"
    return "there is no such path in the source"


def _lines(files: Iterable[str]) -> Iterator[Line]:
    for file in files:
        try:
            with open(file, "rb") as stream:
                data = stream.read()
        except OSError as error:
            raise FilterError(
                f"cannot read filter file {file}: {error.strerror}",
                hint="without it, nobody knows what to leave out",
            ) from None
        data = data.removeprefix(codecs.BOM_UTF8)
        for number, line in enumerate(data.split(b"\n"), start=1):
            yield Line(f"{file}:{number}", line)
