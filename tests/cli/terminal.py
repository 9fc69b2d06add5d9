"""A terminal to run programs on, and somebody who types."""

import errno
import os
import pty
import select
import subprocess
from collections.abc import Iterable
from pathlib import Path

TIMEOUT_MS = 30_000


class Terminal:
    """A pseudo-terminal as the programs on it see it; *shown* is all they have said."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        self.shown = ""

    def run(
        self, command: Iterable[str | Path], dialogue: Iterable[tuple[str, str]]
    ) -> int:
        """Run a program, answer each question when it is asked, return the status."""
        process = subprocess.Popen(
            ["setsid", "--ctty", *map(os.fspath, command)],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
        )
        os.close(self._slave)
        try:
            for question, answer in dialogue:
                self._read_until(question)
                os.write(self._master, answer.encode() + b"\n")
            self._read_until(None)
            return process.wait(timeout=TIMEOUT_MS / 1000)
        finally:
            process.kill()
            process.wait()
            os.close(self._master)

    def _read_until(self, question: str | None) -> None:
        """Read until *question* is asked, or to the end if that is None."""
        start = len(self.shown)
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        while question is None or question not in self.shown[start:]:
            assert poll.poll(TIMEOUT_MS), self.shown
            try:
                data = os.read(self._master, 4096)
            except OSError as error:
                # EIO is what a master answers when the last program has gone.
                if error.errno != errno.EIO:
                    raise
                data = b""
            if not data:
                assert question is None, self.shown
                return
            self.shown += data.decode().replace("\r\n", "\n")
