"""`revcrypt path`: which encrypted path a plain one has, and the other way round."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import cast

from revcrypt.cli import backups, configs, options, output, views
from revcrypt.cli.findings import Findings
from revcrypt.errors import DataError, ExitCode, UsageError
from revcrypt.format.config import Features
from revcrypt.format.names import CONFIG_NAME, DIR_IV_NAME
from revcrypt.format.volume import Volume
from revcrypt.rescue import paths
from revcrypt.rescue.walk import clean_path
from revcrypt.view.findings import Kind
from revcrypt.view.shown_config import REVERSE_CONFIG_NAME

NAME = "path"
SUMMARY = "say which encrypted path a plain one has, or the other way round"

Translate = Callable[[bytes], bytes]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument(
        "direction",
        choices=["encrypt", "decrypt"],
        metavar="encrypt|decrypt",
        help="what to do with the paths",
    )
    parser.add_argument(
        "directory",
        metavar="DIR",
        help="an encrypted directory, or a plain one that is shown by a reverse view",
    )
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        default=[],
        help="a path from the root of DIR; in reverse views and their copies it need not "
        "exist (default: read paths from stdin, one a line)",
    )
    parser.add_argument(
        "-0", "--null", action="store_true", help="end paths with NUL, not with a newline"
    )
    backups.add_key(parser, "the one in DIR")
    options.add_quiet(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    options.check_directory(arguments.directory)
    shown = Findings(as_json=False, are_asked_for=False)
    translate = _translation(arguments, shown)
    end = b"\0" if arguments.null else b"\n"
    for path in _paths(arguments, end):
        try:
            result = translate(clean_path(path))
        except (OSError, DataError) as error:
            shown.fail(Kind.NAME, path, paths.explain(error))
            continue
        except UsageError:
            # Others may follow, and whoever asks for them waits for their answers.
            shown.fail(Kind.NAME, path, "this leads out of the backup")
            continue
        output.write(result + end)
        output.flush()
    return shown.exit_code


def _translation(arguments: argparse.Namespace, shown: Findings) -> Translate:
    """Return what translates paths, after finding out what the directory is."""
    directory = os.fsencode(arguments.directory)

    def has(name: bytes) -> bool:
        return os.path.lexists(os.path.join(directory, name))

    is_encrypted = has(CONFIG_NAME) or has(DIR_IV_NAME)
    if has(REVERSE_CONFIG_NAME) or (arguments.config is not None and not is_encrypted):
        return _of_plain(arguments)
    return _of_copy(arguments, shown)


def _paths(arguments: argparse.Namespace, end: bytes) -> Iterator[bytes]:
    if arguments.paths:
        yield from map(os.fsencode, arguments.paths)
        return
    rest = b""
    # Line by line, so that another program can ask and wait for an answer.
    stdin = cast(BufferedReader, sys.stdin.buffer)
    while chunk := stdin.read1(65_536):
        *lines, rest = (rest + chunk).split(end)
        yield from lines
    if rest:
        yield rest


def _of_plain(arguments: argparse.Namespace) -> Translate:
    config = configs.reverse_config_path(arguments.directory, arguments.config)
    key = options.open_key(arguments, config, Features())
    volume = Volume.open(key.master_key, key.features)
    if arguments.direction == "encrypt":
        return lambda path: paths.encrypt(volume, path)
    view = views.reverse_view(arguments.directory, volume, None)
    return lambda path: paths.decrypt(view, volume, path)


def _of_copy(arguments: argparse.Namespace, shown: Findings) -> Translate:
    arguments.cipherdir, arguments.lenient = arguments.directory, False
    backup = backups.open_backup(arguments)
    view = backup.view(shown.report)
    if arguments.direction == "decrypt":
        return lambda path: paths.decrypt_in_copy(view, path)
    if backup.is_copy_of_view:
        return lambda path: paths.encrypt(backup.volume, path)
    return lambda path: paths.encrypt_in_copy(view, path)
