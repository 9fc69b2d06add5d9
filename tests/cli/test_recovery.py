"""`revcrypt recovery`: sealing, listing, removing and checking; opening with a key."""

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from revcrypt.cli import configs
from revcrypt.cli.recovery_files import (
    MOST_ARCHIVES,
    RecoveryFiles,
    open_text,
    read_envelope,
)
from revcrypt.errors import ExitCode
from revcrypt.recovery import envelope
from revcrypt.recovery.register import Register
from revcrypt.view.source import Source
from tests.certificates import NAMES, make, person, private_key
from tests.cli.rescuing import CONFIG, REVERSE_CONFIG, WRONG, Case, make_config, rescue
from tests.kills import Killer, killed_at_every_write
from tests.support import KEY, run
from tests.view.trees import ALL_FEATURES

SEALED = f"{CONFIG}.recovery.p7m"
REGISTER = f"{CONFIG}.recovery.pem"


@pytest.fixture(params=["encrypted"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A plain tree with a config, and keys of three people."""
    case = Case(tmp_path, ALL_FEATURES[request.param])
    (case.plain / "letter").write_text("dear all\n")
    (case.plain / "below").mkdir()
    (case.plain / "below" / ("long " * 40)).write_text("content")
    for name in NAMES:
        person(name).write(tmp_path)
    return case


def certificate(case: Case, name: str) -> Path:
    """Return the path of a person's certificate."""
    return case.directory / f"{name}.crt.pem"


def private(case: Case, name: str) -> str:
    """Return the option that names a person's private key."""
    return f"--recovery-key={case.directory / f'{name}.key.pem'}"


def add(case: Case, *names: str, key: str = "", status: int = 0) -> str:
    """Seal the master key for people; return what was said."""
    paths = [certificate(case, name) for name in names]
    config = f"--config={case.plain}"
    return rescue(
        "recovery", "add", config, key or case.passphrase, *paths, status=status
    ).stderr


def check(case: Case, name: str, *words: str | Path, status: int = 0) -> str:
    """Check a person's private key; return what was said."""
    key = case.directory / f"{name}.key.pem"
    said = rescue("recovery", "check", "--key", key, *words, status=status)
    return os.fsdecode(said.stdout) + said.stderr


@pytest.mark.parametrize("case", ALL_FEATURES, indirect=True)
def test_every_key_restores(case: Case) -> None:
    """Sealed for three, each restores; with the config of the copy, another, or none."""
    said = add(case, *NAMES)
    for name in NAMES:
        assert f"opened by the private key of CN={name}" in said
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


def test_a_lost_register(case: Case) -> None:
    """Nobody is dropped silently: what cannot be sealed again is asked for."""
    add(case, "ada", "grace")
    (case.plain / f"{REVERSE_CONFIG}.recovery.pem").unlink()
    said = add(case, "edith", status=ExitCode.RECOVERY)
    assert "is not in" in said
    add(case, *NAMES)
    for name in NAMES:
        check(case, name, f"--config={case.plain}")


def test_only_a_register_is_shown_as_one(case: Case) -> None:
    """Nothing that somebody has put into its place leaves the server in clear."""
    path = case.plain / f"{REVERSE_CONFIG}.recovery.pem"
    config = configs.reverse_config_path(str(case.plain), None)
    ada = person("ada")
    register = Register((ada.certificate,)).pack()
    source = Source(os.fsencode(case.plain))
    for content, is_shown in (
        (b"dear all\n", False),
        (ada.pem() + ada.private_pem(), False),
        (register + b"dear all\n", False),
        (register, True),
    ):
        path.write_bytes(content)
        shown = configs.shown(config, source)
        assert shown is not None
        assert shown.shows(os.fsencode(REGISTER)) == is_shown
    source.close()


def test_verify_tells_of_a_damaged_file(case: Case) -> None:
    """A recovery file that is no envelope any more is found long before it is needed."""
    add(case, "ada")
    copy = case.pull()
    sealed = copy / SEALED
    sealed.chmod(0o600)
    whole = sealed.read_bytes()
    for bad in (b"", whole[:-1], whole + b"x"):
        sealed.write_bytes(bad)
        said = rescue("verify", "-j1", case.passphrase, copy, status=ExitCode.FINDINGS)
        assert os.fsdecode(said.stdout).count(SEALED) == 1
    sealed.write_bytes(whole)
    rescue("verify", "-j1", case.passphrase, copy)


def archive_of(files: RecoveryFiles, epoch: int, date: str) -> str:
    """Return where the master key of an epoch that ended at *date* is."""
    return f"{files.path}.epoch-{epoch}.{date}.recovery.p7m"


def test_archives_in_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The latest come first, also of one epoch, and nobody has to try thousands."""
    files = RecoveryFiles(str(tmp_path / "x.conf"))
    dates = ["2026-11-26", "2026-01-02", "2027-01-01", "2026-11-27"]
    made = [archive_of(files, epoch, date) for epoch in (2, 10) for date in dates]
    for path in made:
        Path(path).touch()
    expected = [
        archive_of(files, n, date) for n in (10, 2) for date in sorted(dates)[::-1]
    ]
    assert files.archives() == expected
    assert caplog.records == []
    for epoch in range(11, 11 + MOST_ARCHIVES):
        Path(archive_of(files, epoch, dates[0])).touch()
    assert len(files.archives()) == MOST_ARCHIVES
    assert files.archives()[-1] == archive_of(files, 11, dates[0])
    assert "only the latest 256" in caplog.text


def test_what_cannot_be_read_is_named_once(case: Case) -> None:
    """A damaged link, for example."""
    sealed = case.plain / f"{REVERSE_CONFIG}.recovery.p7m"
    sealed.symlink_to("nowhere")
    said = check(case, "ada", f"--config={case.plain}", status=ExitCode.RECOVERY)
    assert f"error: {sealed}: cannot read it: " in said
    assert said.count(sealed.name) == 1


def test_an_archive_of_a_removed_key(case: Case) -> None:
    """Whether one that does not open is damaged, the certificate would tell."""
    add(case, "ada", "grace")
    files = RecoveryFiles(str(case.plain / REVERSE_CONFIG))
    archive = Path(archive_of(files, 1, "2026-11-26"))
    config = f"--config={case.plain}"
    for names, said_of_it in (
        (("ada",), "is damaged"),
        (("grace",), "is not sealed for this key, or damaged"),
    ):
        sealed = envelope.seal(b"no text", [person(name).certificate for name in names])
        archive.write_bytes(sealed)
        status = ExitCode.FINDINGS if names == ("ada",) else ExitCode.OK
        assert f"{archive} {said_of_it}\n" in check(case, "ada", config, status=status)
        if names == ("ada",):
            rescue("recovery", "remove", config, case.passphrase, "grace")


def test_killed_at_every_write(case: Case, killer: Killer) -> None:
    """Whenever `add` or `remove` is killed, whoever could open it still can."""
    files = [f"{REVERSE_CONFIG}.recovery.{kind}" for kind in ("p7m", "pem")]
    add(case, "ada", "grace")
    before = {name: (case.plain / name).read_bytes() for name in files}

    def prepare() -> None:
        for path in case.plain.glob(".gocryptfs.reverse.conf.*"):
            path.unlink()
        for name, content in before.items():
            (case.plain / name).write_bytes(content)

    options = [f"--config={case.plain}", case.passphrase]
    for words, who in (
        (["add", *options, certificate(case, "edith")], {"ada", "grace", "edith"}),
        (["remove", *options, "grace"], {"ada"}),
    ):
        kept = {"ada", "grace"} & who
        for end in killed_at_every_write(killer, ["recovery", *words], prepare):
            register = RecoveryFiles(str(case.plain / REVERSE_CONFIG)).register()
            sealed = case.plain / f"{REVERSE_CONFIG}.recovery.p7m"
            for name in kept if end.was_killed else who:
                text = open_text(str(sealed), person(name).key)
                assert text is not None
                assert text.master_key == KEY
            # Whoever it is sealed for can be sealed for again.
            for recipient in read_envelope(str(sealed)).recipients:
                assert any(map(recipient.is_for, register.certificates))
        check(case, "ada", *options)
