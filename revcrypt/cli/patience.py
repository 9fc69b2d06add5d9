"""Looking at mounts that may hang, with limited patience."""

import os
import select
import signal
from collections.abc import Callable
from errno import EIO
from typing import Never

SECONDS = 10
"""How long to wait for an answer, usually."""
_STANDARD = (0, 1, 2)
_MOST_FDS = 1 << 20


def look(
    work: Callable[[], bytes], seconds: float, *, user: tuple[int, int] | None = None
) -> bytes | int | None:
    """Do *work* as *user* (uid, gid), if one is given.

    Returns what it returns, or the errno of its `OSError`, or None if it takes longer
    than *seconds*.

    In a process of its own: whoever looks at a mount whose server hangs is stuck. Not
    even killing helps if the server has taken the request; so nobody waits for that. It
    is forked, because that user need not be able to run this program.
    """
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _tell(write_fd, work, user)
    os.close(write_fd)
    with open(read_fd, "rb") as pipe:
        if not select.select([pipe], [], [], seconds)[0]:
            os.kill(pid, signal.SIGKILL)
            return None
        found = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return found if status == 0 else status if status > 0 else EIO


def _tell(
    write_fd: int, work: Callable[[], bytes], user: tuple[int, int] | None
) -> Never:
    """Write what *work* returns to *write_fd*, and end with 0 or the errno."""
    status = EIO
    try:
        # If we are stuck, whoever reads the output of our parent must not wait for us,
        # nor whoever wants a lock that it has.
        null = os.open(os.devnull, os.O_RDWR)
        for fd in _STANDARD:
            os.dup2(null, fd)
        os.closerange(len(_STANDARD), write_fd)
        os.closerange(write_fd + 1, _MOST_FDS)
        if user is not None:
            uid, gid = user
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        with open(write_fd, "wb") as pipe:
            pipe.write(work())
        status = 0
    except OSError as error:
        status = error.errno or EIO
    finally:
        os._exit(status)
