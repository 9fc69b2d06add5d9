"""How findings and progress are shown: lines for people, JSON for scripts, a bar."""

import argparse
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from revcrypt.cli import output
from revcrypt.errors import ExitCode
from revcrypt.rescue.workers import OnTick, default_count
from revcrypt.view.findings import Finding, Kind

_EVERY = 1.0
"""Seconds between two lines of progress for scripts."""

_NO_LOSSES = (Kind.WITHHELD, Kind.DESTINATION, Kind.MISSING)

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how to show things, and how much to do at once."""
    parser.add_argument(
        "--json", action="store_true", help="write JSON to stdout, one object a line"
    )
    add_jobs(parser)


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Declare `--jobs`."""
    parser.add_argument(
        "-j",
        "--jobs",
        metavar="N",
        type=int,
        default=default_count(),
        help="how many processes to use (default: one for each core)",
    )


class Findings:
    """Shows findings as they come: as warnings, or as JSON on stdout.

    With *are_asked_for*, they go to stdout in any case, and those that were put right
    count, too.
    """

    def __init__(self, *, as_json: bool, are_asked_for: bool) -> None:
        self.as_json = as_json
        self._are_asked_for = are_asked_for
        self.kinds: Counter[Kind] = Counter()
        self.harmful = 0
        """Findings that were not put right."""
        self.healed = 0
        self.losses: list[Finding] = []
        """Findings about what is not as it was, for whoever salvages it."""

    def report(self, finding: Finding) -> None:
        """Show a finding."""
        self.kinds[finding.kind] += 1
        self.healed += finding.is_healed
        self.harmful += not finding.is_healed
        if not finding.is_healed and finding.kind not in _NO_LOSSES:
            self.losses.append(finding)
        with tqdm.external_write_mode():
            if self.as_json:
                self.write(finding_json(finding))
            elif self._are_asked_for:
                output.write_line(str(finding))
            else:
                log.warning("%s", finding)

    def fail(self, kind: Kind, plain_path: bytes, text: str) -> None:
        """Show a finding about a plain path that leads to nothing."""
        self.report(Finding(kind=kind, cipher_path=b"", plain_path=plain_path, text=text))

    @staticmethod
    def write(message: dict[str, Any]) -> None:
        """Write a JSON line."""
        output.write_line(json.dumps(message))

    @property
    def exit_code(self) -> ExitCode:
        """The exit status that says whether anything was found."""
        count = self.harmful + (self.healed if self._are_asked_for else 0)
        return ExitCode.FINDINGS if count else ExitCode.OK


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return a finding for scripts; bytes that are no UTF-8 become lone surrogates."""
    plain = finding.plain_path
    return {
        "type": "finding",
        "kind": finding.kind.value,
        "path": None if plain is None else os.fsdecode(plain),
        "cipher_path": os.fsdecode(finding.cipher_path),
        "offset": finding.offset,
        "size": finding.size,
        "text": finding.text,
        "healed": finding.is_healed,
    }


@contextmanager
def progress(what: str, findings: Findings, total: int | None) -> Iterator[OnTick]:
    """Show how far things are: of *total* bytes, or of an unknown number.

    On a terminal there is a bar, for scripts a line now and then, otherwise nothing.
    """
    if findings.as_json:
        yield _json_lines(findings, total)
        return
    # Its thread would be in the way of forking, and the workers tick often enough.
    tqdm.monitor_interval = 0
    with tqdm(
        total=total,
        desc=what,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        dynamic_ncols=True,
        leave=False,
        disable=None if is_shown() else True,
        file=sys.stderr,
    ) as bar:

        def on_tick(size: int, objects: int) -> None:
            bar.set_postfix_str(f"{objects} files", refresh=False)
            bar.update(size - bar.n)

        yield on_tick


def is_shown() -> bool:
    """Tell whether somebody looks at a bar."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return is_terminal and log.isEnabledFor(logging.INFO)


def _json_lines(findings: Findings, total: int | None) -> OnTick:
    last = time.monotonic()

    def on_tick(size: int, objects: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _EVERY:
            last = now
            findings.write(
                {"type": "progress", "bytes": size, "objects": objects, "of": total}
            )

    return on_tick
