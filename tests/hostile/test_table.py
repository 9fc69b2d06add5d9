"""`docs/reliability.md` says what the tests of hostile trees prove."""

from pathlib import Path

import pytest

from tests.counts import DOCUMENT, Counted
from tests.hostile.catalogue import TREES, Tree, table
from tests.hostile.racing import EACH
from tests.hostile.test_races import LOOKS
from tests.hostile.test_stress import OPERATIONS, PROCESSES

TESTS = Path(__file__).parents[1]
SECTION = DOCUMENT.read_text().split("\n## Hostile trees\n")[1].split("\n## ")[0]


def test_trees(counted: Counted) -> None:
    """The table has all trees, each once, and what happens to them."""
    assert table() in SECTION
    assert len({tree.name for tree in TREES}) == len(TREES)
    counted("hostile trees", len(TREES))


@pytest.mark.parametrize("tree", TREES, ids=[tree.name for tree in TREES])
def test_tests(tree: Tree) -> None:
    """Each has tests, which pytest runs."""
    assert tree.tests
    for test in tree.tests:
        source = TESTS.joinpath(*test.__module__.split(".")[1:]).with_suffix(".py")
        assert source.name.startswith("test_")
        assert f"\ndef {test.__name__}(" in source.read_text()


def test_counts() -> None:
    """The text says how often is swapped, and how much of the stress test is tried."""
    text = " ".join(SECTION.split())
    assert f"{LOOKS * EACH:,} times for each kind of names" in text
    assert f"one seed, {PROCESSES} processes of {OPERATIONS} operations" in text
