"""`revcrypt status`: whether a view is well, and was walked to its end."""

import argparse
import json
import math
import os
import time
from typing import Any

from revcrypt.cli import asking, output, status_text
from revcrypt.errors import ExitCode, MountpointError, NotAnsweringError, UsageError

NAME = "status"
SUMMARY = "ask a mounted view whether it is well, and was walked to its end"

_HOUR = 3600
_PROMETHEUS = ".prom"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument(
        "mountpoint", metavar="MOUNTPOINT", help="where the view is mounted"
    )
    parser.add_argument(
        "--within",
        metavar="HOURS",
        type=hours,
        help="demand that a client has walked the tree to its end, without failures, in "
        "the last HOURS",
    )
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")
    parser.add_argument(
        "--prometheus",
        metavar="FILE",
        help="also write FILE, which ends in .prom, for the textfile collector of "
        "node_exporter, whether or not the view answers",
    )


def hours(text: str) -> float:
    """Return a number of hours; raises `ValueError`."""
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise ValueError
    return number


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    path, prometheus = arguments.mountpoint, arguments.prometheus
    if prometheus is not None and not prometheus.endswith(_PROMETHEUS):
        raise UsageError(
            f"node_exporter takes no notice of {prometheus}",
            hint=f"give it a name that ends in {_PROMETHEUS}",
        )
    try:
        mount, told = asking.ask(path)
    except (MountpointError, NotAnsweringError) as error:
        _write_metrics(prometheus, path, None)
        if arguments.json:
            _write_json({"mountpoint": path, "complaints": [str(error)]})
        raise
    _write_metrics(prometheus, path, told)
    complaints = _complaints(told, arguments.within)
    source = os.fsdecode(mount.source)
    if arguments.json:
        _write_json(
            {"mountpoint": path, "source": source, **told, "complaints": complaints}
        )
    else:
        for line in status_text.lines(path, source, told, complaints):
            output.write_line(line)
    return ExitCode.FINDINGS if complaints else ExitCode.OK


def _write_json(shown: dict[str, Any]) -> None:
    output.write(json.dumps(shown, indent=2).encode() + b"\n")


def _write_metrics(file: str | None, path: str, told: dict[str, Any] | None) -> None:
    if file is not None:
        # It takes longer to load than all the rest.
        from revcrypt.cli import metrics  # noqa: PLC0415

        metrics.write(file, os.path.abspath(path), told)


def _complaints(told: dict[str, Any], hours: float | None) -> list[str]:
    """Return what is not as it should be, in words."""
    complaints = []
    if told["mistakes"]:
        complaints.append(
            f"{told['mistakes']} requests have failed by a bug; see the log"
        )
    walk = told["last_walk"]
    if walk is not None and walk["failures_since_begun"]:
        failures = walk["failures_since_begun"]
        complaints.append(f"{failures} failures since the last walk began; see errors")
    if hours is None:
        return complaints
    if walk is None:
        complaints.append("nobody has walked the tree to its end since it was mounted")
    elif walk["ended"] < time.time() - hours * _HOUR:
        complaints.append(f"nobody has walked the tree to its end within {hours:g} hours")
    return complaints
