"""Users and groups in options: by name, by number, or not at all."""

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from revcrypt.cli import users
from revcrypt.cli.main import make_parser
from revcrypt.errors import ExitCode, UsageError
from tests.cli.parsing import Parsed, mount_of
from tests.cli.refusals import refused
from tests.support import is_mounted

LARGEST = 2**32 - 2
NOBODY = pwd.getpwnam("nobody")
NOGROUP = grp.getgrgid(NOBODY.pw_gid).gr_name


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("root", 0),
        ("nobody", NOBODY.pw_uid),
        ("0", 0),
        ("007", 7),
        ("12345", 12345),
        (str(LARGEST), LARGEST),
    ],
)
def test_users(text: str, number: int) -> None:
    """A user is a name of this machine, or any number."""
    assert users.user_id(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("root", 0), (NOGROUP, NOBODY.pw_gid), ("0", 0), ("12345", 12345)],
)
def test_groups(text: str, number: int) -> None:
    """A group is a name of this machine, or any number."""
    assert users.group_id(text) == number


def test_groups_are_no_users() -> None:
    """Names are looked up among the right ones."""
    groups = {group.gr_name for group in grp.getgrall()}
    people = {user.pw_name for user in pwd.getpwall()}
    name = min(groups - people)
    with pytest.raises(UsageError, match="no user"):
        users.user_id(name)
    assert users.group_id(name) == grp.getgrnam(name).gr_gid


@pytest.mark.parametrize("look_up", [users.user_id, users.group_id])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nosuch", "'nosuch'"),
        ("", "''"),
        ("-1", "'-1'"),
        (" 0", "' 0'"),
        ("0x0", "'0x0'"),
        ("0,1", "'0,1'"),
        ("1.0", "'1.0'"),
        ("²", "'²'"),
        (str(LARGEST + 1), f"largest is {LARGEST}"),
        ("9" * 30, f"largest is {LARGEST}"),
        ("9" * 5000, f"largest is {LARGEST}"),
    ],
)
def test_unknown(look_up: Callable[[str], int], text: str, reason: str) -> None:
    """Anything else is nobody, and what was given is named."""
    with pytest.raises(UsageError) as caught:
        look_up(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root:root", (0, 0)),
        ("1:2", (1, 2)),
        (f"nobody:{NOGROUP}", (NOBODY.pw_uid, NOBODY.pw_gid)),
        (f"{LARGEST}:0", (LARGEST, 0)),
    ],
)
def test_owner(text: str, expected: tuple[int, int]) -> None:
    """An owner is a user and a group."""
    assert users.parse_owner(text) == expected
    assert users.parse_owner(None) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("root", "names no group"),
        ("", "names no group"),
        (":", "no user ''"),
        (":0", "no user ''"),
        ("0:", "no group ''"),
        ("0:0:0", "no group '0:0'"),
        ("nosuch:0", "no user 'nosuch'"),
        ("0:nosuch", "no group 'nosuch'"),
        (f"0:{LARGEST + 1}", "largest"),
        (f"{LARGEST + 1}:0", "largest"),
    ],
)
def test_no_owner(text: str, reason: str) -> None:
    """Half an owner, or more than one, is none."""
    with pytest.raises(UsageError) as caught:
        users.parse_owner(text)
    assert reason in str(caught.value)


# Command lines


def test_options(parsed: Parsed) -> None:
    """All options reach the mount; those that may be repeated add up."""
    words = "--allow-user=7 --allow-user root --allow-group=8 --allow-user=7"
    for command in ("reverse", "forward"):
        line = f"{command} {words} --force-owner=1:2 SOURCE MOUNTPOINT"
        arguments = make_parser().parse_args(line.split())
        assert arguments.run(arguments) == ExitCode.OK
        request = parsed.mount
        assert request is not None
        assert (request.users, request.groups) == ({0, 7}, {8})
        assert request.owner == (1, 2)
        assert not request.allow_other


def test_options_of_gocryptfs(parsed: Parsed) -> None:
    """The same as mount options, for all that gocryptfs has and what it does not."""
    options = "reverse,allow_user=7,allow_user=root,allow_group=8,force_owner=1:2"
    request = mount_of(parsed, f"SOURCE MOUNTPOINT -o {options}")
    assert (request.users, request.groups) == ({0, 7}, {8})
    assert request.owner == (1, 2)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--allow-user=nosuch"], "no user 'nosuch'"),
        (["--allow-group=nosuch"], "no group 'nosuch'"),
        (["--allow-user=0", f"--allow-user={LARGEST + 1}"], "largest"),
        (["--force-owner=root"], "names no group"),
        (["--allow-user"], "expected one argument"),
    ],
)
def test_refused(options: list[str], reason: str, plain: Path, mountpoint: Path) -> None:
    """Who does not exist is not left out silently: then nothing is mounted."""
    said = refused(ExitCode.USAGE, "reverse", plain, mountpoint, *options)
    assert reason in said
    assert not is_mounted(mountpoint)
    assert os.listdir(mountpoint) == []
