"""What the tests have tried, and how often: the table in `docs/reliability.md`.

A test says so with the fixture `counted`. At the end of a run, all of it is printed; at
the end of a run of all tests, it must be what the document says.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[1] / "docs" / "reliability.md"
PROPERTY = "counted"
ROW = re.compile(
    r"^\| (?P<what>[^|]+) \| (?P<count>[\d,]+) \|.*\| (?P<where>make test) \|$"
)

Counted = Callable[[str, int], None]
"""Takes note of what was tried, and how many times."""


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Counted:
    """Take note of what a test has tried, for the table."""

    def note(what: str, count: int) -> None:
        record_property(PROPERTY, (what, count))

    return note


class Counts:
    """Adds up what tests have noted; a pytest plugin, in the process that reports."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.all_passed = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add what one test has noted."""
        self.all_passed &= report.passed
        for name, value in report.user_properties if report.when == "call" else ():
            if name == PROPERTY:
                what, count = value  # type: ignore[misc]
                self.tried[what] += count

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let the run fail if the document says something else."""
        if self.all_passed and is_complete(session.config) and self.mistakes():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        """Print the table, and what is wrong with that of the document."""
        if self.tried:
            terminalreporter.section("what was tried")
        for what, count in sorted(self.tried.items()):
            terminalreporter.write_line(f"{count:>12,}  {what}")
        for mistake in self.mistakes() if is_complete(config) else ():
            terminalreporter.write_line(mistake, red=True)

    def mistakes(self) -> list[str]:
        """Compare with the document."""
        claims = documented()
        return [
            f"{DOCUMENT.name} says {claims[what]:,} of {what}; {self.tried[what]:,} it is"
            for what in sorted(self.tried.keys() | claims.keys())
            if self.tried[what] != claims[what]
        ]


def is_complete(config: pytest.Config) -> bool:
    """Tell whether all tests were to run."""
    by_default = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return by_default and not config.option.keyword and not config.option.collectonly


def documented() -> Counter[str]:
    """Read what the document says that `make test` tries."""
    rows = filter(None, map(ROW.match, DOCUMENT.read_text().splitlines()))
    return Counter({row["what"]: int(row["count"].replace(",", "")) for row in rows})
