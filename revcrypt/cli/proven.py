"""Keys that are proven before anything lasting is made with them.

A passphrase that opens a config proves the key. A master key that somebody has typed may
be another backup's: under a new passphrase, or on paper, it would be worth nothing, and
nobody would know until it is needed.
"""

import argparse
import os

from revcrypt.cli import configs, options
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.secrets import read_master_key
from revcrypt.errors import MasterKeyError, UsageError
from revcrypt.format.config import Features
from revcrypt.format.names import CONFIG_NAME
from revcrypt.view.detect import take_sample
from revcrypt.view.source import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare a config, and what opens it."""
    parser.add_argument(
        "path",
        metavar="DIR|CONFIG",
        help="a plain directory with a config, an encrypted one, or a config itself",
    )
    options.add_passphrase(parser)
    options.add_master_key(parser)
    parser.add_argument(
        "--proof",
        metavar="CIPHERDIR",
        help="with --masterkey: a mounted view, or any copy of it, which the key must "
        "open (default: DIR, if it is encrypted)",
    )


def open_key(arguments: argparse.Namespace, config: ConfigPath) -> Key:
    """Return the key that `add_arguments` has declared, proven.

    Raises `MasterKeyError`, or `UsageError` if there is nothing to prove a key on.
    """
    source = options.passphrase(arguments)
    if arguments.masterkey is None:
        if arguments.proof is not None:
            raise UsageError("--proof is for a key that is given with --masterkey")
        return configs.unlock(config, source)
    features = configs.read(config).features
    directory = arguments.proof or beside(config)
    return prove(read_master_key(arguments.masterkey), features, directory)


def beside(config: ConfigPath) -> str | None:
    """Return the encrypted directory that *config* lies in, if it does."""
    directory, name = os.path.split(config.path)
    return (directory or ".") if name == os.fsdecode(CONFIG_NAME) else None


def prove(master_key: bytes, features: Features, directory: str | None) -> Key:
    """Return the key if it opens the encrypted *directory*; raises as `open_key` does."""
    if directory is None:
        raise UsageError(
            "nothing here proves the master key, and it may be another backup's",
            hint="name the mounted view, or a copy of it: revcrypt … --proof CIPHERDIR",
        )
    options.check_directory(directory)
    source = Source(os.fsencode(directory))
    try:
        sample = take_sample(source)
        if not sample:
            raise MasterKeyError(f"{directory} is empty, and proves no master key")
        if not sample.fits(master_key, features):
            raise MasterKeyError(
                f"the master key does not open {directory} as the config says",
                hint="it is another backup's, or this is not the config of that one",
            )
    finally:
        source.close()
    return Key(master_key, features, is_proven=True)
