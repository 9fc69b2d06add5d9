"""`revcrypt drill`: what it proves, and what it does not let pass."""

import os
from pathlib import Path

import pytest

from revcrypt.cli import configs, recovery_files
from revcrypt.cli.configs import Key
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from revcrypt.format.keys import fingerprint
from revcrypt.rescue import drill
from tests.certificates import NAMES, person
from tests.cli.refusals import checked
from tests.cli.rescuing import (
    CONFIG,
    REVERSE_CONFIG,
    WRONG,
    Case,
    Said,
    make_config,
    rescue,
)
from tests.support import KEY
from tests.view.trees import ALL_FEATURES

LONG = "long " * 40


@pytest.fixture(params=ALL_FEATURES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A tree with one of everything that is compared."""
    return filled(tmp_path, request.param)


@pytest.fixture
def typical(tmp_path: Path) -> Case:
    """The same, with the usual features."""
    return filled(tmp_path, next(iter(ALL_FEATURES)))


def filled(tmp_path: Path, features: str) -> Case:
    case = Case(tmp_path, ALL_FEATURES[features])
    (case.plain / "dir" / LONG).mkdir(parents=True)
    (case.plain / "dir" / LONG / "big").write_bytes(os.urandom(1_100_000))
    os.link(case.plain / "dir" / LONG / "big", case.plain / "again")
    (case.plain / "empty").touch()
    (case.plain / "dir" / "link").symlink_to("../empty")
    os.setxattr(case.plain / "empty", "user.note", b"a note")
    return case


def numbers(said: Said) -> dict[str, str]:
    """Return what the page says, by label; of several ways, the last."""
    lines = said.stdout.decode().splitlines()
    return {
        label.strip(): text.strip()
        for label, colon, text in (line.partition(":") for line in lines)
        if colon
    }


def test_all_is_well(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways open everything, and nothing is left behind or written to the source."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    before = sorted(os.listdir(case.plain))
    said = rescue("drill", case.passphrase, case.masterkey, case.plain)
    assert said.stderr == ""
    page = numbers(said)
    assert page["verdict"] == "PASSED"
    assert page["files compared"].startswith("3, 2.1 MiB (2200000 bytes)")
    assert page["links and directories"] == "3"
    assert page["extended attributes"] == "1"
    assert page["differences"] == page["changed meanwhile"] == "0"
    assert page["master key"] == f"fingerprint {fingerprint(KEY)}"
    assert b"opened with the passphrase, in " in said.stdout
    assert b"opened with the master key, in " in said.stdout
    assert KEY.hex()[:8].encode() not in said.stdout
    assert os.listdir(tmp_path / "tmp") == []
    assert sorted(os.listdir(case.plain)) == before


def test_the_same_sample_again(typical: Case) -> None:
    """A seed chooses the same objects again."""
    for number in range(30):
        (typical.plain / f"file {number}").write_bytes(bytes(2**number % 5000))
    words = ("drill", typical.passphrase, "--sample=5", typical.plain)
    first = numbers(rescue(*words))
    assert first["sample"].startswith("5 objects, seed ")
    seed = first["sample"].rpartition(" ")[2]
    again = numbers(rescue(*words, f"--seed={seed}"))
    labels = ("sample", "files compared", "links and directories", "tree")
    assert [first[label] for label in labels] == [again[label] for label in labels]
    seeds = [numbers(rescue(*words, f"--seed={n}"))["files compared"] for n in range(4)]
    assert len(set(seeds)) > 1


def test_a_wrong_master_key(typical: Case) -> None:
    """A sheet that opens another backup fails, whatever else is right."""
    (typical.directory / "keyfile").write_text(WRONG.hex())
    words = ("drill", typical.passphrase, typical.masterkey, typical.plain)
    said = rescue(*words, status=ExitCode.FINDINGS)
    page = numbers(said)
    assert page["verdict"] == "FAILED"
    # By the passphrase, all is well.
    assert page["files compared"].startswith("3")
    assert int(page["differences"]) == 0
    nothing = b"nothing: it is another master key, mistyped or of another backup; "
    fingerprints = fingerprint(KEY), fingerprint(WRONG)
    assert nothing + f"its fingerprint is {fingerprints[1]}\n".encode() in said.stdout
    assert page["master key"] == f"fingerprint {fingerprints[0]}"


def test_the_master_key_alone(typical: Case) -> None:
    """Without a passphrase, only a backup can prove the key."""
    typical.pull()
    words = ("drill", typical.masterkey, typical.plain)
    assert "--proof" in checked(rescue(*words, status=ExitCode.USAGE).stderr)
    said = rescue(*words, f"--proof={typical.copy}")
    assert numbers(said)["verdict"] == "PASSED"
    assert b"with the passphrase" not in said.stdout


def test_nothing_to_try(tmp_path: Path) -> None:
    """Where nothing was restored, nothing is proven."""
    case = Case(tmp_path)
    said = rescue("drill", case.passphrase, case.plain, status=ExitCode.FINDINGS)
    assert numbers(said)["verdict"] == "FAILED"


def test_what_the_view_shows_is_opened(
    typical: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The passphrase has to open the config that a backup holds, not another."""
    seal = drill.Drill.seal

    def spoiled(self: drill.Drill, sample: list) -> None:
        # Somebody exchanges the config at the worst moment.
        other = make_config(typical.features, passphrase="another")
        (typical.plain / REVERSE_CONFIG).write_bytes(other)
        seal(self, sample)

    monkeypatch.setattr(drill.Drill, "seal", spoiled)
    words = ("drill", typical.passphrase, typical.plain)
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert b"nothing: the passphrase does not open" in said.stdout


def test_a_damaged_copy_is_found(typical: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong byte of ciphertext is a difference."""
    seal = drill.Drill.seal

    def damaging(self: drill.Drill, sample: list) -> None:
        seal(self, sample)
        for path, _, files in os.walk(self._base):
            for name in files:
                target = os.path.join(path, name)
                if os.lstat(target).st_size > 1_000_000:
                    with open(target, "r+b") as file:
                        file.seek(500_000)
                        byte = file.read(1)
                        file.seek(500_000)
                        file.write(bytes([byte[0] ^ 1]))

    monkeypatch.setattr(drill.Drill, "seal", damaging)
    words = ("drill", typical.passphrase, typical.plain)
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert b"/big: " in said.stdout
    assert numbers(said)["differences"] == "2"


def test_a_file_that_changes(typical: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written to meanwhile proves nothing, and is no failure."""
    seal = drill.Drill.seal

    def changing(self: drill.Drill, sample: list) -> None:
        seal(self, sample)
        (typical.plain / "dir" / LONG / "big").write_bytes(b"new")

    monkeypatch.setattr(drill.Drill, "seal", changing)
    said = rescue("drill", typical.passphrase, typical.plain)
    assert numbers(said)["changed meanwhile"] == "2"
    assert CONFIG.encode() not in said.stdout


def test_the_recovery_key(typical: Case) -> None:
    """The recovery file that the view shows is opened with the private key."""
    name = NAMES[0]
    person(name).write(typical.directory)
    private = f"--recovery-key={typical.directory}/{name}.key.pem"
    words = ("drill", typical.passphrase, private, typical.plain)
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert b"opened with the recovery key" in said.stdout
    certificate = f"{typical.directory}/{name}.crt.pem"
    config = f"--config={typical.plain}"
    rescue("recovery", "add", typical.passphrase, config, certificate)
    said = rescue(*words)
    assert numbers(said)["verdict"] == "PASSED"
    assert b"opened with the recovery key" in said.stdout
    typical.pull()
    # Its passphrase is asked for once.
    key = typical.directory / f"{name}.key.pem"
    key.write_bytes(person(name).private_pem("secret"))
    words = ("drill", private, f"--proof={typical.copy}", typical.plain)
    assert numbers(rescue(*words, stdin=b"secret\n"))["verdict"] == "PASSED"


def test_a_recovery_file_of_another_format(typical: Case) -> None:
    """What it says of the names is what counts, not what the config says."""
    certificate, key = person(NAMES[0]).write(typical.directory)
    config = configs.reverse_config_path(str(typical.plain), None)
    data = (typical.plain / REVERSE_CONFIG).read_bytes()
    other = Key(KEY, Features(dir_iv=False), is_proven=True)
    recipients = recovery_files.read_certificates([str(certificate)])
    sealed = recovery_files.seal(other, recipients, epoch=1, config_data=data)
    Path(RecoveryFiles.of(config).sealed).write_bytes(sealed)
    words = ("drill", typical.passphrase, f"--recovery-key={key}", typical.plain)
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert numbers(said)["verdict"] == "FAILED"
