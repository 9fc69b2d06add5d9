"""Recovery keys for tests: private keys and self-signed certificates of people."""

import datetime
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

NAMES = ("ada", "grace", "edith")


@dataclass(frozen=True)
class Person:
    """Somebody who can open a backup."""

    name: str
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    def pem(self) -> bytes:
        """Return the certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def private_pem(self, passphrase: str = "") -> bytes:
        """Return the private key, encrypted if there is a passphrase."""
        encryption = (
            BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        )
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def write(self, directory: Path) -> tuple[Path, Path]:
        """Write certificate and private key as files; return their paths."""
        certificate = directory / f"{self.name}.crt.pem"
        certificate.write_bytes(self.pem())
        key = directory / f"{self.name}.key.pem"
        key.touch(0o600)
        key.write_bytes(self.private_pem())
        return certificate, key


@cache
def private_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """Return a key, the same one each time, as they take long to make."""
    return rsa.generate_private_key(65537, bits)


def make(
    name: str,
    key: rsa.RSAPrivateKey,
    *,
    days: int = 30,
    usage: x509.KeyUsage | None = None,
) -> x509.Certificate:
    """Return a self-signed certificate that is valid for so many more days."""
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=365))
        .not_valid_after(now + datetime.timedelta(days=days))
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(key, SHA256())


@cache
def person(name: str) -> Person:
    """Return the same person each time."""
    key = private_key(number=1 + NAMES.index(name))
    return Person(name, key, make(name, key))
