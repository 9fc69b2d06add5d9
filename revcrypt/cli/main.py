"""The entry point: choose a subcommand, or read the command line as gocryptfs's."""

import argparse
import difflib
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import cast

from revcrypt import __version__
from revcrypt.cli import logs, memory, output
from revcrypt.cli.parser import Parser, Subcommand, add_command
from revcrypt.errors import ExitCode, ReaderGoneError, UsageError, UserError

SUBCOMMANDS = (
    "init",
    "reverse",
    "forward",
    "mount",
    "restore",
    "ls",
    "find",
    "cat",
    "decrypt-file",
    "verify",
    "hash",
    "path",
    "info",
    "paper",
    "drill",
    "passwd",
    "recovery",
    "rotate",
    "recover-config",
    "check",
    "check-config",
    "pull-shell",
    "status",
    "speed",
)
"""Modules of this package, loaded if they are needed: most of a start is loading."""

_HELP = ("-h", "-hh", "-help", "--help")
_EPILOG = """\
A command line that starts with none of these is read as one of gocryptfs's, so
"revcrypt -reverse -passfile F PLAINDIR MOUNTPOINT" works too.
"""


def load(name: str) -> Subcommand:
    """Return the module that is a subcommand."""
    module = import_module(f"revcrypt.cli.{name.replace('-', '_')}")
    return cast(Subcommand, module)


def make_parser(names: Sequence[str] = SUBCOMMANDS) -> argparse.ArgumentParser:
    """Return the parser of the native command line, as far as it is about *names*."""
    parser = Parser(
        prog="revcrypt",
        description="Encrypted backups that any rsync can pull.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"revcrypt {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in names:
        add_command(subparsers, load(name))
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
    names: Sequence[str] = SUBCOMMANDS
    if not argv or argv[0] in _HELP:
        argv = ["--help"]
    elif argv[0] == "--version":
        names = ()
    elif argv[0] in SUBCOMMANDS:
        names = argv[:1]
    else:
        _check_mistyped(argv[0])
        # The last resort, and loaded like the others.
        from revcrypt.cli import gocryptfs  # noqa: PLC0415

        return gocryptfs.run(argv)
    arguments, unknown = make_parser(names).parse_known_args(argv)
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


def _check_mistyped(word: str) -> None:
    """Raise `UsageError` for what looks like a command, before it is taken for a path."""
    if word.startswith("-"):
        return
    close = difflib.get_close_matches(word, SUBCOMMANDS, 1)
    if (close or word == "help") and not os.path.lexists(word):
        hint = f"did you mean {close[0]}?" if close else "see revcrypt --help"
        raise UsageError(f"there is no command {word}", hint=hint)


def _open_standard_fds() -> None:
    """Take the numbers 0 to 2, lest a socket or a file of ours becomes stderr."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)
