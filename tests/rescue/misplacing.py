"""A small backup whose parts change places, and what verify says about it."""

import json
import os
from pathlib import Path

from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from tests.cli.rescuing import Case, attempt

FILES = ["a/one", "a/two", "b/three", "b/four", "top"]


def fill(plain: Path) -> None:
    """Make two directories with two files each, a file, and two links."""
    for name in FILES:
        path = plain / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"this is {name}" * 500)
    (plain / "a" / "empty").touch()
    (plain / "link").symlink_to("target")
    (plain / "b" / "link").symlink_to("other target")
    os.setxattr(plain / "top", "user.note", b"of the top")
    os.setxattr(plain / "a" / "one", "user.note", b"of one")


def made(directory: Path, features: Features | None = None) -> Case:
    """Return a case with a copy of such a tree."""
    case = Case(directory, features or Features())
    fill(case.plain)
    case.pull()
    return case


def verify(case: Case, *options: str) -> list[tuple[str, str | None, str]]:
    """Return kind, plain path and text of each finding; the status must agree."""
    words = ("verify", "-j1", "--json", case.masterkey, *options, case.copy)
    status, said = attempt(*words)
    lines = [json.loads(line) for line in said.lines]
    found = [x for x in lines if x["type"] == "finding"]
    assert status == (ExitCode.FINDINGS if found else ExitCode.OK), said
    return sorted((x["kind"], x["path"], x["text"]) for x in found)


def swap(one: Path, other: Path) -> None:
    """Let each of two names stand for what the other one stood for."""
    parked = one.with_name("parked")
    one.rename(parked)
    other.rename(one)
    parked.rename(other)
