"""The archives of earlier epochs: none is lost, and new keys get them, too."""

import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from revcrypt.cli.recovery_files import RecoveryFiles, today
from revcrypt.errors import ExitCode
from tests.certificates import person, private_key
from tests.cli.rescuing import REVERSE_CONFIG, rescue
from tests.cli.server import Server
from tests.kills import Killer, killed_at_every_write
from tests.support import KEY


@pytest.fixture
def rotated(server: Server) -> Server:
    """A server in its second epoch, whose first key Ada can open."""
    server.add()
    server.rotate()
    person("grace").write(server.home)
    return server


def grace(server: Server) -> Path:
    """Return the certificate of somebody who comes later."""
    return server.home / "grace.crt.pem"


def test_numbers_are_used_once(rotated: Server) -> None:
    """A register that was lost does not make the next archive replace an earlier one."""
    for kind in ("p7m", "pem"):
        (rotated.plain / f"{REVERSE_CONFIG}.recovery.{kind}").unlink()
    rotated.add()
    [epoch] = RecoveryFiles(str(rotated.config)).register().epochs
    assert epoch.number == 2
    rotated.rotate()
    names = [f"{REVERSE_CONFIG}.epoch-{n}.{today()}.recovery.p7m" for n in (2, 1)]
    assert rotated.archives() == names
    keys = rotated.sealed_for("ada")
    assert len(keys) == 3
    assert KEY in keys


def test_a_name_that_is_taken(server: Server) -> None:
    """An archive of the same epoch and day, from whatever it is, stays as it is."""
    server.add()
    name = f"{REVERSE_CONFIG}.epoch-1.{today()}"
    sealed = server.plain / f"{REVERSE_CONFIG}.recovery.p7m"
    taken = server.plain / f"{name}.recovery.p7m"
    taken.write_bytes(sealed.read_bytes())
    before = taken.read_bytes()
    server.rotate()
    assert server.archives() == [f"{name}.recovery.p7m", f"{name}.2.recovery.p7m"]
    assert taken.read_bytes() == before
    copy = server.pull_as("copy")
    assert f"gocryptfs.conf.epoch-1.{today()}.2.recovery.p7m" in os.listdir(copy)


def test_new_keys_get_the_earlier_epochs(rotated: Server) -> None:
    """With a private key that opens them, archives are sealed anew; else one is told."""
    said = rotated.recovery("add", rotated.passphrase, grace(rotated))
    assert "stays sealed for whom it was" in said
    assert len(rotated.sealed_for("grace")) == 1
    said = rotated.recovery("add", rotated.recovery_key, grace(rotated))
    assert "stays sealed" not in said
    assert rotated.sealed_for("grace") == rotated.sealed_for("ada")
    assert KEY in rotated.sealed_for("grace")
    # The one that was lost goes from all of them.
    private = rotated.home / "grace.key.pem"
    rotated.recovery("remove", f"--recovery-key={private}", "ada")
    assert rotated.sealed_for("ada") == set()
    assert len(rotated.sealed_for("grace")) == 2
    assert "is whole" in rotated.recovery(
        "check", "--key", rotated.home / "grace.key.pem"
    )


def test_certificates_that_cannot_be_told_apart(server: Server) -> None:
    """Of two with one issuer and serial number, one would lose access: refused."""
    twin = person("ada").certificate
    builder = x509.CertificateBuilder(
        issuer_name=twin.issuer,
        subject_name=twin.subject,
        public_key=private_key(number=9).public_key(),
        serial_number=twin.serial_number,
        not_valid_before=twin.not_valid_before_utc,
        not_valid_after=twin.not_valid_after_utc,
    )
    path = server.home / "twin.crt.pem"
    made = builder.sign(private_key(number=9), SHA256())
    path.write_bytes(made.public_bytes(Encoding.PEM))
    words = [server.passphrase, path]
    said = server.recovery("add", *words, server.certificate, status=ExitCode.RECOVERY)
    assert "the same issuer and serial number" in said
    server.add()
    before = server.disk()
    server.recovery("add", *words, status=ExitCode.RECOVERY)
    assert server.disk() == before
    server.config.unlink()
    init = ["init", "--no-passphrase", f"--recovery={path}"]
    init += [f"--recovery={server.certificate}", server.copies]
    rescue(*init, status=ExitCode.RECOVERY)
    assert REVERSE_CONFIG not in os.listdir(server.copies)


def test_killed_at_every_write(rotated: Server, killer: Killer) -> None:
    """While archives are sealed anew, whoever could open them still can."""
    before = {path: path.read_bytes() for path in rotated.plain.glob("*.recovery.*")}
    keys = rotated.sealed_for("ada")

    def prepare() -> None:
        for path, content in before.items():
            path.unlink()
            path.write_bytes(content)

    words: list[str | Path] = ["recovery", "add", f"--config={rotated.plain}"]
    words += [rotated.recovery_key, grace(rotated)]
    seen = set()
    # Before, there are only temporary files.
    for _ in killed_at_every_write(killer, words, prepare, first=17):
        assert rotated.sealed_for("ada") == keys
        seen.add(len(rotated.sealed_for("grace")))
    assert seen == {0, 1, 2}
    assert sorted(rotated.plain.glob("*.recovery.*")) == sorted(before)
