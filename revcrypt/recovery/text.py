"""The text that is sealed: all that it takes to open a backup, for people and programs.

    revcrypt recovery text, version 1
    …
    master key: 00010203-…        as gocryptfs takes it
    flags: GCMIV128 HKDF …        as the config has them (format specification, 1.2)
    …
    sha256: …                     of all bytes above this line

Lines of the form `name: value` are for programs, the others for people. CMS does not
tell whether what it holds was changed, so the text tells by itself.
"""

import re
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Self

from revcrypt.errors import ConfigInvalidError, MasterKeyError, RecoveryError
from revcrypt.format.config import Features, Flag, features_of, parse_flags
from revcrypt.format.keys import format_master_key, parse_master_key
from revcrypt.format.names import LONG_NAME_MAX_LEAST, NAME_MAX

_TITLE = "revcrypt recovery text, version 1"
_CHECKSUM = re.compile(rb"(.*\n)sha256: ([0-9a-f]{64})\n", re.DOTALL)
_FIELD = re.compile(r"^([a-z0-9 ]+): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryText:
    """What opens one epoch of a backup.

    *date* is when it was sealed, as ISO 8601 has it, and *config_checksum* the SHA-256 of
    the config at that time, in hex digits.
    """

    master_key: bytes = field(repr=False)
    features: Features
    epoch: int
    date: str
    config_checksum: str

    def pack(self) -> bytes:
        """Return the text."""
        features = self.features
        options = " ".join(["-masterkey=stdin", *features.gocryptfs_options()])
        flags = " ".join(flag.value for flag in Flag if flag in features.flags())
        key = format_master_key(self.master_key).replace("\n", "")
        text = f"""\
{_TITLE}

Whoever reads this can read the backup. Do not leave it lying about.

master key: {key}
cipher: {features.cipher.label}
names: {_names(features)}
flags: {flags}
long name max: {features.long_name_max}
epoch: {self.epoch}
sealed on: {self.date}
config sha256: {self.config_checksum}

With revcrypt, which asks for the master key:
    revcrypt restore --masterkey - CIPHERDIR DESTINATION
With gocryptfs, which waits for the master key on its standard input:
    gocryptfs {options} CIPHERDIR MOUNTPOINT

"""
        data = text.encode()
        return data + f"sha256: {sha256(data).hexdigest()}\n".encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Return what a text says; raises `RecoveryError` if it is not whole."""
        match = _CHECKSUM.fullmatch(data)
        if match is None or sha256(match[1]).hexdigest() != match[2].decode():
            raise RecoveryError("the recovery text is damaged, or none at all")
        # Whoever has the certificate, which is public, can seal any bytes.
        text = match[1].decode(errors="replace")
        if not text.startswith(_TITLE + "\n"):
            raise RecoveryError(
                "the recovery text is of another version",
                hint="it is readable: openssl cms -decrypt shows what to do with it",
            )
        fields = dict(_FIELD.findall(text))
        try:
            return cls(
                master_key=parse_master_key(fields["master key"]),
                features=features_of(
                    parse_flags(fields["flags"].split()),
                    long_name_max=_long_name_max(fields["long name max"]),
                ),
                epoch=_epoch(fields["epoch"]),
                date=date.fromisoformat(fields["sealed on"]).isoformat(),
                config_checksum=bytes.fromhex(fields["config sha256"]).hex(),
            )
        except (KeyError, ValueError, MasterKeyError, ConfigInvalidError) as error:
            raise RecoveryError(f"the recovery text is incomplete: {error}") from None


def _names(features: Features) -> str:
    if features.plaintext_names:
        return "not encrypted"
    return "encrypted" if features.dir_iv else "encrypted, deterministic"


def _epoch(text: str) -> int:
    number = int(text)
    if not 1 <= number < 1 << 31:
        raise ValueError("no epoch has such a number")
    return number


def _long_name_max(text: str) -> int:
    limit = int(text)
    if not LONG_NAME_MAX_LEAST <= limit <= NAME_MAX:
        raise ValueError("no name limit is like that")
    return 0 if limit == NAME_MAX else limit
