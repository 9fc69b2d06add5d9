"""`revcrypt cat`: write files of a backup to stdout."""

import argparse
import os
from contextlib import closing

from revcrypt.cli import backups, options, output
from revcrypt.cli.findings import Findings
from revcrypt.errors import DataError, ExitCode
from revcrypt.rescue.content import Reader
from revcrypt.rescue.objects import Objects
from revcrypt.rescue.paths import explain, find
from revcrypt.rescue.walk import clean_path
from revcrypt.view.findings import Kind
from revcrypt.view.source import NotRegularError

NAME = "cat"
SUMMARY = "write files of a backup to stdout"

_ZEROS = bytes(1 << 20)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    backups.add_arguments(parser)
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="plain paths from the root of the backup"
    )
    options.add_quiet(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    paths = [clean_path(os.fsencode(path)) for path in arguments.paths]
    backup = backups.open_backup(arguments)
    backup.warn_of_places()
    shown = Findings(as_json=False, are_asked_for=False)
    with closing(backup.view(shown.report)) as view:
        objects = Objects(view, shown.report, in_place=backup.strict)
        for path in paths:
            try:
                node, _ = find(view, path)
                with objects.content(node) as reader:
                    write(reader, shown)
            except NotRegularError:
                shown.fail(Kind.TYPE, path, "this is no file")
            except (OSError, DataError) as error:
                shown.fail(Kind.UNREADABLE, path, explain(error))
    return shown.exit_code


def write(reader: Reader, shown: Findings) -> None:
    """Write a file to stdout, up to the first byte that is not certain."""
    before = shown.harmful
    for size, data in reader.pieces():
        if shown.harmful > before or data is None:
            # What follows is only read to be told of.
            continue
        if data:
            output.write(data)
        for start in range(0, 0 if data else size, len(_ZEROS)):
            output.write(_ZEROS[: size - start])
    output.flush()
