"""What the recovery commands have in common: the config, and a key that is proven."""

import argparse
import itertools
from dataclasses import replace

from revcrypt.cli import configs, options, proven, recovery_files, secrets
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.errors import MasterKeyError
from revcrypt.format.config import Features
from revcrypt.format.keys import fingerprint
from revcrypt.recovery.register import Epoch, Register


def add_config(parser: argparse.ArgumentParser) -> None:
    """Declare `--config`."""
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
    arguments: argparse.Namespace, config: ConfigPath, register: Register
) -> Key:
    """Return the key that `add_key` has declared, proven.

    A passphrase proves it. Otherwise encrypted data do, or the fingerprint in the
    register. Raises `MasterKeyError`, or `UsageError` if nothing does.
    """
    options.passphrase(arguments)
    if arguments.recovery_key is not None:
        key = recovery_files.open_key(arguments.recovery_key, config, None)
    elif arguments.masterkey is not None:
        master_key = secrets.read_master_key(arguments.masterkey)
        key = Key(master_key, configs.read(config).features, is_proven=False)
    else:
        return options.open_key(arguments, config, Features())
    prove(key, register, arguments.proof or proven.beside(config))
    return key


def prove(key: Key, register: Register, cipherdir: str | None) -> str:
    """Say what proves *key*; raises `MasterKeyError` if something contradicts it.

    Raises `UsageError` if nothing proves it.
    """
    open_epochs = [epoch for epoch in register.epochs if not epoch.until]
    is_noted = fingerprint(key.master_key) in [e.fingerprint for e in open_epochs]
    if open_epochs and not is_noted:
        raise MasterKeyError(
            "this is not the master key that the backup has now",
            hint="the fingerprints differ; it may be that of an earlier epoch",
        )
    if cipherdir is not None:
        proven.prove(key.master_key, key.features, cipherdir)
        return f"it opens {cipherdir}"
    if not is_noted:
        proven.prove(key.master_key, key.features, None)
    return "it has the fingerprint that was noted when it was sealed"


def with_epoch(register: Register, key: Key) -> Register:
    """Return *register*, whose last epoch, which has no end, is that of *key*.

    There may be two without an end if `rotate` was killed.
    """
    mark = fingerprint(key.master_key)
    before = tuple(
        itertools.takewhile(lambda e: e.until or e.fingerprint != mark, register.epochs)
    )
    ended = tuple(
        replace(epoch, until=epoch.until or recovery_files.today()) for epoch in before
    )
    present = Epoch(ended[-1].number + 1 if ended else 1, mark)
    return Register(register.certificates, (*ended, present))
