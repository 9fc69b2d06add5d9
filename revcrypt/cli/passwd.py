"""`revcrypt passwd`: a new passphrase for a config; what is encrypted stays as it is."""

import argparse
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from revcrypt.cli import configs, init, options, proven
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.cli.replacing import File
from revcrypt.cli.secrets import PassphraseSource
from revcrypt.errors import (
    ConfigInvalidError,
    ConfigUnwritableError,
    ExitCode,
    UserError,
)
from revcrypt.format import config as config_format
from revcrypt.format import keys
from revcrypt.format.config import Flag
from revcrypt.view.shown_config import MAX_CONFIG_SIZE
from revcrypt.view.source import open_regular

NAME = "passwd"
SUMMARY = "give a config a new passphrase"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which config gets which passphrase. *open_key* may ask the user."""

    config: ConfigPath
    open_key: Callable[[], Key]
    new: PassphraseSource
    scrypt_log_n: int | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    proven.add_path(parser)
    proven.add_key(parser)
    options.add_new_passphrase(parser)
    init.add_scrypt(parser, "as it was")
    options.add_quiet(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    config = configs.any_config_path(arguments.path)
    return change(
        Request(
            config=config,
            open_key=lambda: proven.open_key(arguments, config),
            new=options.new_passphrase(arguments),
            scrypt_log_n=arguments.scrypt_n,
        )
    )


def change(request: Request) -> ExitCode:
    """Wrap the key anew. The old config stays until the new one has proved to open."""
    files = RecoveryFiles.of(request.config)
    state = files.state()
    data, config = configs.read_whole(request.config)
    if Flag.FIDO2 in config.flags:
        raise ConfigInvalidError(
            f"{request.config.path} is opened by a FIDO2 token, and has no passphrase"
        )
    log_n = request.scrypt_log_n
    n = config.scrypt.n if log_n is None else init.scrypt_n(log_n)
    scrypt = replace(config.scrypt, salt=os.urandom(keys.SALT_SIZE), n=n)
    master_key = request.open_key().master_key
    secret = request.new.read(new=True)
    hkdf = config.features.hkdf
    wrapped = configs.wrap(master_key, secret, scrypt, hkdf=hkdf)

    def check(back: bytes) -> None:
        opened = config_format.parse(back)
        if configs.open_with(opened, secret) != master_key:
            raise ConfigUnwritableError("the new config holds another key")

    # A config may be a link to where it really is, and stay one.
    path = os.path.realpath(request.config.path)
    links = os.stat(path).st_nlink
    fresh = config_format.rewrap(data, wrapped, scrypt)
    files.replace([File(path=path, data=fresh, check=check)], state)
    log.info("%s has the new passphrase now", path)
    if links > 1:
        log.warning("%d other hard links of it keep the old passphrase", links - 1)
    for other in others(path, config.encrypted_key):
        log.warning("the old passphrase still opens %s; remove it", other)
    log.info(
        "copies of the old config, in backups too, open with the old passphrase for "
        "ever; pull the view again, and delete older configs there"
    )
    return ExitCode.OK


def others(path: str, encrypted_key: bytes) -> Iterator[str]:
    """Yield the files beside the config that hold its key as it was wrapped before."""
    directory, name = os.path.split(path)
    for entry in sorted(os.listdir(directory or ".")):
        if not entry.startswith(name):
            continue
        other = os.path.join(directory, entry)
        try:
            fd, _ = open_regular(None, os.fsencode(other))
            with open(fd, "rb") as file:
                config = config_format.parse(file.read(MAX_CONFIG_SIZE))
        except (OSError, UserError):
            continue
        if config.encrypted_key == encrypted_key:
            yield other
