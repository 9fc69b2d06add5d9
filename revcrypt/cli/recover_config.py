"""`revcrypt recover-config`: a fresh config for a backup that has lost its own."""

import argparse
import logging
import os

from revcrypt.cli import backups, configs, init, options
from revcrypt.cli.secrets import read_master_key
from revcrypt.errors import ConfigExistsError, ExitCode, MasterKeyError, UsageError
from revcrypt.view.detect import detect, take_sample
from revcrypt.view.source import Source

NAME = "recover-config"
SUMMARY = "write a fresh config for a backup that has lost its own, with the master key"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument(
        "cipherdir", metavar="CIPHERDIR", help="a pulled view, or any gocryptfs directory"
    )
    options.add_master_key(parser)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="where to write the config (default: CIPHERDIR/gocryptfs.conf)",
    )
    options.add_passphrase(parser)
    init.add_scrypt(parser)
    options.add_quiet(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    options.check_directory(arguments.cipherdir)
    config = configs.forward_config_path(arguments.cipherdir, arguments.config)
    if os.path.lexists(config.path):
        raise ConfigExistsError(
            f"there is a config already: {config.path}",
            hint="move it away, or write another file: --config FILE",
        )
    if arguments.masterkey is None:
        raise UsageError(
            "a config can be recovered only with the master key",
            hint="--masterkey - asks for it; it was shown when the config was made",
        )
    passphrase = options.passphrase_source(arguments)
    master_key = read_master_key(arguments.masterkey)
    source = Source(os.fsencode(arguments.cipherdir))
    sample = take_sample(source)
    features = detect(source, master_key, sample)
    if features is None:
        raise MasterKeyError(
            "the master key opens nothing in this directory",
            hint="it is another directory's, or there is nothing to try it on",
        )
    log.info("found %s", backups.describe(features))
    init.write_config(
        config.path,
        features,
        master_key,
        passphrase,
        scrypt_log_n=arguments.scrypt_n,
    )
    log.info("wrote %s, with the passphrase that you have given", config.path)
    return ExitCode.OK
