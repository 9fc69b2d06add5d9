"""`revcrypt rotate`: a new master key; the old one survives only for recovery keys.

It may be killed anywhere: whatever the config or the key file holds, its fingerprint is
in the register, without an end, and both master keys are sealed before either changes.
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
    patience,
    proven,
    recovery_files,
    recovery_keys,
    views,
)
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.cli.replacing import File
from revcrypt.cli.secrets import PassphraseSource, read_master_key
from revcrypt.cli.sizes import human
from revcrypt.errors import (
    ExitCode,
    MountpointError,
    UsageError,
)
from revcrypt.format import config as config_format
from revcrypt.format import keys
from revcrypt.format.config import Config
from revcrypt.format.names import CONFIG_NAME
from revcrypt.format.volume import Volume
from revcrypt.recovery.register import Epoch, Register
from revcrypt.view.mounts import read_mounts, source_name
from revcrypt.view.shown_config import MAX_CONFIG_SIZE
from revcrypt.view.survey import Survey

NAME = "rotate"
SUMMARY = (
    "begin a new epoch, with a new master key that opens nothing of the earlier ones"
)

_CONFIG = os.fsdecode(CONFIG_NAME)

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
    proven.add_key(parser)
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
    files = RecoveryFiles.of(path)
    state = files.state()
    data, config = configs.read_whole(path)
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
    _check_unmounted(arguments.plaindir, data)
    key = proven.open_key(arguments, path, interrupted=True)
    _check_key_file(new.master_key_file, key)
    _announce(arguments, path, config, recipients)
    passphrase = key.opener if isinstance(key.opener, bytes) else None
    if new.no_passphrase:
        passphrase = None
    elif passphrase is None or new.passphrase.is_named:
        passphrase = new.passphrase.read(new=True)
    rotation = _Rotation(config, data, files, register, key)
    written = list(_files(rotation, passphrase, new))
    files.replace(written, state)
    for other in passwd.others(files.path, config.encrypted_key):
        log.warning("%s still opens the earlier epoch; remove it", other)
    for archive in (file.path for file in written if file.is_new):
        log.info("only the recovery keys open what is sealed in %s", archive)
    log.info("a new epoch has begun; mount the view again")
    for file in options.secret_files(arguments):
        if file not in (*arguments.passfile, new.master_key_file):
            log.warning("%s opens the earlier epoch; remove it from here", file)
    return ExitCode.OK


def _check_unmounted(plaindir: str, config_data: bytes) -> None:
    """Raise `MountpointError` if a view is mounted that would go on with the old key."""
    expected = source_name(mounting.shown_source(plaindir, None)).encode()
    for mount in read_mounts():
        if not mount.is_encrypted:
            continue
        path = os.fsdecode(mount.mountpoint)
        # Its source may be called anything; of somebody else's, that is all to be seen.
        is_it = mount.source == expected
        shown = None if is_it else _look(path)
        if shown is None and not is_it:
            raise MountpointError(
                f"{path} does not answer; it may show {plaindir}",
                hint=f"end the process that serves it, or unmount it: umount -l {path}",
            )
        if is_it or shown == config_data:
            raise MountpointError(
                f"{plaindir} is shown on {path}, with the key that is to go",
                hint="unmount it, or stop its service, and mount it again afterwards",
            )


def _look(path: str) -> bytes | int | None:
    """Return the config that a view shows, or an errno, or None if it hangs."""

    def config() -> bytes:
        with open(os.path.join(path, _CONFIG), "rb") as file:
            return file.read(MAX_CONFIG_SIZE)

    return patience.look(config, patience.SECONDS)


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
    recovery_keys.tell_recipients(recipients)
    if arguments.yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nobody is here to agree", hint="for scripts, there is --yes")
    print("Begin a new epoch? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed")


@dataclass(frozen=True, slots=True)
class _Rotation:
    config: Config
    config_data: bytes
    files: RecoveryFiles
    register: Register
    key: Key
    """The one of the epoch that ends."""


def _files(
    rotation: _Rotation, passphrase: bytes | None, new: _Secrets
) -> Iterator[File]:
    """Yield what begins the new epoch, in the order in which it is to be written."""
    files, key = rotation.files, rotation.key
    recipients = files.recipients(rotation.register)
    register = recovery_keys.with_epoch(files, rotation.register, key)
    register = register.with_certificates(*recipients)
    *ended, ending = register.epochs
    fresh = Key(os.urandom(keys.MASTER_KEY_SIZE), key.features, is_proven=True)
    config = init.make_config(fresh, passphrase, rotation.config.scrypt.n)
    data = config_format.pack(config)
    number = files.next_epoch(register)
    begun = Epoch(number, keys.fingerprint(fresh.master_key))

    yield files.register_file(replace(register, epochs=(*register.epochs, begun)))
    if recipients:
        old = rotation.config_data
        yield from recovery_keys.kept(files, rotation.register, key)
        yield files.archive_file(
            ending.number,
            recovery_files.seal(key, recipients, epoch=ending.number, config_data=old),
        )
        yield files.sealed_file(
            recovery_files.seal(fresh, recipients, epoch=number, config_data=data)
        )
    show = None
    if new.master_key_file is not None:
        yield init.master_key_file(new.master_key_file, fresh.master_key)
    elif new.no_passphrase:
        text = keys.format_master_key(fresh.master_key)
        show = partial(output.write_line, text)
    yield File(
        path=os.path.realpath(files.path),
        data=data,
        check=config_format.parse,
        overwrite=True,
        before=show,
    )
    ending = replace(ending, until=recovery_files.today())
    yield files.register_file(replace(register, epochs=(*ended, ending, begun)))
