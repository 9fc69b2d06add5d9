"""`revcrypt passwd`: the key stays, and what opens it is new."""

import json
import os
from pathlib import Path
from stat import S_IMODE

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format import config as config_format
from revcrypt.recovery import paper
from tests.cli.refusals import checked
from tests.cli.rescuing import CONFIG, REVERSE_CONFIG, WRONG, Case, rescue
from tests.cli.terminal import Terminal
from tests.kills import Killer, killed_at_every_write
from tests.support import KEY, PASSPHRASE, REVCRYPT, Mounts, run, write_secret

NEW = "battery staple"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A tree and a copy of its view."""
    case = Case(tmp_path)
    (case.plain / "file").write_text("content")
    case.pull()
    write_secret(tmp_path / "new", NEW)
    return case


def new(case: Case) -> str:
    return f"--new-passfile={case.directory}/new"


def key_in(config: Path, passphrase: str) -> bytes:
    """Return the master key as gocryptfs's own tool finds it."""
    words = ("gocryptfs-xray", "-dumpmasterkey", config)
    return bytes.fromhex(run(*words, stdin=f"{passphrase}\n").stdout)


def opens(config: Path, passphrase: str) -> bool:
    """Tell whether that passphrase opens the config, which must be whole."""
    words = ["passwd", "-q", str(config)]
    status = ExitCode.OK
    try:
        rescue(*words, stdin=f"{passphrase}\n{passphrase}\n".encode())
    except AssertionError:
        status = ExitCode.PASSPHRASE_WRONG
        rescue(*words, stdin=f"{passphrase}\n\n".encode(), status=status)
    return status == ExitCode.OK


# What changes and what does not


@pytest.mark.parametrize("name", ["plain", "copy"])
def test_the_new_one_opens(case: Case, name: str) -> None:
    """The key is the same for gocryptfs, too; the old passphrase opens nothing."""
    config = case.directory / name / (REVERSE_CONFIG if name == "plain" else CONFIG)
    config.chmod(0o440)
    os.chown(config, 12, 34)
    os.setxattr(config, "user.note", b"mine")
    before = json.loads(config.read_text())
    before["Added"] = {"by": ["somebody"]}
    config.write_text(json.dumps(before))
    assert rescue("passwd", "-q", case.passphrase, new(case), config.parent) == (b"", "")
    assert key_in(config, NEW) == KEY
    old = ("passwd", case.passphrase, new(case), config)
    checked(rescue(*old, status=ExitCode.PASSPHRASE_WRONG).stderr)
    after = json.loads(config.read_text())
    for field in ("EncryptedKey", "ScryptObject"):
        assert before[field] != after[field]
    assert before["ScryptObject"].pop("Salt") != after["ScryptObject"].pop("Salt")
    assert before.pop("EncryptedKey") != after.pop("EncryptedKey")
    assert before == after
    status = config.stat()
    assert (status.st_uid, status.st_gid, S_IMODE(status.st_mode)) == (12, 34, 0o440)
    assert os.getxattr(config, "user.note") == b"mine"
    assert sorted(os.listdir(case.plain)) == [REVERSE_CONFIG, "file"]


def test_cost(case: Case) -> None:
    """--scrypt-n sets the cost of guessing."""
    rescue("passwd", "--scrypt-n=11", case.passphrase, new(case), case.plain)
    config = config_format.parse((case.plain / REVERSE_CONFIG).read_bytes())
    assert (config.scrypt.n, config.scrypt.r, config.scrypt.p) == (2048, 8, 1)
    words = ("passwd", "--scrypt-n=9", case.passphrase, new(case), case.plain)
    checked(rescue(*words, status=ExitCode.CONFIG_UNWRITABLE).stderr)


def test_what_gocryptfs_has_made(tmp_path: Path, mounts: Mounts) -> None:
    """A directory of gocryptfs gets a new passphrase in its own language, and mounts."""
    cipher = tmp_path / "cipher"
    cipher.mkdir()
    passfile = f"-passfile={mounts.passfile}"
    run("gocryptfs", "-init", "-q", "-scryptn=10", passfile, cipher)
    key = key_in(cipher / CONFIG, PASSPHRASE)
    rescue("-passwd", "-q", passfile, cipher, stdin=NEW.encode())
    assert key_in(cipher / CONFIG, NEW) == key
    lines = f"{NEW}\n{PASSPHRASE}\n".encode()
    rescue("-passwd", "-q", "-scryptn=11", cipher, stdin=lines)
    mounts.gocryptfs(cipher, "opened")
    run("gocryptfs", "-passwd", "-q", cipher, stdin=f"{PASSPHRASE}\n{NEW}\n")
    assert opens(cipher / CONFIG, NEW)


def test_a_link_stays_one(case: Case) -> None:
    """The config that a link leads to is changed, not the link."""
    real = case.directory / "real.conf"
    (case.plain / REVERSE_CONFIG).rename(real)
    (case.plain / REVERSE_CONFIG).symlink_to("../real.conf")
    rescue("passwd", "-q", case.passphrase, new(case), case.plain)
    assert os.readlink(case.plain / REVERSE_CONFIG) == "../real.conf"
    assert key_in(real, NEW) == KEY


def test_what_the_old_one_still_opens(case: Case) -> None:
    """Copies and hard links beside the config are named."""
    config = case.plain / REVERSE_CONFIG
    (case.plain / f"{REVERSE_CONFIG}.bak").write_bytes(config.read_bytes())
    os.link(config, case.directory / "link")
    said = rescue("passwd", case.passphrase, new(case), case.plain).stderr
    assert f"warning: the old passphrase still opens {config}.bak" in said
    assert "warning: 1 other hard links" in said
    assert "open with the old passphrase for ever" in said


def test_a_mounted_view_shows_it(case: Case, mounts: Mounts) -> None:
    """A view that is mounted shows the new config from then on."""
    view = mounts.reverse(case.plain)
    before = (view / CONFIG).read_bytes()
    rescue("passwd", "-q", case.passphrase, new(case), case.plain)
    after = (view / CONFIG).read_bytes()
    assert before != after == (case.plain / REVERSE_CONFIG).read_bytes()


# Where secrets come from


def test_questions(case: Case) -> None:
    """A terminal asks for the current passphrase once, and twice for the new one."""
    terminal = Terminal()
    answers = [
        ("Passphrase: ", PASSPHRASE),
        ("New passphrase: ", NEW),
        ("Repeat: ", NEW),
    ]
    assert terminal.run([*REVCRYPT, "passwd", "-q", case.plain], answers) == ExitCode.OK
    assert NEW not in terminal.shown
    assert key_in(case.plain / REVERSE_CONFIG, NEW) == KEY


def test_two_lines(case: Case) -> None:
    """Both passphrases can be lines of stdin, as with gocryptfs."""
    rescue("passwd", "-q", case.plain, stdin=f"{PASSPHRASE}\n{NEW}\n".encode())
    assert key_in(case.plain / REVERSE_CONFIG, NEW) == KEY


@pytest.mark.parametrize("key", [KEY.hex(), "\n".join(paper.lines(KEY))])
def test_the_master_key_and_a_line(case: Case, key: str) -> None:
    """What comes after a master key on stdin is the new passphrase."""
    words = ("passwd", "-q", "--masterkey=-", case.copy)
    rescue(*words, stdin=f"{key}\n{NEW}\n".encode())
    assert key_in(case.copy / CONFIG, NEW) == KEY


def test_two_lines_of_a_descriptor(case: Case) -> None:
    """A file descriptor is read line by line."""
    read_fd, write_fd = os.pipe()
    os.write(write_fd, f"{PASSPHRASE}\n{NEW}\nrest".encode())
    os.close(write_fd)
    words = (f"--passphrase-fd={read_fd}", f"--new-passphrase-fd={read_fd}")
    rescue("passwd", "-q", *words, case.plain)
    assert os.read(read_fd, 9) == b"rest"
    os.close(read_fd)
    assert key_in(case.plain / REVERSE_CONFIG, NEW) == KEY


def test_with_the_master_key(case: Case) -> None:
    """A forgotten passphrase is replaced with the master key, if a copy proves it."""
    words = ("passwd", "-q", case.masterkey, new(case))
    said = checked(rescue(*words, case.plain, status=ExitCode.USAGE).stderr)
    assert "--proof" in said
    rescue(*words, f"--proof={case.copy}", case.plain)
    assert key_in(case.plain / REVERSE_CONFIG, NEW) == KEY
    rescue(*words, case.copy)
    assert key_in(case.copy / CONFIG, NEW) == KEY
    (case.directory / "keyfile").write_text(WRONG.hex())
    checked(rescue(*words, case.copy, status=ExitCode.MASTER_KEY).stderr)
    rescue("-passwd", "-q", f"-masterkey={KEY.hex()}", case.copy, stdin=b"other")
    assert key_in(case.copy / CONFIG, "other") == KEY


# What must not go wrong


def test_refused(case: Case) -> None:
    """What cannot be done leaves the config as it was."""
    before = (case.plain / REVERSE_CONFIG).read_bytes()
    words = ("passwd", "-q", case.passphrase, case.plain)
    empty = rescue(*words, status=ExitCode.PASSPHRASE_UNREADABLE, stdin=b"\n")
    assert "empty passphrase" in checked(empty.stderr)
    words = ("passwd", case.passphrase, case.directory)
    checked(rescue(*words, status=ExitCode.CONFIG_UNREADABLE).stderr)
    assert (case.plain / REVERSE_CONFIG).read_bytes() == before


def test_killed_at_every_write(case: Case, killer: Killer) -> None:
    """Whenever it is killed, one passphrase opens the config, and only one."""
    config = case.plain / REVERSE_CONFIG
    before = config.read_bytes()
    seen = set()
    words = ["passwd", case.passphrase, new(case), str(case.plain)]

    def prepare() -> None:
        # Leftovers stay, and must not be in the way.
        config.unlink()
        config.write_bytes(before)

    for killed in killed_at_every_write(killer, words, prepare):
        is_old = config.read_bytes() == before
        assert key_in(config, PASSPHRASE if is_old else NEW) == KEY
        seen.add((killed.was_killed, is_old))
    assert seen == {(True, True), (True, False), (False, False)}
    # A run that comes to its end also takes away what earlier ones have left.
    assert sorted(os.listdir(case.plain)) == [REVERSE_CONFIG, "file"]
