"""A backup host that moves everything at once, so that nothing proves what is right."""

import os
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from tests.cli.rescuing import Case, attempt, rescue

COUNT = 40


def rotate(paths: list[Path]) -> None:
    """Give each file the content of the next one."""
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)


@pytest.fixture(params=["encrypted", "plaintext"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A copy of many files, each with a content of its own."""
    case = Case(tmp_path, Features(plaintext_names=request.param == "plaintext"))
    for number in range(COUNT):
        (case.plain / f"file {number:02}").write_text(f"content of {number}")
    case.pull()
    return case


@pytest.mark.parametrize("count", [20, COUNT])
def test_nothing_wrong_comes_back(count: int, case: Case) -> None:
    """However many files were rotated, none is restored with another's content."""
    names = sorted(path.name for path in case.plain.glob("file *"))
    rotate([case.cipher(name) for name in names[:count]])
    for iv in case.copy.rglob("gocryptfs.diriv"):
        iv.unlink()
    dest = case.directory / "dest"
    rescue("restore", case.masterkey, case.copy, dest, status=ExitCode.FINDINGS)
    restored = {path.name: path.read_text() for path in dest.glob("file *")}
    assert restored == {name: f"content of {int(name[5:])}" for name in names[count:]}
    for name in names[:count:7]:
        said = rescue("cat", case.masterkey, case.copy, name, status=ExitCode.FINDINGS)
        assert said.stdout == b""
        assert "the content of another file" in said.stderr


def test_whoever_insists_gets_it(case: Case) -> None:
    """What is a part of a copy, or no copy at all, comes back as it is."""
    names = sorted(path.name for path in case.plain.glob("file *"))
    rotate([case.cipher(name) for name in names])
    dest = case.directory / "dest"
    status, said = attempt("restore", case.masterkey, "--lenient", case.copy, dest)
    assert (status, said.stdout) == (0, b"")
    assert (dest / names[0]).read_text() == "content of 1"
    assert len(os.listdir(dest)) >= COUNT
