"""The guard: mistakes of ours are logged, counted, and survived."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import format_tb, walk_tb

_MOST = 100
"""Different mistakes to log; the others are only counted."""

log = logging.getLogger(__name__)


class Mistakes:
    """Takes note of exceptions that nobody has foreseen."""

    def __init__(self) -> None:
        self.count = 0
        """How many there have been, those that were not logged included."""
        self._logged: set[object] = set()

    @contextmanager
    def survived(self, what: str) -> Iterator[None]:
        """Keep an exception from those who have asked for no answer."""
        try:
            yield
        except Exception as error:
            self.note(what, error)

    def note(self, what: str, error: Exception) -> None:
        """Count *error*, by which *what* has failed, and log it if it is a new one.

        The message of an exception can have a plain name in it, such as that of a
        `KeyError`; so it is for --debug, and the log has the places.
        """
        self.count += 1
        trace = error.__traceback__
        places = [(frame.f_code, line) for frame, line in walk_tb(trace)]
        identity = what, type(error), tuple(places)
        if identity in self._logged or len(self._logged) >= _MOST:
            log.debug("%s failed again: %r", what, error)
            return
        self._logged.add(identity)
        log.error(
            "%s failed; this is a bug in revcrypt, logged once and counted\n"
            "Traceback (most recent call last):\n%s%s",
            what,
            "".join(format_tb(trace)),
            type(error).__qualname__,
        )
        log.debug("%s failed: %r", what, error)
