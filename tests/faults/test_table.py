"""`docs/reliability.md` says what the tests of faults prove."""

from pathlib import Path

import pytest

from tests.faults import catalogue
from tests.faults.catalogue import SECTIONS, table

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "reliability.md"
SECTION = DOCUMENT.read_text().split("\n## Faults\n")[1].split("\n## ")[0]
MODULES = sorted(path.stem for path in HERE.glob("test_*.py") if path != Path(__file__))
FAULTS = [fault for faults in SECTIONS.values() for fault in faults]


def test_faults() -> None:
    """The table has all faults, and what happens."""
    assert table() in SECTION
    assert f"{len(FAULTS)} faults" in SECTION


@pytest.mark.parametrize("name", MODULES)
def test_every_test_is_in_the_table(name: str) -> None:
    """A test of a fault belongs to at least one of them."""
    module = getattr(catalogue, name)
    tests = {test for name, test in vars(module).items() if name.startswith("test_")}
    assert tests
    assert tests <= {test for fault in FAULTS for test in fault.tests}
