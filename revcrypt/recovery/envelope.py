"""The envelope: a text sealed for certificates, as CMS EnvelopedData (RFC 5652, DER).

Any of the private keys opens it, with stock OpenSSL and nothing else:

    openssl cms -decrypt -inform DER -in FILE -inkey PRIVATE.pem

Sealing is the library's. Opening is put together from its parts, because the library
would want the certificate, and somebody in need has only the private key.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509 import ObjectIdentifier

from revcrypt.errors import RecoveryError

_ENVELOPED_DATA = ObjectIdentifier("1.2.840.113549.1.7.3")
_RSA_ENCRYPTION = ObjectIdentifier("1.2.840.113549.1.1.1")
_AES_256_CBC = ObjectIdentifier("2.16.840.1.101.3.4.1.42")
_KEY_SIZE = 32
MOST_RECIPIENTS = 64
"""A private key is tried on each, at about a third of a millisecond."""


@asn1.sequence
class _Algorithm:
    identifier: ObjectIdentifier
    parameters: asn1.TLV


@asn1.sequence
class _IssuerAndSerial:
    issuer: asn1.TLV
    serial: int


@asn1.sequence
class _KeyTransport:
    version: int
    recipient: _IssuerAndSerial
    algorithm: _Algorithm
    encrypted_key: bytes


@asn1.sequence
class _EncryptedContent:
    content_type: ObjectIdentifier
    algorithm: _Algorithm
    content: Annotated[bytes, asn1.Implicit(0)]


@asn1.sequence
class _EnvelopedData:
    version: int
    recipients: asn1.SetOf[_KeyTransport]
    encrypted: _EncryptedContent


@asn1.sequence
class _ContentInfo:
    content_type: ObjectIdentifier
    content: Annotated[_EnvelopedData, asn1.Explicit(0)]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom an envelope is sealed for; *issuer* is a DER-encoded name."""

    issuer: bytes
    serial: int
    encrypted_key: bytes

    def is_for(self, certificate: x509.Certificate) -> bool:
        """Tell whether that is the owner of *certificate*."""
        issuer = certificate.issuer.public_bytes()
        return (self.issuer, self.serial) == (issuer, certificate.serial_number)

    def among(self, certificates: Iterable[x509.Certificate]) -> list[x509.Certificate]:
        """Return those of *certificates* that it is for; more than one is a mistake."""
        return [one for one in certificates if self.is_for(one)]


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope that is well-formed, which says nothing about what is in it."""

    recipients: Sequence[Recipient]
    iv: bytes
    content: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Envelope":
        """Return the envelope in *data*; raises `RecoveryError`."""
        try:
            info = asn1.decode_der(_ContentInfo, data)
        except ValueError:
            raise _error("this is no CMS envelope in DER, or a damaged one") from None
        encrypted = info.content.encrypted
        transports = info.content.recipients.as_list()
        if info.content_type != _ENVELOPED_DATA:
            raise _error("this is CMS, but no EnvelopedData")
        if len(transports) > MOST_RECIPIENTS:
            raise _error(f"this envelope is for {len(transports)} keys, and nobody's")
        identifiers = {transport.algorithm.identifier for transport in transports}
        if identifiers != {_RSA_ENCRYPTION}:
            raise _error("this envelope is not for RSA keys")
        iv = bytes(encrypted.algorithm.parameters.data)
        if encrypted.algorithm.identifier != _AES_256_CBC or len(iv) != 16:
            raise _error("this envelope is not encrypted with AES-256-CBC")
        recipients = [
            Recipient(
                _der(transport.recipient.issuer),
                transport.recipient.serial,
                transport.encrypted_key,
            )
            for transport in transports
        ]
        return cls(recipients, iv, encrypted.content)

    def open(self, key: RSAPrivateKey) -> Iterator[bytes]:
        """Yield what each recipient's part gives with *key*.

        All but one may be noise: neither RSA nor CBC tells a wrong key for certain.
        """
        for recipient in self.recipients:
            try:
                content_key = key.decrypt(recipient.encrypted_key, PKCS1v15())
                if len(content_key) == _KEY_SIZE:
                    yield self._open_content(content_key)
            except ValueError:
                continue

    def _open_content(self, content_key: bytes) -> bytes:
        cipher = Cipher(algorithms.AES256(content_key), modes.CBC(self.iv)).decryptor()
        unpadder = PKCS7(algorithms.AES256.block_size).unpadder()
        padded = cipher.update(self.content) + cipher.finalize()
        return unpadder.update(padded) + unpadder.finalize()


def seal(text: bytes, certificates: Sequence[x509.Certificate]) -> bytes:
    """Return *text* sealed for each of the certificates, which are RSA's.

    Raises `RecoveryError` if there are too many, if nobody could tell apart two of them
    in the envelope, or if one has a key that is none.
    """
    if len(certificates) > MOST_RECIPIENTS:
        raise RecoveryError(
            f"{len(certificates)} certificates are too many: a key is sealed for at most "
            f"{MOST_RECIPIENTS}",
            hint="revcrypt recovery remove takes away what is needed no longer",
        )
    names = {(one.issuer.public_bytes(), one.serial_number) for one in certificates}
    if len(names) < len(certificates):
        raise RecoveryError(
            "two certificates have the same issuer and serial number, so the key of one "
            "would open nothing",
            hint="make another one; openssl req -x509 gives it a number of its own",
        )
    builder = (
        pkcs7.PKCS7EnvelopeBuilder()
        .set_data(text)
        # Its default is AES-128.
        .set_content_encryption_algorithm(algorithms.AES256)
    )
    for certificate in certificates:
        builder = builder.add_recipient(certificate)
    try:
        # Without Binary, line ends would be changed.
        return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    except ValueError:
        raise RecoveryError(
            "a certificate has a key with which nothing can be encrypted",
            hint="make another one; openssl req -x509 does",
        ) from None


def _der(value: asn1.TLV) -> bytes:
    """Return an element as it was encoded."""
    size = len(value.data)
    length = bytes([size])
    if size > 0x7F:
        digits = size.to_bytes(-(-size.bit_length() // 8))
        length = bytes([0x80 | len(digits)]) + digits
    return bytes(value.tag_bytes) + length + bytes(value.data)


def _error(text: str) -> RecoveryError:
    return RecoveryError(
        text, hint="use another copy of it: every copy of the backup has one"
    )
