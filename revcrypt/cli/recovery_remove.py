"""`revcrypt recovery remove`: seal the master key for fewer certificates."""

import argparse
import logging

from revcrypt.cli import configs, options, proven, recovery_keys
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.errors import ExitCode, UsageError
from revcrypt.recovery import certificates

NAME = "remove"
SUMMARY = "seal the master key for this certificate no longer"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument(
        "which",
        metavar="WHICH",
        help="a part of its name, or the beginning of its SHA-256 fingerprint",
    )
    proven.add_config(parser)
    proven.add_key(parser)
    options.add_quiet(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    config = configs.any_config_path(arguments.config)
    files = RecoveryFiles.of(config)
    state = files.state()
    data, _ = configs.read_whole(config)
    register = files.register()
    old = files.recipients(register)
    found = certificates.find(old, arguments.which)
    if len(found) != 1:
        raise UsageError(
            f"{arguments.which!r} means {len(found)} of {len(old)} certificates, not one",
            hint="revcrypt recovery list shows names and fingerprints",
        )
    left = tuple(certificate for certificate in old if certificate not in found)
    if not left:
        raise UsageError(
            "this is the last certificate; without it only the passphrase, if there is "
            "one, opens the backup",
            hint="add another one first; or, to have none, delete "
            f"{files.sealed}, and no archives",
        )
    key = proven.open_key(arguments, config)
    files.replace(recovery_keys.seal_for(files, register, key, left, data), state)
    name = certificates.name(found[0])
    log.info("%s is no longer sealed for %s", files.sealed, name)
    log.warning(
        "copies of the backup hold the old file, which the removed key opens for ever; "
        "revcrypt rotate begins a new epoch, which it does not open"
    )
    return ExitCode.OK
