"""Recovery files on disk: beside the config they belong to, read, opened, written.

For a config `data.conf` these are:

    data.conf.recovery.p7m                      the master key, sealed (`Envelope`)
    data.conf.recovery.pem                      for whom, and which epochs (`Register`)
    data.conf.epoch-1.2026-11-26.recovery.p7m   the sealed master key of an earlier epoch

Where something is sealed a second time for one epoch on one day, `.2` follows the date.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import chain, count

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from revcrypt.cli import replacing, secrets
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.errors import ConfigUnwritableError, RecoveryError
from revcrypt.format.keys import fingerprint
from revcrypt.format.names import CONFIG_NAME, config_suffix
from revcrypt.recovery import certificates, envelope
from revcrypt.recovery.envelope import Envelope
from revcrypt.recovery.register import Register
from revcrypt.recovery.text import RecoveryText
from revcrypt.view.shown_config import MAX_CONFIG_SIZE
from revcrypt.view.source import open_regular

_SEALED = ".recovery.p7m"
_REGISTER = ".recovery.pem"
_MODE = 0o444
"""Whoever may see the config may see these, and nobody is to change them."""

MOST_ARCHIVES = 256
"""More are not opened: a backup host can put any number of files there."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecoveryFiles:
    """The recovery files of the config *path*, which need not exist."""

    path: str

    @classmethod
    def of(cls, config: ConfigPath) -> "RecoveryFiles":
        """Return those of a config, beside where it really is if somebody named it."""
        path = config.path
        return cls(path if config.is_default else os.path.realpath(path))

    @classmethod
    def of_copy(cls, cipherdir: str) -> "RecoveryFiles":
        """Return those in the root of a copy of the view."""
        return cls(os.path.join(cipherdir, os.fsdecode(CONFIG_NAME)))

    @property
    def sealed(self) -> str:
        """Where the sealed master key is."""
        return self.path + _SEALED

    def archive_file(self, epoch: int, data: bytes) -> replacing.File:
        """Return a new archive for the sealed master key of an epoch that ends now."""
        stem = f"{self.path}.epoch-{epoch}.{today()}"
        again = (f"{stem}.{number}{_SEALED}" for number in count(2))
        names = chain([stem + _SEALED], again)
        path = next(name for name in names if not os.path.lexists(name))
        return _file(path, data, Envelope.parse, is_new=True)

    def archives(self) -> list[str]:
        """Return where the master keys of earlier epochs are, the latest first."""
        directory, name = os.path.split(os.fsencode(self.path))
        try:
            entries = os.listdir(directory or b".")
        except OSError:
            return []
        suffixes = [config_suffix(entry, name) or b"" for entry in entries]
        found = [suffix for suffix in suffixes if suffix.startswith(b".epoch-")]
        found.sort(key=_age, reverse=True)
        if len(found) > MOST_ARCHIVES:
            log.warning(
                "there are %d archives beside %s; only the latest %d are looked at",
                *(len(found), self.path, MOST_ARCHIVES),
            )
        return [self.path + os.fsdecode(suffix) for suffix in found[:MOST_ARCHIVES]]

    def next_epoch(self, register: Register) -> int:
        """Return a number that no epoch has had, even if the register was lost."""
        name = os.path.basename(self.path)
        archives = [os.path.basename(path).removeprefix(name) for path in self.archives()]
        numbers = [_age(os.fsencode(suffix))[0] for suffix in archives]
        return max([0, *numbers, *(epoch.number for epoch in register.epochs)]) + 1

    def all_sealed(self) -> list[str]:
        """Return all files with a sealed master key, the latest epoch's first."""
        current = [self.sealed] if os.path.lexists(self.sealed) else []
        return current + self.archives()

    def missing_error(self) -> RecoveryError:
        """Return the error for a config without any of them."""
        return RecoveryError(
            f"there is no recovery file {self.sealed}",
            hint="it is beside the config, and in the root of every copy of the view; "
            "revcrypt recovery add CERT.pem makes one",
        )

    def register(self) -> Register:
        """Return the register, which may be empty; raises `RecoveryError`."""
        path = self.path + _REGISTER
        if not os.path.lexists(path):
            return Register()
        try:
            return Register.parse(_read(path))
        except RecoveryError as error:
            raise RecoveryError(f"{path}: {error}", hint=error.hint) from None

    def recipients(self, register: Register) -> tuple[x509.Certificate, ...]:
        """Return the certificates that the master key is sealed for now.

        Raises `RecoveryError` if one is not in the register.
        """
        if not os.path.lexists(self.sealed):
            return ()
        found = []
        for recipient in read_envelope(self.sealed).recipients:
            match = recipient.among(register.certificates)
            if not match:
                raise RecoveryError(
                    f"{self.sealed} is sealed for a certificate, of the serial number "
                    f"{recipient.serial:x}, that is not in {self.path}{_REGISTER}",
                    hint="name that certificate, too, or move the files away",
                )
            found.append(match[0])
        return tuple(c for c in register.certificates if c in found)

    def register_file(self, register: Register) -> replacing.File:
        """Return a new register."""
        return _file(self.path + _REGISTER, register.pack(), Register.parse)

    def sealed_file(self, data: bytes, path: str | None = None) -> replacing.File:
        """Return a newly sealed master key, for *path* if that is another place."""
        return _file(path or self.sealed, data, Envelope.parse)

    def state(self) -> dict[str, bytes | None]:
        """Return all there is: the config and what belongs to it."""
        paths = [self.path, self.path + _REGISTER, *self.all_sealed()]
        return {path: _content(path) for path in paths}

    def moved_to(self, other: "RecoveryFiles") -> Iterator[replacing.File]:
        """Yield the same files, but for the config, where *other* has them."""
        for path, data in self.state().items():
            suffix = path.removeprefix(self.path)
            if suffix and data is not None:
                parse = Register.parse if suffix == _REGISTER else Envelope.parse
                yield _file(other.path + suffix, data, parse)

    def replace(
        self, files: Sequence[replacing.File], state: dict[str, bytes | None]
    ) -> None:
        """Put *files* in their places if the `state` is what the caller has gone by.

        Raises `ConfigUnwritableError`; if it does, nothing has changed.
        """
        with replacing.locked(os.path.realpath(self.path)):
            if self.state() != state:
                raise ConfigUnwritableError(
                    f"another command has changed {self.path}, or what belongs to it",
                    hint="nothing was written; run it again, to go by what is there now",
                )
            replacing.replace_all(files)

    def tell(self, recipients: Sequence[x509.Certificate]) -> None:
        """Say for whom the master key was sealed, and where it is."""
        for certificate in recipients:
            log.info(
                "can be opened by the private key of %s", certificates.name(certificate)
            )
        log.info("wrote %s, which the view shows, too", self.sealed)


def seal(
    key: Key, recipients: Sequence[x509.Certificate], *, epoch: int, config_data: bytes
) -> bytes:
    """Return the master key sealed for *recipients*."""
    text = RecoveryText(
        master_key=key.master_key,
        features=key.features,
        epoch=epoch,
        date=today(),
        config_checksum=sha256(config_data).hexdigest(),
    )
    return envelope.seal(text.pack(), recipients)


def today() -> str:
    """Return the date (UTC), as ISO 8601 has it."""
    return datetime.now(UTC).date().isoformat()


def read_certificates(paths: Sequence[str]) -> list[x509.Certificate]:
    """Return the certificates in files, which are fit to be sealed for.

    Raises `RecoveryError`.
    """
    found: list[x509.Certificate] = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                data = file.read(MAX_CONFIG_SIZE)
        except OSError as error:
            raise RecoveryError(
                f"cannot read certificate {path}: {error.strerror}"
            ) from None
        if b"PRIVATE KEY-----" in data:
            raise RecoveryError(
                f"{path} holds a private key, which does not belong on this machine",
                hint="bring only the certificate here; if others could have read the "
                "private key, make a new one",
            )
        try:
            loaded = certificates.load(data)
            for certificate in loaded:
                certificates.check(certificate)
        except RecoveryError as error:
            raise RecoveryError(f"{path}: {error}", hint=error.hint) from None
        found += [certificate for certificate in loaded if certificate not in found]
    for certificate in found:
        warn_of_validity(certificate)
    return found


def warn_of_validity(certificate: x509.Certificate) -> None:
    """Warn of a certificate that has expired."""
    problem = certificates.validity_problem(certificate, datetime.now(UTC))
    if problem is not None:
        name = certificates.name(certificate)
        log.warning("the certificate of %s %s; its key works all the same", name, problem)


def read_envelope(path: str) -> Envelope:
    """Return the envelope in a file; raises `RecoveryError`."""
    try:
        return Envelope.parse(_read(path))
    except RecoveryError as error:
        raise RecoveryError(f"{path}: {error}", hint=error.hint) from None


def open_text(path: str, private_key: RSAPrivateKey) -> RecoveryText | None:
    """Return the text in a file, or None if it is not sealed for that key, or damaged.

    Raises `RecoveryError` if it is no envelope at all.
    """
    for data in read_envelope(path).open(private_key):
        try:
            return RecoveryText.parse(data)
        except RecoveryError:
            continue
    return None


def open_key(key_path: str, config: ConfigPath, cipherdir: str | None) -> Key:
    """Return the master key that a private key opens, the latest epoch's first.

    Raises `RecoveryError`.
    """
    paths = find_sealed(config, cipherdir)
    return open_sealed(paths, secrets.read_private_key(key_path), key_path)


def find_sealed(config: ConfigPath, cipherdir: str | None) -> list[str]:
    """Return the recovery files beside the config, and else those in *cipherdir*.

    Raises `RecoveryError` if there are none.
    """
    files = RecoveryFiles.of(config)
    paths = files.all_sealed()
    if not paths and cipherdir is not None:
        paths = RecoveryFiles.of_copy(cipherdir).all_sealed()
    if not paths:
        raise files.missing_error()
    return paths


def open_sealed(paths: Sequence[str], private_key: RSAPrivateKey, key_path: str) -> Key:
    """Return what `open_key` does, of these files, with the private key in *key_path*."""
    keys = []
    problems = []
    for path in paths:
        try:
            text = open_text(path, private_key)
        except RecoveryError as error:
            problems.append(str(error))
            continue
        if text is None:
            problems.append(f"{path} is not sealed for {key_path}, or damaged")
        else:
            # Anybody can seal a key of his own for a certificate.
            log.info(
                "opened %s, sealed on %s; the fingerprint of its master key is %s, "
                "compare it with the one that you noted",
                path,
                text.date,
                fingerprint(text.master_key),
            )
            keys.append(Key(text.master_key, text.features, is_proven=False))
    if not keys:
        raise RecoveryError(
            problems[0],
            hint="try the other private keys, or the same file of another copy; "
            "revcrypt recovery list says for whom it is sealed",
        )
    return keys[0]._replace(others=tuple(keys), opener=private_key)


def _age(suffix: bytes) -> tuple[int, bytes]:
    """Return what sorts archives by epoch, and those of one epoch by date."""
    return int(suffix.removeprefix(b".epoch-").split(b".")[0]), suffix


def _read(path: str) -> bytes:
    try:
        fd, _ = open_regular(None, os.fsencode(path))
        with open(fd, "rb") as file:
            return file.read(MAX_CONFIG_SIZE)
    except OSError as error:
        raise RecoveryError(f"cannot read it: {error.args[1]}") from None


def _content(path: str) -> bytes | None:
    try:
        return _read(os.path.realpath(path))
    except RecoveryError:
        return None


def _file(
    path: str, data: bytes, check: Callable[[bytes], object], *, is_new: bool = False
) -> replacing.File:
    return replacing.File(path=path, data=data, check=check, mode=_MODE, is_new=is_new)
