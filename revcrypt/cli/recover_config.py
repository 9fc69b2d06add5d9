"""`revcrypt recover-config`: a fresh config for a backup that has lost its own."""

import argparse
import logging
import os

from revcrypt.cli import backups, configs, init, options, recovery_files
from revcrypt.cli.configs import ConfigPath
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
    options.add_recovery_key(parser)
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
    passphrase = options.passphrase_source(arguments)
    keys = _master_keys(arguments, config)
    source = Source(os.fsencode(arguments.cipherdir))
    sample = take_sample(source)
    for master_key in keys:
        features = detect(source, master_key, sample)
        if features is not None:
            break
    else:
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


def _master_keys(arguments: argparse.Namespace, config: ConfigPath) -> list[bytes]:
    """Return the master keys that may be the backup's."""
    if (arguments.masterkey is None) == (arguments.recovery_key is None):
        raise UsageError(
            "a config can be recovered only with the master key, or a recovery key",
            hint="--masterkey - asks for it; it was shown when the config was made",
        )
    if arguments.masterkey is not None:
        return [read_master_key(arguments.masterkey)]
    path, cipherdir = arguments.recovery_key, arguments.cipherdir
    key = recovery_files.open_key(path, config, cipherdir)
    return [other.master_key for other in key.others]
