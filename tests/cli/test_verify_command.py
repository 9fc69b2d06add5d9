"""`revcrypt verify`: what it prints, for people and for scripts, and how it ends."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked
from tests.cli.rescuing import CONFIG, WRONG, Case, rescue
from tests.cli.terminal import Terminal
from tests.support import REVCRYPT
from tests.view.trees import ALL_FEATURES

CONTENT = bytes(range(256)) * 40
SECOND = 18 + 4128
"""Where the second block of a file begins."""


def fill(plain: Path) -> None:
    """Make a tree of six objects, the root among them."""
    (plain / "dir").mkdir()
    (plain / "dir" / "file").write_bytes(CONTENT)
    (plain / "dir" / os.fsdecode(b"odd \xff\n")).write_bytes(b"odd")
    (plain / "empty").touch()
    (plain / "link").symlink_to("target")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A copy of a small tree."""
    case = Case(tmp_path)
    fill(case.plain)
    case.pull()
    return case


def flip(path: Path, offset: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def damage(case: Case) -> list[str]:
    """Damage two blocks of a file and the target of a link; return the cipher paths."""
    file, link = case.cipher("dir/file"), case.cipher("link")
    flip(file, 18 + 100)
    flip(file, SECOND + 100)
    link.unlink()
    link.symlink_to("A" * 51)
    return [str(path.relative_to(case.copy)) for path in (file, link)]


def json_lines(stdout: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return findings and summary, leaving out lines about progress."""
    *lines, summary = map(json.loads, stdout.decode().splitlines())
    assert summary.pop("type") == "summary"
    findings = [line for line in lines if line["type"] != "progress"]
    assert all(line.pop("type") == "finding" for line in findings)
    return findings, summary


# A backup that is whole


@pytest.mark.parametrize("names", ALL_FEATURES)
def test_whole(names: str, tmp_path: Path) -> None:
    """A whole backup passes: nothing on stdout, a summary, and exit status 0."""
    case = Case(tmp_path, ALL_FEATURES[names])
    fill(case.plain)
    case.pull()
    words = ("verify", case.passphrase, case.copy)
    said = rescue(*words)
    assert said.stdout == b""
    assert said.stderr.startswith("revcrypt: info: read 6 objects, ")
    assert f" ({len(CONTENT) + 3} bytes)" in said.stderr
    assert said.stderr.endswith("no problem with what is there\n")
    compared = rescue(*words, f"--against={case.plain}")
    assert compared.stderr.endswith("no problem\n")
    assert rescue(*words, "-q") == (b"", "")
    findings, summary = json_lines(rescue(*words, "--json").stdout)
    assert findings == []
    expected = {"objects": 6, "bytes": len(CONTENT) + 3, "findings": 0, "kinds": {}}
    assert summary == expected


@pytest.mark.parametrize("jobs", ["-j1", "-j3"])
def test_findings(jobs: str, case: Case) -> None:
    """Each problem is one line on stdout, with both paths and the place in the file."""
    file, link = damage(case)
    words = ("verify", jobs, case.passphrase, case.copy)
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert sorted(said.lines) == sorted(
        [
            f"dir/file ({file}) at byte 18: blocks 0 to 1 do not authenticate".encode(),
            f"link ({link}): the link target does not authenticate".encode(),
        ]
    )
    assert "read 6 objects" in said.stderr
    assert "; problems: 1 " in said.stderr
    assert "1 content" in said.stderr
    assert "1 link" in said.stderr


@pytest.mark.parametrize("jobs", ["-j1", "-j3"])
def test_json(jobs: str, case: Case) -> None:
    """With --json, every line on stdout is an object, and the last one sums up."""
    file, link = damage(case)
    words = ("verify", "--json", jobs, case.passphrase, case.copy)
    findings, summary = json_lines(rescue(*words, status=ExitCode.FINDINGS).stdout)
    findings.sort(key=lambda finding: finding["kind"])
    assert findings == [
        {
            "kind": "content",
            "path": "dir/file",
            "cipher_path": file,
            "offset": 18,
            "size": 2 * 4128,
            "text": "blocks 0 to 1 do not authenticate",
            "healed": False,
        },
        {
            "kind": "link",
            "path": "link",
            "cipher_path": link,
            "offset": None,
            "size": None,
            "text": "the link target does not authenticate",
            "healed": False,
        },
    ]
    assert summary["findings"] == 2
    assert summary["kinds"] == {"content": 1, "link": 1}


def test_names_in_findings(case: Case) -> None:
    """No name can do harm to a terminal, and scripts get every byte of it."""
    path = case.cipher(b"dir/odd \xff\n")
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    words = ("verify", case.passphrase, case.copy)
    [line] = rescue(*words, status=ExitCode.FINDINGS).lines
    assert line.startswith(rb"dir/odd \xff\x0a (")
    said = rescue(*words, "--json", status=ExitCode.FINDINGS)
    [finding], _ = json_lines(said.stdout)
    assert os.fsencode(finding["path"]) == b"dir/odd \xff\n"


def test_what_was_put_right_counts(case: Case) -> None:
    """What can be put right is a problem of the backup all the same."""
    (case.cipher("dir") / "gocryptfs.diriv").unlink()
    words = ("verify", case.passphrase, case.copy)
    said = rescue(*words, status=ExitCode.FINDINGS)
    [line] = said.lines
    assert line.endswith(b"gocryptfs.diriv is missing; put right")
    assert ": 1 diriv" in said.stderr
    [finding], _ = json_lines(rescue(*words, "--json", status=26).stdout)
    assert finding["healed"] is True


def test_terminal(case: Case) -> None:
    """On a terminal the bar is not in the way of findings."""
    damage(case)
    terminal = Terminal()
    words = [*REVCRYPT, "verify", "-j2", case.passphrase, str(case.copy)]
    assert terminal.run(words, []) == ExitCode.FINDINGS
    lines = [line.rpartition("\r")[2] for line in terminal.shown.splitlines()]
    found = [line for line in lines if line.startswith(("dir/file (", "link ("))]
    assert len(found) == 2
    assert lines[-1].startswith("revcrypt: info: read 6 objects")


# What it is not for


def test_wrong_options(case: Case) -> None:
    """What is for --against alone is refused without it, before any key is read."""
    words = ("verify", "--passfile=/missing", case.copy)
    for option in ("--metadata", "--exclude=/dir", "--exclude-caches"):
        said = checked(rescue(*words, option, status=ExitCode.USAGE).stderr)
        assert "--against" in said
    missing = f"--against={case.directory}/missing"
    checked(rescue(*words, missing, status=ExitCode.SOURCE).stderr)


def test_nothing_to_verify(case: Case, tmp_path: Path) -> None:
    """A directory or key that is not there, or the wrong one, is no passed test."""
    words = ("verify", case.passphrase)
    checked(rescue(*words, tmp_path / "missing", status=ExitCode.SOURCE).stderr)
    (tmp_path / "keyfile").write_text(WRONG.hex())
    wrong = ("verify", case.masterkey, case.copy)
    checked(rescue(*wrong, status=ExitCode.MASTER_KEY).stderr)
    (case.copy / CONFIG).unlink()
    checked(rescue(*words, case.copy, status=ExitCode.CONFIG_UNREADABLE).stderr)


def test_nothing_is_written(case: Case) -> None:
    """A backup may be read-only: nothing in it is touched, not even times of access."""
    paths = [case.copy, *case.copy.rglob("*")]
    for path in paths:
        os.utime(path, ns=(10**18, 10**18), follow_symlinks=False)

    def files() -> dict[Path, os.stat_result]:
        return {path: path.lstat() for path in paths if path.is_file()}

    before = files()
    rescue("verify", "-q", case.passphrase, case.copy)
    (case.copy / CONFIG).stat()
    after = files()
    del before[case.copy / CONFIG], after[case.copy / CONFIG]
    assert after == before
