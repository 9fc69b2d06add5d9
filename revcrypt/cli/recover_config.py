"""`revcrypt recover-config`: a fresh config for a backup that has lost its own."""

import argparse
import logging
import os

from revcrypt.cli import backups, configs, init, options, recovery_files, recovery_keys
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.cli.replacing import File
from revcrypt.cli.secrets import read_master_key
from revcrypt.errors import (
    ConfigExistsError,
    ExitCode,
    MasterKeyError,
    RecoveryError,
    UsageError,
)
from revcrypt.format.keys import fingerprint
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
    files = RecoveryFiles.of(config)
    state = files.state()
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
    key = Key(master_key, features, is_proven=True)
    secret = passphrase.read(new=True)
    fresh = init.make_config(key, secret, init.scrypt_n(arguments.scrypt_n))
    # If there are some beside it already, those are its own.
    copied = [] if any(state.values()) else _copied(arguments.cipherdir, files)
    files.replace([*copied, configs.new_file(config.path, fresh)], state)
    for file in copied:
        log.info("wrote %s, which belongs to the config", file.path)
    if copied:
        recovery_keys.tell_recipients(files.register().certificates)
        log.info("take out whom you do not know: revcrypt recovery remove")
    log.info("wrote %s, with the passphrase that you have given", config.path)
    mark = fingerprint(master_key)
    log.info("master key fingerprint %s; compare it with the one that you noted", mark)
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


def _copied(cipherdir: str, files: RecoveryFiles) -> list[File]:
    """Return the recovery files of a copy, which its next pull would lose otherwise."""
    copied = list(RecoveryFiles.of_copy(cipherdir).moved_to(files))
    for file in copied:
        try:
            file.check(file.data)
        except RecoveryError as error:
            suffix = file.path.removeprefix(files.path)
            raise RecoveryError(
                f"{RecoveryFiles.of_copy(cipherdir).path}{suffix}: {error}",
                hint="take it from another copy, or move it away",
            ) from None
    return copied
