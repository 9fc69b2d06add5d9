"""Running `revcrypt restore`: in this process, or without all that FUSE needs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Said(NamedTuple):
    """What a command has printed."""

    stdout: str
    stderr: str


Command = Callable[..., Said]
"""Takes words and `status`, the exit status to expect."""

USER = 1000

_NO_FUSE = """
mount -t tmpfs -o mode=755 tmpfs /dev
mknod -m 666 /dev/null c 1 3
test ! -e /dev/fuse
exec "$@"
"""
_MAIN = """
import os, sys
# Of these, some are loaded late, when the user may not read them any more.
import encodings.ascii, multiprocessing.connection, multiprocessing.popen_fork
from revcrypt.cli.main import main, make_parser
make_parser()  # loads all commands
uid = int(sys.argv.pop(1))
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
os.umask(0o022)
sys.exit(main())
"""


def without_fuse(
    directory: Path, *words: str | Path, uid: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run revcrypt as some user where there is no /dev/fuse and no library for it.

    What stands in for the libraries is written into *directory*.
    """
    stubs = directory / "stubs"
    stubs.mkdir(exist_ok=True)
    for library in ("pyfuse3", "trio"):
        (stubs / f"{library}.py").write_text(f"raise ImportError('no {library} here')\n")
    unshare = ["unshare", "-m", "--propagation", "private", "sh", "-euc", _NO_FUSE, "sh"]
    return subprocess.run(
        [*unshare, sys.executable, "-c", _MAIN, str(uid), *map(os.fspath, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(stubs)},
    )


def findings(stdout: str) -> list[dict[str, Any]]:
    """Return the findings among lines of JSON, all of which must parse."""
    messages = [json.loads(line) for line in stdout.splitlines()]
    return [message for message in messages if message["type"] == "finding"]


def summary(stdout: str) -> dict[str, Any]:
    """Return the summary, which must be the last line of JSON."""
    message = json.loads(stdout.splitlines()[-1])
    assert isinstance(message, dict)
    assert message.pop("type") == "summary"
    return message
