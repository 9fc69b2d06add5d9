"""Running revcrypt again and again, killed at its first write, at its second, and so on.

For what must never leave anything half done: all that a power cut can leave behind is
seen in turn. A process of its own has everything imported and forks for each run, so
that hundreds of runs take seconds.
"""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from signal import SIGKILL
from typing import NamedTuple

MOST_WRITES = 500
"""What no command comes near."""


class Run(NamedTuple):
    """A run that was killed at its write number *at*, or came to its end before."""

    at: int
    status: int
    output: str

    @property
    def was_killed(self) -> bool:
        """Whether it did not come to its end."""
        return self.status == -SIGKILL


Killer = subprocess.Popen[str]
"""What runs the commands, the same each time, as it takes long to import."""


@contextmanager
def killing(directory: Path) -> Iterator[Killer]:
    """Compile what counts the writes, in *directory*, and start what has it loaded."""
    library = directory / "kills.so"
    source = Path(__file__).with_suffix(".c")
    words = ["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library]
    subprocess.run([*words, source], check=True, timeout=60)
    killer = subprocess.Popen(
        [sys.executable, "-m", "tests.kills"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"LD_PRELOAD": os.fspath(library)},
    )
    try:
        yield killer
    finally:
        killer.communicate()


def killed_at_every_write(
    killer: Killer,
    arguments: Sequence[str | os.PathLike[str]],
    prepare: Callable[[], object],
    *,
    stdin: str = "",
    first: int = 1,
) -> Iterator[Run]:
    """Run `revcrypt ARGUMENTS`, killed later each time, until it comes to its end.

    Those before the *first* write are left out, where they are others' business.
    *prepare* sets up anew what each run works on. Yields after every run, the whole one
    included, so that what it has left can be looked at.
    """
    assert killer.stdin is not None
    assert killer.stdout is not None
    for at in count(first):
        assert at < MOST_WRITES
        prepare()
        request = {"at": at, "argv": [os.fspath(word) for word in arguments]}
        killer.stdin.write(json.dumps(request | {"stdin": stdin}) + "\n")
        killer.stdin.flush()
        run = Run(at, **json.loads(killer.stdout.readline()))
        yield run
        if not run.was_killed:
            assert run.status == 0, run
            assert at > first, "nothing was written"
            break


def _serve() -> None:
    from revcrypt.cli.main import main, make_parser  # noqa: PLC0415

    make_parser()  # What is loaded late may be written to a cache.

    shim = ctypes.CDLL(None)
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        output = os.memfd_create("output")
        pid = os.fork()
        if not pid:
            try:
                content = os.memfd_create("stdin")
                os.write(content, request["stdin"].encode())
                os.lseek(content, 0, os.SEEK_SET)
                os.dup2(content, 0)
                sys.stdin = open(0, closefd=False)  # noqa: SIM115
                os.dup2(output, 1)
                os.dup2(output, 2)
                shim.kills_at(ctypes.c_long(request["at"]))
                status = int(main(request["argv"]))
                sys.stdout.flush()
            except BaseException as error:
                os.write(2, repr(error).encode())
                status = 99
            os._exit(status)
        _, status = os.waitpid(pid, 0)
        said = os.pread(output, 1 << 20, 0).decode(errors="backslashreplace")
        os.close(output)
        answer = {"status": os.waitstatus_to_exitcode(status), "output": said}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
