"""Envelopes: each of the keys opens them, with OpenSSL too, and no damage is silent."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from revcrypt.errors import RecoveryError
from revcrypt.recovery import envelope
from revcrypt.recovery.envelope import MOST_RECIPIENTS, Envelope, seal
from revcrypt.recovery.text import RecoveryText
from tests.certificates import NAMES, make, person, private_key
from tests.recovery.test_text import TEXT
from tests.support import run

SEALED = TEXT.pack()
PEOPLE = [person(name) for name in NAMES]


def opened(data: bytes, name: str) -> RecoveryText | None:
    """Return the text that a person's key opens, if it opens one."""
    for text in Envelope.parse(data).open(person(name).key):
        try:
            return RecoveryText.parse(text)
        except RecoveryError:
            continue
    return None


@pytest.mark.parametrize("name", NAMES)
def test_every_recipient(name: str, tmp_path: Path) -> None:
    """Each of three keys opens it, here and with OpenSSL, which needs nothing else."""
    data = seal(SEALED, [someone.certificate for someone in PEOPLE])
    assert opened(data, name) == TEXT
    path = tmp_path / "sealed.p7m"
    path.write_bytes(data)
    _, key = person(name).write(tmp_path)
    words = ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", path, "-inkey", key]
    assert run(*words).stdout.encode() == SEALED
    assert [
        [recipient.is_for(someone.certificate) for someone in PEOPLE]
        for recipient in Envelope.parse(data).recipients
    ].count([who == name for who in NAMES]) == 1


def test_another_key() -> None:
    """A key that it was not sealed for opens nothing."""
    data = seal(SEALED, [person("ada").certificate])
    assert opened(data, "grace") is None


def test_many_recipients_of_one_name() -> None:
    """Names may be equal, long and strange; what counts is the key."""
    names = ["ada", "ada", "ä" * 32]
    certificates = [make(name, private_key()) for name in names]
    data = seal(SEALED, [*certificates, person("edith").certificate])
    assert opened(data, "edith") == TEXT
    recipients = Envelope.parse(data).recipients
    for certificate in certificates:
        assert sum(recipient.is_for(certificate) for recipient in recipients) == 1


def test_not_for_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that would keep a private key busy for seconds is neither made nor read."""
    certificates = [one.certificate for one in PEOPLE]
    ada = certificates[0]
    with monkeypatch.context() as fewer:
        fewer.setattr(envelope, "MOST_RECIPIENTS", 2)
        most = seal(SEALED, certificates[:2])
        assert len(Envelope.parse(most).recipients) == 2
        with pytest.raises(RecoveryError, match="3 certificates are too many"):
            seal(SEALED, certificates)
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(SEALED)
    builder = builder.set_content_encryption_algorithm(algorithms.AES256)
    for _ in range(MOST_RECIPIENTS + 1):
        builder = builder.add_recipient(ada)
    with pytest.raises(RecoveryError, match="for 65 keys"):
        Envelope.parse(builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary]))


def test_a_key_that_is_none() -> None:
    """A certificate may have any number where its key should be."""
    ada = person("ada")
    modulus = ada.key.public_key().public_numbers().n
    data = ada.certificate.public_bytes(Encoding.DER)
    right, even = (number.to_bytes(256) for number in (modulus, modulus - 1))
    assert right in data
    certificate = x509.load_der_x509_certificate(data.replace(right, even))
    with pytest.raises(RecoveryError, match="nothing can be encrypted"):
        seal(SEALED, [certificate])


def test_no_flipped_bit_is_silent() -> None:
    """With any byte changed in one bit, it is refused, or opens the very same key."""
    data = seal(SEALED, [person("ada").certificate])
    outcomes = set()
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        try:
            text = opened(changed, "ada")
        except RecoveryError:
            outcomes.add("malformed")
            continue
        assert text in (None, TEXT)
        outcomes.add("same" if text else "refused")
    assert outcomes == {"malformed", "refused", "same"}


def test_what_is_no_envelope() -> None:
    """Anything else is refused before a key is needed."""
    certificate = person("ada").certificate
    data = seal(SEALED, [certificate])
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(SEALED).add_recipient(certificate)
    weak = builder.set_content_encryption_algorithm(algorithms.AES128)
    for bad in (
        b"",
        data[:-1],
        data + b"\0",
        bytes(1000),
        certificate.public_bytes(Encoding.DER),
        pkcs7.serialize_certificates([certificate], Encoding.DER),
        weak.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary]),
    ):
        with pytest.raises(RecoveryError):
            Envelope.parse(bad)
