"""`revcrypt init`: write a fresh reverse config."""

import argparse
import logging
import os
import sys
from dataclasses import dataclass

from revcrypt import __version__
from revcrypt.cli import configs, options
from revcrypt.cli.secrets import PassphraseSource
from revcrypt.errors import ConfigInvalidError, ConfigUnwritableError, ExitCode
from revcrypt.format import config as config_format
from revcrypt.format import keys
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from revcrypt.format.keys import ScryptParams

NAME = "init"
SUMMARY = "write the config of a new encrypted view, and print its master key"

SCRYPT_LOG_N = 16
"""64 MiB and about a tenth of a second."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to initialise."""

    plaindir: str
    config: configs.ConfigPath
    passphrase: PassphraseSource
    features: Features
    scrypt_log_n: int
    quiet: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument("plaindir", metavar="PLAINDIR", help="the directory to back up")
    options.add_config(parser, "PLAINDIR/.gocryptfs.reverse.conf")
    options.add_passphrase(parser)
    options.add_name_features(parser)
    add_scrypt(parser)
    options.add_quiet(parser)


def add_scrypt(parser: argparse.ArgumentParser, default: str = "%(default)s") -> None:
    """Declare `--scrypt-n`; without it, what *default* says."""
    parser.add_argument(
        "--scrypt-n",
        metavar="N",
        type=int,
        default=SCRYPT_LOG_N if default == "%(default)s" else None,
        help="cost of guessing the passphrase, as a power of two: 10 to 28 "
        f"(default: {default}; each step doubles time and memory)",
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    return initialise(
        Request(
            plaindir=arguments.plaindir,
            config=configs.reverse_config_path(arguments.plaindir, arguments.config),
            passphrase=options.passphrase(arguments),
            features=options.name_features(arguments),
            scrypt_log_n=arguments.scrypt_n,
            quiet=arguments.quiet,
        )
    )


def initialise(request: Request) -> ExitCode:
    """Write the config that *request* asks for."""
    options.check_directory(request.plaindir)
    path = request.config.path
    if os.path.lexists(path):
        raise configs.exists_error(path)
    if request.features.cipher is not Cipher.AES_SIV:
        raise ConfigUnwritableError("reverse views need AES-SIV, no other cipher")
    master_key = os.urandom(keys.MASTER_KEY_SIZE)
    write_config(
        path,
        request.features,
        master_key,
        request.passphrase,
        scrypt_log_n=request.scrypt_log_n,
    )
    if not request.quiet:
        log.info("wrote %s", path)
        if sys.stdout.isatty():
            _show_master_key(master_key)
        else:
            log.info(
                "the master key is shown only on a terminal; "
                "gocryptfs-xray -dumpmasterkey %s prints it",
                path,
            )
    return ExitCode.OK


def scrypt_n(log_n: int) -> int:
    """Return 2^*log_n*, the cost of a passphrase; raises `ConfigUnwritableError`."""
    if not 10 <= log_n <= 28:
        raise ConfigUnwritableError(
            f"scrypt N is {log_n}, not 10 to 28", hint="16 is right for most passphrases"
        )
    return 1 << log_n


def write_config(
    path: str,
    features: Features,
    master_key: bytes,
    passphrase: PassphraseSource,
    *,
    scrypt_log_n: int,
) -> None:
    """Write a config that holds *master_key* under a new passphrase.

    Raises `ConfigUnwritableError`, `ConfigExistsError`, or what reading a passphrase
    raises.
    """
    scrypt = ScryptParams(os.urandom(keys.SALT_SIZE), scrypt_n(scrypt_log_n))
    secret = passphrase.read(new=True)
    wrapped = configs.wrap(master_key, secret, scrypt, hkdf=features.hkdf)
    try:
        config = config_format.make(
            features,
            creator=f"revcrypt {__version__}",
            encrypted_key=wrapped,
            scrypt=scrypt,
        )
    except ConfigInvalidError as error:
        raise ConfigUnwritableError(str(error)) from None
    configs.write_new(path, config)


def _show_master_key(master_key: bytes) -> None:
    lines = keys.format_master_key(master_key).splitlines()
    print("\nYour master key is:\n")
    for line in lines:
        print(f"    {line}")
    print(
        "\nIt opens the backup when the passphrase or the config is lost, and it is\n"
        "shown only this once. Print it and keep it in a drawer, away from the backup."
    )
