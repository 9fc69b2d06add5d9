"""Who gets into a mounted view, and who does not."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from errno import EACCES
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.mount.people import Person, errno_of, errnos_of, person, read
from tests.support import Mounts, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others"),
]

USER, STRANGER = 12345, 23456
"""Neither they nor their groups have an account."""
GROUP, OTHER_GROUP = 777, 888
DEEP_DIR, DEEP = "view/a/b/c", "view/a/b/c/file"

Become = Callable[..., AbstractContextManager[Person]]


@pytest.fixture
def plain(mounts: Mounts) -> Path:
    """A source with files of several owners, and names that are not encrypted."""
    path = mounts.directory / "source"
    (path / "a" / "b" / "c").mkdir(parents=True)
    files = {
        "file": (0, 0, 0o644),
        "private": (0, 0, 0o600),
        "of user": (USER, USER, 0o600),
        "of group": (0, GROUP, 0o640),
        "a/b/c/file": (0, 0, 0o644),
    }
    for name, (uid, gid, mode) in files.items():
        (path / name).write_bytes(name.encode() * 1000)
        (path / name).chmod(mode)
        os.chown(path / name, uid, gid)
    os.setxattr(path / "a/b/c/file", "user.a", b"value")
    (path / "a/b/link").symlink_to("target")
    (path / "locked").mkdir(mode=0o700)
    (path / "locked" / "file").touch(mode=0o644)
    mounts.init(path, "--plaintext-names")
    return path


@pytest.fixture
def become(mounts: Mounts) -> Become:
    """Become a user who stands beside the view."""
    return partial(person, mounts.directory)


@contextmanager
def two_people(become: Become) -> Iterator[tuple[Person, Person]]:
    """Yield the user and the stranger."""
    with become(USER, USER) as user, become(STRANGER, STRANGER) as stranger:
        yield user, stranger


def attribute_name(path: Path) -> str:
    """Return the name of the only extended attribute of a file."""
    [name] = os.listxattr(path)
    return name


def ways_in(view: Path) -> dict[str, tuple[Callable[..., Any], str, *tuple[Any, ...]]]:
    """Return ways to look at something in the view, by path from beside it."""
    xattr = attribute_name(view / "a/b/c/file")
    return {
        "stat of the root": (os.stat, "view"),
        "ls": (os.listdir, "view"),
        "statvfs": (os.statvfs, "view"),
        "listxattr of the root": (os.listxattr, "view"),
        "through the root": (os.stat, "view/."),
        "stat": (os.stat, "view/file"),
        "stat, deep": (os.stat, DEEP),
        "stat of a directory, deep": (os.stat, DEEP_DIR),
        "lstat of a link, deep": (os.lstat, "view/a/b/link"),
        "ls, deep": (os.listdir, "view/a/b"),
        "statvfs, deep": (os.statvfs, "view/a/b/c"),
        "readlink": (os.readlink, "view/a/b/link"),
        "getxattr": (os.getxattr, DEEP, xattr),
        "listxattr": (os.listxattr, DEEP),
        "open": (read, "view/file"),
        "open, deep": (read, DEEP),
    }


# allow_user


def test_allowed_user(mounts: Mounts, plain: Path, become: Become) -> None:
    """The user gets in as far as owners and modes allow, and sees what root sees."""
    view = mounts.reverse(plain, "view", f"--allow-user={USER}")
    with become(USER, USER) as user:
        for what, question in ways_in(view).items():
            assert user.errno(*question) == 0, what
        assert set(user.ask(os.listdir, "view")) == set(os.listdir(view))
        for name in ("file", "of user", "a/b/c/file"):
            assert user.ask(read, f"view/{name}") == (view / name).read_bytes()
        for question in [
            (read, "view/private"),
            (read, "view/of group"),
            (os.listdir, "view/locked"),
            (os.stat, "view/locked/file"),
        ]:
            assert user.errno(*question) == EACCES, question


@pytest.mark.parametrize("modes", [[], ["--ignore-modes"]], ids=["", "ignored"])
def test_strangers(modes: list[str], mounts: Mounts, plain: Path, become: Become) -> None:
    """For everybody else but root, every way in is closed from the root on."""
    view = mounts.reverse(plain, "view", f"--allow-user={USER}", *modes)
    names = ("file", "private", "a/b/c/file")
    for_root = [(view / name).read_bytes() for name in names]
    with two_people(become) as (user, stranger):
        for what, question in ways_in(view).items():
            assert stranger.errno(*question) == EACCES, what
            assert user.errno(*question) == 0, what
            # Now the kernel knows it, but not for everybody.
            assert stranger.errno(*question) == EACCES, what
            assert user.errno(*question) == 0, what
        # A path that does not exist is no exception.
        assert stranger.errno(os.stat, "view/a/missing") == EACCES
    assert [(view / name).read_bytes() for name in names] == for_root


def test_paths_that_the_kernel_knows(mounts: Mounts, plain: Path, become: Become) -> None:
    """What the user has just looked up is not found by others, however often they try."""
    mounts.reverse(plain, "view", f"--allow-user={USER}")
    with two_people(become) as (user, stranger):
        for question in ((os.stat, DEEP), (os.stat, DEEP_DIR), (read, DEEP)):
            for _ in range(100):
                assert user.errno(*question) == 0
                assert stranger.errno(*question) == EACCES
            user.begin(errnos_of, 3_000, *question)
            stranger.begin(errnos_of, 3_000, *question)
            assert stranger.finish() == {EACCES}
            assert user.finish() == {0}


def test_modes_that_are_ignored(mounts: Mounts, plain: Path, become: Become) -> None:
    """Whoever is allowed to ignore modes sees all that root sees, by user or group."""
    options = (f"--allow-user={USER}", f"--allow-group={GROUP}", "--ignore-modes")
    view = mounts.reverse(plain, "view", *options)
    expected = snapshot(view)
    assert {entry.mode & 0o7777 for entry in expected.values()} >= {0o600, 0o700}
    for uid, gid in ((USER, USER), (STRANGER, GROUP)):
        with become(uid, gid) as user:
            assert user.ask(snapshot, Path("view")) == expected


def test_several_users(mounts: Mounts, plain: Path, become: Become) -> None:
    """Every user who is named gets in, by number or by name."""
    options = (f"--allow-user={USER}", "--allow-user=nobody")
    mounts.reverse(plain, "view", *options)
    for uid, expected in ((USER, 0), (65534, 0), (STRANGER, EACCES)):
        with become(uid, STRANGER) as somebody:
            assert somebody.errno(read, DEEP) == expected


# allow_group


@pytest.mark.parametrize(
    ("gid", "groups", "expected"),
    [
        (GROUP, [], 0),
        (OTHER_GROUP, [], 0),
        (STRANGER, [GROUP], 0),
        (STRANGER, [5, 6, OTHER_GROUP, 7], 0),
        (STRANGER, [], EACCES),
        (STRANGER, [5, 6], EACCES),
        (0, [0], EACCES),
    ],
)
def test_allowed_groups(
    gid: int,
    groups: list[int],
    expected: int,
    mounts: Mounts,
    plain: Path,
    become: Become,
) -> None:
    """Members of each group get in, whichever of their groups it is; others do not."""
    options = (f"--allow-group={GROUP}", f"--allow-group={OTHER_GROUP}")
    view = mounts.reverse(plain, "view", *options)
    with become(STRANGER, gid, groups) as somebody:
        for what, question in ways_in(view).items():
            assert somebody.errno(*question) == expected, what
        may_read = GROUP in (gid, *groups)
        assert somebody.errno(read, "view/of group") == (0 if may_read else EACCES)
        assert somebody.errno(read, "view/private") == EACCES
    # A user of that number is no member.
    with become(GROUP, STRANGER) as namesake:
        assert namesake.errno(os.stat, "view") == EACCES


def test_users_and_groups_add_up(mounts: Mounts, plain: Path, become: Become) -> None:
    """The user gets in without the group, and the group without the user."""
    options = (f"--allow-user={USER}", f"--allow-group={GROUP}")
    mounts.reverse(plain, "view", *options)
    for uid, gid, expected in (
        (USER, USER, 0),
        (STRANGER, GROUP, 0),
        (STRANGER, STRANGER, EACCES),
    ):
        with become(uid, gid) as somebody:
            assert somebody.errno(read, DEEP) == expected


# Neither


def test_allow_other(mounts: Mounts, plain: Path, become: Become) -> None:
    """With nothing but allow_other, owners and modes decide, as in the source."""
    view = mounts.reverse(plain, "view", "--allow-other")
    with become(STRANGER, STRANGER, [GROUP]) as stranger:
        for what, question in ways_in(view).items():
            assert stranger.errno(*question) == 0, what
        expected = {"file": 0, "of group": 0, "private": EACCES, "of user": EACCES}
        for name, errno in expected.items():
            assert stranger.errno(read, f"view/{name}") == errno, name
        assert stranger.errno(os.stat, "view/locked/file") == EACCES


def test_nobody_is_allowed(mounts: Mounts, plain: Path, become: Become) -> None:
    """Without any of these options, the kernel keeps everybody out but who mounts."""
    view = mounts.reverse(plain)
    with become(USER, USER) as user:
        for what, question in ways_in(view).items():
            if "statvfs" not in what or "deep" in what:  # It shows nothing, with success.
                assert user.errno(*question) == EACCES, what


def test_root_always_gets_in(mounts: Mounts, plain: Path) -> None:
    """Root need not be named, whatever it has been told about others."""
    view = mounts.reverse(plain, "view", "--allow-user=1", "--allow-group=2")
    for what, question in ways_in(view).items():
        full = (question[0], mounts.directory / question[1], *question[2:])
        assert errno_of(*full) == 0, what
