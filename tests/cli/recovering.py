"""A tree whose master key is sealed for people, and what they do with their keys."""

import os
from pathlib import Path

import pytest

from tests.certificates import NAMES, person
from tests.cli.rescuing import CONFIG, Case, rescue
from tests.view.trees import ALL_FEATURES

SEALED = f"{CONFIG}.recovery.p7m"
REGISTER = f"{CONFIG}.recovery.pem"


@pytest.fixture(params=["encrypted"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A plain tree with a config, and keys of three people."""
    case = Case(tmp_path, ALL_FEATURES[request.param])
    (case.plain / "letter").write_text("dear all\n")
    (case.plain / "below").mkdir()
    (case.plain / "below" / ("long " * 40)).write_text("content")
    for name in NAMES:
        person(name).write(tmp_path)
    return case


def certificate(case: Case, name: str) -> Path:
    """Return the path of a person's certificate."""
    return case.directory / f"{name}.crt.pem"


def private(case: Case, name: str) -> str:
    """Return the option that names a person's private key."""
    return f"--recovery-key={case.directory / f'{name}.key.pem'}"


def add(case: Case, *names: str, key: str = "", status: int = 0) -> str:
    """Seal the master key for people; return what was said."""
    paths = [certificate(case, name) for name in names]
    config = f"--config={case.plain}"
    return rescue(
        "recovery", "add", config, key or case.passphrase, *paths, status=status
    ).stderr


def check(case: Case, name: str, *words: str | Path, status: int = 0) -> str:
    """Check a person's private key; return what was said."""
    key = case.directory / f"{name}.key.pem"
    said = rescue("recovery", "check", "--key", key, *words, status=status)
    return os.fsdecode(said.stdout) + said.stderr
