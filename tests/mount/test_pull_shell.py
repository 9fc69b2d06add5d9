"""`revcrypt pull-shell` under a real rsync: it pulls the view, or it deletes nothing."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.mount.processes import SECONDS, stopped
from tests.mount.pulling import Pull, kill, running_elsewhere, same, stop
from tests.support import REVCRYPT, Mounts, backdate, revcrypt, run, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting on top is for root"),
]

SHORT = "pull_shell._SECONDS = 1"


@pytest.fixture
def pull(mounts: Mounts) -> Pull:
    """A view that is mounted."""
    pull = Pull(mounts)
    pull.mount()
    return pull


# What is allowed


def test_pull(pull: Pull) -> None:
    """A pull brings the view as it is, and what has gone goes from the copy, too."""
    result = pull.pull()
    assert (result.returncode, result.stderr) == (0, "")
    assert same(pull)
    assert len(snapshot(pull.copy)) > 12
    (pull.source / "below" / "file 3").unlink()
    (pull.source / "new").mkdir()
    backdate(pull.source)
    assert not same(pull)
    assert pull.pull().returncode == 0
    assert same(pull)


def test_part_of_it(pull: Pull) -> None:
    """Paths are those in the view."""
    [name] = [path.name for path in pull.view.iterdir() if path.is_dir()]
    for path in (f"/{name}/", f"{name}/", f"./{name}/"):
        result = pull.rsync("--delete", f"host:{path}", f"{pull.copy}/")
        assert (result.returncode, result.stderr) == (0, "")
        assert snapshot(pull.copy) == snapshot(pull.view / name)


def test_busy_while_it_is_pulled(pull: Pull) -> None:
    """Nobody can unmount the view under a pull by accident."""
    words = [pull.shell(), "host", "rsync --server --sender -logDtpre.iLsfxCIvu . /"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, **pipes) as process:
        # Its greeting: rsync runs, and waits for us.
        assert len(process.stdout.read(4)) == 4
        said = run("umount", pull.view, status=32).stderr
        assert "busy" in said
        process.stdin.close()
        process.wait(SECONDS)
    pull.mounts.unmount(pull.view)


# What is refused


def test_push(pull: Pull, tmp_path: Path) -> None:
    """Nothing can be sent, not even if that would not be done."""
    (tmp_path / "file").write_text("content")
    result = pull.rsync("--dry-run", str(tmp_path / "file"), "host:/")
    assert result.returncode != 0
    assert "read-only" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["host:../"],
        ["host:/../source/"],
        ["host:below/../../source/"],
        ["--dry-run", "--remove-source-files", "host:/"],
        ["--copy-links", "host:/"],
        ["--remote-option=--log-file=LOG", "host:/"],
    ],
)
def test_ways_out(words: list[str], pull: Pull) -> None:
    """No path and no option leads out of the view, or changes anything."""
    log = pull.directory / "log"
    before = snapshot(pull.source)
    given = [word.replace("LOG", str(log)) for word in words]
    result = pull.rsync("--delete", *given, f"{pull.copy}/")
    assert result.returncode != 0
    assert "rrsync error" in result.stderr
    assert snapshot(pull.copy) == {}
    assert snapshot(pull.source) == before
    assert not log.exists()


@pytest.mark.parametrize(
    "words",
    [
        "cat /etc/passwd",
        "sh",
        "",
        "rsync --daemon",
        "rsync --version; cat /etc/passwd",
        "rsync --server -e.LsfxC . /; cat /etc/passwd",
        "/usr/bin/rsync --server --sender -e.LsfxC . /",
    ],
)
def test_other_commands(words: str, pull: Pull) -> None:
    """Nothing but rsync's own request for files is run."""
    status, said = pull.command(words)
    assert status != 0
    assert "rrsync error" in said
    assert "root:" not in said


# When the view is missing


@contextmanager
def unmounted(pull: Pull) -> Iterator[None]:
    """Nothing is mounted."""
    pull.mounts.unmount(pull.view)
    yield


@contextmanager
def dead(pull: Pull) -> Iterator[None]:
    """The daemon has crashed."""
    kill(pull.daemon)
    yield


@contextmanager
def hanging(pull: Pull) -> Iterator[None]:
    """The daemon does not even take requests."""
    with stopped(pull.daemon):
        yield


@contextmanager
def invisible(pull: Pull) -> Iterator[None]:
    """It is mounted where only somebody else sees it."""
    pull.mounts.unmount(pull.view)
    command = (*REVCRYPT, "reverse", "-q", f"--passfile={pull.mounts.passfile}")
    with running_elsewhere((*command, pull.source, pull.view)):
        yield


@contextmanager
def covered(pull: Pull) -> Iterator[None]:
    """An empty filesystem is mounted over it."""
    run("mount", "-t", "tmpfs", "tmpfs", pull.view)
    yield
    run("umount", pull.view)


@contextmanager
def replaced(pull: Pull) -> Iterator[None]:
    """Another view is mounted over it."""
    other = pull.directory / "other"
    other.mkdir()
    (other / "file").touch()
    pull.mounts.init(other)
    passfile = f"--passfile={pull.mounts.passfile}"
    stop(pull)
    revcrypt("reverse", "-q", passfile, other, pull.view)
    yield


@contextmanager
def renamed(pull: Pull) -> Iterator[None]:
    """It is mounted under another name than the file says."""
    stop(pull)
    passfile = f"--passfile={pull.mounts.passfile}"
    revcrypt("reverse", "-q", passfile, "--fsname=name", pull.source, pull.view)
    yield


@contextmanager
def plain_directory(pull: Pull) -> Iterator[None]:
    """Somebody has mounted the source itself there."""
    stop(pull)
    run("mount", "--bind", pull.source, pull.view)
    yield
    run("umount", pull.view)


@contextmanager
def emptied(pull: Pull) -> Iterator[None]:
    """The source is empty, as a mountpoint is whose disk is missing."""
    run("sh", "-c", 'rm -r "$1"/*', "sh", pull.source)
    yield


Accident = Callable[[Pull], AbstractContextManager[None]]
ACCIDENTS: dict[str, tuple[Accident, str]] = {
    "unmounted": (unmounted, "is not a view of revcrypt"),
    "dead": (dead, "Transport endpoint is not connected"),
    "hanging": (hanging, "does not answer"),
    "invisible": (invisible, "is not a view of revcrypt"),
    "covered": (covered, "is not a view of revcrypt"),
    "replaced": (replaced, "/other"),
    "renamed": (renamed, "shows name"),
    "plain": (plain_directory, "is not a view of revcrypt"),
    "emptied": (emptied, "is empty"),
}


@pytest.mark.parametrize(("accident", "reason"), ACCIDENTS.values(), ids=ACCIDENTS)
def test_nothing_is_deleted(accident: Accident, reason: str, pull: Pull) -> None:
    """A pull of a view that is missing fails, and the copy keeps everything."""
    assert pull.pull().returncode == 0
    before = snapshot(pull.copy)
    assert len(before) > 12
    shell = pull.shell(SHORT)
    with accident(pull):
        result = pull.pull(shell)
        checked = pull.command("", pull.shell(SHORT, "--check"))
    assert result.returncode != 0
    assert snapshot(pull.copy) == before
    assert f"revcrypt: error: {pull.view}" in result.stderr
    assert reason in result.stderr
    assert "nothing is deleted" in result.stderr
    status, said = checked
    assert status == ExitCode.MOUNTPOINT
    assert reason in said
