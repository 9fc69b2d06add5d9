"""A disk that hangs: who needs it waits, everybody else goes on."""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.disk import Disk
from tests.faults.place import DiskPlace, configure, lines, plain_source
from tests.mount.processes import arguments, end_of, patched
from tests.support import Mounts, revcrypt, run, snapshot, wait_for_unmount

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop what is cached"),
]

MANY = 8
"""Readers that wait at the same time; the kernel lets no more than 12 wait for a disk."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DiskPlace]:
    """Files on a disk that can hang."""
    with plain_source(tmp_path_factory.mktemp("hanging")) as (mounts, backing):
        for number in range(MANY):
            (backing / f"file {number}").write_bytes(lines(number, 400))
        (backing / "small").write_bytes(lines(MANY, 10))
        (backing / "well").mkdir()
        for number in range(5):
            (backing / "well" / f"{number}").write_bytes(lines(number, 100))
        yield DiskPlace(mounts, backing)


@contextmanager
def reader(place: DiskPlace, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process read a file; the disk is well when that ends."""
    words = ["cat", place.view / name]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            place.disk.heal()


@pytest.mark.parametrize("name", ["small", "file 1"])
def test_others_go_on(place: DiskPlace, name: str) -> None:
    """While a read waits, others read, list and look; then it gets what it has read."""
    content = (place.view / name).read_bytes()
    well = snapshot(place.view / "well")
    place.forget()
    with ThreadPoolExecutor() as pool, place.disk.hanging("read", name):
        waiting = pool.submit(Path.read_bytes, place.view / name)
        place.disk.wait_for("read", name)
        assert snapshot(place.view / "well") == well
        assert (place.view / "file 2").read_bytes()
        assert name in os.listdir(place.view)
        assert (place.view / name).stat().st_size == len(content)
        assert place.told["open_files"] == 1
        assert not waiting.done()
        place.disk.heal()
        assert waiting.result() == content


def test_many_wait(place: DiskPlace) -> None:
    """Many readers that wait at the same time are no obstacle either."""
    well = snapshot(place.view / "well")
    names = [f"file {number}" for number in range(MANY)]
    contents = {name: (place.view / name).read_bytes() for name in names}
    place.forget()
    with (
        ThreadPoolExecutor(MANY) as pool,
        ExitStack() as faults,
        place.disk.hanging("read", names[0]),
    ):
        for name in names[1:]:
            faults.enter_context(place.disk.hanging("read", name))
        waiting = {
            name: pool.submit(Path.read_bytes, place.view / name) for name in names
        }
        for name in names:
            place.disk.wait_for("read", name)
        assert snapshot(place.view / "well") == well
        assert place.told["open_files"] == MANY
        place.disk.heal()
        assert {name: read.result() for name, read in waiting.items()} == contents


def test_a_reader_that_is_killed_while_it_waits(place: DiskPlace) -> None:
    """It keeps nothing waiting, and leaves nothing open."""
    well = snapshot(place.view / "well")
    place.forget()
    path = place.view / "file 3"
    with place.disk.hanging("read", path.name), reader(place, path.name) as process:
        place.disk.wait_for("read", path.name)
        process.kill()
        assert snapshot(place.view / "well") == well
        # The kernel lets it go when its read has been answered.
        place.disk.heal()
    assert process.returncode == -signal.SIGKILL
    assert place.read("file 3") == lines(3, 400)


@pytest.mark.parametrize("operation", ["lookup", "getattr", "open", "opendir"])
def test_a_look_that_hangs(place: DiskPlace, operation: str) -> None:
    """All wait for it; when the disk answers, all get what they have asked for."""
    name = "well" if operation == "opendir" else "file 4"
    well = snapshot(place.view / "well")
    place.forget()
    with ThreadPoolExecutor() as pool, place.disk.hanging(operation, name):
        first = pool.submit(
            snapshot if name == "well" else Path.read_bytes, place.view / name
        )
        place.disk.wait_for(operation, name)
        second = pool.submit(place.read, "file 5")
        place.disk.heal()
        assert second.result() == lines(5, 400)
        found = first.result()
    if isinstance(found, bytes):
        assert place.unseal(found) == lines(4, 400)
    else:
        assert found == well


class Distant:
    """A source with a file, and a disk below it on which there is another one."""

    def __init__(self, mounts: Mounts) -> None:
        self.source, backing = mounts.directory / "source", mounts.directory / "backing"
        for path in (self.source, backing):
            path.mkdir()
        (self.source / "file").write_bytes(lines(1, 100))
        (backing / "far").write_bytes(lines(2, 100))
        configure(mounts, self.source)
        self._root = backing.name
        self.disk = Disk(mounts, backing, "source/net")

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let the disk answer nothing meanwhile."""
        with ExitStack() as faults:
            for operation in ("lookup", "getattr", "opendir", "statfs"):
                faults.enter_context(self.disk.hanging(operation, self._root))
            yield

    def wait(self) -> None:
        """Wait until somebody asks whether it answers."""
        self.disk.wait_for("statfs", self._root)


@pytest.fixture
def distant(mounts: Mounts) -> Distant:
    return Distant(mounts)


def test_a_server_that_does_not_answer(mounts: Mounts, distant: Distant) -> None:
    """Who needs it waits, and gets what is there when it answers; nobody else waits."""
    view = mounts.reverse(distant.source)
    # The kernel lets nobody look up another name in a directory where one waits.
    (view / "file").stat()
    with ThreadPoolExecutor() as pool, distant.hanging():
        waiting = [
            pool.submit(os.listdir, view / "net"),
            pool.submit(os.listdir, view / "net"),
            pool.submit(Path.read_bytes, view / "net" / "far"),
            pool.submit(os.scandir, view),
        ]
        distant.wait()
        for _ in range(3):
            assert len((view / "file").read_bytes()) > 100 * 256
            revcrypt("status", view)
        assert not any(answer.done() for answer in waiting[:3])
        distant.disk.heal()
        assert [waiting[0].result(), waiting[1].result()] == [["far"], ["far"]]
        assert len(waiting[2].result()) > 100 * 256
        with waiting[3].result() as entries:
            assert {entry.name for entry in entries} >= {"file", "net"}


def test_a_server_that_never_answers(mounts: Mounts, distant: Distant) -> None:
    """After a while, it is an error; rsync gets all else, and deletes nothing."""
    copy = mounts.directory / "copy"
    pull = ("rsync", "-a", "--delete")
    view = mounts.reverse(distant.source)
    run(*pull, f"{view}/", copy)
    mounts.unmount(view)
    complete = snapshot(copy)
    (copy / "file").unlink()
    patch = "from revcrypt.fuse import disks\ndisks.PATIENCE = 0.3"
    again = mounts.mountpoint("again")
    words = arguments(mounts, "--foreground", "-q")
    with distant.hanging():
        mounts.start(*patched(patch, *words, distant.source, again))
        assert not list_distant(again)
        assert "timed out" in run(*pull, f"{again}/", copy, status=23).stderr
        assert snapshot(copy) == complete
    while not list_distant(again):
        pass
    run(*pull, f"{again}/", copy)
    assert snapshot(copy) == complete


def list_distant(view: Path) -> list[str]:
    """List what is on the disk, or nothing while it does not answer."""
    try:
        return os.listdir(view / "net")
    except TimeoutError:
        return []


def test_a_mount_that_is_left_out(mounts: Mounts, distant: Distant) -> None:
    """What hangs below the source is not touched with --one-file-system."""
    with distant.hanging():
        view = mounts.reverse(distant.source, "view", "--one-file-system")
        found = run("timeout", "20", "ls", "-lR", view).stdout
        assert {line.split()[-1] for line in found.splitlines() if line} >= {
            "file",
            "net",
        }
        mounts.unmount(view)


def test_the_view_can_be_stopped(tmp_path: Path) -> None:
    """A disk that hangs does not keep the view from being unmounted."""
    with plain_source(tmp_path) as (mounts, backing):
        (backing / "file").write_bytes(lines(1, 400))
        place = DiskPlace(mounts, backing)
        pid = place.pid
        with place.disk.hanging("read", "file"), reader(place, "file") as process:
            place.disk.wait_for("read", "file")
            with end_of(pid):
                os.kill(pid, signal.SIGTERM)
                wait_for_unmount(place.view)
                assert process.wait() != 0
                # The kernel keeps a process that waits for a disk until that answers.
                place.disk.heal()
        assert os.listdir(place.view) == []
