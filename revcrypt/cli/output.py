"""Writing to stdout, whose failures are neither damage of a backup nor a bug of ours."""

import os
import sys

from revcrypt.errors import OutputError, ReaderGoneError


def write(data: bytes) -> None:
    """Write to stdout; raises `OutputError` or `ReaderGoneError`."""
    try:
        sys.stdout.buffer.write(data)
    except OSError as error:
        raise _failed(error) from None


def write_line(text: str) -> None:
    """Write a line to stdout that is to be seen at once; raises as `write` does."""
    try:
        print(text, flush=True)
    except OSError as error:
        raise _failed(error) from None


def flush() -> None:
    """Write out what was held back; raises as `write` does."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        raise _failed(error) from None


def _failed(error: OSError) -> OutputError | ReaderGoneError:
    # Nor must Python try again at its end, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), 1)
    if isinstance(error, BrokenPipeError):
        return ReaderGoneError("whoever reads our output has seen enough")
    return OutputError(
        f"cannot write the output: {error.strerror}", hint="make room, and try again"
    )
