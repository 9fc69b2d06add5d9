"""`docs/reliability.md` says what the tests of clients prove."""

import re
from pathlib import Path

import pytest

from tests.clients.catalogue import CLIENTS, installed, table
from tests.clients.life import NAMES, STAGES
from tests.clients.test_ssh_key import ATTEMPTS
from tests.support import run

pytestmark = pytest.mark.clients

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
SECTION = DOCUMENT.read_text().split("\n## Clients\n")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| [^|]+ \| ([^|]+) \| ([^|]+) \|", SECTION, re.MULTILINE)
VERSIONS = dict(ROWS)


def test_clients() -> None:
    """The table has all clients, and what they do."""
    assert table(VERSIONS) in SECTION


def test_versions() -> None:
    """No client is older here than the document says."""
    for package, version in installed().items():
        run("dpkg", "--compare-versions", version, "ge", VERSIONS[package])


def test_counts() -> None:
    """The text has the stages, and says how many tests there are."""
    text = " ".join(SECTION.split())
    assert f"{', '.join(STAGES)}, restore" in text
    lives = len(CLIENTS) * len(NAMES) * (len(STAGES) + 1)
    assert f"{lives} tests" in text
    assert f"{len(ATTEMPTS)} ways" in text
