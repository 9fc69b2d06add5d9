"""What `make bench` makes of its measurements; nothing is measured here."""

import json
import re
from pathlib import Path

import pytest

from tests.bench.figures import Result, Sample, Spread, select
from tests.bench.report import Report, table
from tests.bench.rounds import WORKLOADS

NOTE = Path(__file__).parent.parent / "docs/performance.md"

NAMES = ["stream", "walk-plain", "walk-encrypted", "small"]
CONDITIONS = {"processor": "2 x Z80", "revcrypt": "0.1"}


def samples(*seconds: float) -> list[Sample]:
    """Return one sample a round, with nothing but the time."""
    return [{"seconds": value} for value in seconds]


def result(workload: str = "stream", **peers: list[Sample]) -> Result:
    """Return a result for 120 MB."""
    return Result(workload, "cat", 120.0, "MB", peers)


def test_spread_of_an_odd_number() -> None:
    """The median is the value in the middle, whatever their order and however far off."""
    assert Spread.of([3.0, 100.0, 1.0]) == Spread(3.0, 1.0, 100.0)


def test_spread_of_an_even_number() -> None:
    """The median of an even number of values lies between the two in the middle."""
    assert Spread.of([4.0, 1.0, 2.0, 9.0]) == Spread(3.0, 1.0, 9.0)


def test_ratios_are_within_a_round() -> None:
    """A round in which the whole machine was slow does not change the ratio.

    By the medians of each, 4 s and 3 s, the ratio would be 4/3.
    """
    compared = result(revcrypt=samples(1, 3, 100), gocryptfs=samples(2, 4, 400))
    assert compared.ratio("gocryptfs") == Spread(2.0, 4 / 3, 4.0)
    assert compared.ratio("revcrypt") == Spread(1.0, 1.0, 1.0)


def test_more_than_1_is_faster() -> None:
    """The ratio is more than 1 if revcrypt takes less time."""
    ratio = result(revcrypt=samples(2), encfs=samples(5)).ratio("encfs")
    assert ratio is not None
    assert ratio.median == 2.5


def test_no_ratio_without_the_reference() -> None:
    """Where revcrypt could not be measured, others still have their figures."""
    alone = result(gocryptfs=samples(2))
    assert alone.ratio("gocryptfs") is None
    assert alone.rate("gocryptfs") == 60.0
    assert "gocryptfs" in table(alone)


def test_rounds_must_correspond() -> None:
    """Peers of which one has skipped a round are not compared at all."""
    with pytest.raises(ValueError, match="longer"):
        result(revcrypt=samples(1, 1), encfs=samples(1)).ratio("encfs")


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (["walk-plain"], ["walk-plain"]),
        (["walk"], ["walk-plain", "walk-encrypted"]),
        (["s"], ["stream", "small"]),
        (["small", "stream"], ["stream", "small"]),
        (["small", "small"], ["small"]),
        ([], []),
    ],
)
def test_select(wanted: list[str], chosen: list[str]) -> None:
    """A workload is chosen by its name or by how it begins, in the order of all."""
    assert select(NAMES, wanted) == chosen


def test_select_prefers_the_whole_name() -> None:
    """A name that others begin with means itself alone."""
    assert select(["revcrypt", "revcrypt-python"], ["revcrypt"]) == ["revcrypt"]


@pytest.mark.parametrize("wanted", [["walks"], ["stream", "plain"]])
def test_select_what_does_not_exist(wanted: list[str]) -> None:
    """A workload that does not exist is an error, which says what there is."""
    with pytest.raises(ValueError, match=f"{wanted[-1]}.*walk-encrypted"):
        select(NAMES, wanted)


def test_table() -> None:
    """The table has a line for each peer, in columns, and why somebody is missing."""
    slow = [{"seconds": 4.0, "peak_MiB": 12.3}, {"seconds": 8.0, "peak_MiB": 14.3}]
    compared = Result(
        "stream",
        "cat 3 files",
        120.0,
        "MB",
        {"revcrypt": samples(1.0, 2.0), "gocryptfs": slow},
        {"encfs": "not today"},
    )
    assert table(compared).splitlines() == [
        "stream: cat 3 files (2 rounds)",
        "                       seconds  MB/s  peak MiB  times revcrypt's time",
        "  revcrypt   1.50 (1.00..2.00)  80.0                                1",
        "  gocryptfs  6.00 (4.00..8.00)  20.0      13.3      4.00 (4.00..4.00)",
        "  encfs: not today",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.01234, "0.012"), (1.234, "1.23"), (12.34, "12.3"), (1234.4, "1234")],
)
def test_digits(value: float, shown: str) -> None:
    """Figures have about three digits, whatever their size."""
    assert f"{shown} ({shown}..{shown})" in table(result(revcrypt=samples(value)))


def test_json() -> None:
    """JSON has the samples and what follows from them, and can be read back."""
    report = Report(CONDITIONS, [result(revcrypt=samples(1, 2), encfs=samples(3, 8))])
    text = report.to_json()
    assert Report.from_json(text) == report
    [shown] = json.loads(text)["results"]
    assert shown["samples"]["encfs"] == [{"seconds": 3}, {"seconds": 8}]
    assert shown["figures"]["encfs"] == {
        "seconds": {"median": 5.5, "low": 3, "high": 8},
        "rate": 120 / 5.5,
        "ratio": {"median": 3.5, "low": 3, "high": 4},
    }


def test_runs_add_up() -> None:
    """What was measured before stays, unless it was measured anew."""
    older = Report(CONDITIONS, [result("small"), result("stream", encfs=samples(1))])
    newer = Report(CONDITIONS, [result("walk-plain"), result("stream", encfs=samples(2))])
    both = newer.added_to(older, NAMES)
    assert [known.workload for known in both.results] == ["stream", "walk-plain", "small"]
    assert both.results[0].samples == {"encfs": samples(2)}


def test_other_conditions_do_not_add_up() -> None:
    """What was measured with another version or on another machine is dropped."""
    older = Report({**CONDITIONS, "revcrypt": "0.2"}, [result("small")])
    newer = Report(CONDITIONS, [result("stream")])
    assert newer.added_to(older, NAMES) == newer


def test_text_says_where() -> None:
    """What people read begins with the machine, and has one table after the other."""
    text = Report(CONDITIONS, [result(name) for name in NAMES]).text()
    head, *tables = text.split("\n\n")
    assert head == "processor  2 x Z80\nrevcrypt   0.1"
    assert [shown.partition(":")[0] for shown in tables] == NAMES


def test_note_lists_the_workloads() -> None:
    """The note on performance says what each workload does, in their order."""
    assert re.findall(r"^\| `(.+?)` \|", NOTE.read_text(), re.MULTILINE) == list(
        WORKLOADS
    )
