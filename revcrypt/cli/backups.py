"""Opening a backup: which key, which features, and what they are held against."""

import argparse
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

from revcrypt.cli import configs, memory, options
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.errors import (
    ConfigInvalidError,
    ConfigUnreadableError,
    MasterKeyError,
)
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from revcrypt.format.names import CONFIG_NAME
from revcrypt.format.volume import Volume
from revcrypt.view.detect import Sample, detect, take_sample
from revcrypt.view.findings import Finding, Kind, Report
from revcrypt.view.forward import ForwardView
from revcrypt.view.source import Source

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backup:
    """An encrypted directory and what opens it.

    *is_in_place* tells whether it is a whole copy of a reverse view, as far as a sample
    shows; None if nothing shows it. *contradiction* tells of a config that says what the
    data contradict: others cannot open the backup with it.
    """

    path: str
    source: Source
    volume: Volume
    strict: bool
    is_in_place: bool | None
    contradiction: Finding | None

    @property
    def is_copy_of_view(self) -> bool:
        """Whether paths in it are those of a reverse view, as far as anything tells."""
        return self.strict and self.is_in_place is not False

    def warn_of_places(self) -> None:
        """Say what it means if nothing in it is where it belongs."""
        if self.strict and self.is_in_place is False:
            log.warning(
                "nothing here is where a reverse view would have it; if this is a part "
                "of a copy, or gocryptfs has written it, give --lenient"
            )

    def view(self, report: Report, *, keeps_all: bool = False) -> ForwardView:
        """Return its plaintext."""
        return ForwardView(
            self.source,
            self.volume,
            strict=self.strict,
            report=report,
            keeps_all=keeps_all,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare CIPHERDIR and what opens it."""
    parser.add_argument(
        "cipherdir",
        metavar="CIPHERDIR",
        help="a pulled view, or any gocryptfs directory",
    )
    add_key(parser, "CIPHERDIR/gocryptfs.conf")
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="do not hold CIPHERDIR to be a whole copy of a reverse view: take what has "
        "been moved, cut files as empty and zeroed blocks as zeros, as gocryptfs does",
    )


def add_key(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare what the key comes from; *default* is where the config is."""
    options.add_config(parser, default)
    options.add_passphrase(parser)
    options.add_master_key(parser)
    options.add_recovery_key(parser)


def open_backup(arguments: argparse.Namespace) -> Backup:
    """Open what `add_arguments` has declared; may ask for a passphrase."""
    path = arguments.cipherdir
    options.check_directory(path)
    config = configs.forward_config_path(path, arguments.config)
    key = options.open_key(arguments, config, Features())
    source = Source(os.fsencode(path))
    sample = take_sample(source)
    declared = key.features
    key = settle(source, config, key, sample, lenient=arguments.lenient)
    features = key.features
    strict = features.cipher is Cipher.AES_SIV and not arguments.lenient
    backup = Backup(
        path,
        source,
        Volume.open(key.master_key, features),
        strict,
        sample.is_in_place() if strict else False,
        _contradiction(key, declared),
    )
    memory.lock()
    return backup


def _contradiction(key: Key, declared: Features) -> Finding | None:
    # Only a config that has given the key says for certain how it was used.
    if not key.is_proven or declared == key.features:
        return None
    return Finding(
        kind=Kind.CONFIG,
        cipher_path=CONFIG_NAME,
        plain_path=None,
        text=f"it says {describe(declared)}, and this is {describe(key.features)}",
        is_healed=True,
    )


def settle(
    source: Source | None,
    config: ConfigPath,
    key: Key,
    sample: Sample,
    *,
    lenient: bool = False,
) -> Key:
    """Return *key* with the features under which it opens *source*.

    There is a *sample* of that. If it opens with one of the other keys, return that.

    The data have the last word: a config may be another directory's, or spoiled, and
    options may be missing. Raises `MasterKeyError` if a key that nothing proves opens
    nothing, unless *lenient*.
    """
    if not sample:
        return key
    for other in key.others:
        if sample.fits(other.master_key, other.features):
            return other
    features = key.features
    is_certain = key.is_proven or _can_read(config) or features != Features()
    if is_certain and sample.fits(key.master_key, features):
        return key
    found = detect(source, key.master_key, sample)
    if found is None:
        if not key.is_proven and not lenient:
            raise MasterKeyError(
                "the master key opens nothing here",
                hint="compare it with the paper, digit by digit; or it is another "
                "backup's, or nothing in this one is whole",
            )
        log.warning("the key opens nothing that was tried; is this its directory?")
        return key
    if not is_certain:
        log.info("found %s", describe(found, with_names=source is not None))
    elif found != features:
        log.warning("this is %s, whatever the config says", describe(found))
    return key._replace(features=found)


def _can_read(config: ConfigPath) -> bool:
    """Tell whether features come from a config; from a spoiled one, none do."""
    try:
        configs.read(config)
    except (ConfigUnreadableError, ConfigInvalidError):
        return False
    return True


def describe(features: Features, *, with_names: bool = True) -> str:
    """Return *features* in words."""
    words = [features.cipher.label]
    if with_names:
        words += _describe_names(features)
    if not features.hkdf:
        words.append("no HKDF")
    return ", ".join(words)


def _describe_names(features: Features) -> Iterator[str]:
    if features.plaintext_names:
        yield "plaintext names"
        return
    yield "encrypted names" if features.dir_iv else "deterministic names"
    if features.long_name_max != Features().long_name_max:
        yield f"names hashed from {features.long_name_max + 1} bytes on"
    if not features.raw64:
        yield "padded base64"
