"""Keys that are proven before anything lasting is made with them.

A passphrase that opens a config proves the key in it. A master key that somebody has
typed, or that a recovery file or a credential holds, may be another backup's: under a new
passphrase, sealed, or on paper, it would be worth nothing, and nobody would know until it
is needed.
"""

import argparse
import logging
import os

from revcrypt.cli import options, recovery_keys
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.errors import MasterKeyError, UsageError
from revcrypt.format.config import Features
from revcrypt.format.names import CONFIG_NAME
from revcrypt.view.detect import take_sample
from revcrypt.view.source import Source

log = logging.getLogger(__name__)


def add_path(parser: argparse.ArgumentParser) -> None:
    """Declare a config, as a positional."""
    parser.add_argument(
        "path",
        metavar="DIR|CONFIG",
        help="a plain directory with a config, an encrypted one, or a config itself",
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """Declare a config, as an option."""
    parser.add_argument(
        "--config",
        metavar="DIR|CONFIG",
        default=".",
        help="the config, or the directory it is in (default: the current directory)",
    )


def add_key(parser: argparse.ArgumentParser) -> None:
    """Declare what opens the config, and what proves a key."""
    options.add_passphrase(parser)
    options.add_master_key(parser)
    options.add_recovery_key(parser)
    add_proof(parser)


def add_proof(parser: argparse.ArgumentParser) -> None:
    """Declare `--proof`."""
    parser.add_argument(
        "--proof",
        metavar="CIPHERDIR",
        help="a mounted view, or any copy of it, which the master key must open",
    )


def open_key(
    arguments: argparse.Namespace, config: ConfigPath, *, interrupted: bool = False
) -> Key:
    """Return the key that `add_key` has declared, proven, and say by what.

    Raises as `establish` does, besides what opening it raises.
    """
    key = options.open_key(arguments, config, Features())
    proof = establish(key, config, arguments.proof, interrupted=interrupted)
    log.info("the master key is the right one: %s", proof)
    return key._replace(is_proven=True)


def establish(
    key: Key, config: ConfigPath, cipherdir: str | None, *, interrupted: bool = False
) -> str:
    """Say what proves *key*.

    Raises `MasterKeyError` if something contradicts it, and `UsageError` if nothing
    proves it. With *interrupted*, it may be that of either epoch if `rotate` was killed.
    """
    proof = find_proof(key, config, cipherdir, interrupted=interrupted)
    if proof is None:
        raise UsageError(
            "nothing here proves the master key, and it may be another backup's",
            hint="name the mounted view, or a copy of it: revcrypt … --proof CIPHERDIR",
        )
    return proof


def find_proof(
    key: Key,
    config: ConfigPath,
    cipherdir: str | None,
    *,
    is_note_good: bool = True,
    interrupted: bool = False,
) -> str | None:
    """Say what proves *key*: what opens it, encrypted data, or what was noted of it.

    *cipherdir* has to be opened, whatever else does. Unless *is_note_good*, a fingerprint
    in the register does not do. Raises `MasterKeyError` if something contradicts it.
    """
    register = RecoveryFiles.of(config).register()
    present = [epoch for epoch in register.epochs if not epoch.until]
    is_noted = recovery_keys.check_noted(register, key.master_key)
    if not key.is_proven:
        cipherdir = cipherdir or _beside(config)
    if cipherdir is not None:
        _try(key, cipherdir)
        return f"it opens {cipherdir}"
    if key.is_proven:
        return f"the passphrase opens it in {config.path}"
    if is_note_good and is_noted and (interrupted or len(present) == 1):
        return "it has the fingerprint that was noted when it was sealed"
    return None


def _beside(config: ConfigPath) -> str | None:
    """Return the encrypted directory that *config* lies in, if it does."""
    directory, name = os.path.split(config.path)
    return (directory or ".") if name == os.fsdecode(CONFIG_NAME) else None


def _try(key: Key, directory: str) -> None:
    """Raise `MasterKeyError` unless *key* opens the encrypted *directory*."""
    options.check_directory(directory)
    source = Source(os.fsencode(directory))
    try:
        sample = take_sample(source)
        if not sample:
            raise MasterKeyError(f"{directory} is empty, and proves no master key")
        if not sample.fits(key.master_key, key.features):
            raise MasterKeyError(
                f"the master key does not open {directory} as the config says",
                hint="it is another backup's, or this is not the config of that one",
            )
    finally:
        source.close()
