"""`python -m tests.soak MINUTES`: a long soak."""

import sys
import tempfile
from pathlib import Path

from tests.soak.soak import soak


def main(minutes: str) -> None:
    """Soak a view, and print what came of it."""
    with tempfile.TemporaryDirectory(prefix="revcrypt-soak-") as directory:
        figures = soak(Path(directory), float(minutes) * 60)
    print(*figures.lines(), sep="\n")
    figures.check()


if __name__ == "__main__":
    main(sys.argv[1])
