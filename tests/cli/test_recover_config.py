"""`revcrypt recover-config`: a config for a backup that has only its master key."""

import json
import os
import re
from pathlib import Path
from stat import S_IMODE

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format.keys import fingerprint
from tests.cli.refusals import checked
from tests.cli.rescuing import CONFIG, REVERSE_CONFIG, WRONG, Case, Gocryptfs, rescue
from tests.cli.server import Server
from tests.cli.terminal import Terminal
from tests.support import KEY, PASSPHRASE, REVCRYPT, Mounts, run, snapshot, write_secret
from tests.view.trees import ALL_FEATURES, ENCRYPTED

LONG = "long " * 20
NEW = "a new passphrase"
CHEAP = "--scrypt-n=10"


def fill(plain: Path) -> None:
    """Make a small tree; of the long name the encrypted form is 150 bytes long."""
    (plain / "dir").mkdir()
    (plain / "file").write_text("content")
    (plain / "dir" / LONG).write_text("more")
    (plain / "link").symlink_to("dir/target")


@pytest.fixture(params=ALL_FEATURES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A copy that has lost its config."""
    case = Case(tmp_path, ALL_FEATURES[request.param])
    fill(case.plain)
    case.pull()
    (case.copy / CONFIG).unlink()
    write_secret(tmp_path / "new", NEW)
    return case


def new(case: Case) -> str:
    return f"--passfile={case.directory}/new"


# What it makes


def test_as_it_was(case: Case) -> None:
    """The new config has the features of the lost one, and the new passphrase."""
    words = ("recover-config", CHEAP, case.masterkey, new(case), case.copy)
    said = rescue(*words)
    assert said.stdout == b""
    assert f"wrote {case.copy / CONFIG}" in said.stderr
    config = case.copy / CONFIG
    assert S_IMODE(config.stat().st_mode) == 0o400
    written = json.loads(config.read_text())
    lost = json.loads((case.plain / REVERSE_CONFIG).read_text())
    if case.features == ALL_FEATURES["longnamemax"]:
        # Names come in steps, and the shortest that is hashed here has 150 bytes.
        assert 86 <= written.pop("LongNameMax") < 150
        lost.pop("LongNameMax")
    for field in ("FeatureFlags", "Version", "LongNameMax"):
        assert written.get(field) == lost.get(field)
    assert written["ScryptObject"]["N"] == 1024
    assert rescue("cat", new(case), case.copy, f"dir/{LONG}") == (b"more", "")
    old = ("ls", case.passphrase, case.copy)
    checked(rescue(*old, status=ExitCode.PASSPHRASE_WRONG).stderr)


@pytest.mark.fuse
@pytest.mark.parametrize(
    "names",
    [
        "--long-name-max=255",
        "--long-name-max=100",
        "--plaintext-names",
        "--deterministic-names",
    ],
)
def test_gocryptfs_opens_it(names: str, mounts: Mounts) -> None:
    """gocryptfs mounts the copy of a view with the recovered config."""
    plain = mounts.directory / "plain"
    plain.mkdir()
    fill(plain)
    mounts.init(plain, names)
    copy = mounts.directory / "copy"
    run("rsync", "-aH", f"{mounts.reverse(plain)}/", copy)
    key = run(
        "gocryptfs-xray", "-dumpmasterkey", copy / CONFIG, stdin=f"{PASSPHRASE}\n"
    ).stdout
    (copy / CONFIG).unlink()
    keyfile = mounts.directory / "key"
    write_secret(keyfile, key)
    mounts.passfile.write_text(NEW)
    words = (CHEAP, f"--masterkey={keyfile}", f"--passfile={mounts.passfile}", copy)
    rescue("recover-config", *words)
    opened = mounts.gocryptfs(copy, "opened", "-ro")
    expected = snapshot(plain, leave_out=[REVERSE_CONFIG.encode()])
    assert {path: entry.content for path, entry in snapshot(opened).items()} == {
        path: entry.content for path, entry in expected.items()
    }


@pytest.mark.fuse
@pytest.mark.parametrize(
    "options",
    [[], ["-xchacha"], ["-aessiv"], ["-plaintextnames"], ["-longnamemax=100"]],
    ids=str,
)
def test_forward_directories(options: list[str], mounts: Mounts) -> None:
    """A directory that gocryptfs has made gets an equal config."""
    cipher = mounts.directory / "cipher"
    cipher.mkdir()
    passfile = f"--passfile={mounts.passfile}"
    run("gocryptfs", "-init", "-q", "-scryptn=10", passfile, *options, cipher)
    fill(mounts.gocryptfs(cipher, "plain"))
    mounts.unmount(mounts.directory / "plain")
    key = run(
        "gocryptfs-xray", "-dumpmasterkey", cipher / CONFIG, stdin=f"{PASSPHRASE}\n"
    ).stdout
    lost = json.loads((cipher / CONFIG).read_text())
    (cipher / CONFIG).unlink()
    keyfile = mounts.directory / "key"
    write_secret(keyfile, key)
    rescue("recover-config", CHEAP, f"--masterkey={keyfile}", passfile, cipher)
    written = json.loads((cipher / CONFIG).read_text())
    assert sorted(written["FeatureFlags"]) == sorted(lost["FeatureFlags"])
    opened = mounts.gocryptfs(cipher, "opened", "-ro")
    assert (opened / "dir" / LONG).read_text() == "more"
    assert os.readlink(opened / "link") == "dir/target"


def test_written_elsewhere(tmp_path: Path) -> None:
    """With --config nothing is written into the backup."""
    case = Case(tmp_path)
    fill(case.plain)
    case.pull()
    before = snapshot(case.copy)
    config = tmp_path / "recovered.conf"
    words = ("recover-config", CHEAP, case.masterkey, case.passphrase)
    rescue(*words, f"--config={config}", case.copy)
    assert snapshot(case.copy) == before
    words = ("ls", f"--config={config}", case.passphrase, case.copy)
    assert rescue(*words).lines == [b"dir", b"file", b"link"]


def test_old_format(tmp_path: Path) -> None:
    """A directory from before HKDF gets a config without it."""
    case = Case(tmp_path)
    fill(case.plain)
    (case.plain / REVERSE_CONFIG).unlink()
    case.copy.mkdir()
    features = type(ENCRYPTED)(hkdf=False, raw64=False)
    Gocryptfs(features).write(case.plain, case.copy)
    words = ("recover-config", CHEAP, case.masterkey, case.passphrase, case.copy)
    assert "padded base64, no HKDF" in rescue(*words).stderr
    words = ("cat", "--lenient", case.passphrase, case.copy, "file")
    assert rescue(*words) == (b"content", "")


# What it asks for, and refuses


def test_questions(case: Case) -> None:
    """On a terminal it asks for the key as it was printed, and twice for a passphrase."""
    key = "-".join(KEY.hex()[i : i + 8] for i in range(0, 64, 8))
    terminal = Terminal()
    words = [*REVCRYPT, "recover-config", CHEAP, "--masterkey=-", str(case.copy)]
    answers = [
        ("Master key: ", key[:36]),
        ("Master key, next line: ", key[36:]),
        ("Passphrase: ", NEW),
        ("Repeat: ", NEW),
    ]
    assert terminal.run(words, answers) == ExitCode.OK
    assert key[:8] not in terminal.shown
    assert NEW not in terminal.shown
    assert b"file" in rescue("ls", new(case), case.copy).stdout


def test_never_overwrites(case: Case) -> None:
    """A config that is there stays as it is, whatever it is."""
    words = ("recover-config", CHEAP, case.masterkey, new(case), case.copy)
    (case.copy / CONFIG).write_text("rubbish")
    checked(rescue(*words, status=ExitCode.CONFIG_EXISTS).stderr)
    assert (case.copy / CONFIG).read_text() == "rubbish"
    (case.copy / CONFIG).unlink()
    (case.copy / CONFIG).symlink_to("nowhere")
    checked(rescue(*words, status=ExitCode.CONFIG_EXISTS).stderr)


def test_needs_the_master_key(case: Case) -> None:
    """A passphrase alone recovers nothing, as it never was the key."""
    words = ("recover-config", CHEAP, new(case), case.copy)
    said = checked(rescue(*words, status=ExitCode.USAGE).stderr)
    assert "--masterkey" in said


def test_wrong_key(case: Case) -> None:
    """A key that opens nothing gets no config."""
    case.directory.joinpath("keyfile").write_text(WRONG.hex())
    words = ("recover-config", CHEAP, case.masterkey, new(case), case.copy)
    said = checked(rescue(*words, status=ExitCode.MASTER_KEY).stderr)
    assert "opens nothing" in said
    assert not (case.copy / CONFIG).exists()


def test_nothing_to_try_it_on(tmp_path: Path) -> None:
    """In an empty directory nobody can tell which config it had."""
    case = Case(tmp_path)
    case.copy.mkdir()
    words = ("recover-config", CHEAP, case.masterkey, case.passphrase, case.copy)
    checked(rescue(*words, status=ExitCode.MASTER_KEY).stderr)
    assert os.listdir(case.copy) == []


# What belongs to the config


def test_recovery_files_come_along(server: Server) -> None:
    """Beside the new config lies what the view shows, or its next pull would lose it."""
    server.add()
    server.rotate()
    copy = server.pull_as("copy")
    config = server.home / "data.conf"
    words = ["recover-config", CHEAP, server.recovery_key, server.passphrase]
    said = rescue(*words, f"--config={config}", copy).stderr
    for path in copy.glob(f"{CONFIG}.*"):
        beside = server.home / path.name.replace(CONFIG, "data.conf")
        assert beside.read_bytes() == path.read_bytes()
        assert f"wrote {beside}" in said
    assert len(list(server.home.glob("data.conf.*"))) == 3
    assert "sealed for CN=ada" in said
    assert "compare it with the one that you noted" in said
    key = ["--key", server.private, f"--proof={copy}", f"--config={config}"]
    said = os.fsdecode(rescue("recovery", "check", *key).stdout)
    [mark] = re.findall("its fingerprint: (.*)", said)
    config.unlink()
    # They stay if they are there, even if the copy has others.
    kept = server.home / "data.conf.recovery.p7m"
    [path] = copy.glob(f"{CONFIG}.epoch*")
    path.unlink()
    said = rescue(*words, f"--config={config}", copy).stderr
    assert f"wrote {kept}" not in said
    assert f"master key fingerprint {mark}" in said
    assert len(list(server.home.glob("data.conf.*"))) == 3


def test_a_spoiled_recovery_file_is_told(server: Server) -> None:
    """It is not put beside a new config; nothing is written."""
    server.add()
    copy = server.pull_as("copy")
    sealed = copy / f"{CONFIG}.recovery.p7m"
    sealed.chmod(0o600)
    sealed.write_text("rubbish")
    write_secret(server.home / "key", KEY.hex())
    words = ["recover-config", CHEAP, f"--masterkey={server.home}/key", server.passphrase]
    config = server.home / "data.conf"
    words += [f"--config={config}", copy]
    said = checked(rescue(*words, "-q", status=ExitCode.RECOVERY).stderr)
    assert str(sealed) in said
    assert list(server.home.glob("data.conf*")) == []


def test_every_opening_tells_the_fingerprint(server: Server) -> None:
    """A forged copy is opened by the same private key; only the fingerprint differs."""
    server.add()
    said = rescue("ls", server.recovery_key, server.pull_as("copy")).stderr
    assert f"the fingerprint of its master key is {fingerprint(KEY)}" in said
