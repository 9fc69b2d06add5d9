"""`revcrypt find`: find what matches a pattern in a backup, by plain names."""

import argparse
import os
from contextlib import closing
from stat import S_ISDIR

from revcrypt.cli import backups, options
from revcrypt.cli.findings import Findings
from revcrypt.cli.ls import Lines, add_format, children
from revcrypt.errors import ExitCode, FilterError, UsageError
from revcrypt.rescue.walk import Found, make_glob

NAME = "find"
SUMMARY = "find what matches a pattern in a backup, by plain names"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    backups.add_arguments(parser)
    parser.add_argument(
        "pattern",
        metavar="GLOB",
        help="a pattern as in .gitignore: without a slash it matches names at any depth, "
        "with one, paths from the root; with one at its end, only directories",
    )
    add_format(parser)
    options.add_quiet(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    try:
        pattern = make_glob(os.fsencode(arguments.pattern))
    except FilterError as error:
        raise UsageError(str(error), hint=error.hint) from None
    backup = backups.open_backup(arguments)
    shown = Findings(as_json=False, are_asked_for=False)
    with closing(backup.view(shown.report)) as view:
        lines = Lines(view, long=arguments.long, null=arguments.null)
        pending = children(view, Found(view.root, view.attrs(view.root)), shown)
        while pending:
            found = pending.pop()
            path = found.node.shown_path()
            is_dir = S_ISDIR(found.attrs.mode)
            if pattern.decide(path, is_dir=is_dir):
                lines.write(found, path)
            if is_dir:
                pending += children(view, found, shown)
    return shown.exit_code
