"""`revcrypt init`: write a fresh reverse config."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from revcrypt import __version__
from revcrypt.cli import (
    configs,
    options,
    output,
    recovery_files,
    recovery_keys,
    replacing,
)
from revcrypt.cli.configs import Key
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.cli.secrets import PassphraseSource
from revcrypt.errors import (
    ConfigExistsError,
    ConfigInvalidError,
    ConfigUnwritableError,
    ExitCode,
    UsageError,
)
from revcrypt.format import config as config_format
from revcrypt.format import keys
from revcrypt.format.config import Config, Features
from revcrypt.format.content import Cipher
from revcrypt.format.keys import ScryptParams
from revcrypt.recovery.register import Register

NAME = "init"
SUMMARY = "write the config of a new encrypted view, and print its master key"

SCRYPT_LOG_N = 16
"""64 MiB and about a tenth of a second."""

log = logging.getLogger(__name__)


class NoPassphrase(Protocol):
    """What asks for a config that has no passphrase, or may do so."""

    @property
    def passphrase(self) -> PassphraseSource:
        """What there would be."""

    @property
    def no_passphrase(self) -> bool:
        """Whether it does."""

    @property
    def master_key_file(self) -> str | None:
        """Where the master key goes to then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to initialise."""

    plaindir: str
    config: configs.ConfigPath
    passphrase: PassphraseSource
    features: Features
    scrypt_log_n: int
    quiet: bool
    certificates: Sequence[str] = ()
    """Files with certificates that the master key is sealed for."""
    no_passphrase: bool = False
    master_key_file: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument("plaindir", metavar="PLAINDIR", help="the directory to back up")
    options.add_config(parser, "PLAINDIR/.gocryptfs.reverse.conf")
    options.add_passphrase(parser)
    options.add_name_features(parser)
    add_scrypt(parser)
    options.add_quiet(parser)
    parser.add_argument(
        "--recovery",
        metavar="CERT",
        action="append",
        default=[],
        help="seal the master key for the certificates in this file, as does revcrypt "
        "recovery add",
    )
    add_no_passphrase(parser)


def add_no_passphrase(parser: argparse.ArgumentParser) -> None:
    """Declare what there is instead of a passphrase."""
    parser.add_argument(
        "--no-passphrase",
        action="store_true",
        help="have no passphrase at all: the view is mounted with the master key, and "
        "restored with a recovery key",
    )
    parser.add_argument(
        "--masterkey-file",
        metavar="FILE",
        help="with --no-passphrase: write the master key to FILE, for its owner alone, "
        "instead of stdout",
    )


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
            certificates=arguments.recovery,
            no_passphrase=arguments.no_passphrase,
            master_key_file=arguments.masterkey_file,
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
    certificates = recovery_files.read_certificates(request.certificates)
    files = RecoveryFiles.of(request.config)
    state = files.state()
    check_no_passphrase(request, has_certificates=bool(certificates))
    if files.all_sealed():
        raise ConfigExistsError(
            f"there is a recovery file already: {files.all_sealed()[0]}",
            hint="it opens existing backups; move it away only if none exist",
        )
    if request.master_key_file is not None and os.path.lexists(request.master_key_file):
        raise ConfigExistsError(
            f"there is a file already: {request.master_key_file}",
            hint="it may hold the key of another backup; name a new file",
        )
    key = Key(os.urandom(keys.MASTER_KEY_SIZE), request.features, is_proven=True)
    passphrase = None if request.no_passphrase else request.passphrase.read(new=True)
    config = make_config(key, passphrase, scrypt_n(request.scrypt_log_n))
    # The config comes last: what needs it is there by then.
    written = []
    if request.no_passphrase and request.master_key_file is not None:
        written.append(master_key_file(request.master_key_file, key.master_key))
    if certificates:
        data = config_format.pack(config)
        written += recovery_keys.seal_for(files, Register(), key, certificates, data)
    files.replace([*written, configs.new_file(path, config)], state)
    if not request.quiet:
        log.info("wrote %s", path)
        if certificates:
            files.tell(certificates)
    _tell_master_key(request, key.master_key)
    return ExitCode.OK


def check_no_passphrase(request: NoPassphrase, *, has_certificates: bool) -> None:
    """Raise `UsageError` unless there will be a way to restore, and one to mount."""
    if request.no_passphrase and request.passphrase.is_named:
        raise UsageError("--no-passphrase excludes a passphrase")
    if request.no_passphrase and not has_certificates:
        raise UsageError(
            "without a passphrase, only a recovery key opens the backup when this "
            "machine is lost",
            hint="name a certificate: --recovery CERT.pem",
        )
    path = request.master_key_file
    if path is not None and not request.no_passphrase:
        raise UsageError("--masterkey-file is for --no-passphrase")


def master_key_file(path: str, master_key: bytes) -> replacing.File:
    """Return a file with a master key, for its owner alone, new or in place of the old.

    Of that, nothing is to be left.
    """

    def check(back: bytes) -> None:
        if keys.parse_master_key(back.decode()) != master_key:
            raise ConfigUnwritableError(f"{path} holds another master key")

    data = keys.format_master_key(master_key).encode() + b"\n"
    return replacing.File(path=path, data=data, check=check, mode=0o400, overwrite=True)


def _tell_master_key(request: Request, master_key: bytes) -> None:
    if request.no_passphrase:
        if request.master_key_file is None:
            output.write_line(keys.format_master_key(master_key))
    elif request.quiet:
        return
    elif sys.stdout.isatty():
        _show_master_key(master_key)
    else:
        log.info(
            "the master key is shown only on a terminal; "
            "revcrypt paper %s prints it, and so does gocryptfs-xray -dumpmasterkey",
            request.config.path,
        )


def scrypt_n(log_n: int) -> int:
    """Return 2^*log_n*, the cost of a passphrase; raises `ConfigUnwritableError`."""
    if not 10 <= log_n <= 28:
        raise ConfigUnwritableError(
            f"scrypt N is {log_n}, not 10 to 28", hint="16 is right for most passphrases"
        )
    return 1 << log_n


def make_config(key: Key, passphrase: bytes | None, n: int) -> Config:
    """Return a config that holds *key* under a passphrase, with scrypt cost *n*.

    If there is none, nobody can open it, for the format wants a wrapped key: it is under
    a random one that is forgotten. Raises `ConfigUnwritableError`.
    """
    salt, secret = os.urandom(keys.SALT_SIZE), passphrase
    if secret is None:
        salt, secret = keys.NO_PASSPHRASE_SALT, os.urandom(keys.MASTER_KEY_SIZE)
    scrypt = ScryptParams(salt, n)
    try:
        return config_format.make(
            key.features,
            creator=f"revcrypt {__version__}",
            encrypted_key=configs.wrap(
                key.master_key, secret, scrypt, hkdf=key.features.hkdf
            ),
            scrypt=scrypt,
        )
    except ConfigInvalidError as error:
        raise ConfigUnwritableError(str(error)) from None


def _show_master_key(master_key: bytes) -> None:
    lines = keys.format_master_key(master_key).splitlines()
    print("\nYour master key is:\n")
    for line in lines:
        print(f"    {line}")
    print(
        "\nIt opens the backup when the passphrase or the config is lost. Keep it on\n"
        "paper, away from the backup; `revcrypt paper` prints a sheet that has it all."
    )
