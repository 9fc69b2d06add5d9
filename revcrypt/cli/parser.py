"""argparse, with errors as the rest of the program has them."""

import argparse
from typing import Never, Protocol, TypeVar

from revcrypt.errors import ExitCode, UsageError

P = TypeVar("P", bound=argparse.ArgumentParser)


class Subcommand(Protocol):
    """A module of this package that is one subcommand."""

    NAME: str
    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare positionals and options."""

    def run(self, arguments: argparse.Namespace) -> ExitCode:
        """Do it."""


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse would exit by itself."""

    def knows(self, option: str) -> bool:
        """Tell whether *option*, with its dashes, is one."""
        return option in self._option_string_actions

    def error(self, message: str) -> Never:
        """Refuse the command line."""
        raise UsageError(message, hint=f"see {self.prog} --help")


def add_command(parsers: "argparse._SubParsersAction[P]", command: Subcommand) -> None:
    """Add the parser of a subcommand."""
    parser = parsers.add_parser(
        command.NAME,
        help=command.SUMMARY,
        description=command.SUMMARY[0].upper() + command.SUMMARY[1:] + ".",
        allow_abbrev=False,
    )
    # One that has commands of its own leaves it to them what to run.
    parser.set_defaults(run=command.run)
    command.add_arguments(parser)
