"""What becomes of a hostile tree, and of the view of it."""

import json
import os
from pathlib import Path

from revcrypt.cli.main import main
from tests.descriptors import STATUS
from tests.support import Mounts, run

# Within one second, it takes two times for equal otherwise.
RSYNC = ("rsync", "-aHAX", "--numeric-ids", "--delete", "--modify-window=-1")


def pull(mounts: Mounts, view: Path, *options: str, status: int = 0) -> Path:
    """Let rsync pull a view, and return the copy."""
    copy = mounts.directory / "copy"
    run("timeout", "60", *RSYNC, *options, f"{view}/", copy, status=status)
    return copy


def restore(mounts: Mounts, copy: Path, *options: str, status: int = 0) -> Path:
    """Decrypt a copy with `revcrypt restore`, and return what that has made."""
    to = mounts.directory / f"{copy.name} restored"
    passfile = f"--passfile={mounts.passfile}"
    words = ["restore", "-q", "-j1", passfile, *options, str(copy), str(to)]
    assert main(words) == status
    return to


def mistakes(view: Path) -> int:
    """Return how many exceptions the daemon has not expected."""
    return int(json.loads(os.getxattr(view, STATUS))["mistakes"])
