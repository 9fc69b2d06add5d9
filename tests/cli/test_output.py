"""Our own output: where it cannot be written, nothing else is to blame."""

import subprocess
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.cli.rescuing import Case
from tests.support import REVCRYPT

FULL = "/dev/full"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A copy with a finding."""
    case = Case(tmp_path)
    (case.plain / "file").write_text("content")
    case.pull()
    (case.copy / "no name").touch()
    return case


@pytest.mark.parametrize("command", ["cat", "ls", "find", "verify", "restore", "hash"])
def test_a_full_disk(command: str, case: Case) -> None:
    """A full disk is an error of its own, no damage and no bug."""
    words = {
        "cat": [case.copy, "file"],
        "ls": [case.copy],
        "find": [case.copy, "*"],
        "verify": ["-j1", case.copy],
        "restore": ["-j1", "--json", case.copy, case.directory / "dest"],
        "hash": [case.plain],
    }[command]
    with open(FULL, "w") as full:
        result = subprocess.run(
            [*REVCRYPT, command, case.masterkey, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == ExitCode.OTHER, result.stderr
    assert "cannot write the output: No space left on device" in result.stderr
    assert "bug" not in result.stderr
    assert "file: " not in result.stderr


def test_a_suggestion_does_no_harm(case: Case, tmp_path: Path) -> None:
    """A name of the backup that is suggested cannot speak to the terminal."""
    (case.plain / "evil\x1b[31mfile").touch()
    copy = case.pull("copy with it")
    result = subprocess.run(
        [*REVCRYPT, "restore", case.masterkey, copy, tmp_path / "dest", "evil[31mfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == ExitCode.FINDINGS
    assert "did you mean evil\\x1b[31mfile?" in result.stderr
    assert "\x1b" not in result.stderr
