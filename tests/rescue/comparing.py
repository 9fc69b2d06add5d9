"""A source, its copy, and what `verify --against` says about the two."""

import json
import os
from pathlib import Path

from revcrypt.errors import ExitCode
from tests.cli.rescuing import Case, attempt

LONG = "long " * 40
BIG = bytes(range(256)) * 48
"""Three blocks exactly."""


def fill(plain: Path) -> None:
    """Make a tree with a bit of everything, last changed some years ago."""
    (plain / "dir" / "sub").mkdir(parents=True)
    (plain / "dir" / "big").write_bytes(BIG)
    (plain / "dir" / "small").write_text("small")
    (plain / "dir" / "sub" / "deep").write_text("deep")
    (plain / LONG).write_text("long")
    (plain / "link").symlink_to("target")
    (plain / "one").write_text("one")
    os.link(plain / "one", plain / "two")
    os.mkfifo(plain / "fifo")
    os.setxattr(plain / "one", "user.note", b"a note")
    for path in plain.rglob("*"):
        os.utime(path, ns=(0, 1_500_000_000 * 10**9), follow_symlinks=False)


def compare(case: Case, *options: str) -> list[tuple[str, str | None]]:
    """Return the kind of each finding, and its plain path; it must be told by status."""
    words = ["verify", "-j1", "--json", case.masterkey, f"--against={case.plain}"]
    status, said = attempt(*words, *options, case.copy)
    lines = [json.loads(line) for line in said.lines]
    found = [(x["kind"], x["path"]) for x in lines if x["type"] == "finding"]
    assert status == (ExitCode.FINDINGS if found else ExitCode.OK), said
    return sorted(found, key=str)
