"""`verify --against`: which source, what of it, and what happens to it meanwhile."""

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from errno import ENOENT
from pathlib import Path

import pytest

from revcrypt.rescue.against import Against, Pair
from revcrypt.rescue.walk import Found, Nodes
from revcrypt.view.findings import Finding, Kind
from revcrypt.view.nodes import Child, Node, OpenFile
from revcrypt.view.reverse import ReverseView
from tests.cli.rescuing import CONFIG, REVERSE_CONFIG, Case, leased
from tests.rescue.comparing import compare, fill
from tests.view.trees import forward_view, reverse_view


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A source and its copy."""
    case = Case(tmp_path)
    fill(case.plain)
    case.pull()
    return case


# Which source


def test_config_elsewhere(case: Case) -> None:
    """A config may be away from the source, and in the source under another name."""
    (case.plain / REVERSE_CONFIG).rename(case.directory / "conf")
    config = f"--config={case.directory}/conf"
    assert compare(case, config) == []
    # Without the option, it is the one in the copy.
    assert compare(case) == []
    shutil.copy(case.directory / "conf", case.plain / "inside.conf")
    # That is no part of the view, unlike a file that happens to be called so.
    assert compare(case, f"--config={case.plain}/inside.conf") == []
    assert compare(case) == [("missing", "inside.conf")]


def test_filters(case: Case) -> None:
    """With the filters of the view, what they leave out is not missed."""
    # Such a view would have shown all but this.
    shutil.rmtree(case.cipher("dir/sub"))
    assert compare(case, "--exclude=/dir/sub") == []
    assert compare(case) == [("missing", "dir/sub")]


def test_left_out_since(case: Case) -> None:
    """What was pulled before it was left out is too much, and said to be."""
    assert compare(case, "--exclude=/dir/sub", "--exclude-special") == [
        ("extra", "dir/sub"),
        ("extra", "fifo"),
    ]


def test_names_of_hidden_files(case: Case) -> None:
    """A file that holds a key is no part of the view."""
    shutil.copy(case.directory / "keyfile", case.plain / "keyfile")
    assert compare(case) == [("missing", "keyfile")]
    case.masterkey = f"--masterkey={case.plain}/keyfile"
    assert compare(case) == []


# Hard links


def test_link_made_since(case: Case) -> None:
    """A name that was added changes the ciphertext of a file, but not what it says."""
    before = case.cipher("dir/small").read_bytes()
    os.link(case.plain / "dir" / "small", case.plain / "dir" / "other name")
    assert compare(case) == [("missing", "dir/other name")]
    later = case.pull("later") / case.cipher("dir/small").relative_to(case.copy)
    assert later.read_bytes() != before


def test_link_removed_since(case: Case) -> None:
    """So does a name that was removed."""
    (case.plain / "two").unlink()
    assert compare(case) == [("extra", "two")]
    # Its content is held against the source all the same.
    status = (case.plain / "one").stat()
    (case.plain / "one").write_text("new")
    os.utime(case.plain / "one", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert compare(case) == [("different", "one"), ("extra", "two")]


# Metadata

ACL = bytes.fromhex(
    "02000000"  # version
    "01000600ffffffff"  # user::rw-
    "02000400d2040000"  # user:1234:r--
    "04000400ffffffff"  # group::r--
    "10000400ffffffff"  # mask::r--
    "20000400ffffffff"  # other::r--
)
METADATA: dict[str, Callable[[Path], object]] = {
    "mode": lambda path: path.chmod(0o600),
    "setuid": lambda path: path.chmod(0o4644),
    "time": lambda path: os.utime(path, ns=(0, 10**18)),
    "an attribute less": lambda path: [
        os.removexattr(path, x) for x in os.listxattr(path)
    ],
    "an ACL": lambda path: os.setxattr(path, "system.posix_acl_access", ACL),
}
if os.geteuid() == 0:
    METADATA |= {
        "owner": lambda path: os.chown(path, 1234, -1),
        "group": lambda path: os.chown(path, -1, 1234),
    }


@pytest.mark.parametrize("what", METADATA)
def test_metadata(what: str, case: Case) -> None:
    """Modes, owners, times and attributes are compared if somebody wants it."""
    os.link(case.cipher("one"), case.directory / "keeps its name")
    case.cipher("two").unlink()
    (case.plain / "two").unlink()
    for directory in (case.plain, case.copy):
        os.utime(directory, (1_000_000_000, 1_000_000_000))
    METADATA[what](case.cipher("one"))
    assert compare(case) == []
    assert compare(case, "--metadata") == [("metadata", "one")]


def test_metadata_of_directories(case: Case) -> None:
    """Directories have metadata, too, and so has the root."""
    case.cipher("dir").chmod(0o700)
    case.copy.chmod(0o700)
    os.utime(case.cipher("link"), ns=(0, 0), follow_symlinks=False)
    assert compare(case) == []
    expected = [("metadata", path) for path in ("", "dir", "link")]
    assert compare(case, "--metadata") == expected


# A source that is in use


class Meanwhile:
    """Compares in this process, and changes the source while that goes on."""

    def __init__(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
        self._case = case
        self._monkeypatch = monkeypatch

    def before_open(self, path: bytes, change: Callable[[], object]) -> None:
        """Do something just before a file of the source is opened."""

        def open_(view: ReverseView, node: Node) -> OpenFile:
            if node.backing_path() == path:
                change()
            return opened(view, node)

        opened = ReverseView.open
        self._monkeypatch.setattr(ReverseView, "open", open_)

    def after_open(self, path: bytes, change: Callable[[], object]) -> None:
        """Do something just after that."""

        def open_(view: ReverseView, node: Node) -> OpenFile:
            file = opened(view, node)
            if node.backing_path() == path:
                change()
            return file

        opened = ReverseView.open
        self._monkeypatch.setattr(ReverseView, "open", open_)

    def findings(self) -> list[tuple[Kind, bytes | None]]:
        """Return what is found."""
        found: list[Finding] = []
        with ExitStack() as stack:
            source = stack.enter_context(reverse_view(self._case.plain))
            copy = stack.enter_context(forward_view(self._case.copy))
            pair = Pair(source, copy, metadata=False)
            Against(pair, found.append, workers=1).run(lambda *_: None)
        return [(finding.kind, finding.plain_path) for finding in found]


@pytest.fixture
def meanwhile(case: Case, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """A comparison that something happens during."""
    return Meanwhile(case, monkeypatch)


def test_file_vanishes(case: Case, meanwhile: Meanwhile) -> None:
    """A file that vanishes stops nothing; that it could not be compared is told."""
    meanwhile.before_open(b"dir/big", (case.plain / "dir" / "big").unlink)
    case.cipher("dir/sub/deep").unlink()
    assert sorted(meanwhile.findings(), key=str) == [
        (Kind.MISSING, b"dir/sub/deep"),
        (Kind.UNREADABLE, b"dir/big"),
    ]


def test_file_is_replaced(case: Case, meanwhile: Meanwhile) -> None:
    """Nor does one that somebody puts something else in the place of."""

    def replace() -> None:
        (case.plain / "dir" / "big").rename(case.directory / "old")
        os.mkfifo(case.plain / "dir" / "big")

    meanwhile.before_open(b"dir/big", replace)
    assert meanwhile.findings() == [(Kind.UNREADABLE, b"dir/big")]


def test_file_shrinks(case: Case, meanwhile: Meanwhile) -> None:
    """A file that is cut while it is read is no damage of the copy."""
    path = case.plain / "dir" / "big"
    meanwhile.after_open(b"dir/big", lambda: os.truncate(path, 5000))
    assert meanwhile.findings() == [(Kind.UNREADABLE, b"dir/big")]


def test_file_grows(case: Case, meanwhile: Meanwhile) -> None:
    """Of a file that grows, what was there in the beginning is compared."""

    def grow() -> None:
        with open(case.plain / "dir" / "big", "ab") as file:
            file.write(b"more")

    meanwhile.after_open(b"dir/big", grow)
    assert meanwhile.findings() == []


def test_unreadable_source(case: Case) -> None:
    """A file of the source that cannot be read is told, and the rest is compared."""
    case.cipher("dir/big").unlink()
    with leased(case.plain / "dir" / "small"):
        assert compare(case) == [("missing", "dir/big"), ("unreadable", "dir/small")]


def test_no_config_in_the_copy(case: Case) -> None:
    """A copy that has lost its config is compared with the source's, which it lacks."""
    (case.copy / CONFIG).unlink()
    assert compare(case) == [("missing", "")]


def test_a_copy_that_is_mostly_a_hole(case: Case) -> None:
    """A file that claims a terabyte is told of at once, and takes no memory."""
    path = case.cipher("one")
    path.unlink()
    path.touch()
    os.truncate(path, 1 << 40)
    found = compare(case)
    assert ("content", "one") in found
    assert {plain_path for _, plain_path in found} == {"one"}


def test_a_copy_that_goes_while_it_is_compared(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there for the list, and not for the look, is no equal."""
    find = Nodes.find

    def hiding(self: Nodes, steps: tuple[Child, ...], child: Child) -> Found:
        if child.backing_name == case.cipher("one").name.encode():
            raise FileNotFoundError(ENOENT, "it has gone")
        return find(self, steps, child)

    monkeypatch.setattr(Nodes, "find", hiding)
    [(kind, plain_path)] = compare(case)
    assert (kind, plain_path) == ("unreadable", "one")
