"""`revcrypt recovery`: sealing, listing, removing and checking; opening with a key."""

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from revcrypt.errors import ExitCode
from tests.certificates import NAMES, make, person, private_key
from tests.cli.recovering import REGISTER, SEALED, add, case, certificate, check, private
from tests.cli.rescuing import CONFIG, REVERSE_CONFIG, WRONG, Case, make_config, rescue
from tests.support import run
from tests.view.trees import ALL_FEATURES

__all__ = ["case"]


@pytest.mark.parametrize("case", ALL_FEATURES, indirect=True)
def test_every_key_restores(case: Case) -> None:
    """Sealed for three, each restores; with the config of the copy, another, or none."""
    said = add(case, *NAMES)
    for name in NAMES:
        assert f"can be opened by the private key of CN={name}" in said
    copy = case.pull()
    assert (copy / SEALED).read_bytes() == (
        case.plain / f"{REVERSE_CONFIG}.recovery.p7m"
    ).read_bytes()
    for number, name in enumerate(NAMES):
        if number == 1:
            (copy / CONFIG).write_bytes(make_config(key=WRONG))
        if number == 2:
            (copy / CONFIG).unlink()
        dest = case.directory / f"dest-{name}"
        rescue("restore", "-j1", private(case, name), copy, dest)
        assert (dest / "letter").read_text() == "dear all\n"
        assert sorted(os.listdir(dest)) == ["below", "letter"]


def test_every_command(case: Case) -> None:
    """Wherever a master key is taken, a recovery key is."""
    add(case, "ada")
    copy = case.pull()
    key = private(case, "ada")
    assert rescue("ls", key, copy).lines == [b"below", b"letter"]
    assert rescue("find", key, copy, "lett*").lines == [b"letter"]
    assert rescue("cat", key, copy, "letter").stdout == b"dear all\n"
    assert "no problem" in rescue("verify", "-j1", key, copy).stderr
    against = f"--against={case.plain}"
    assert "no problem" in rescue("verify", "-j1", key, copy, against).stderr
    letter = case.cipher("letter")
    assert rescue("decrypt-file", key, letter).stdout == b"dear all\n"
    [path] = rescue("path", "encrypt", key, copy, "letter").lines
    assert copy / os.fsdecode(path) == letter
    (copy / CONFIG).unlink()
    assert rescue("decrypt-file", key, letter).stdout == b"dear all\n"
    passphrase = case.passphrase
    rescue("recover-config", "--scrypt-n=10", key, passphrase, copy)
    assert rescue("ls", passphrase, copy).lines == [b"below", b"letter"]


def test_the_file_may_be_elsewhere(case: Case) -> None:
    """It is found beside the config, and in the backup if it is not there."""
    add(case, "ada")
    copy = case.pull()
    elsewhere = case.directory / "elsewhere.conf"
    elsewhere.write_bytes((copy / CONFIG).read_bytes())
    config = f"--config={elsewhere}"
    key = private(case, "ada")
    assert rescue("cat", config, key, copy, "letter").stdout == b"dear all\n"
    (copy / SEALED).rename(f"{elsewhere}.recovery.p7m")
    assert rescue("cat", config, key, copy, "letter").stdout == b"dear all\n"
    said = rescue("cat", key, copy, "letter", status=ExitCode.RECOVERY).stderr
    assert f"there is no recovery file {copy / SEALED}" in said


def test_a_key_that_it_is_not_for(case: Case) -> None:
    """That is refused, with whom to ask."""
    add(case, "ada")
    copy = case.pull()
    said = rescue("ls", private(case, "grace"), copy, status=ExitCode.RECOVERY).stderr
    assert "is not sealed for" in said
    assert "revcrypt recovery list" in said


def test_an_encrypted_private_key(case: Case) -> None:
    """Its passphrase is asked for."""
    add(case, "ada")
    copy = case.pull()
    path = case.directory / "ada.key.pem"
    path.write_bytes(person("ada").private_pem("secret of ada"))
    key = private(case, "ada")
    said = rescue("cat", key, copy, "letter", stdin=b"secret of ada\n")
    assert said.stdout == b"dear all\n"
    wrong = rescue("ls", key, copy, stdin=b"x\n", status=ExitCode.RECOVERY).stderr
    assert "or the passphrase is another" in wrong


@pytest.mark.parametrize("content", ["", "x", "-----BEGIN PRIVATE KEY-----\nx"])
def test_no_private_key(content: str, case: Case) -> None:
    """What is none is told apart, as is one of another kind."""
    add(case, "ada")
    copy = case.pull()
    path = case.directory / "bad.key.pem"
    path.write_text(content)
    said = rescue("ls", private(case, "bad"), copy, status=ExitCode.RECOVERY)
    assert "holds no private key" in said.stderr
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", path)
    said = rescue("ls", private(case, "bad"), copy, status=ExitCode.RECOVERY)
    assert "not one of RSA" in said.stderr


def test_a_forged_file_opens_nothing(case: Case) -> None:
    """Anybody can seal a key for a certificate, but data tell whether it is theirs."""
    add(case, "ada")
    copy = case.pull()
    other = Case(Path(case.directory / "plain" / "below"))
    (other.plain / REVERSE_CONFIG).write_bytes(make_config(key=WRONG))
    rescue(
        "recovery", "add", f"--config={other.plain}", other.passphrase,
        certificate(case, "ada"),
    )  # fmt: skip
    forged = other.plain / f"{REVERSE_CONFIG}.recovery.p7m"
    (copy / SEALED).chmod(0o600)
    (copy / SEALED).write_bytes(forged.read_bytes())
    said = rescue("ls", private(case, "ada"), copy, status=ExitCode.MASTER_KEY)
    assert "opens nothing here" in said.stderr
    said_check = check(case, "ada", f"--config={copy}", status=ExitCode.MASTER_KEY)
    assert "fingerprints differ" in said_check


def test_more_and_fewer(case: Case) -> None:
    """Added in several rounds, all can open it; removed, one cannot, and others can."""
    add(case, "ada")
    add(case, "grace", "ada")
    add(case, "edith", key=private(case, "grace"))
    config = f"--config={case.plain}"
    for name in NAMES:
        check(case, name, config)
    remove = ["recovery", "remove", config, case.passphrase]
    said = rescue(*remove, "grace").stderr
    assert "which the removed key opens for ever" in said
    assert "is not sealed for" in check(case, "grace", config, status=ExitCode.RECOVERY)
    for name in ("ada", "edith"):
        check(case, name, config)
    assert "means 0 of 2" in rescue(*remove, "grace", status=ExitCode.USAGE).stderr
    assert "means 2 of 2" in rescue(*remove, "CN=", status=ExitCode.USAGE).stderr
    rescue(*remove, "ada")
    assert (
        "the last certificate" in rescue(*remove, "edith", status=ExitCode.USAGE).stderr
    )
    check(case, "edith", config)


def test_list(case: Case) -> None:
    """Names, fingerprints and validity are told without any key, of a copy, too."""
    add(case, "ada", "grace")
    copy = case.pull()
    config = f"--config={copy}"
    said = os.fsdecode(rescue("recovery", "list", config).stdout)
    for name in ("ada", "grace"):
        path = certificate(case, name)
        words = ["openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256"]
        assert run(*words).stdout.split("=")[1].strip() in said
        assert f"CN={name}" in said
    shown = json.loads(rescue("recovery", "list", config, "--json").stdout)
    assert [who["name"] for who in shown["files"][0]["recipients"]] in (
        ["CN=ada", "CN=grace"],
        ["CN=grace", "CN=ada"],
    )
    assert [epoch["number"] for epoch in shown["epochs"]] == [1]
    (copy / REGISTER).unlink()
    said = os.fsdecode(rescue("recovery", "list", config).stdout)
    assert f"serial number {person('ada').certificate.serial_number:x}" in said
    (copy / SEALED).unlink()
    said = rescue("recovery", "list", config, status=ExitCode.RECOVERY).stderr
    assert "revcrypt recovery add" in said


def test_check_says_what_it_is_proven_by(case: Case) -> None:
    """By the passphrase, by the data, or by the fingerprint that was noted."""
    add(case, "ada")
    copy = case.pull()
    plain = f"--config={case.plain}"
    assert "the passphrase opens it in" in check(case, "ada", plain, case.passphrase)
    assert "the fingerprint that was noted" in check(case, "ada", plain)
    assert f"it opens {copy}" in check(case, "ada", plain, f"--proof={copy}")
    assert f"it opens {copy}" in check(case, "ada", f"--config={copy}")
    assert "the config is the same as then" in check(case, "ada", plain)
    config = case.plain / REVERSE_CONFIG
    config.write_bytes(make_config(passphrase="another"))
    said = check(case, "ada", plain, status=ExitCode.FINDINGS)
    assert "was written anew" in said
    assert "not proven against the config" in said
    assert f"it opens {copy}" in check(case, "ada", plain, f"--proof={copy}")
    config.write_bytes(make_config(key=WRONG))
    said = check(case, "ada", plain, case.passphrase, status=ExitCode.MASTER_KEY)
    assert "the config holds another master key" in said
    (case.plain / f"{REVERSE_CONFIG}.recovery.pem").unlink()
    said = check(case, "ada", plain, status=ExitCode.FINDINGS)
    assert "not proven against the config" in said


def test_a_master_key_is_sealed_only_if_it_is_the_right_one(case: Case) -> None:
    """One that was typed wrong would be found out when it is too late."""
    said = add(case, "ada", key=case.masterkey, status=ExitCode.USAGE)
    assert "nothing here proves the master key" in said
    copy = case.pull()
    paths = [certificate(case, "ada"), f"--config={case.plain}", f"--proof={copy}"]
    wrong = case.directory / "wrong"
    wrong.touch(0o600)
    wrong.write_text(WRONG.hex())
    key = f"--masterkey={wrong}"
    rescue("recovery", "add", *paths, key, status=ExitCode.MASTER_KEY)
    rescue("recovery", "add", *paths, case.masterkey)
    check(case, "ada", f"--config={case.plain}")
    add(case, "grace", key=key, status=ExitCode.MASTER_KEY)
    add(case, "grace", key=case.masterkey)
    check(case, "grace", f"--config={case.plain}")


def test_certificates_that_are_refused(case: Case) -> None:
    """Weak ones are refused, expired ones are taken with a warning, keys stay away."""
    path = certificate(case, "bad")
    path.write_bytes(person("ada").pem() + person("ada").private_pem())
    assert "holds a private key" in add(case, "bad", status=ExitCode.RECOVERY)
    words = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:1024", "-subj", "/CN=x"]
    run(*words, "-keyout", "/dev/null", "-out", path)
    assert "1024 bits" in add(case, "ada", "bad", status=ExitCode.RECOVERY)
    assert os.listdir(case.plain) == [
        name for name in os.listdir(case.plain) if "recovery" not in name
    ]
    many = [make("x", private_key()).public_bytes(Encoding.PEM) for _ in range(65)]
    path.write_bytes(b"".join(many))
    before = set(os.listdir(case.plain))
    assert "65 certificates are too many" in add(case, "bad", status=ExitCode.RECOVERY)
    assert set(os.listdir(case.plain)) == before
    path.unlink()
    assert "cannot read certificate" in add(case, "bad", status=ExitCode.RECOVERY)
    old = make("old", private_key(), days=-3)
    path.write_bytes(old.public_bytes(Encoding.DER))
    assert "expired on" in add(case, "bad")
