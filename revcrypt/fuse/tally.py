"""What a mount has done so far, counted as it goes."""

import time
from collections import Counter, defaultdict
from errno import EACCES, ENODATA, ENOENT, EOPNOTSUPP, EROFS, ESTALE

_HARMLESS = frozenset({ENOENT, ENODATA, EOPNOTSUPP, EROFS, ESTALE})
"""What clients hear every day: nothing there, or ask again (`errnos`)."""


class Tally:
    """Numbers since the mount; nothing is ever taken away from them."""

    def __init__(self) -> None:
        self.since = time.time()
        self.requests: defaultdict[str, int] = defaultdict(int)
        """By handler, those that were refused included."""
        self.errors: Counter[int] = Counter()
        """By errno, as they were answered."""
        self.refused = 0
        """Requests of users who have no access; EACCES, of course."""
        self.content_bytes = 0
        """Content of files that was handed to the kernel: sealed, in a reverse view."""
        self.last_read: float | None = None
        """When that was, in seconds since 1970."""

    def served(self, size: int) -> None:
        """Count *size* bytes of content."""
        self.content_bytes += size
        self.last_read = time.time()

    @property
    def failures(self) -> int:
        """Errors by which a client has missed something that is there."""
        errors = self.errors.items()
        missed = sum(count for number, count in errors if number not in _HARMLESS)
        # Who may not look has been kept out, and misses nothing; he must not be able to
        # make a pull look bad either.
        return missed - min(self.refused, self.errors[EACCES])
