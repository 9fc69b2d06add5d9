"""`make fuzz`: libFuzzer on every target, each in a process of its own.

What is found is in `build/fuzz`, and so is what has been learnt: the next run goes on
from there. Every finding becomes a fixed case among the tests of what it is about.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.catalogue import ADAPTER, EXECUTIONS, TARGETS

EXECUTED = re.compile(r"^stat::number_of_executed_units: (\d+)$", re.MULTILINE)
ADAPTER_WEIGHT = 1
LEAST = 10_000
"""Executions of any target."""
LIMITS = ("-max_len=4096", "-timeout=20", "-rss_limit_mb=1024", "-print_final_stats=1")


def main() -> int:
    """Run the targets, print a table, and return the exit status."""
    arguments = make_parser().parse_args()
    weights = {name: target.weight for name, target in TARGETS.items()}
    weights[ADAPTER] = ADAPTER_WEIGHT
    names = arguments.only or list(weights)
    total = sum(weights[name] for name in names)
    print("| target | executions | findings |\n|---|---|---|")
    found = 0
    for name in names:
        count = max(arguments.executions * weights[name] // total, LEAST)
        executed, findings = fuzz_adapter(count) if name == ADAPTER else fuzz(name, count)
        print(f"| {name} | {executed:,} | {findings} |", flush=True)
        note(name, executed)
        found += findings
    if found:
        print(f"\nWhat was found, and the tracebacks, are in {EXECUTIONS.parent}.")
    return 1 if found else 0


def make_parser() -> argparse.ArgumentParser:
    """Return what understands ARGS."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument(
        "--executions",
        type=int,
        default=1_000_000,
        metavar="N",
        help="of all targets together (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        choices=[*TARGETS, ADAPTER],
        action="append",
        metavar="TARGET",
        help="only this one; may be given several times: %(choices)s",
    )
    return parser


def note(name: str, executed: int) -> None:
    """Take note of how often a target was run, for the table in the document."""
    known = json.loads(EXECUTIONS.read_text()) if EXECUTIONS.exists() else {}
    EXECUTIONS.write_text(json.dumps(known | {name: executed}, indent=1))


def place(name: str) -> Path:
    """Return the directory of a target."""
    directory = EXECUTIONS.parent / name.replace(" ", "-")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def fuzz(name: str, count: int) -> tuple[int, int]:
    """Run a target *count* times; return how often it was run, and what was found."""
    directory = place(name)
    corpus = directory / "corpus"
    corpus.mkdir(exist_ok=True)
    for finding in directory.glob("*-*"):
        finding.rename(corpus / finding.name)  # To be tried before anything else.
    for seed in TARGETS[name].seeds():
        (corpus / sha256(seed).hexdigest()).write_bytes(seed)
    log = directory / "log"
    with TemporaryDirectory(dir="/dev/shm") as scratch, log.open("wb") as output:
        status = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.one", name, corpus),
                *(*LIMITS, f"-runs={count}", f"-artifact_prefix={directory}/"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": scratch},
            check=False,
        ).returncode
    executed = EXECUTED.search(log.read_text(errors="replace"))
    return int(executed[1]) if executed else 0, int(status != 0)


def fuzz_adapter(count: int) -> tuple[int, int]:
    """Make *count* requests to the adapter, or a few more; return as `fuzz` does."""
    command = [sys.executable, "-m", "tests.fuzz.adapter", str(count)]
    with (place(ADAPTER) / "log").open("wb") as output:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=output, check=False)
    # Hypothesis may have something to say, too.
    return int(done.stdout.split()[-1]), int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
