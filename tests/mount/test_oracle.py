"""Entry by entry, the view is the one that gocryptfs shows of the same tree.

Left out is what is not the same from mount to mount with gocryptfs: the content of files
and symlinks with several names. Those are compared after decryption, in test_interop.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG
from typing import Any, NamedTuple

import pytest

from tests.mount.big_tree import build, names_in, open_directory
from tests.support import Mounts

pytestmark = pytest.mark.fuse

NAME_OPTIONS = {
    "default": [],
    "plaintext": ["--plaintext-names"],
    "deterministic": ["--deterministic-names"],
    "long-name-max": ["--long-name-max=100"],
}
VIRTUAL_DIR_IV = b"gocryptfs.diriv"


class Seen(NamedTuple):
    """What a pull gets to see of an entry."""

    status: os.stat_result
    target: bytes | None
    content: tuple[int, bytes] | None
    """Bytes that could be read, and their hash."""

    @property
    def has_own_content(self) -> bool:
        """Tell whether the content has no other name."""
        return S_ISDIR(self.status.st_mode) or self.status.st_nlink == 1


Survey = dict[bytes, Seen]


def survey(name: bytes, dir_fd: int | None = None, prefix: bytes = b"") -> Survey:
    """Look at everything in a directory and below, by descriptor: paths are too long."""
    found = {}
    with open_directory(name, dir_fd) as fd:
        for entry in names_in(fd):
            seen = _look(entry, fd)
            found[prefix + entry] = seen
            if S_ISDIR(seen.status.st_mode):
                found |= survey(entry, fd, prefix + entry + b"/")
    return found


def _look(name: bytes, dir_fd: int) -> Seen:
    status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    target = content = None
    if S_ISLNK(status.st_mode):
        target = os.readlink(name, dir_fd=dir_fd)
    elif S_ISREG(status.st_mode):
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=dir_fd)
        with open(fd, "rb") as file:
            data = file.read()
        content = len(data), sha256(data).digest()
    return Seen(status, target, content)


class Surveys(NamedTuple):
    """One source, and what two programs show of it."""

    plain: Survey
    ours: Survey
    theirs: Survey
    roots: tuple[os.stat_result, os.stat_result, os.stat_result]

    def differences(self, look: Callable[[Seen], Any]) -> list[tuple[bytes, Any, Any]]:
        """Return the first few paths where the two views differ."""
        pairs = (
            (path, look(self.ours[path]), look(self.theirs[path]))
            for path in sorted(self.ours.keys() & self.theirs.keys())
        )
        return [(path, our, their) for path, our, their in pairs if our != their][:5]


@pytest.fixture(scope="module", params=NAME_OPTIONS)
def surveys(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Surveys]:
    """Mount the big tree with both programs and look at everything once."""
    directory = tmp_path_factory.mktemp(request.param)
    source = directory / "source"
    source.mkdir()
    with closing(Mounts(directory)) as mounts:
        mounts.init(source, *NAME_OPTIONS[request.param])
        build(source, plaintext_names=request.param == "plaintext")
        ours = mounts.reverse(source, "ours")
        theirs = mounts.gocryptfs(source, "theirs", "-reverse")
        trees = [source, ours, theirs]
        plain, our, their = (survey(os.fsencode(tree)) for tree in trees)
        roots = (source.stat(), ours.stat(), theirs.stat())
        yield Surveys(plain, our, their, roots)


def is_virtual(path: bytes) -> bool:
    """Tell whether an encrypted path can only be a virtual file's."""
    name = path.rsplit(b"/", 1)[-1]
    return name == VIRTUAL_DIR_IV or (
        name.startswith(b"gocryptfs.longname.") and name.endswith(b".name")
    )


def test_same_names(surveys: Surveys) -> None:
    """Both views have entries of the same names, at any depth, of a large source."""
    assert len(surveys.plain) >= 5000
    assert sorted(surveys.ours.keys() - surveys.theirs.keys()) == []
    assert sorted(surveys.theirs.keys() - surveys.ours.keys()) == []
    assert max(map(len, surveys.ours)) > os.pathconf("/", "PC_PATH_MAX")


def test_nothing_is_lost(surveys: Surveys, request: pytest.FixtureRequest) -> None:
    """Every entry of the source has one in the view, of its type.

    And of its inode number, if it is no directory.
    """

    def objects(tree: Survey) -> list[tuple[int, int]]:
        statuses = (seen.status for seen in tree.values())
        return sorted(
            (S_IFMT(s.st_mode), 0 if S_ISDIR(s.st_mode) else s.st_ino) for s in statuses
        )

    shown = surveys.ours
    if "plaintext" not in request.node.callspec.id:
        shown = {path: seen for path, seen in shown.items() if not is_virtual(path)}
    config = shown.pop(b"gocryptfs.conf")
    expected = dict(surveys.plain)
    hidden = expected.pop(b".gocryptfs.reverse.conf")
    assert objects(shown) == objects(expected)
    assert config.content == hidden.content


@pytest.mark.parametrize(
    "field",
    ["st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_rdev", "st_nlink"],
)
def test_same_attributes(surveys: Surveys, field: str) -> None:
    """Attributes are the same, those of virtual files and of the root too."""
    assert surveys.differences(lambda seen: getattr(seen.status, field)) == []
    plain, ours, theirs = (getattr(root, field) for root in surveys.roots)
    assert plain == ours == theirs


def test_same_link_targets(surveys: Surveys) -> None:
    """Encrypted link targets are the same, byte for byte."""
    assert surveys.differences(lambda seen: seen.has_own_content and seen.target) == []


def test_same_content(surveys: Surveys) -> None:
    """Files have the same bytes, virtual files too."""
    assert surveys.differences(lambda seen: seen.has_own_content and seen.content) == []


def test_sizes_are_what_can_be_read(surveys: Surveys) -> None:
    """As many bytes can be read of every file and link as its size says."""
    wrong = [
        (path, seen.status.st_size, length)
        for path, seen in surveys.ours.items()
        for length in [seen.content[0] if seen.content else len(seen.target or b"")]
        if (seen.content or seen.target) and seen.status.st_size != length
    ]
    assert wrong == []


def test_one_file_however_it_is_called(surveys: Surveys) -> None:
    """All names of an inode show the same bytes or the same target."""
    groups: dict[int, set[object]] = {}
    for seen in surveys.ours.values():
        if not seen.has_own_content:
            groups.setdefault(seen.status.st_ino, set()).add((seen.target, seen.content))
    assert len(groups) == 7  # five files and a symlink in `links`, one in `xattrs`
    assert [shown for shown in groups.values() if len(shown) != 1] == []
