"""`revcrypt rotate`: a new master key; the old one survives only for recovery keys.

In an order in which it may be killed anywhere: whatever the config or the key file holds,
its fingerprint is in the register, and both master keys are sealed before either changes.
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from stat import S_ISREG

from cryptography.x509 import Certificate

from revcrypt.cli import (
    configs,
    filters,
    init,
    mounting,
    options,
    output,
    passwd,
    recovery_files,
    recovery_keys,
    replacing,
    views,
)
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.cli.secrets import PassphraseSource, read_master_key
from revcrypt.cli.sizes import human
from revcrypt.errors import (
    ConfigUnwritableError,
    ExitCode,
    MountpointError,
    UsageError,
)
from revcrypt.format import config as config_format
from revcrypt.format import keys
from revcrypt.format.config import Config
from revcrypt.format.volume import Volume
from revcrypt.recovery import certificates
from revcrypt.recovery.register import Epoch, Register
from revcrypt.view.mounts import read_mounts, source_name
from revcrypt.view.survey import Survey

NAME = "rotate"
SUMMARY = (
    "begin a new epoch, with a new master key that opens nothing of the earlier ones"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Secrets:
    """Where the new key goes: under a passphrase, or where there is none."""

    passphrase: PassphraseSource
    no_passphrase: bool
    master_key_file: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument("plaindir", metavar="PLAINDIR", help="what is backed up")
    options.add_config(parser, "PLAINDIR/.gocryptfs.reverse.conf")
    recovery_keys.add_key(parser)
    options.add_new_passphrase(parser)
    init.add_no_passphrase(parser)
    parser.add_argument(
        "--yes", action="store_true", help="do not ask whether to go on; for scripts"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="even if there are no recovery certificates, so that nothing opens the "
        "earlier epochs ever again",
    )
    options.add_quiet(parser)
    filters.add_arguments(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    options.check_directory(arguments.plaindir)
    path = configs.reverse_config_path(arguments.plaindir, arguments.config)
    data, config = configs.read_whole(path)
    files = RecoveryFiles.of(path)
    register = files.register()
    recipients = files.recipients(register)
    if not recipients and not arguments.force:
        raise UsageError(
            "there are no recovery certificates, so nothing would open the earlier "
            "epochs any more",
            hint="first revcrypt recovery add CERT.pem; or give --force to lose them",
        )
    new = _Secrets(
        options.new_passphrase(arguments),
        arguments.no_passphrase,
        arguments.masterkey_file,
    )
    init.check_no_passphrase(new, has_certificates=bool(recipients))
    _check_unmounted(arguments.plaindir)
    _announce(arguments, path, config, recipients)
    key, passphrase = _open(arguments, path, config, register, new)
    _check_key_file(new.master_key_file, key)
    _rotate(_Rotation(config, data, files, register, key), passphrase, new)
    for file in options.secret_files(arguments):
        if file not in (*arguments.passfile, new.master_key_file):
            log.warning("%s opens the earlier epoch; remove it from here", file)
    return ExitCode.OK


def _check_unmounted(plaindir: str) -> None:
    expected = source_name(mounting.shown_source(plaindir, None)).encode()
    for mount in read_mounts():
        if mount.is_view and mount.source == expected:
            raise MountpointError(
                f"{plaindir} is shown on {os.fsdecode(mount.mountpoint)}, with the key "
                "of the epoch that is to end",
                hint="unmount it, or stop its service, and mount it again afterwards",
            )


def _check_key_file(path: str | None, key: Key) -> None:
    """Raise `UsageError` if a file would be lost that is not the old key's."""
    if path is None or not os.path.lexists(path):
        return
    if read_master_key(path) != key.master_key:
        raise UsageError(
            f"{path} holds another master key than the one of the epoch that ends",
            hint="name a new file, or the one that holds that key now",
        )


def _announce(
    arguments: argparse.Namespace,
    path: ConfigPath,
    config: Config,
    recipients: Sequence[Certificate],
) -> None:
    """Say what it means, and ask; raises `UsageError` if nobody agrees."""
    secrets = configs.secret_files(path, options.secret_files(arguments))
    left_out = filters.of_arguments(arguments)
    exclude = filters.make_exclude(left_out, arguments.plaindir, secrets)
    volume = Volume.open(bytes(keys.MASTER_KEY_SIZE), config.features)
    view = views.reverse_view(arguments.plaindir, volume, path, exclude=exclude)
    files = size = 0
    try:
        for item in Survey(view, volume).items():
            if item.attrs is not None and S_ISREG(item.attrs.mode):
                files += 1
                size += item.attrs.size
    finally:
        view.close()
    log.warning(
        "after this, everything is transferred anew: %d files, %s when encrypted",
        files,
        human(size),
    )
    for certificate in recipients:
        name = certificates.name(certificate)
        log.info("sealed for %s, %s", name, certificates.fingerprint(certificate))
    if arguments.yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nobody is here to agree", hint="for scripts, there is --yes")
    print("Begin a new epoch? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed")


def _open(
    arguments: argparse.Namespace,
    path: ConfigPath,
    config: Config,
    register: Register,
    new: _Secrets,
) -> tuple[Key, bytes | None]:
    """Return the old key, and the passphrase that the new one is to have."""
    source = options.passphrase(arguments)
    if arguments.masterkey is None and arguments.recovery_key is None:
        old = source.read(new=False)
        key = Key(configs.open_with(config, old), config.features, is_proven=True)
        if not new.passphrase.is_named:
            return key, None if new.no_passphrase else old
    else:
        key = recovery_keys.open_key(arguments, path, register)
    return key, None if new.no_passphrase else new.passphrase.read(new=True)


@dataclass(frozen=True, slots=True)
class _Rotation:
    config: Config
    config_data: bytes
    files: RecoveryFiles
    register: Register
    key: Key
    """The one of the epoch that ends."""


def _rotate(rotation: _Rotation, passphrase: bytes | None, new: _Secrets) -> None:
    files, key = rotation.files, rotation.key
    recipients = files.recipients(rotation.register)
    register = recovery_keys.with_epoch(rotation.register, key)
    register = register.with_certificates(*recipients)
    ending = register.epochs[-1]
    date = recovery_files.today()
    fresh = Key(os.urandom(keys.MASTER_KEY_SIZE), key.features, is_proven=True)
    config = init.make_config(fresh, passphrase, rotation.config.scrypt.n)
    data = config_format.pack(config)
    begun = Epoch(ending.number + 1, keys.fingerprint(fresh.master_key))

    files.write_register(replace(register, epochs=(*register.epochs, begun)))
    archive = files.archive(ending.number, date)
    if recipients:
        sealed = recovery_files.seal(
            key, recipients, epoch=ending.number, config_data=rotation.config_data
        )
        files.write_sealed(sealed, archive)
        sealed = recovery_files.seal(
            fresh, recipients, epoch=begun.number, config_data=data
        )
        files.write_sealed(sealed)
    if new.master_key_file is not None:
        with _overwritten(new.master_key_file):
            init.write_master_key(new.master_key_file, fresh.master_key)
    elif new.no_passphrase:
        output.write_line(keys.format_master_key(fresh.master_key))
    _write_config(files.path, data)
    ended = replace(ending, until=date)
    files.write_register(replace(register, epochs=(*register.epochs[:-1], ended, begun)))

    for other in passwd.others(files.path, rotation.config.encrypted_key):
        log.warning("%s still opens epoch %d; remove it", other, ending.number)
    if recipients:
        log.info("only the recovery keys open epoch %d, by %s", ending.number, archive)
    log.info("epoch %d has begun; mount the view again", begun.number)


def _write_config(path: str, data: bytes) -> None:
    try:
        with _overwritten(path):
            replacing.replace(path, data, config_format.parse)
    except OSError as error:
        raise ConfigUnwritableError(
            f"cannot replace config {path}: {error.strerror}",
            hint="its directory and the disk must be writable for its owner",
        ) from None


@contextmanager
def _overwritten(path: str) -> Iterator[None]:
    """Overwrite what *path* was before, once something else is in its place.

    What a filesystem or a disk keeps of it besides is out of our reach.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        yield
        status = os.fstat(fd)
        if status.st_nlink == 0:
            os.pwrite(fd, bytes(status.st_size), 0)
            os.fsync(fd)
        else:
            log.warning("another hard link of the old %s opens what it opened", path)
    finally:
        os.close(fd)
