"""`revcrypt status`: what is worth a complaint, and what cannot be asked for."""

import time
from pathlib import Path
from typing import Any

import pytest

from revcrypt.cli import status, status_text
from revcrypt.cli.main import make_parser
from revcrypt.errors import MountpointError, OutputError, UsageError

HOUR = 3600


def walk(hours_ago: float, failures: int = 0) -> dict[str, Any]:
    """Return a walk that came to its end some time ago."""
    ended = time.time() - hours_ago * HOUR
    return {
        "begun": ended - HOUR,
        "ended": ended,
        "running": False,
        "directories": 2,
        "missing": 0,
        "entries": 3,
        "failures_since_begun": failures,
    }


def told(**fields: Any) -> dict[str, Any]:
    """Return what a view tells that nothing has happened to, but for *fields*."""
    now = time.time()
    return {
        "pid": 1,
        "since": now,
        "requests": {},
        "errors": {},
        "failures": 0,
        "mistakes": 0,
        "content_bytes": 0,
        "last_read": None,
        "known_entries": 1,
        "open_files": 0,
        "open_directories": 0,
        "last_walk": None,
        "unfinished_walks": [],
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "hours", "complaint"),
    [
        ({}, None, None),
        ({}, 26, "nobody has walked the tree to its end since it was mounted"),
        ({"last_walk": walk(25)}, 26, None),
        ({"last_walk": walk(27)}, 26, "nobody has walked the tree to its end within 26"),
        ({"last_walk": walk(27)}, None, None),
        ({"last_walk": walk(1, failures=3)}, None, "3 failures since the last walk"),
        ({"failures": 3, "last_walk": walk(1)}, 26, None),
        ({"mistakes": 2}, None, "2 requests have failed by a bug"),
    ],
)
def test_complaints(
    fields: dict[str, Any], hours: float | None, complaint: str | None
) -> None:
    """Bugs, failures of the last pull, and a pull that is not there are."""
    complaints = status._complaints(told(**fields), hours)
    assert len(complaints) == (complaint is not None)
    for text in complaints:
        assert text.startswith(complaint or "")


def test_errors_in_words() -> None:
    """Answers that nothing is there are many, and no reason to worry."""
    for fields, text in (
        ({}, "none"),
        ({"errors": {"ENODATA": 9, "EIO": 1}, "failures": 1}, "1 that count, of 10 ("),
    ):
        lines = list(status_text.lines("view", "source", told(**fields), []))
        [line] = [line for line in lines if line.startswith("errors:")]
        assert line.split(":")[1].strip().startswith(text)


def test_in_words() -> None:
    """Those who have only looked into the root are no news; complaints come last."""
    unfinished = [
        {**walk(1), "ended": None, "directories": directories, "running": running}
        for directories, running in [(1, False), (1, True), (2, False)]
    ]
    fields = told(last_walk=walk(1), unfinished_walks=unfinished)
    lines = list(status_text.lines("/view", "/source", fields, ["something"]))
    assert [line.split(":")[0] for line in lines] == [
        *("view", "since", "last walk", "unfinished", "unfinished"),
        *("requests", "errors", "content", "known now", "problem"),
    ]


def run(*words: str | Path) -> None:
    """Ask for a status, as a command does."""
    arguments = make_parser().parse_args(["status", *map(str, words)])
    arguments.run(arguments)


@pytest.mark.parametrize(
    "options",
    [
        ["--prometheus=view.txt"],
        ["--within=soon"],
        ["--within=0"],
        ["--within=-1"],
        ["--within=nan"],
        ["--within=inf"],
    ],
)
def test_impossible_options(tmp_path: Path, options: list[str]) -> None:
    """What makes no sense is refused, before anything is asked."""
    with pytest.raises(UsageError):
        run(*options, tmp_path)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """It is told, rather than what could not be written."""
    with pytest.raises(OutputError, match="cannot write"):
        run(f"--prometheus={tmp_path}/missing/view.prom", tmp_path)


def test_nothing_is_mounted(tmp_path: Path) -> None:
    """An empty directory is not there, as for whoever pulls; nor is a missing one."""
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(MountpointError, match="nothing is mounted on"):
            run(path)
