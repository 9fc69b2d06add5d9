"""`make bench`: revcrypt and its peers, doing the same work on the same trees."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench import machine, rounds
from tests.bench.bench import Bench
from tests.bench.figures import REFERENCE, Result, select
from tests.bench.peers import Peer
from tests.bench.report import Report
from tests.bench.rounds import WORKLOADS

DRAW: Callable[[Sequence[Result], Path], None] | None
try:
    from tests.bench.plot import draw

    DRAW = draw
except ModuleNotFoundError:
    DRAW = None

OUTPUT = Path(__file__).parents[2] / "build/bench"


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        epilog=f"workloads: {', '.join(WORKLOADS)}",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="do this workload alone, or all that begin with NAME; can be repeated",
    )
    parser.add_argument(
        "--peers",
        action="append",
        metavar="NAME",
        help="compare with this peer alone; can be repeated",
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="X",
        help="how large the trees are; 0.1 is for a quick look (default: 1)",
    )
    parser.add_argument(
        "--warm",
        action="store_true",
        help="keep the trees in the kernel's caches, so that the disk does not matter",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="work below DIR instead of in the directory for temporary files",
    )
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="DIR", help=f"default: {OUTPUT}"
    )
    arguments = parser.parse_args(words)
    if arguments.rounds < 1 or arguments.scale <= 0:
        parser.error("--rounds and --scale must be positive")
    try:
        arguments.only = select(list(WORKLOADS), arguments.only or WORKLOADS)
    except ValueError as error:
        parser.error(str(error))
    return arguments


def say(text: str) -> None:
    """Show how far it has come."""
    print(text, file=sys.stderr, flush=True)


def bench(arguments: argparse.Namespace, directory: Path) -> None:
    """Measure everything that was asked for, and keep what is known at any time."""
    place = Bench(directory, arguments.scale, is_warm=arguments.warm, say=say)
    peers = chosen_peers(place.peers, arguments.peers)
    conditions = {
        **machine.describe(directory),
        "trees": f"scale {arguments.scale:g}, "
        + (
            "in the caches" if place.is_warm else "caches dropped before each measurement"
        ),
        **{peer.name: peer.version() for peer in place.peers},
    }
    report = Report(conditions, [])
    for name in arguments.only:
        result = rounds.run(WORKLOADS[name], place, peers, rounds=arguments.rounds)
        report = Report(conditions, [*report.results, result])
        save(report, arguments.output / ("warm" if place.is_warm else "cold"))
    print(report.text(), end="")
    if DRAW is None:
        say("matplotlib is not installed, so there is no plot")


def chosen_peers(peers: list[Peer], wanted: list[str] | None) -> list[Peer]:
    """Return those that are wanted; the reference always takes part."""
    names = [peer.name for peer in peers]
    chosen = select(names, [REFERENCE, *wanted] if wanted else names)
    return [peer for peer in peers if peer.name in chosen]


def save(report: Report, stem: Path) -> None:
    """Write all files, with what earlier runs have left under the same conditions."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    path = stem.with_suffix(".json")
    if path.exists():
        report = report.added_to(Report.from_json(path.read_text()), list(WORKLOADS))
    path.write_text(report.to_json())
    stem.with_suffix(".txt").write_text(report.text())
    if DRAW is not None:
        DRAW(report.results, stem.with_suffix(".svg"))


def main() -> None:
    """Work in a directory that does not outlive the run."""
    # Let it unwind everything, like an error.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    arguments = parse()
    try:
        with tempfile.TemporaryDirectory(
            prefix="revcrypt-bench-", dir=arguments.directory
        ) as directory:
            bench(arguments, Path(directory).resolve())
    except KeyboardInterrupt:
        sys.exit("interrupted; everything is unmounted and removed")


if __name__ == "__main__":
    main()
