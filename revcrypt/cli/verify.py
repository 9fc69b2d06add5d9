"""`revcrypt verify`: read all of a backup and tell every problem."""

import argparse
import logging
import os
from contextlib import closing

from revcrypt.cli import (
    backups,
    configs,
    filters,
    findings,
    options,
    recovery_files,
    views,
)
from revcrypt.cli.backups import Backup
from revcrypt.cli.findings import Findings, progress
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.cli.sizes import human
from revcrypt.errors import ExitCode, RecoveryError, UsageError
from revcrypt.format.names import CONFIG_NAME
from revcrypt.rescue.against import Against, Pair
from revcrypt.rescue.verify import Tally, Verify
from revcrypt.rescue.walk import measure
from revcrypt.view.findings import Finding, Kind
from revcrypt.view.reverse import ReverseView

NAME = "verify"
SUMMARY = "read all of a backup and tell every problem"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    backups.add_arguments(parser)
    findings.add_arguments(parser)
    options.add_quiet(parser)
    against = parser.add_argument_group(
        "against the source",
        "What is missing as a whole, or an older version, only the source can tell.",
    )
    against.add_argument(
        "--against",
        metavar="PLAINDIR",
        help="compare with what the view of PLAINDIR shows now; needs the filters with "
        "which it is mounted",
    )
    against.add_argument(
        "--metadata",
        action="store_true",
        help="compare modes, owners, times and extended attributes, too",
    )
    filters.add_arguments(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    _check(arguments)
    backup = backups.open_backup(arguments)
    shown = Findings(as_json=arguments.json, are_asked_for=True)
    if backup.contradiction is not None:
        shown.report(backup.contradiction)
    _check_recovery_files(backup, shown)
    with closing(backup.view(shown.report)) as view:
        is_counted = arguments.json or findings.is_shown()
        total = measure(view) if is_counted else None
        jobs = options.jobs(arguments)
        with progress("verifying", shown, total) as on_tick:
            if arguments.against is None:
                verify = Verify(view, shown.report, in_place=backup.strict, workers=jobs)
                tally = verify.run(on_tick)
            else:
                with closing(_source(arguments, backup)) as source:
                    pair = Pair(source, view, metadata=arguments.metadata)
                    tally = Against(pair, shown.report, workers=jobs).run(on_tick)
    _summarise(tally, shown, is_compared=arguments.against is not None)
    return shown.exit_code


def _check_recovery_files(backup: Backup, shown: Findings) -> None:
    """Tell of recovery files that no private key can open any more."""
    root = os.path.join(backup.path, os.fsdecode(CONFIG_NAME))
    for path in RecoveryFiles(root).all_sealed():
        try:
            recovery_files.read_envelope(path)
        except RecoveryError as error:
            name = os.fsencode(os.path.basename(path))
            text = str(error).removeprefix(f"{path}: ")
            shown.report(
                Finding(kind=Kind.CONFIG, cipher_path=name, plain_path=None, text=text)
            )


def _check(arguments: argparse.Namespace) -> None:
    has_filters = filters.of_arguments(arguments) != filters.Filters()
    if arguments.against is None and (has_filters or arguments.metadata):
        raise UsageError("--metadata and filters are for --against")
    if arguments.against is not None:
        options.check_directory(arguments.against)


def _source(arguments: argparse.Namespace, backup: Backup) -> ReverseView:
    """Return the view of the source, with which the copy is compared."""
    plaindir = arguments.against
    config = configs.reverse_config_path(plaindir, arguments.config)
    if not os.path.exists(config.path):
        # Kept elsewhere, it is all the same in the copy.
        config = configs.forward_config_path(backup.path, arguments.config)
        config = configs.ConfigPath(config.path, is_default=False)
    has_config = os.path.exists(config.path)
    secrets = configs.secret_files(config, options.secret_files(arguments))
    exclude = filters.make_exclude(filters.of_arguments(arguments), plaindir, secrets)
    shown = config if has_config else None
    return views.reverse_view(plaindir, backup.volume, shown, exclude=exclude)


def _summarise(tally: Tally, shown: Findings, *, is_compared: bool) -> None:
    kinds = {kind.value: count for kind, count in shown.kinds.most_common()}
    if shown.as_json:
        shown.write(
            {
                "type": "summary",
                "objects": tally.objects,
                "bytes": tally.size,
                "findings": shown.harmful + shown.healed,
                "kinds": kinds,
            }
        )
        return
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    # What is gone as a whole leaves no trace.
    none = "no problem" if is_compared else "no problem with what is there"
    found = f"problems: {listed}" if kinds else none
    log.info("read %d objects, %s; %s", tally.objects, human(tally.size), found)
