"""`revcrypt status`: what it says of views that are well, and of those that are not."""

import json
import os
import signal
import subprocess
from errno import EIO
from pathlib import Path
from shutil import copytree
from subprocess import PIPE
from typing import Any
from unittest.mock import ANY

import pytest
from prometheus_client.parser import text_string_to_metric_families

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked, refused
from tests.mount.own_fstab import said as said_in_own_root
from tests.mount.people import person
from tests.mount.processes import arguments, end_of, patched, said, stopped
from tests.support import REVCRYPT, Mounts, daemons, revcrypt, run

pytestmark = pytest.mark.fuse

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others")
SECRET = "precious"
"""In every plain name."""
ATTRIBUTE = "user.revcrypt.status"
ONLY = "tells its status to root and its own user only"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source with a few directories."""
    mounts = Mounts(tmp_path_factory.mktemp("status"))
    path = mounts.directory / "source"
    for number in range(3):
        directory = path / f"{SECRET} {number}" / f"{SECRET} inside"
        directory.mkdir(parents=True)
        (directory / f"{SECRET} file").write_bytes(b"content" * 10_000)
    (path / f"{SECRET} link").symlink_to(f"{SECRET} target")
    mounts.init(path)
    return path


@pytest.fixture
def view(mounts: Mounts, plain: Path) -> Path:
    """A view of it."""
    return mounts.reverse(plain)


def tells(view: Path) -> dict[str, Any]:
    """Return what a view tells, without the program in between."""
    told: dict[str, Any] = json.loads(os.getxattr(view, ATTRIBUTE))
    return told


def asked(view: Path, *options: str, code: ExitCode = ExitCode.OK) -> dict[str, Any]:
    """Return what the program makes of it, for scripts."""
    output = revcrypt("status", "--json", *options, view, status=code).stdout
    assert SECRET not in output
    answer: dict[str, Any] = json.loads(output)
    return answer


def link_in(view: Path) -> Path:
    """Return the symlink in the root of a view."""
    [link] = [path for path in view.iterdir() if path.is_symlink()]
    return link


# A view that is well


def test_in_words(view: Path) -> None:
    """It says since when, what was asked, what was read, and when all was seen."""
    run("cp", "-a", view, f"{view} copied")
    result = revcrypt("status", view)
    assert SECRET not in result.stdout
    assert result.stderr == ""
    rows = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert list(rows) == [
        *("view", "since", "last walk", "requests", "errors", "content", "known now")
    ]
    assert rows["view"].strip().startswith(f"{view} shows ")
    assert "complete: " in rows["last walk"]
    assert "last read" in rows["content"]


def test_for_scripts(view: Path) -> None:
    """What is mounted where, and all that the view tells, but for what changes."""
    answer = asked(view)
    assert answer["mountpoint"] == str(view)
    assert answer["source"] == run("findmnt", "-no", "SOURCE", view).stdout.strip()
    assert answer.keys() - tells(view).keys() == {"mountpoint", "source", "complaints"}


def test_complete_pulls(mounts: Mounts, view: Path) -> None:
    """Whoever has pulled all of it has walked to its end; a second pull, too."""
    copy = mounts.directory / "copy"
    clients = (
        ("find", view),
        ("tar", "-cf", mounts.directory / "archive", view),
        ("cp", "-a", view, copy),
        ("rsync", "-a", f"{view}/", copy),
        ("rsync", "-a", f"{view}/", copy),
    )
    assert tells(view)["last_walk"] is None
    ended = 0
    for client in clients:
        run(*client)
        walk = tells(view)["last_walk"]
        assert walk["begun"] >= ended, client
        ended = walk["ended"]
        assert walk["directories"] == 7
        assert walk["failures_since_begun"] == walk["missing"] == 0


def test_an_incomplete_pull(mounts: Mounts, view: Path) -> None:
    """A pull that leaves something out is not complete."""
    left_out = next(path.name for path in view.iterdir() if path.is_dir())
    pull = ("rsync", "-a", f"--exclude={left_out}", f"{view}/", mounts.directory / "copy")
    run(*pull)
    now = asked(view, "--within", "1", code=ExitCode.FINDINGS)
    assert now["last_walk"] is None
    assert now["unfinished_walks"][-1]["missing"] == 1
    assert len(now["complaints"]) == 1
    run("find", view)
    assert asked(view, "--within", "1")["complaints"] == []


def test_what_could_not_be_read(mounts: Mounts, plain: Path) -> None:
    """A pull that has missed something is worth a complaint, without any option."""
    source = mounts.directory / "source"
    copytree(plain, source, symlinks=True)
    (source / f"{SECRET} link").unlink()
    (source / f"{SECRET} link").symlink_to("x" * 4000)
    view = mounts.reverse(source)
    run("find", view)
    with pytest.raises(OSError, match="too long"):
        os.readlink(link_in(view))
    now = asked(view, code=ExitCode.FINDINGS)
    assert now["errors"]["ENAMETOOLONG"] == now["failures"] == 1
    assert now["last_walk"]["failures_since_begun"] == 1
    run("find", view)
    assert tells(view)["last_walk"]["failures_since_begun"] == 0


def test_for_prometheus(mounts: Mounts, view: Path) -> None:
    """The text file has the same figures, and says so when the view has gone."""
    run("find", view)
    file = mounts.directory / "view.prom"
    now = asked(view, f"--prometheus={file}")
    assert file.stat().st_mode & 0o777 == 0o644
    figures = _figures(file)
    place = ("mountpoint", str(view))
    assert figures["revcrypt_up", place] == 1
    assert figures["revcrypt_requests_total", place, ("operation", "opendir")] == 7
    assert figures["revcrypt_last_walk_directories", place] == 7
    ended = figures["revcrypt_last_walk_ended_timestamp_seconds", place]
    assert ended == now["last_walk"]["ended"]
    mounts.unmount(view)
    message = refused(ExitCode.MOUNTPOINT, "status", f"--prometheus={file}", view)
    assert "nothing is mounted on" in message
    assert _figures(file) == {("revcrypt_up", place): 0}
    names = os.listdir(mounts.directory)
    assert [name for name in names if "prom" in name] == ["view.prom"]


def _figures(file: Path) -> dict[tuple[Any, ...], float]:
    families = text_string_to_metric_families(file.read_text())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


# Whom it tells


@needs_root
def test_strangers(mounts: Mounts, plain: Path) -> None:
    """Other users hear nothing, also where they may see the view; and no copy has it."""
    view = mounts.reverse(plain, "view", "--allow-other")
    assert os.listxattr(view) == []
    with person(mounts.directory, 65534, 65534) as nobody:
        assert nobody.ask(os.listxattr, "view") == []
        with pytest.raises(OSError, match="No data available"):
            nobody.ask(os.getxattr, "view", ATTRIBUTE)
    assert tells(view)["pid"] in daemons(view)


@needs_root
def test_somebody_else_s_view(tmp_path: Path) -> None:
    """Root hears also where the kernel keeps it out; a stranger hears whom to ask."""
    assert said_in_own_root(
        tmp_path,
        r"""
        line setuid=nobody
        mount /mnt/view
        status ls /mnt/view
        revcrypt status /mnt/view | grep -c 'last walk: none'
        as nobody revcrypt status /mnt/view | grep -c 'last walk: none'
        status as backup revcrypt status /mnt/view
        cat /run/said
        """,
    ) == [
        *("2", "1", "1", "1"),
        f"revcrypt: error: the view on /mnt/view {ONLY}",
        "revcrypt: hint: ask as one of these",
    ]


# What is no view, or none that answers


def test_something_else_is_mounted(mounts: Mounts, view: Path) -> None:
    """What another program shows is no view of ours."""
    other = mounts.gocryptfs(view, "other", "-ro")
    message = refused(ExitCode.MOUNTPOINT, "status", other)
    assert "is no view, but of type fuse.gocryptfs" in message


def test_crashed(view: Path) -> None:
    """What a crash has left is told from what was unmounted."""
    [pid] = daemons(view)
    with end_of(pid):
        os.kill(pid, signal.SIGKILL)
    message = refused(ExitCode.MOUNTPOINT, "status", view)
    assert "has crashed" in message
    answer = asked(view, code=ExitCode.MOUNTPOINT)
    assert answer == {"mountpoint": str(view), "complaints": [ANY]}
    assert "has crashed" in answer["complaints"][0]


IMPATIENT = """
from revcrypt.cli import patience
patience.SECONDS = 0.3
"""


def asked_shortly(view: Path) -> str:
    """Ask, without much patience, and return what is said when there is no answer."""
    words = patched(IMPATIENT, "status", view)
    return checked(run(*words, status=ExitCode.NOT_ANSWERING).stderr)


def test_hanging(view: Path) -> None:
    """A view that hangs does not make us hang."""
    [pid] = daemons(view)
    with stopped(pid):
        assert "does not answer" in asked_shortly(view)
    assert tells(view)


STARTING = """
serve = pyfuse3.main
async def wait(**tasks):
    print("waiting", file=sys.stderr, flush=True)
    while not os.path.exists(sys.argv[-1] + ".go"):
        await trio.sleep(0.01)
    await serve(**tasks)
pyfuse3.main = wait
"""


def test_starting(mounts: Mounts, plain: Path) -> None:
    """One that is mounted but does not answer yet is not taken for one that does."""
    view, go = mounts.mountpoint("view"), mounts.directory / "view.go"
    words = patched(STARTING, *arguments(mounts, "-f", "-q"), plain, view)
    # Nobody may look at it before it answers, not even to see whether it is mounted.
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert said(process) == "waiting\n"
            assert "it is still starting, or it hangs" in asked_shortly(view)
            asking = subprocess.Popen([*REVCRYPT, "status", view], stdout=PIPE)
        finally:
            go.touch()
        with asking:
            assert b"last walk" in asking.communicate()[0]
        assert asking.returncode == ExitCode.OK, "it is answered once it has started"
        mounts.unmount(view)


# The guard


BROKEN = """
from revcrypt.view.reverse import ReverseView
def readlink(self, node):
    raise KeyError(node.backing_name)
ReverseView.readlink = readlink
"""


def test_a_mistake_of_ours(mounts: Mounts, plain: Path) -> None:
    """It is an error for that request, one traceback in the log, and a complaint."""
    view = mounts.mountpoint("view")
    words = arguments(mounts, "--foreground", "-q")
    process = mounts.start(*patched(BROKEN, *words, plain, view))
    link = link_in(view)
    for _ in range(20):
        with pytest.raises(OSError) as raised:  # noqa: PT011 - the errno tells
            os.readlink(link)
        assert raised.value.errno == EIO
    others = [path for path in view.rglob("*") if not path.is_symlink()]
    assert all(path.read_bytes() for path in others if path.is_file())
    now = asked(view, code=ExitCode.FINDINGS)
    assert now["mistakes"] == now["errors"]["EIO"] == 20
    assert "20 requests have failed by a bug; see the log" in now["complaints"]
    mounts.unmount(view)
    assert process.wait() == ExitCode.OK
    assert process.stderr is not None
    log = process.stderr.read()
    assert log.count("Traceback") == 1
    assert "readlink failed; this is a bug in revcrypt" in log
    assert "KeyError" in log
    assert SECRET not in log
