"""Master keys and their epochs, as the recovery files beside a config have them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509 import Certificate

from revcrypt.cli import recovery_files, replacing
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.errors import MasterKeyError, RecoveryError
from revcrypt.format.keys import fingerprint
from revcrypt.recovery import certificates, envelope
from revcrypt.recovery.register import Epoch, Register

log = logging.getLogger(__name__)


def tell_recipients(recipients: Sequence[Certificate]) -> None:
    """Say for whom the master key is sealed."""
    for certificate in recipients:
        name = certificates.name(certificate)
        log.info("sealed for %s, %s", name, certificates.fingerprint(certificate))


def check_not_ended(register: Register, master_key: bytes) -> bool:
    """Tell whether the register has noted that as the master key of the present epoch.

    Raises `MasterKeyError` if it is that of an earlier one: whoever has learned it must
    not learn more.
    """
    mark = fingerprint(master_key)
    noted = [epoch for epoch in register.epochs if epoch.fingerprint == mark]
    if noted and all(epoch.until for epoch in noted):
        raise MasterKeyError(
            f"this is the master key of epoch {noted[-1].number}, which ended on "
            f"{noted[-1].until}",
            hint="take the config, key file or credential that revcrypt rotate has made",
        )
    return bool(noted)


def knows(config: ConfigPath, master_key: bytes) -> bool:
    """Tell whether the register beside a config has noted that as its master key.

    Raises `MasterKeyError` if it is that of an earlier epoch, or if another one is noted.
    """
    try:
        register = RecoveryFiles.of(config).register()
    except RecoveryError:
        return False
    return check_noted(register, master_key)


def check_noted(register: Register, master_key: bytes) -> bool:
    """Tell whether the register has noted that as the present master key.

    Raises `MasterKeyError` if it is that of an earlier epoch, or if another one is noted.
    """
    is_noted = check_not_ended(register, master_key)
    if not is_noted and any(not epoch.until for epoch in register.epochs):
        raise MasterKeyError(
            "this is not the master key that the backup has now",
            hint="the fingerprints differ; revcrypt recovery list shows those of the "
            "backup",
        )
    return is_noted


def with_epoch(files: RecoveryFiles, register: Register, key: Key) -> Register:
    """Return *register*, whose last epoch, which has no end, is that of *key*.

    There may be two without an end if `rotate` was killed.
    """
    mark = fingerprint(key.master_key)
    present = Epoch(files.next_epoch(register), mark)
    ended = []
    for epoch in register.epochs:
        if epoch.fingerprint == mark and not epoch.until:
            present = epoch
        else:
            ended.append(replace(epoch, until=epoch.until or recovery_files.today()))
    return replace(register, epochs=(*ended, present))


def kept(files: RecoveryFiles, register: Register, key: Key) -> Iterator[replacing.File]:
    """Yield an archive of what is sealed now if that may be another key than *key*.

    So it is if `rotate` was killed.
    """
    mark = fingerprint(key.master_key)
    for epoch in register.epochs:
        if not epoch.until and epoch.fingerprint != mark:
            sealed = files.state().get(files.sealed)
            if sealed is not None:
                yield files.archive_file(epoch.number, sealed)


def seal_for(
    files: RecoveryFiles,
    register: Register,
    key: Key,
    recipients: Sequence[Certificate],
    config_data: bytes,
) -> list[replacing.File]:
    """Return what makes the private keys of *recipients*, and no others, open *key*.

    So it does for the earlier epochs, if a private key that opens them has given *key*.
    """
    after = with_epoch(files, register, key).with_certificates(*recipients)
    # Whoever something is sealed for, at any moment, must be in the register.
    both = dict.fromkeys([*register.certificates, *recipients])
    meanwhile = after.with_certificates(*both)
    epoch = after.epochs[-1].number
    sealed = recovery_files.seal(key, recipients, epoch=epoch, config_data=config_data)
    return [
        files.register_file(meanwhile),
        *kept(files, register, key),
        *_archives(files, key, recipients),
        files.sealed_file(sealed),
        *([files.register_file(after)] if after != meanwhile else []),
    ]


def _archives(
    files: RecoveryFiles, key: Key, recipients: Sequence[Certificate]
) -> Iterator[replacing.File]:
    for path in files.archives():
        text = None
        if isinstance(key.opener, RSAPrivateKey):
            try:
                text = recovery_files.open_text(path, key.opener)
            except RecoveryError as error:
                log.warning("%s", error)
        if text is None:
            log.warning(
                "%s stays sealed for whom it was; a --recovery-key that opens it would "
                "seal it anew",
                path,
            )
        else:
            yield files.sealed_file(envelope.seal(text.pack(), recipients), path)
