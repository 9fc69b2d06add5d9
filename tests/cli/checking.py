"""Running `revcrypt check`, and reading what it says."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from revcrypt.errors import ExitCode
from tests.support import REVCRYPT


@dataclass(frozen=True)
class Report:
    """What `revcrypt check` has said."""

    lines: list[bytes]
    """The entries that it lists, in no particular order."""
    kinds: dict[str, int]
    plain_bytes: int
    cipher_bytes: int
    left_out: int
    problems: list[tuple[bytes, str]]
    stderr: str


def check(
    plain: Path | bytes, *options: str | bytes, env: dict[str, str] | None = None
) -> Report:
    """Run it, without any passphrase on stdin."""
    command = [*REVCRYPT, "check", *options, plain]
    result = subprocess.run(
        command, input=b"", capture_output=True, timeout=120, check=False, env=env
    )
    report = parse(result.stdout, os.fsdecode(result.stderr))
    expected = ExitCode.FINDINGS if report.problems else ExitCode.OK
    assert result.returncode == expected, result
    return report


def parse(output: bytes, stderr: str) -> Report:
    """Understand all that it prints; there is nothing else in between."""
    match = re.fullmatch(
        rb"""((?:[+-]\ .*\n)*)
        shown:\ (.*)\n
        \ \ (?:.*\()?(\d+)\ bytes\)?\ of\ content\n
        \ \ (?:.*\()?(\d+)\ bytes\)?\ when\ encrypted\n
        left\ out:\ (\d+),\ and\ what\ is\ in\ them\n
        cannot\ be\ shown\ as\ they\ are:\ (\d+)\n
        ((?:\ \ .*\n)*)""",
        output,
        re.VERBOSE,
    )
    assert match is not None, (output, stderr)
    listing, kinds, plain, cipher, left_out, count, problems = match.groups()
    found = []
    for line in problems.splitlines():
        path, _, text = line.removeprefix(b"  ").partition(b": ")
        found.append((path, text.decode()))
    assert len(found) == int(count)
    pairs = [pair.split() for pair in kinds.decode().split(", ")]
    return Report(
        listing.splitlines(),
        {kind: int(number) for number, kind in pairs},
        int(plain),
        int(cipher),
        int(left_out),
        found,
        stderr,
    )
