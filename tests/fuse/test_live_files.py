"""What clients are told of files that change while they are read."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from revcrypt.errors import SourceChangedError
from revcrypt.fuse.entries import AHEAD, TIMEOUT
from revcrypt.fuse.live import LiveFiles, Reader
from revcrypt.view.nodes import Attrs, Node
from tests.view.trees import DEVICE, FakeFile, fake_attrs

INODE = 10
US, OTHER = os.getpid(), 1
"""Two processes that exist."""


class Clock:
    """Monotonic time that passes only when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    with monkeypatch.context() as stopped:
        stopped.setattr(time, "monotonic", clock)
        yield clock


@pytest.fixture
def live() -> LiveFiles:
    return LiveFiles()


@pytest.fixture
def node() -> Node:
    return Node(None, b"", b"", DEVICE, INODE, INODE)


def quiet(size: int) -> Attrs:
    """Return attributes of a file that nobody has changed for years."""
    return fake_attrs(INODE, size=size)


def changing(size: int) -> Attrs:
    """Return attributes of a file that was changed just now."""
    return quiet(size)._replace(mtime_ns=time.time_ns())


def file(attrs: Attrs, stamp: object = "state") -> FakeFile:
    """Return an open file in the state that *attrs* tell."""
    file = FakeFile(bytes(attrs.size), attrs, stamp=stamp)
    file.quiet = attrs == quiet(attrs.size)
    return file


# Sizes


@pytest.mark.parametrize("before", [0, 1, 99, 100])
def test_a_file_has_the_size_that_its_reader_was_told(
    live: LiveFiles, node: Node, before: int
) -> None:
    """A file that grows between the question and the open shows what was told."""
    told, _ = live.tell(changing(before), US)
    reader = live.open(node, file(changing(100)), US)
    assert told.size == reader.file.size == before
    assert reader.direct


def test_every_process_has_its_own_truth(live: LiveFiles, node: Node) -> None:
    """Two processes that were told different sizes read as much as they were told."""
    live.tell(changing(50), US)
    live.tell(changing(70), OTHER)
    sizes = [live.open(node, file(changing(90)), tid).file.size for tid in (US, OTHER)]
    assert sizes == [50, 70]


def test_threads_of_a_process_are_told_the_same(live: LiveFiles, node: Node) -> None:
    """One thread may ask for the size and another one open the file."""
    done, started, tids = threading.Event(), threading.Event(), []

    def stay() -> None:
        tids.append(threading.get_native_id())
        started.set()
        done.wait()

    thread = threading.Thread(target=stay)
    thread.start()
    try:
        started.wait()
        live.tell(changing(50), tids[0])
        assert tids[0] != US
        assert live.open(node, file(changing(90)), US).file.size == 50
    finally:
        done.set()
        thread.join()


def test_the_answer_holds_while_the_file_is_open(live: LiveFiles, node: Node) -> None:
    """Whoever has opened a changing file is told its size again; others are not."""
    live.tell(changing(50), US)
    live.open(node, file(changing(90)), US)
    assert live.tell(changing(120), US)[0].size == 50
    assert live.tell(changing(120), US)[0].blocks == 1
    assert live.tell(changing(120), OTHER)[0].size == 120


@pytest.mark.parametrize("seconds", [0, 9])
def test_what_was_told_again_counts(
    live: LiveFiles, node: Node, clock: Clock, seconds: float
) -> None:
    """Who asks about a file that he has open, and opens it anew, gets that size."""
    live.open(node, file(changing(50)), US)
    clock.advance(9)
    told, _ = live.tell(changing(90), US)
    clock.advance(seconds)
    assert live.open(node, file(changing(120)), US).file.size == told.size == 50


@pytest.mark.parametrize("opens", [True, False])
def test_what_a_process_was_told_counts_when_all_is_quiet(
    live: LiveFiles, node: Node, clock: Clock, opens: bool
) -> None:
    """A file that has come to rest has the size that its reader was told last."""
    live.tell(changing(50), US)
    if opens:
        live.open(node, file(changing(50)), US)
    clock.advance(3)
    live.tell(quiet(90), None)
    if opens:
        clock.advance(0.5)
        assert live.tell(quiet(90), US)[0].size == 50
    size = live.open(node, file(quiet(90)), US).file.size
    assert size == (50 if opens else 90)


def test_what_was_told_last_counts(live: LiveFiles, node: Node, clock: Clock) -> None:
    """A file that changes again has the size that it had when it was at rest."""
    live.tell(changing(50), US)
    clock.advance(3)
    live.tell(quiet(70), US)
    assert live.open(node, file(changing(90)), US).file.size == 70


def test_what_all_were_told_counts_when_its_reader_has_gone(
    live: LiveFiles, node: Node
) -> None:
    """A size that was held back for one is what another one relies on."""
    reader = live.open(node, file(quiet(50)), OTHER)
    told, _ = live.tell(changing(90), US)
    live.close(reader)
    assert live.open(node, file(changing(120)), US).file.size == told.size == 50


@pytest.mark.parametrize(("seconds", "size"), [(9, 50), (11, 90)])
def test_what_was_told_long_ago_is_forgotten(
    live: LiveFiles, node: Node, clock: Clock, seconds: float, size: int
) -> None:
    """A process that comes back after a while gets what there is now."""
    live.tell(changing(50), US)
    clock.advance(seconds)
    assert live.open(node, file(changing(90)), US).file.size == size


LATEST = AHEAD + TIMEOUT


@pytest.mark.parametrize(("seconds", "size"), [(LATEST + 0.05, 50), (LATEST + 0.15, 90)])
def test_what_the_kernel_may_still_know_counts(
    live: LiveFiles, node: Node, clock: Clock, seconds: float, size: int
) -> None:
    """As long as the kernel answers by itself, everybody may have been told that.

    It may have got the answer a moment after this was looked at.
    """
    live.tell(quiet(50), None)
    clock.advance(seconds)
    assert live.open(node, file(changing(90)), US).file.size == size


def test_the_kernel_keeps_only_what_is_quiet(live: LiveFiles) -> None:
    """Attributes of a file that has just changed are asked for every time."""
    assert live.tell(quiet(50), US) == (quiet(50), TIMEOUT)
    attrs = changing(50)
    assert live.tell(attrs, US) == (attrs, 0)
    assert live.tell(attrs, None) == (attrs, 0)


@pytest.mark.parametrize("attrs", [quiet(50), changing(50)])
def test_a_size_that_is_gone_is_not_promised(
    live: LiveFiles, node: Node, attrs: Attrs
) -> None:
    """A file that is shorter than was told shows what there is, and it is noted."""
    live.tell(attrs, US)
    reader = live.open(node, file(changing(40)), US)
    assert (reader.file.size, reader.stale_size, reader.direct) == (40, True, True)


# The page cache


def open_quiet(
    live: LiveFiles, node: Node, stamp: object = "state", size: int = 100
) -> tuple[Reader, FakeFile]:
    opened = file(quiet(size), stamp)
    return live.open(node, opened, US), opened


def test_readers_of_one_state_share_a_file(live: LiveFiles, node: Node) -> None:
    """The same state is opened once; the file is closed with its last user."""
    first, one = open_quiet(live, node)
    assert (first.direct, first.keep_cache) == (False, False)
    second, two = open_quiet(live, node)
    assert second is first
    assert second.keep_cache
    assert (one.closed, two.closed) == (0, 1)
    live.close(first)
    assert one.closed == 0
    live.close(second)
    assert one.closed == 1


def test_another_state_bypasses_the_page_cache(live: LiveFiles, node: Node) -> None:
    """Pages never mix two states: while one is open, another one is read directly."""
    first, one = open_quiet(live, node)
    second, two = open_quiet(live, node, "changed")
    assert second is not first
    assert second.direct
    live.close(second)
    assert (one.closed, two.closed) == (0, 1)
    assert open_quiet(live, node)[0] is first


def test_pages_do_not_outlive_their_reader(live: LiveFiles, node: Node) -> None:
    """A file that looks unchanged may have changed: its times do not tell everything."""
    live.close(open_quiet(live, node)[0])
    reader, _ = open_quiet(live, node)
    assert (reader.direct, reader.keep_cache) == (False, False)


def test_pages_of_a_changing_file_are_not_kept(live: LiveFiles, node: Node) -> None:
    """What was read of a changing file is in no cache when the file is quiet again."""
    live.close(live.open(node, file(changing(100)), US))
    reader, _ = open_quiet(live, node)
    assert (reader.direct, reader.keep_cache) == (False, False)


def test_a_frozen_file_does_not_fill_the_cache(live: LiveFiles, node: Node) -> None:
    """A reader of less than there is leaves no pages for others."""
    live.tell(quiet(50), US)
    frozen = live.open(node, file(quiet(90), "grown"), US)
    assert (frozen.file.size, frozen.direct) == (50, True)
    live.close(frozen)


# Pins


def test_a_file_stays_as_it_is_while_it_is_read(
    live: LiveFiles, node: Node, clock: Clock
) -> None:
    """All are told the state that is being read from the page cache, until it ends."""
    reader, _ = open_quiet(live, node)
    grown = changing(500)
    clock.advance(5000)
    for _ in range(5):
        told, seconds = live.tell(grown, OTHER)
        assert told == grown._replace(size=100, blocks=1, mtime_ns=17, ctime_ns=18)
        assert seconds == TIMEOUT
        clock.advance(100)
    live.close(reader)
    assert live.tell(grown, OTHER) == (grown, 0)


def test_no_reader_hides_a_change_for_ever(
    live: LiveFiles, node: Node, clock: Clock
) -> None:
    """However busily a file is read, all get to know of a change after a while."""
    reader, _ = open_quiet(live, node)
    assert live.tell(changing(500), OTHER)[0].size == 100
    for _ in range(601):
        clock.advance(1)
        live.check_read(reader, 0, 10)
    assert live.tell(changing(500), OTHER)[0].size == 500


def test_a_read_behind_the_end_is_no_zeros(
    live: LiveFiles, node: Node, clock: Clock
) -> None:
    """Once the kernel believes in a larger file, it must get an error, not less."""
    reader, _ = open_quiet(live, node)
    live.tell(changing(500), OTHER)
    live.check_read(reader, 90, 100)
    clock.advance(601)
    live.tell(changing(500), OTHER)
    live.check_read(reader, 0, 100)
    for offset, size in [(90, 11), (0, 500), (100, 1), (400, 100)]:
        with pytest.raises(SourceChangedError):
            live.check_read(reader, offset, size)


def test_the_latest_reader_is_known(live: LiveFiles, node: Node) -> None:
    """Whoever was opened last and is still open speaks for the file."""
    assert live.opened(INODE) is None
    first, _ = open_quiet(live, node)
    second, _ = open_quiet(live, node, "changed")
    assert live.opened(INODE) is second
    live.close(second)
    assert live.opened(INODE) is first
    live.close(first)
    assert live.opened(INODE) is None


def test_nothing_is_remembered_for_ever(live: LiveFiles, clock: Clock) -> None:
    """However many files are looked at, what was told about them is dropped in time."""
    for inode in range(1000):
        clock.advance(0.01)
        live.tell(quiet(1)._replace(inode=inode), US)
        live.tell(changing(1)._replace(inode=inode), US)
    clock.advance(60)
    live.tell(quiet(1), US)
    live.tell(changing(1), US)
    recents = live._quiet, live._changing
    assert [len(recent._new) + len(recent._old) for recent in recents] == [1, 1]
