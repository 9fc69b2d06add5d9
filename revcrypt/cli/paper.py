"""`revcrypt paper`: the master key on a sheet of paper."""

import argparse
import logging
import os
import shlex
import socket
from datetime import datetime
from hashlib import sha256

from revcrypt.cli import configs, options, output, proven
from revcrypt.errors import ExitCode, OutputError
from revcrypt.recovery.sheet import Sheet

NAME = "paper"
SUMMARY = "print a sheet of paper with which anybody can restore the backup"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    proven.add_path(parser)
    proven.add_key(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--text",
        action="store_true",
        help="write text, for a terminal or for lpr (default)",
    )
    form.add_argument(
        "--html", action="store_true", help="write a page for a browser to print"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write a new FILE that only its owner can read (default: stdout)",
    )
    options.add_quiet(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    config = configs.any_config_path(arguments.path)
    data, _ = configs.read_whole(config)
    key = proven.open_key(arguments, config)
    sheet = Sheet(
        master_key=key.master_key,
        features=key.features,
        name=f"{os.path.realpath(arguments.path)} on {socket.gethostname()}",
        date=datetime.now().astimezone().date().isoformat(),
        config_checksum=sha256(data).hexdigest(),
    )
    text = sheet.as_html() if arguments.html else sheet.as_text()
    content = text.encode(errors="backslashreplace")
    if arguments.output is None:
        output.write(content)
    else:
        _write(arguments.output, content)
        directory = arguments.path if os.path.isdir(arguments.path) else None
        _warn_of_place(arguments.output, directory)
    return ExitCode.OK


def _write(path: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(path, flags, 0o600), "wb") as file:
            file.write(content)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}",
            hint="name a file that does not exist; a disk in memory (/dev/shm) is best",
        ) from None


def _warn_of_place(path: str, directory: str | None) -> None:
    if directory is not None:
        inner, outer = os.path.realpath(path), os.path.realpath(directory)
        if os.path.commonpath([inner, outer]) == outer:
            log.warning("%s is in what is backed up, and the backup would hold it", path)
    log.info("print %s, and delete it: shred -u %s", path, shlex.quote(path))
