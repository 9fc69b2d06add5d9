"""`revcrypt speed`: what is in use, and figures for it."""

import re

import pytest

from revcrypt.cli import speed
from revcrypt.cli.main import main
from revcrypt.errors import ExitCode
from revcrypt.format import bulk


@pytest.mark.parametrize("is_compiled", [True, False])
def test_what_is_in_use(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    is_compiled: bool,
) -> None:
    """It says what seals runs, and compares it with everything else that could."""
    monkeypatch.setattr(speed, "_SECONDS", 0.01)
    if not is_compiled:
        monkeypatch.setattr(bulk, "RUNS", None)
    assert main(["speed"]) == ExitCode.OK
    head, *lines = capsys.readouterr().out.splitlines()
    has_compiled = bulk.RUNS is not None
    assert head.endswith("by compiled code" if has_compiled else "in Python")
    assert [bool(re.search(r" \d+ MB/s$", line)) for line in lines] == [True] * len(lines)
    assert len(lines) == (6 if has_compiled else 4)
    assert any("compiled" in line for line in lines) == has_compiled
