"""Ways to the key: typed, on paper, in recovery files."""

import re
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding

from revcrypt.errors import MasterKeyError, RecoveryError
from revcrypt.format.keys import format_master_key, parse_master_key
from revcrypt.recovery import certificates, paper
from revcrypt.recovery.envelope import Envelope, seal
from revcrypt.recovery.register import Epoch, Register
from revcrypt.recovery.sheet import Sheet
from revcrypt.recovery.text import RecoveryText
from tests.certificates import person
from tests.fuzz.target import Target, text
from tests.recovery.test_text import FEATURES, TEXT
from tests.support import KEY

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def master_keys(data: bytes) -> None:
    typed = text(data)
    try:
        key = parse_master_key(typed)
    except MasterKeyError as error:
        check_silent(error, typed)
    else:
        digits = "".join(typed.split()).replace("-", "").lower()
        assert digits == key.hex()
        assert parse_master_key(format_master_key(key)) == key


def sheets(data: bytes) -> None:
    typed = text(data)
    try:
        key = paper.parse(typed)
    except MasterKeyError as error:
        check_silent(error, typed)
        return
    digits = "".join(typed.split()).replace("-", "").lower()
    if digits == key.hex():
        return
    # Each of the lines is there, and its check is right.
    digits = digits.translate(str.maketrans("oli|", "0111"))
    parts = [line[3:].replace(" ", "") for line in paper.lines(key)]
    assert re.search(".*".join(parts), digits, re.DOTALL)


def check_silent(error: MasterKeyError, typed: str) -> None:
    """Check that a message has nothing of what was typed."""
    for group in re.findall("[0-9a-fA-F]{5,}", typed):
        assert group not in f"{error} {error.hint}"


def envelopes(data: bytes) -> None:
    try:
        envelope = Envelope.parse(data)
    except RecoveryError:
        return
    for recipient in envelope.recipients:
        assert recipient.issuer in data
    for opened in envelope.open(person("ada").key) if len(data) < 4096 else ():
        try:
            assert RecoveryText.parse(opened) == TEXT
        except RecoveryError:
            continue


def recovery_texts(data: bytes) -> None:
    body = data.rpartition(b"sha256: ")[0] or data
    sealed = body + b"sha256: %b\n" % sha256(body).hexdigest().encode()
    if data != sealed:
        try:
            raise AssertionError(RecoveryText.parse(data))
        except RecoveryError:
            pass
    try:
        parsed = RecoveryText.parse(sealed)
    except RecoveryError:
        return
    again = RecoveryText.parse(parsed.pack())
    assert again.features.flags() == parsed.features.flags()
    assert (again.master_key, again.epoch) == (parsed.master_key, parsed.epoch)
    assert (again.date, again.config_checksum) == (parsed.date, parsed.config_checksum)


def registers(data: bytes) -> None:
    with warnings.catch_warnings():
        # What they are about is refused below, or harmless.
        warnings.simplefilter("ignore")
        try:
            register = Register.parse(data)
        except RecoveryError:
            return
        assert Register.parse(register.pack()) == register
        for certificate in register.certificates:
            assert certificates.name(certificate).isprintable()
            assert len(certificates.fingerprint(certificate)) == 95
            certificates.validity_problem(certificate, NOW)
            try:
                certificates.check(certificate)
                sealed = seal(b"text", [certificate])
            except RecoveryError:
                continue
            [recipient] = Envelope.parse(sealed).recipients
            assert recipient.is_for(certificate)


@cache
def sheet() -> bytes:
    made = Sheet(
        master_key=KEY,
        features=TEXT.features,
        name="data on host",
        date=TEXT.date,
        config_checksum=TEXT.config_checksum,
    )
    return made.as_text().encode()


def key_seeds() -> Iterator[bytes]:
    yield format_master_key(KEY).encode()
    yield KEY.hex().upper().encode()


def sheet_seeds() -> Iterator[bytes]:
    lines = paper.lines(KEY)
    yield from key_seeds()
    yield "\n".join(lines).encode()
    yield " ".join(lines).encode()
    yield "\r\n".join(line[3:] for line in lines).encode()
    yield sheet()


def envelope_seeds() -> Iterator[bytes]:
    people = [person(name).certificate for name in ("ada", "grace")]
    yield seal(TEXT.pack(), people[:1])
    yield seal(TEXT.pack(), people)
    yield seal(b"x", people[1:])


def text_seeds() -> Iterator[bytes]:
    yield TEXT.pack()
    for features in FEATURES.values():
        yield RecoveryText(
            master_key=KEY,
            features=features,
            epoch=1,
            date="2026-01-01",
            config_checksum="00" * 32,
        ).pack()


def register_seeds() -> Iterator[bytes]:
    certificate = person("ada").certificate
    epochs = (Epoch(1, "01234567-" * 3 + "89abcdef", "2026-11-26"),)
    yield Register((certificate,), epochs).pack()
    yield Register((), epochs).pack()
    yield certificate.public_bytes(Encoding.PEM)


TARGETS = [
    Target(
        "master keys",
        "what is accepted has these 64 digits and no others; no message repeats them",
        master_keys,
        key_seeds,
        22,
    ),
    Target(
        "sheets of paper",
        "every line of a key that is accepted is there, with its check",
        sheets,
        sheet_seeds,
        4,
    ),
    Target(
        "recovery envelopes",
        "what a key opens is the text that was sealed, or none",
        envelopes,
        envelope_seeds,
        1,
    ),
    Target(
        "recovery texts",
        "without its right checksum it is refused; with it, it is refused or comes back",
        recovery_texts,
        text_seeds,
        2,
    ),
    Target(
        "registers and certificates",
        "written again, it says the same; a certificate is refused, or sealed for",
        registers,
        register_seeds,
        1,
        fixed=4,
    ),
]
