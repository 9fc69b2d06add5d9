"""`revcrypt recovery add`: seal the master key for more certificates."""

import argparse

from revcrypt.cli import configs, options, proven, recovery_files, recovery_keys
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.errors import ExitCode

NAME = "add"
SUMMARY = "let the private keys of these certificates open the backup, too"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument(
        "certificates",
        metavar="CERT",
        nargs="+",
        help="a file with certificates, PEM or DER, of RSA keys",
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
    new = recovery_files.read_certificates(arguments.certificates)
    register = files.register()
    known = register.with_certificates(*dict.fromkeys([*register.certificates, *new]))
    old = files.recipients(known)
    key = proven.open_key(arguments, config)
    recipients = tuple(dict.fromkeys([*old, *new]))
    files.replace(recovery_keys.seal_for(files, register, key, recipients, data), state)
    files.tell(recipients)
    return ExitCode.OK
