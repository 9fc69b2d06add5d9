"""Ends what would otherwise hang for ever: tests that wait for a mount that is stuck.

A FUSE daemon that was killed while it used its own mount waits for itself, and whoever
looks at the mount waits with it, deaf to signals: no time limit of the test's own process
helps. So this process gets a byte on stdin for each test, and when none has come for long
it aborts the connections of all mounts that were made since it started. Then the waiting
ends with an error, and the test fails.
"""

import os
import select
import subprocess
import sys
from pathlib import Path

_CONNECTIONS = Path("/sys/fs/fuse/connections")


def fuse_mounts() -> dict[str, str]:
    """Return the mountpoint of every FUSE mount, by the number of its connection."""
    mounts = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1].startswith("fuse."):
            mounts[fields[2].partition(":")[2]] = fields[4]
    return mounts


def abort(connections: dict[str, str]) -> None:
    """Let everything that waits for these mounts go on, with an error."""
    # Where there is a mount, there is a connection, unless nobody has mounted this.
    is_missing = not any(_CONNECTIONS.iterdir())
    if is_missing:
        subprocess.run(["mount", "-t", "fusectl", "none", _CONNECTIONS], check=False)
    for number, mountpoint in connections.items():
        print(f"\naborting {mountpoint}, which hangs", file=sys.stderr, flush=True)
        (_CONNECTIONS / number / "abort").write_text("1")
    if is_missing:
        subprocess.run(["umount", _CONNECTIONS], check=False)


def main(seconds: float, below: str) -> None:
    """Watch until stdin ends, over mounts *below* a directory."""
    before = fuse_mounts()
    while True:
        readable, _, _ = select.select([0], [], [], seconds)
        if not readable:
            new = fuse_mounts().items() - before.items()
            hanging = {n: path for n, path in new if path.startswith(below)}
            if hanging:
                abort(hanging)
        elif not os.read(0, 4096):
            return


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2])
