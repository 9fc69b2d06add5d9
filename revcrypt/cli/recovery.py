"""`revcrypt recovery`: certificates whose private keys open the backup."""

import argparse
from collections.abc import Sequence

from revcrypt.cli import recovery_add, recovery_check, recovery_list, recovery_remove
from revcrypt.cli.parser import Subcommand, add_command
from revcrypt.errors import ExitCode, UsageError

NAME = "recovery"
SUMMARY = "let certificates, whose private keys are elsewhere, open the backup"

SUBCOMMANDS: Sequence[Subcommand] = (
    recovery_add,
    recovery_list,
    recovery_check,
    recovery_remove,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in SUBCOMMANDS:
        add_command(subparsers, command)


def run(_: argparse.Namespace) -> ExitCode:
    """Ask for a command; they do the rest."""
    raise UsageError("which command?", hint="see revcrypt recovery --help")
