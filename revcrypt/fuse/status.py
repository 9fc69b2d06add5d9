"""What a mount tells of itself, through an extended attribute of its root.

The kernel says who asks, and nobody but root and the user who serves the view gets an
answer. It comes the way that clients come: where it is answered, the view answers. No
listing has the attribute, so that no backup has it either.
"""

import json
import os
from errno import errorcode
from typing import Any

from revcrypt.fuse.mistakes import Mistakes
from revcrypt.fuse.tally import Tally
from revcrypt.fuse.walks import Walk, Walks

ATTRIBUTE = b"user.revcrypt.status"


def may_ask(uid: int) -> bool:
    """Tell whether a user gets an answer."""
    return uid in (0, os.geteuid())


def report(tally: Tally, mistakes: Mistakes, walks: Walks, **now: int) -> bytes:
    """Return the attribute's value: JSON, with times in seconds since 1970.

    It has no names and no paths. *now* are numbers that go up and down.
    """
    failures = tally.failures
    last = None if walks.last is None else _walk(walks.last, failures)
    return json.dumps(
        {
            "pid": os.getpid(),
            "since": tally.since,
            "requests": dict(sorted(tally.requests.items())),
            "errors": {
                errorcode.get(number, str(number)): count
                for number, count in sorted(tally.errors.items())
            },
            "refused": tally.refused,
            "failures": failures,
            "mistakes": mistakes.count,
            "content_bytes": tally.content_bytes,
            "last_read": tally.last_read,
            **now,
            "last_walk": last,
            "unfinished_walks": [_walk(walk, failures) for walk in walks.unfinished],
        }
    ).encode()


def _walk(walk: Walk, failures: int) -> dict[str, Any]:
    return {
        "begun": walk.begun,
        "ended": walk.ended,
        "running": walk.is_running,
        "directories": walk.directories,
        "missing": len(walk.missing),
        "entries": walk.entries,
        "failures_since_begun": failures - walk.failures_before,
    }
