"""`docs/reliability.md` says what is fuzzed, and what that found."""

import re
from pathlib import Path

from tests.fuzz.catalogue import table
from tests.fuzz.test_adapter import MOUNTS
from tests.fuzz.test_targets import EXAMPLES

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
SECTION = DOCUMENT.read_text().split("\n## Fuzzing\n")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([\d,]+) \| (\d+) \|$", SECTION, re.MULTILINE)
EXECUTIONS = {name: int(count.replace(",", "")) for name, count, _ in ROWS}
LEAST = 100_000


def test_table() -> None:
    """The table has all targets, and what they hold."""
    assert table(EXECUTIONS) in SECTION


def test_counts() -> None:
    """No target was forgotten in the long run, and the text adds it up."""
    assert min(EXECUTIONS.values()) >= LEAST
    text = " ".join(SECTION.split())
    assert f"{sum(EXECUTIONS.values()):,} executions" in text
    assert f"The {sum(int(fixed) for _, _, fixed in ROWS)} findings" in text
    assert f"{EXAMPLES} inputs" in text
    assert f"{MOUNTS} lives" in text
