"""`python -m tests.hostile`: the stress test (`make stress`)."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.hostile.stress import stress


def main() -> int:
    """Stress a view, and print what came of it; differences are a failure."""
    parser = argparse.ArgumentParser(prog="make stress ARGS=")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--operations", type=int, default=3000, help="of each process")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--fsstress", default=shutil.which("fsstress"), help="its path")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="revcrypt-stress-") as directory:
        figures = stress(
            Path(directory),
            range(arguments.first, arguments.first + arguments.seeds),
            arguments.operations,
            arguments.processes,
            fsstress=arguments.fsstress,
            stress_ng=shutil.which("stress-ng"),
        )
    print(*figures.lines(), sep="\n")
    return 1 if figures.differences else 0


if __name__ == "__main__":
    sys.exit(main())
