"""The documentation says what the program does."""

import re
from pathlib import Path

import pytest

from revcrypt.cli.main import SUBCOMMANDS, load
from revcrypt.errors import ExitCode
from revcrypt.format.sizes import cipher_size
from tests.support import revcrypt

README = Path(__file__).parent.parent / "README.md"
REFERENCE = README.parent / "docs" / "commands.md"
COMMANDS = [
    "revcrypt",
    *(
        name
        for command in SUBCOMMANDS
        for name in (
            f"revcrypt {command}",
            *(
                f"revcrypt {command} {below.NAME}"
                for below in getattr(load(command), "SUBCOMMANDS", ())
            ),
        )
    ),
]


def table(marker: str) -> dict[int, str]:
    """Return the rows of the table below *marker*, whose first column is a number."""
    text = README.read_text().split(f"<!-- {marker} -->")[1]
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", text.split("\n\n")[0], re.MULTILINE)
    return {int(number): rest for number, rest in rows}


@pytest.mark.parametrize("command", COMMANDS)
def test_usage(command: str) -> None:
    """The documentation shows the help text of every command, word for word."""
    words = command.split()[1:]
    marker = f"<!-- usage: {command} -->\n```\n"
    text = (REFERENCE if words else README).read_text()
    shown = text.split(marker)[1].split("```")[0]
    assert shown == revcrypt(*words, "--help", env={"COLUMNS": "80"}).stdout


def test_every_command_has_its_place() -> None:
    """The reference has the commands that exist, in the order of the help."""
    shown = re.findall(r"<!-- usage: (.+) -->", REFERENCE.read_text())
    assert shown == COMMANDS[1:]


def test_exit_codes() -> None:
    """README lists the exit statuses that exist, and no others."""
    assert table("exit codes").keys() == {int(code) for code in ExitCode}


def test_worked_sizes() -> None:
    """The sizes in README are those of the format."""
    sizes = table("worked sizes")
    assert sizes
    assert {plain: cipher_size(plain) for plain in sizes} == {
        plain: int(shown) for plain, shown in sizes.items()
    }


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_commands_are_modules_of_that_name(command: str) -> None:
    """What is loaded for a command is that command."""
    assert command == load(command).NAME
