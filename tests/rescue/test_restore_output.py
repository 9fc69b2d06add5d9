"""What restoring says while it works, and to whom."""

import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from revcrypt.cli import findings
from revcrypt.errors import ExitCode
from tests.cli.terminal import Terminal
from tests.mount.processes import SECONDS
from tests.rescue.running import Command, summary
from tests.support import REVCRYPT, run

ESCAPING = 2
"""Links in the tree that lead out of it: an absolute one, and one upwards."""


def test_on_a_terminal(copy: Path, dest: Path, passfile: Path) -> None:
    """A bar shows bytes, files, rate and time left, and gives way to the summary."""
    terminal = Terminal()
    termios.tcsetwinsize(terminal._slave, (24, 80))
    command = [*REVCRYPT, "restore", f"--passfile={passfile}", copy, dest]
    assert terminal.run(command, []) == 0
    *bars, last = terminal.shown.split("\r")
    assert "restored 12 files" in last
    # 300,000 + 400,000 + 9000 bytes and some letters, in KiB.
    assert "restoring:   0%" in bars[1]
    assert all("/692k [" in bar and "B/s" in bar for bar in bars[1:-1])
    # It leaves nothing behind.
    assert bars[-1].strip() == ""


def test_quiet_on_a_terminal(copy: Path, dest: Path, passfile: Path) -> None:
    """With --quiet, there is nothing to see on a terminal either."""
    terminal = Terminal()
    termios.tcsetwinsize(terminal._slave, (24, 80))
    command = [*REVCRYPT, "restore", "-q", f"--passfile={passfile}", copy, dest]
    assert terminal.run(command, []) == 0
    assert terminal.shown == ""


def test_on_a_pipe(copy: Path, dest: Path, command: Command) -> None:
    """Where nobody looks, there is no bar, only one line at the end."""
    said = command("restore", copy, dest)
    assert said.stdout == ""
    assert said.stderr == (
        "revcrypt: info: restored 12 files, 692.5 KiB (709087 bytes), and 16 "
        "directories, links and others; 0 files were there already\n"
        "revcrypt: info: symlinks that lead out of what was restored, and were not "
        f"followed: {ESCAPING}\n"
    )


def test_other_files_are_replaced(
    plain: Path, copy: Path, dest: Path, command: Command
) -> None:
    """Who restores into what he has worked on since is told how much of that is gone."""
    [path, *_] = [path for path in plain.iterdir() if is_file(path)]
    dest.mkdir(exist_ok=True)
    (dest / path.name).write_text("mine")
    told = "in the place of other files of the same name, which are gone: 1\n"
    assert told in command("restore", copy, dest).stderr
    assert (dest / path.name).read_bytes() == path.read_bytes()
    assert told not in command("restore", copy, dest).stderr


def test_json(
    plain: Path,
    copy: Path,
    dest: Path,
    restore: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For scripts, progress and summary are one object a line, and nothing else is."""
    monkeypatch.setattr(findings, "_EVERY", 0)
    said = restore("--json", copy, dest)
    assert said.stderr == ""
    *progress, last = (json.loads(line) for line in said.stdout.splitlines())
    files = [path.stat() for path in plain.rglob("*") if is_file(path)]
    size = sum(status.st_size / status.st_nlink for status in files)
    assert {message["type"] for message in progress} == {"progress"}
    sizes = [message["bytes"] for message in progress]
    assert sizes == sorted(sizes)
    assert (sizes[-1], progress[-1]["objects"]) == (size, 12)
    assert {message["of"] for message in progress} == {size}
    assert summary(said.stdout) == {
        "files": 12,
        "bytes": size,
        "replaced": 0,
        "unchanged": 0,
        "others": last["others"],
        "escaping_links": ESCAPING,
        "findings": 0,
        "healed": 0,
    }


def is_file(path: Path) -> bool:
    """Tell whether a path is that of a file in the backup."""
    is_config = path.name == ".gocryptfs.reverse.conf"
    return path.is_file() and not path.is_symlink() and not is_config


@pytest.mark.parametrize("jobs", ["0", "-1", "65", "100000", "many"])
def test_impossible_jobs(jobs: str, copy: Path, dest: Path, restore: Command) -> None:
    """A number of processes that makes no sense is refused."""
    assert "jobs" in restore("-j", jobs, copy, dest, status=ExitCode.USAGE).stderr
    assert not dest.exists()


_SLOW = """
import os, signal, sys, time
from revcrypt.cli.main import main
from revcrypt.rescue.target import NewFile
write = NewFile.write
def stop_there(file, data):
    write(file, data[:4096])
    if b"big" in file.path:
        print(os.getpid(), flush=True)
        # A signal between the last check for one and the sleep does not end that.
        for _ in range(600):
            time.sleep(0.1)
    write(file, data[4096:])
NewFile.write = stop_there
# Whoever runs tests in the background may have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""
"""Restores, but stops in the middle of one file and says which process that is."""


@pytest.fixture
def slow(
    copy: Path, dest: Path, passfile: Path
) -> Callable[[str], subprocess.Popen[str]]:
    """Start a restore that does not come to its end, in a process group of its own."""

    def start(jobs: str) -> subprocess.Popen[str]:
        words = ["restore", "-q", jobs, f"--passfile={passfile}", str(copy), str(dest)]
        return subprocess.Popen(
            [sys.executable, "-c", _SLOW, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    return start


@pytest.mark.parametrize("jobs", ["-j1", "-j2"])
def test_interrupted(
    jobs: str, slow: Callable[[str], subprocess.Popen[str]], dest: Path
) -> None:
    """Ctrl-C ends it and all its processes at once; no half file has its name."""
    with slow(jobs) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        # All of them have this pipe, so it ends with the last of them.
        output = process.communicate(timeout=SECONDS)
    assert (process.returncode, *output) == (ExitCode.INTERRUPTED, "", "")
    assert not (dest / "big").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_worker_killed(
    slow: Callable[[str], subprocess.Popen[str]],
    plain: Path,
    copy: Path,
    dest: Path,
    restore: Command,
) -> None:
    """A worker that was killed ends it with an error, and another run completes it."""
    with slow("-j2") as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        assert worker != process.pid
        os.kill(worker, signal.SIGKILL)
        _, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode == ExitCode.OTHER
    assert stderr.splitlines() == [
        "revcrypt: error: a worker process has died; was it killed?",
        "revcrypt: hint: if memory is short, --jobs=1 needs less",
    ]
    assert not (dest / "big").exists()
    restore(copy, dest)
    run("diff", "-r", "--no-dereference", "-x", "special", "-x", "*.conf", plain, dest)
    assert not any(path.name.endswith(".part") for path in dest.rglob("*"))
