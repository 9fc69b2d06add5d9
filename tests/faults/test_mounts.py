"""Mounts that come and go, below the source and under it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.place import Place, lines, plain_source
from tests.mount.processes import end_of
from tests.support import Mounts, daemons, run, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
]

LARGE = 4000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A source on a disk of its own, with a directory to mount on."""
    directory = tmp_path_factory.mktemp("mounts")
    with plain_source(directory) as (mounts, plain):
        source = mounts.mountpoint("tmpfs")
        mounts.mount("-t", "tmpfs", "none", source)
        run("cp", "-a", f"{plain}/.", source)
        (source / "below").mkdir()
        (source / "below" / "file").write_bytes(lines(1, LARGE))
        (source / "file").write_bytes(lines(2, LARGE))
        yield Place(mounts, source)


@pytest.fixture
def other(mounts: Mounts) -> Path:
    """A directory with another file of the same name."""
    path = mounts.directory / "other"
    path.mkdir()
    (path / "file").write_bytes(lines(3, LARGE))
    return path


def read_on(fd: int) -> bytes:
    """Return what is left of a file."""
    return b"".join(iter(lambda: os.read(fd, 50_000), b""))


@pytest.mark.parametrize("kind", ["--bind", "--move"])
def test_a_mount_appears_and_goes(
    place: Place, mounts: Mounts, other: Path, kind: str
) -> None:
    """What is open is read to its end; what is opened next is what is there then."""
    below = place.source / "below"
    if kind == "--move":
        mounts.mount("--bind", other, other)
    old = os.open(place.view / "below" / "file", os.O_RDONLY)
    sealed = os.read(old, 50_000)
    mounts.mount(kind, other, below)
    assert os.listdir(place.view / "below") == ["file"]
    assert place.read("below/file") == lines(3, LARGE)
    assert place.unseal(sealed + read_on(old)) == lines(1, LARGE)
    os.close(old)
    new = os.open(place.view / "below" / "file", os.O_RDONLY)
    sealed = os.read(new, 50_000)
    run("umount", "--lazy", below)
    assert os.listdir(place.view / "below") == ["file"]
    assert place.read("below/file") == lines(1, LARGE)
    assert place.unseal(sealed + read_on(new)) == lines(3, LARGE)
    os.close(new)


def test_the_source_is_in_use(place: Place) -> None:
    """Whoever wants to unmount it is told that it is in use, and nothing happens."""
    said = run("umount", place.source, status=32).stderr
    assert "busy" in said
    assert place.read("file") == lines(2, LARGE)


def test_the_source_is_unmounted_lazily(place: Place) -> None:
    """The view goes on with what it has shown; it never shows what was beneath."""
    before = snapshot(place.view)
    again = place.mounts.mountpoint("again")
    place.mounts.mount("--bind", place.source, again)
    run("umount", "--lazy", place.source)
    assert os.listdir(place.source) == []
    place.forget()
    assert snapshot(place.view) == before
    place.mounts.mount("--bind", again, place.source)


def test_the_view_is_unmounted_while_it_is_read(place: Place, mounts: Mounts) -> None:
    """Lazily, what is open is read to its end, and then the daemon ends."""
    view = mounts.reverse(place.source)
    fd = os.open(view / "file", os.O_RDONLY)
    sealed = os.read(fd, 50_000)
    assert "busy" in run("umount", view, status=32).stderr
    [pid] = daemons(view)
    with end_of(pid):
        run("umount", "--lazy", view)
        assert os.listdir(view) == []
        assert place.unseal(sealed + read_on(fd)) == lines(2, LARGE)
        os.close(fd)
