"""Signals that come while a view is read: it goes on, ends well, or looks broken."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from errno import ECONNABORTED, ENOTCONN
from pathlib import Path
from threading import Barrier

import pytest

from tests.faults.place import Place, lines, plain_source
from tests.mount.processes import assert_broken, end_of
from tests.support import is_mounted, revcrypt, snapshot

pytestmark = [pytest.mark.fuse, pytest.mark.faults]

READERS = 8
LARGE = 4000
HARMLESS = ("SIGCHLD", "SIGCONT", "SIGPIPE", "SIGTSTP", "SIGTTOU", "SIGURG", "SIGWINCH")
"""What a process gets without anybody's wanting it to end."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A few files."""
    with plain_source(tmp_path) as (mounts, source):
        for number in range(READERS):
            (source / f"{number}").write_bytes(lines(number, LARGE))
        yield Place(mounts, source)


class Readers:
    """Read all files again and again, until told to stop or until there is an error."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stop = False
        self._pool = ThreadPoolExecutor(READERS)
        self._begun = Barrier(READERS + 1)
        self._reads = [self._pool.submit(self._read, n) for n in range(READERS)]
        self._begun.wait()

    def _read(self, number: int) -> int:
        """Return the errno that has ended it, if one has."""
        expected, path = lines(number, LARGE), self._place.view / f"{number}"
        begun = False
        while not self._stop:
            pieces = []
            try:
                with open(path, "rb", buffering=0) as file:
                    for piece in iter(lambda: file.read(10_000), b""):
                        pieces.append(piece)
                        if not begun:
                            begun = True
                            self._begun.wait()
            except OSError as error:
                whole = 18 + (sum(map(len, pieces)) - 18) // 4128 * 4128
                plain = self._place.unseal(b"".join(pieces)[: max(whole, 0)])
                assert expected.startswith(plain)
                return error.errno or 0
            assert self._place.unseal(b"".join(pieces)) == expected
        return 0

    def have_ended(self) -> bool:
        """Tell whether any has met an error."""
        return any(read.done() for read in self._reads)

    def stop(self) -> set[int]:
        """Return the errnos that they have ended with."""
        self._stop = True
        errors = {read.result() for read in self._reads}
        self._pool.shutdown()
        return errors


def test_harmless_and_stopping(place: Place) -> None:
    """Most change nothing; asked to stop, and asked again, it unmounts, whoever reads."""
    readers, pid = Readers(place), place.pid
    for name in ("SIGSTOP", *HARMLESS):
        os.kill(pid, signal.Signals[name])
        os.kill(pid, signal.SIGCONT)
        assert place.pid == pid
    assert not readers.have_ended()
    with end_of(pid):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGTERM)
    assert not is_mounted(place.view)
    assert os.listdir(place.view) == []
    assert readers.stop()


def test_deadly(place: Place) -> None:
    """No reader takes what he has got for a whole file; the next mount shows the same."""
    before = snapshot(place.view)
    with open(place.view / "0", "rb", buffering=0) as held:
        assert held.read(1)
        readers, pid = Readers(place), place.pid
        with end_of(pid):
            os.kill(pid, signal.SIGKILL)
        assert readers.stop() <= {ENOTCONN, ECONNABORTED}
        assert_broken(place.view)
        passfile = f"--passfile={place.mounts.passfile}"
        revcrypt("reverse", "-q", passfile, place.source, place.view)
        assert snapshot(place.view) == before
        with pytest.raises(OSError, match="not connected"):
            held.seek(100_000) and held.read()
