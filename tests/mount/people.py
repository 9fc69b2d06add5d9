"""Other users of the machine, who need no account: processes that have become them."""

import multiprocessing
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Question = Callable[..., Any]


class Person:
    """A process of some user, which stands in a directory and does what it is asked."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def begin(self, question: Question, *arguments: Any) -> None:
        """Let the process do something; `finish` must be called before the next."""
        self._pipe.send((question, arguments))

    def finish(self) -> Any:
        """Return what came of it, or raise the `OSError` that did."""
        assert self._pipe.poll(60), "no answer"
        answer = self._pipe.recv()
        if isinstance(answer, OSError):
            raise answer
        return answer

    def ask(self, question: Question, *arguments: Any) -> Any:
        """Do both."""
        self.begin(question, *arguments)
        return self.finish()

    def errno(self, question: Question, *arguments: Any) -> int:
        """Return the errno of doing something, 0 if it succeeds."""
        return int(self.ask(errno_of, question, *arguments))


def errno_of(question: Question, *arguments: Any) -> int:
    """Return the errno of doing something, 0 if it succeeds."""
    try:
        question(*arguments)
    except OSError as error:
        return error.errno or -1
    return 0


def errnos_of(times: int, question: Question, *arguments: Any) -> set[int]:
    """Do something again and again; return all errnos that it ever had."""
    return {errno_of(question, *arguments) for _ in range(times)}


def read(path: str) -> bytes:
    """Return the content of a file."""
    return Path(path).read_bytes()


@contextmanager
def person(
    directory: Path, uid: int, gid: int, groups: Collection[int] = ()
) -> Iterator[Person]:
    """Start a process that stands in *directory* and may enter what is there."""
    directory.chmod(0o755)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_live, args=(theirs, directory, uid, gid, groups))
    process.start()
    theirs.close()
    try:
        yield Person(ours)
    finally:
        ours.close()
        process.kill()
        process.join(30)
        process.close()


def _live(
    pipe: Connection, directory: Path, uid: int, gid: int, groups: Collection[int]
) -> None:
    os.chdir(directory)
    os.setgroups(list(groups))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    while True:
        try:
            question, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(question(*arguments))
        except OSError as error:
            pipe.send(error)
