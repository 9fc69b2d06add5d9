"""`revcrypt ls`: list what is in a backup, by plain names."""

import argparse
import os
import sys
from contextlib import closing
from datetime import datetime
from stat import S_ISDIR, S_ISLNK, filemode

from revcrypt.cli import backups, options, output
from revcrypt.cli.findings import Findings
from revcrypt.errors import DataError, ExitCode
from revcrypt.rescue.paths import explain, find
from revcrypt.rescue.walk import Found, clean_path
from revcrypt.view.findings import Kind, printable
from revcrypt.view.forward import ForwardView
from revcrypt.view.nodes import join

NAME = "ls"
SUMMARY = "list what is in a backup, by plain names"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    backups.add_arguments(parser)
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        default=[],
        help="a plain path from the root of the backup (default: the root)",
    )
    add_format(parser)
    parser.add_argument(
        "-R", "--recursive", action="store_true", help="list what is below, too"
    )
    options.add_quiet(parser)


def add_format(parser: argparse.ArgumentParser) -> None:
    """Declare how entries are written."""
    parser.add_argument(
        "-l",
        "--long",
        action="store_true",
        help="with mode, links, owner, group, size, time and target",
    )
    parser.add_argument(
        "-0", "--null", action="store_true", help="end each line with a NUL, for xargs -0"
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    paths = [clean_path(os.fsencode(path)) for path in arguments.paths or [""]]
    backup = backups.open_backup(arguments)
    shown = Findings(as_json=False, are_asked_for=False)
    with closing(backup.view(shown.report)) as view:
        lines = Lines(view, long=arguments.long, null=arguments.null)
        for path in paths:
            try:
                found = find(view, path)
            except (OSError, DataError) as error:
                shown.fail(Kind.MISSING, path, explain(error))
                continue
            if not S_ISDIR(found.attrs.mode):
                lines.write(found, path)
                continue
            listing = children(view, found, shown)
            while listing:
                child = listing.pop()
                node = child.node
                lines.write(
                    child, node.shown_path() if arguments.recursive else node.shown_name
                )
                if arguments.recursive and S_ISDIR(child.attrs.mode):
                    listing += children(view, child, shown)
    return shown.exit_code


def children(view: ForwardView, directory: Found, shown: Findings) -> list[Found]:
    """Return what is in a directory, the last by name first."""
    try:
        listing = view.entries(directory.node)
    except (OSError, DataError) as error:
        path = directory.node.shown_path()
        shown.fail(Kind.UNREADABLE, path, f"its entries are lost: {explain(error)}")
        return []
    found = []
    for child in sorted(listing, reverse=True):
        try:
            found.append(Found(*view.child(directory.node, child)))
        except (OSError, DataError) as error:
            path = join(directory.node.shown_path(), child.shown_name)
            shown.fail(Kind.UNREADABLE, path, explain(error))
    return found


class Lines:
    """Writes entries to stdout, *long* as `ls -l` does."""

    def __init__(self, view: ForwardView, *, long: bool, null: bool) -> None:
        self._view = view
        self._long = long
        self._end = b"\0" if null else b"\n"
        # What a terminal would act upon is for programs only.
        self._is_escaped = sys.stdout.isatty() and not null

    def write(self, found: Found, name: bytes) -> None:
        """Write the line of an object that is called *name*."""
        if self._is_escaped:
            name = printable(name).encode(errors="surrogateescape")
        if self._long:
            name = self._describe(found) + name + self._target(found)
        output.write(name + self._end)

    def _describe(self, found: Found) -> bytes:
        a = found.attrs
        line = f"{filemode(a.mode)} {a.nlink:2} {a.uid:5} {a.gid:5} {a.size:12} "
        return f"{line}{_time(a.mtime_ns)} ".encode()

    def _target(self, found: Found) -> bytes:
        if not S_ISLNK(found.attrs.mode):
            return b""
        try:
            target = self._view.readlink(found.node)
        except (OSError, DataError):
            return b" -> ?"
        if self._is_escaped:
            target = printable(target).encode(errors="surrogateescape")
        return b" -> " + target


def _time(time_ns: int) -> str:
    """Return a time in this machine's zone, or as a number where it is absurd."""
    try:
        return (
            datetime.fromtimestamp(time_ns // 10**9)
            .astimezone()
            .strftime("%Y-%m-%d %H:%M:%S")
        )
    except (OverflowError, ValueError, OSError):
        return f"@{time_ns // 10**9}"
