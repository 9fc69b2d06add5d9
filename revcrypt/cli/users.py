"""Users and groups, by name or number: whose a view is, and who may look at it."""

import argparse
import grp
import pwd
from collections.abc import Iterable

from revcrypt.errors import UsageError
from revcrypt.view.tree import Owner

_MAX_ID = 0xFFFF_FFFE
"""2^32 - 1 means “no change” to chown(2)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare who owns a view and who may see it."""
    group = parser.add_argument_group("who may see it (default: only you)")
    group.add_argument(
        "--allow-other",
        action="store_true",
        help="let other users in, as far as owner and mode of each file allow",
    )
    group.add_argument(
        "--allow-user",
        metavar="USER",
        action="append",
        default=[],
        help="let USER in, root and nobody else, as far as owner and mode allow",
    )
    group.add_argument(
        "--allow-group",
        metavar="GROUP",
        action="append",
        default=[],
        help="let members of GROUP in, root and nobody else, likewise",
    )
    group.add_argument(
        "--force-owner",
        metavar="USER:GROUP",
        help="show everything as owned by USER and GROUP, and let other users in",
    )


def parse_owner(text: str | None) -> Owner | None:
    """Return the owner that `force_owner` names; raises `UsageError`."""
    if text is None:
        return None
    user, colon, group = text.partition(":")
    if not colon:
        raise UsageError(
            f"force_owner={text} names no group", hint="write it as USER:GROUP"
        )
    return Owner(user_id(user), group_id(group))


def user_id(text: str) -> int:
    """Return the number of a user; raises `UsageError`."""
    try:
        return _number(text) if text.isdecimal() else pwd.getpwnam(text).pw_uid
    except KeyError:
        raise UsageError(f"there is no user {text!r}") from None


def group_id(text: str) -> int:
    """Return the number of a group; raises `UsageError`."""
    try:
        return _number(text) if text.isdecimal() else grp.getgrnam(text).gr_gid
    except KeyError:
        raise UsageError(f"there is no group {text!r}") from None


def user_ids(names: Iterable[str]) -> frozenset[int]:
    """Return the numbers of users."""
    return frozenset(map(user_id, names))


def group_ids(names: Iterable[str]) -> frozenset[int]:
    """Return the numbers of groups."""
    return frozenset(map(group_id, names))


def _number(text: str) -> int:
    if len(text) > len(str(_MAX_ID)) or int(text) > _MAX_ID:
        raise UsageError(f"{text} is no user or group: the largest is {_MAX_ID}")
    return int(text)
