"""A disk that fails: an error for who needs what it does not give, and nobody else."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import EACCES, EIO, ESTALE, errorcode
from pathlib import Path

import pytest

from tests.faults.disk import Disk
from tests.faults.place import DiskPlace, lines, plain_source
from tests.support import run, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop what is cached"),
]

XATTR = "user.n"
ERRORS = (EIO, EACCES, ESTALE)


def get_attribute(path: Path) -> bytes:
    [name] = os.listxattr(path)
    return os.getxattr(path, name)


USES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "lookup": ("file", os.lstat),
    "getattr": ("file", os.lstat),
    "open": ("file", Path.read_bytes),
    "read": ("file", Path.read_bytes),
    "read on": ("file", Path.read_bytes),
    "readlink": ("link", os.readlink),
    "listxattr": ("file", os.listxattr),
    "getxattr": ("file", get_attribute),
    "opendir": ("inner", os.listdir),
    "readdir": ("inner", os.listdir),
    "readdir on": ("inner", os.listdir),
}
"""What fails, on what in the directory, and what a client does who needs it."""
ENTRIES = ["ill file", "ill inner", "ill link"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DiskPlace]:
    """Two directories on a disk that can fail, one of which it never does."""
    with plain_source(tmp_path_factory.mktemp("disk")) as (mounts, backing):
        for number, name in enumerate(("ill", "well")):
            inner = backing / name / f"{name} inner"
            inner.mkdir(parents=True)
            file = inner.parent / f"{name} file"
            for path in (inner / "a", inner / "b", inner / "c", file):
                path.write_bytes(lines(number, 2000))
            os.setxattr(file, XATTR, b"value")
            (inner.parent / f"{name} link").symlink_to("target")
        yield DiskPlace(mounts, backing)


@pytest.mark.parametrize("number", ERRORS, ids=errorcode.__getitem__)
@pytest.mark.parametrize("operation", USES)
def test_errors(place: DiskPlace, operation: str, number: int) -> None:
    """An error reaches the client, who gets all when the disk is well again."""
    entry, use = USES[operation]
    name = f"ill {entry}"
    path = place.view / "ill" / name
    before, well = use(path), snapshot(place.view / "well")
    place.forget()
    with place.disk.failing(operation, name, number):
        with pytest.raises(OSError) as raised:  # noqa: PT011 - the errno tells
            use(path)
        assert raised.value.errno == number
        assert sorted(os.listdir(place.view / "ill")) == ENTRIES
        assert snapshot(place.view / "well") == well
    place.forget()
    assert use(path) == before


@pytest.mark.parametrize("operation", ["read", "read on"])
def test_a_disk_that_gives_less_than_there_is(place: DiskPlace, operation: str) -> None:
    """What is missing is an error: never zeros, never a file that looks whole."""
    path = place.view / "ill" / "ill file"
    before = path.read_bytes()
    with (
        place.disk.cut(operation, path.name),
        pytest.raises(OSError, match="Input/output"),
    ):
        path.read_bytes()
    assert path.read_bytes() == before


def test_a_disk_that_does_not_know_its_size(place: DiskPlace) -> None:
    """`df` gets the error; what is read is not affected."""
    well = snapshot(place.view / "well")
    with place.disk.failing("statfs", "source", EIO):
        with pytest.raises(OSError, match="Input/output"):
            os.statvfs(place.view)
        assert snapshot(place.view / "well") == well
    assert os.statvfs(place.view).f_blocks


@pytest.mark.parametrize("operation", ["lookup", "read on", "readdir"])
def test_a_pull_deletes_nothing(place: DiskPlace, operation: str) -> None:
    """rsync tells of what it could not get, gets the rest, and deletes nothing."""
    copy = place.mounts.directory / f"copy, {operation}"
    pull = ("rsync", "-aX", "--delete", "--ignore-times", f"{place.view}/", copy)
    run(*pull)
    complete = snapshot(copy)
    for path in (copy / "well" / "well file", copy / "ill" / "ill inner" / "c"):
        path.unlink()
    entry, _ = USES[operation]
    place.forget()
    with place.disk.failing(operation, f"ill {entry}", EIO):
        result = run(*pull, status=23)
    assert "Input/output error" in result.stderr
    missing = complete.keys() - snapshot(copy).keys()
    assert missing <= {b"ill/ill inner/c"}
    assert bool(missing) == (entry == "inner"), "only what cannot be listed is missing"


def test_a_disk_that_has_gone(tmp_path: Path) -> None:
    """All is an error, nothing looks empty, and it stays so until it is mounted anew."""
    with plain_source(tmp_path) as (mounts, backing):
        for number in range(3):
            (backing / f"file {number}").write_bytes(lines(number, 2000))
        place, copy = DiskPlace(mounts, backing), tmp_path / "copy"
        pull = ("rsync", "-a", "--delete", f"{place.view}/", copy)
        run(*pull)
        complete = snapshot(copy)
        with open(place.view / "file 1", "rb", buffering=0) as file:
            pieces = [file.read(10_000)]
            place.disk.process.kill()
            place.disk.process.wait()
            with suppress(OSError):
                pieces.extend(iter(lambda: file.read(10_000), b""))
        sealed = b"".join(pieces)
        assert (copy / "file 1").read_bytes().startswith(sealed)
        for use in (os.listdir, os.statvfs, lambda path: (path / "file 2").read_bytes()):
            with pytest.raises(OSError, match="not connected"):
                use(place.view)
        assert "not connected" in run(*pull, status=23).stderr
        assert snapshot(copy) == complete
        run("umount", "--lazy", place.disk.path)
        (tmp_path / "source").rename(tmp_path / "moved")
        again = Disk(mounts, tmp_path / "moved", "again")
        with pytest.raises(OSError, match="not connected"):
            os.listdir(place.view)
        mounts.unmount(place.view)
        run(*pull[:-2], f"{mounts.reverse(again.path, 'view again')}/", copy)
        assert snapshot(copy) == complete
