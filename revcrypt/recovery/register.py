"""The register: for whom a backup is sealed, and which epochs it has had. No secrets.

A text file beside the config. Envelopes name their recipients, but do not hold their
certificates, which are needed whenever something is to be sealed again.

    epoch 1: 0a1b2c3d-…, until 2026-11-26
    epoch 2: 4e5f6071-…

    CN=somebody, SHA-256 …
    -----BEGIN CERTIFICATE-----
    …

What comes after the number of an epoch is the fingerprint of its master key.
"""

import re
from dataclasses import dataclass, replace

from cryptography import x509

from revcrypt.recovery import certificates

_TITLE = """\
Recovery certificates of revcrypt: whose private keys open the backup. The private keys
do not belong on this machine. There is no secret in this file.

"""
_EPOCH = re.compile(
    r"^epoch ([0-9]{1,6}): ((?:[0-9a-f]{8}-){3}[0-9a-f]{8})(?:, until ([0-9-]{10}))?$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Epoch:
    """A time with one master key, which has this fingerprint; the last has no end."""

    number: int
    fingerprint: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """Certificates in the order in which they came, and epochs."""

    certificates: tuple[x509.Certificate, ...] = ()
    epochs: tuple[Epoch, ...] = ()

    def with_certificates(self, *certificates: x509.Certificate) -> "Register":
        """Return the same epochs with other certificates."""
        return replace(self, certificates=certificates)

    def pack(self) -> bytes:
        """Return the file."""
        lines = [
            f"epoch {epoch.number}: {epoch.fingerprint}"
            + (f", until {epoch.until}" if epoch.until else "")
            + "\n"
            for epoch in self.epochs
        ]
        blocks = [
            f"\n{certificates.name(certificate)}, "
            f"SHA-256 {certificates.fingerprint(certificate)}\n"
            + certificates.pem(certificate)
            for certificate in self.certificates
        ]
        return "".join([_TITLE, *lines, *blocks]).encode()

    @classmethod
    def parse(cls, data: bytes) -> "Register":
        """Return what a file says; raises `RecoveryError`."""
        text = data.decode(errors="replace")
        epochs = [
            Epoch(int(number), fingerprint, until or None)
            for number, fingerprint, until in _EPOCH.findall(text)
        ]
        has_any = "-----BEGIN" in text
        found = certificates.load(data) if has_any else []
        return cls(tuple(found), tuple(epochs))
