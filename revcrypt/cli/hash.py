"""`revcrypt hash`: digests of what a view shows, for a backup host to check."""

import argparse

from revcrypt.cli import findings, options, output, reverse
from revcrypt.cli.findings import Findings, progress
from revcrypt.errors import ExitCode
from revcrypt.rescue.hashes import hash_view

NAME = "hash"
SUMMARY = "write what sha256sum -c needs to check a copy of a view, without a key"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument("plaindir", metavar="PLAINDIR", help="the directory to back up")
    options.add_passphrase(parser)
    options.add_master_key(parser)
    reverse.add_view(parser)
    findings.add_jobs(parser)
    options.add_quiet(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    view = reverse.open_view(arguments)
    shown = Findings(as_json=False, are_asked_for=False)
    with progress("hashing", shown, None) as on_tick:
        digests = hash_view(view, shown.report, on_tick, workers=options.jobs(arguments))
        for digest in digests:
            output.write(digest.line())
    return shown.exit_code
