"""Which certificates are fit for recovery, and what the register remembers of them."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from revcrypt.errors import RecoveryError
from revcrypt.recovery import certificates
from revcrypt.recovery.register import Epoch, Register
from tests.certificates import make, person, private_key
from tests.support import run

REQ = ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=somebody"]
REFUSED = {
    "-newkey rsa:1024": "1024 bits, less than 2048",
    "-key KEY -sha1": "signed with SHA1",
    "-newkey rsa-pss": "no RSA key for encryption",
    "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1": "no RSA key for encryption",
    "-newkey ed25519": "no RSA key for encryption",
    "-newkey ec -pkeyopt ec_paramgen_curve:SM2": "no RSA key for encryption",
    "-newkey ec -pkeyopt ec_paramgen_curve:secp112r1": "no RSA key for encryption",
    "-key KEY -addext keyUsage=digitalSignature": "key usage",
}
FIT = [
    "-newkey rsa:2048",
    "-key KEY -sigopt rsa_padding_mode:pss",
    "-key KEY -addext keyUsage=keyEncipherment",
]


def made_by_openssl(options: str, directory: Path) -> x509.Certificate:
    """Return a certificate; KEY in *options* is a key that is there already."""
    path = directory / "crt.pem"
    _, key = person("ada").write(directory)
    words = options.replace("KEY", str(key)).split()
    run(*REQ, *words, "-keyout", directory / "key.pem", "-out", path)
    [certificate] = certificates.load(path.read_bytes())
    return certificate


@pytest.mark.parametrize("options", REFUSED)
def test_weak_or_useless_ones_are_refused(options: str, tmp_path: Path) -> None:
    """What cannot be opened, or by others too, is refused with the reason."""
    certificate = made_by_openssl(options, tmp_path)
    with pytest.raises(RecoveryError, match=re.escape(REFUSED[options])):
        certificates.check(certificate)


def test_an_unknown_signature() -> None:
    """Nobody can tell whether it is a weak one."""
    sha256, md2 = (
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01" + end for end in (b"\x0b", b"\x02")
    )
    data = person("ada").certificate.public_bytes(Encoding.DER).replace(sha256, md2)
    [certificate] = certificates.load(data)
    with pytest.raises(RecoveryError, match="signed in a way that nobody knows"):
        certificates.check(certificate)


def test_senseless_extensions(tmp_path: Path) -> None:
    """An extension that is there twice may say two things."""
    data = made_by_openssl("-key KEY", tmp_path).public_bytes(Encoding.DER)
    subject_key, authority_key = b"\x55\x1d\x0e", b"\x55\x1d\x23"
    assert subject_key in data
    [certificate] = certificates.load(data.replace(subject_key, authority_key))
    with pytest.raises(RecoveryError, match="extensions that make no sense"):
        certificates.check(certificate)


@pytest.mark.parametrize("options", FIT)
def test_fit_ones(options: str, tmp_path: Path) -> None:
    """A self-signed certificate of RSA is enough, however it is signed."""
    certificates.check(made_by_openssl(options, tmp_path))


@pytest.mark.parametrize("data", [b"", b"x", b"-----BEGIN CERTIFICATE-----\nx"])
def test_no_certificate(data: bytes) -> None:
    """What is none is told apart."""
    with pytest.raises(RecoveryError, match=r"no X\.509 certificate"):
        certificates.load(data)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"\x0c\x03ada", b"\x07\x03ada"),  # names, as a type that is no text
        (b"\x0c\x03ada", b"\x0c\x03\xff\xff\xff"),
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"),  # the version
    ],
)
def test_damaged_certificates(right: bytes, wrong: bytes) -> None:
    """What the library would find only later, or complain of in its own way, is none."""
    data = person("ada").certificate.public_bytes(Encoding.DER)
    assert right in data
    with pytest.raises(RecoveryError, match=r"no X\.509 certificate"):
        certificates.load(data.replace(right, wrong))


def test_validity() -> None:
    """Expired ones, and early ones, are told."""
    now = datetime.now(UTC)
    valid, expired = make("a", private_key()), make("a", private_key(), days=-1)
    assert certificates.validity_problem(valid, now) is None
    assert "expired on" in str(certificates.validity_problem(expired, now))
    early = certificates.validity_problem(valid, datetime(2001, 1, 1, tzinfo=UTC))
    assert "not valid before" in str(early)


def test_finding_one() -> None:
    """By a part of the name, or by the beginning of the fingerprint."""
    ada, grace = person("ada").certificate, person("grace").certificate
    both = [ada, grace]
    assert certificates.find(both, "ada") == [ada]
    assert certificates.find(both, certificates.fingerprint(grace)) == [grace]
    short = certificates.fingerprint(grace).replace(":", "")[:12].lower()
    assert certificates.find(both, short) == [grace]
    assert certificates.find(both, "CN=") == both
    assert certificates.find(both, "nobody") == []
    assert certificates.find(both, "") == []


@pytest.mark.parametrize("names", [(), ("ada",), ("ada", "grace")])
def test_register(names: tuple[str, ...]) -> None:
    """It comes back as it was, and is what OpenSSL reads as PEM."""
    register = Register(
        tuple(person(name).certificate for name in names),
        (
            Epoch(1, "01234567-" * 3 + "89abcdef", "2026-11-26"),
            Epoch(2, "0" * 8 + "-00000000" * 3),
        ),
    )
    assert Register.parse(register.pack()) == register


def test_names_cannot_forge_a_register() -> None:
    """A name with line breaks is not shown as it is."""
    certificate = make("x\nepoch 7: " + "-".join(["0" * 8] * 4), private_key())
    assert Register.parse(Register((certificate,)).pack()).epochs == ()
