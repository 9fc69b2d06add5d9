"""The entry point: choose a subcommand, or read the command line as gocryptfs's."""

import argparse
import difflib
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper

from revcrypt import __version__
from revcrypt.cli import (
    cat,
    check,
    check_config,
    decrypt_file,
    digests,
    drill,
    find,
    forward,
    gocryptfs,
    info,
    init,
    logs,
    ls,
    memory,
    mount,
    output,
    paper,
    passwd,
    path,
    pull_shell,
    recover_config,
    recovery,
    restore,
    reverse,
    rotate,
    speed,
    verify,
)
from revcrypt.cli.parser import Parser, Subcommand, add_command
from revcrypt.errors import ExitCode, ReaderGoneError, UsageError, UserError

SUBCOMMANDS: Sequence[Subcommand] = (
    init,
    reverse,
    forward,
    mount,
    restore,
    ls,
    find,
    cat,
    decrypt_file,
    verify,
    digests,
    path,
    info,
    paper,
    drill,
    passwd,
    recovery,
    rotate,
    recover_config,
    check,
    check_config,
    pull_shell,
    speed,
)

_HELP = ("-h", "-hh", "-help", "--help")
_EPILOG = """\
A command line that starts with none of these is read as one of gocryptfs's, so
"revcrypt -reverse -passfile F PLAINDIR MOUNTPOINT" works too.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the native command line."""
    parser = Parser(
        prog="revcrypt",
        description="Encrypted backups that any rsync can pull.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"revcrypt {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in SUBCOMMANDS:
        add_command(subparsers, command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv* and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    _open_standard_fds()
    memory.protect()
    # A path is shown as it is, or escaped where the terminal cannot show it.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logs.to_stderr()
    try:
        return _run(argv)
    except UserError as error:
        logs.say("error", str(error))
        if error.hint is not None:
            logs.say("hint", error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except ReaderGoneError:
        return ExitCode.OTHER
    except Exception:
        logging.getLogger(__name__).exception("this is a bug in revcrypt")
        return ExitCode.OTHER


def _run(argv: Sequence[str]) -> ExitCode:
    native = {command.NAME for command in SUBCOMMANDS} | {"--version"}
    if not argv or argv[0] in _HELP:
        argv = ["--help"]
    elif argv[0] not in native:
        _check_mistyped(argv[0], native)
        return gocryptfs.run(argv)
    arguments, unknown = make_parser().parse_known_args(argv)
    if hasattr(arguments, "paths") and not any(word.startswith("-") for word in unknown):
        # argparse takes a list of paths for complete where an option follows it.
        arguments.paths += unknown
    elif unknown:
        raise UsageError(
            f"unrecognized arguments: {' '.join(unknown)}",
            hint=f"see revcrypt {argv[0]} --help",
        )
    code: ExitCode = arguments.run(arguments)
    output.flush()
    return code


def _check_mistyped(word: str, native: Iterable[str]) -> None:
    """Raise `UsageError` for what looks like a command, before it is taken for a path."""
    if word.startswith("-"):
        return
    close = difflib.get_close_matches(word, native, 1)
    if (close or word == "help") and not os.path.lexists(word):
        hint = f"did you mean {close[0]}?" if close else "see revcrypt --help"
        raise UsageError(f"there is no command {word}", hint=hint)


def _open_standard_fds() -> None:
    """Take the numbers 0 to 2, lest a socket or a file of ours becomes stderr."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)
