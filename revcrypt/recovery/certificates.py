"""Certificates of recovery keys: which are fit for it, and what identifies one."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import PublicKeyAlgorithmOID

from revcrypt.errors import RecoveryError

LEAST_BITS = 2048


def load(data: bytes) -> list[x509.Certificate]:
    """Return the certificates in *data*, PEM or DER; raises `RecoveryError`."""
    try:
        if b"-----BEGIN" in data:
            found = x509.load_pem_x509_certificates(data)
        else:
            found = [x509.load_der_x509_certificate(data)]
        for certificate in found:
            # The library reads these only when it is asked for them.
            certificate.subject.rfc4514_string()
            certificate.issuer.public_bytes()
    except (ValueError, x509.InvalidVersion):
        raise RecoveryError(
            "this is no X.509 certificate",
            hint="openssl req -x509 makes one; docs/recovery.md shows how",
        ) from None
    return found


def check(certificate: x509.Certificate) -> None:
    """Raise `RecoveryError` unless it is safe to seal a key for *certificate*."""
    problem = next(_problems(certificate), None)
    if problem is not None:
        raise RecoveryError(
            f"the certificate of {name(certificate)} {problem}",
            hint="make one with RSA of 3072 bits or more; docs/recovery.md shows how",
        )


def _problems(certificate: x509.Certificate) -> Iterator[str]:
    try:
        # Whoever has only a key for RSA-PSS signatures could never open the envelope.
        is_rsa = (
            certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5
        )
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        is_rsa = False
    if not is_rsa or not isinstance(key, RSAPublicKey):
        yield "has no RSA key for encryption"
        return
    if key.key_size < LEAST_BITS:
        yield f"has an RSA key of {key.key_size} bits, less than {LEAST_BITS}"
    try:
        signed_with = certificate.signature_hash_algorithm
        if isinstance(signed_with, SHA1 | MD5):
            yield f"is signed with {signed_with.name.upper()}"
    except UnsupportedAlgorithm:
        yield "is signed in a way that nobody knows here"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    except (ValueError, x509.DuplicateExtension):
        yield "has extensions that make no sense"
        return
    if not usage.key_encipherment:
        yield "is not for key encipherment, as its key usage says"


def validity_problem(certificate: x509.Certificate, now: datetime) -> str | None:
    """Return what is wrong with the time at which *certificate* is used, if anything."""
    if now > certificate.not_valid_after_utc:
        return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if now < certificate.not_valid_before_utc:
        return f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    return None


def name(certificate: x509.Certificate) -> str:
    """Return whose it is, in one line."""
    text = certificate.subject.rfc4514_string()
    return text if text.isprintable() and text else "somebody without a printable name"


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of *certificate*, as openssl x509 -fingerprint shows it."""
    return certificate.fingerprint(SHA256()).hex(":").upper()


def find(certificates: Sequence[x509.Certificate], wanted: str) -> list[x509.Certificate]:
    """Return those that *wanted* may mean: a part of the name, or of the fingerprint."""
    digits = wanted.replace(":", "").upper()
    if not digits:
        return []
    return [
        certificate
        for certificate in certificates
        if wanted in name(certificate)
        or fingerprint(certificate).replace(":", "").startswith(digits)
    ]


def pem(certificate: x509.Certificate) -> str:
    """Return *certificate* as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()
