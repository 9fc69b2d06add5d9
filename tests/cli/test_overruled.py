"""Opening a backup without its config, with a spoiled one, or with the wrong key."""

from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher
from tests.cli.refusals import checked
from tests.cli.rescuing import (
    CONFIG,
    REVERSE_CONFIG,
    WRONG,
    Case,
    Gocryptfs,
    make_config,
    rescue,
)
from tests.cli.terminal import Terminal
from tests.support import KEY, REVCRYPT, Mounts
from tests.view.trees import (
    ALL_FEATURES,
    DETERMINISTIC,
    ENCRYPTED,
    PLAINTEXT,
)

LONG = "long " * 10
ALL = [b"dir", b"dir/file", b"link", LONG.encode()]
GROUPED = "-".join(KEY.hex()[i : i + 8] for i in range(0, 64, 8))


def fill(plain: Path) -> None:
    """Make a tree that tells all about itself: 91 bytes are hashed in short names."""
    (plain / "dir").mkdir()
    (plain / "dir" / "file").write_text("content")
    (plain / LONG).write_text("more")
    (plain / "link").symlink_to("target")


@pytest.fixture(params=ALL_FEATURES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A copy that has lost its config."""
    case = Case(tmp_path, ALL_FEATURES[request.param])
    fill(case.plain)
    case.pull()
    (case.copy / CONFIG).unlink()
    return case


@pytest.fixture
def bare(tmp_path: Path) -> Case:
    """A copy of a view of the usual kind that has lost its config."""
    case = Case(tmp_path)
    fill(case.plain)
    case.pull()
    (case.copy / CONFIG).unlink()
    return case


# The master key alone


def test_no_config(case: Case) -> None:
    """The key alone opens a copy, and the message says what it is."""
    said = rescue("ls", "-R", case.masterkey, case.copy)
    assert said.lines == ALL
    words = {
        "encrypted": "AES-SIV, encrypted names",
        "deterministic": "AES-SIV, deterministic names",
        "plaintext": "AES-SIV, plaintext names",
        "longnamemax": "AES-SIV, encrypted names, names hashed from ",
    }
    [kind] = [kind for kind, f in ALL_FEATURES.items() if f == case.features]
    assert f"found {words[kind]}" in said.stderr
    assert rescue("cat", "-q", case.masterkey, case.copy, LONG) == (b"more", "")
    checked_out = case.directory / "restored"
    rescue("restore", "-q", case.masterkey, case.copy, checked_out)
    assert (checked_out / LONG).read_text() == "more"
    assert (checked_out / "link").readlink() == Path("target")


@pytest.mark.parametrize(
    "words", ["ls", "cat", "verify", "find", "restore", "path encrypt"]
)
def test_wrong_key(words: tuple[str, ...], case: Case) -> None:
    """A key that fits nothing is said to, by every command, and nothing is written."""
    (case.directory / "keyfile").write_text(WRONG.hex())
    dest = case.directory / "dest"
    rest: dict[str, list[str | Path]] = {
        "cat": ["dir/file"],
        "find": ["*"],
        "restore": [dest],
        "path encrypt": ["dir"],
    }
    command = (*words.split(), case.masterkey, case.copy, *rest.get(words, []))
    said = rescue(*command, status=ExitCode.MASTER_KEY)
    assert said.stdout == b""
    assert "the master key opens nothing here" in checked(said.stderr)
    assert not dest.exists()


@pytest.mark.parametrize(
    "features",
    [
        Features(cipher=Cipher.AES_GCM),
        Features(cipher=Cipher.XCHACHA20_POLY1305),
        Features(cipher=Cipher.AES_GCM, hkdf=False, raw64=False),
    ],
    ids=["aes-gcm", "xchacha", "legacy"],
)
def test_forward_directory(features: Features, tmp_path: Path) -> None:
    """So it does with a directory that no view has made."""
    case = Case(tmp_path)
    fill(case.plain)
    (case.plain / REVERSE_CONFIG).unlink()
    case.copy.mkdir()
    Gocryptfs(features).write(case.plain, case.copy)
    assert rescue("ls", "-R", "-q", case.masterkey, case.copy).lines == ALL
    [line] = rescue("ls", "-lq", case.masterkey, case.copy, "link").lines
    assert line.endswith(b" link -> target")


@pytest.mark.fuse
def test_mount(mounts: Mounts) -> None:
    """`revcrypt forward` finds it out just the same."""
    case = Case(mounts.directory, DETERMINISTIC)
    fill(case.plain)
    case.pull()
    (case.copy / CONFIG).unlink()
    mountpoint = mounts.mountpoint("mounted")
    rescue("forward", "-q", case.masterkey, case.copy, mountpoint)
    assert (mountpoint / LONG).read_text() == "more"


# Where the key comes from


def test_key_on_stdin(bare: Case) -> None:
    """A key may come from stdin, as it was printed."""
    words = ("ls", "-R", "-q", "--masterkey=-", bare.copy)
    for text in (KEY.hex(), KEY.hex().upper(), GROUPED[:36] + "\n" + GROUPED[36:] + "\n"):
        assert rescue(*words, stdin=text.encode()).lines == ALL
    said = rescue(*words, stdin=b"no key", status=ExitCode.MASTER_KEY)
    assert "no key" not in checked(said.stderr)


def test_key_on_the_command_line(bare: Case) -> None:
    """A key may be an argument, and the message says who else can see it then."""
    for text in (KEY.hex(), GROUPED):
        said = rescue("ls", "-R", "-q", f"--masterkey={text}", bare.copy)
        assert said.lines == ALL
        assert "all users of this machine can see" in said.stderr
        assert KEY.hex()[:8] not in said.stderr


def test_key_from_the_terminal(bare: Case) -> None:
    """A key is asked for on a terminal, without showing it."""
    terminal = Terminal()
    words = [*REVCRYPT, "ls", "-q", "--masterkey=-", str(bare.copy)]
    answers = [
        ("Master key: ", GROUPED[:36]),
        ("Master key, next line: ", GROUPED[36:]),
    ]
    assert terminal.run(words, answers) == ExitCode.OK
    assert "dir\nlink\n" in terminal.shown
    assert KEY.hex()[:8] not in terminal.shown


def test_key_from_a_file(bare: Case) -> None:
    """A file that is not there, or holds no key, is an error that does not quote it."""
    words = ("ls", bare.masterkey, bare.copy)
    for text in ("secret rubbish", "", KEY.hex()[:-2]):
        (bare.directory / "keyfile").write_text(text)
        said = checked(rescue(*words, status=ExitCode.MASTER_KEY).stderr)
        assert not text or text not in said
    (bare.directory / "keyfile").unlink()
    assert "No such file" in checked(rescue(*words, status=ExitCode.MASTER_KEY).stderr)


def test_two_keys(bare: Case) -> None:
    """A master key and a passphrase exclude each other."""
    words = ("ls", bare.masterkey, bare.passphrase, bare.copy)
    checked(rescue(*words, status=ExitCode.USAGE).stderr)


# A config that is wrong

LIES = {
    "AESSIV dropped": Features(cipher=Cipher.AES_GCM),
    "XChaCha20Poly1305 added": Features(cipher=Cipher.XCHACHA20_POLY1305),
    "PlaintextNames added": PLAINTEXT,
    "DirIV dropped": DETERMINISTIC,
    "Raw64 dropped": Features(raw64=False),
    "HKDF dropped": Features(hkdf=False),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("key", ["passphrase", "masterkey"])
def test_wrong_flags(lie: str, key: str, bare: Case) -> None:
    """A config whose flags are wrong is overruled by the data, with a warning."""
    (bare.copy / CONFIG).write_bytes(make_config(LIES[lie]))
    said = rescue("ls", "-R", getattr(bare, key), bare.copy)
    assert said.lines == ALL
    assert "this is AES-SIV, encrypted names, whatever the config says" in said.stderr
    words = ("cat", "-q", getattr(bare, key), bare.copy, LONG)
    assert rescue(*words).stdout == b"more"


def test_plaintext_names_denied(tmp_path: Path) -> None:
    """A config that says that plain names are encrypted is overruled, too."""
    case = Case(tmp_path, PLAINTEXT)
    fill(case.plain)
    case.pull()
    for lie in (ENCRYPTED, DETERMINISTIC):
        (case.copy / CONFIG).unlink()
        (case.copy / CONFIG).write_bytes(make_config(lie))
        said = rescue("ls", "-R", case.passphrase, case.copy)
        assert said.lines == ALL
        assert "this is AES-SIV, plaintext names" in said.stderr


def test_config_of_another_backup(bare: Case) -> None:
    """A config that opens, but with the key of another directory, is told."""
    (bare.copy / CONFIG).write_bytes(make_config(key=WRONG))
    words = ("ls", bare.passphrase, bare.copy)
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.stdout == b""
    assert "the key opens nothing that was tried" in said.stderr


def test_spoiled_config(case: Case) -> None:
    """With the master key, a config that is no config any more stops nothing."""
    (case.copy / CONFIG).write_text("spoiled")
    said = rescue("ls", "-R", case.masterkey, case.copy)
    assert said.lines == ALL
    assert "the config is not JSON" in said.stderr
    words = ("ls", case.passphrase, case.copy)
    checked(rescue(*words, status=ExitCode.CONFIG_UNREADABLE).stderr)


def test_right_config(case: Case) -> None:
    """A config that is right is not doubted, even if half of the backup is damaged."""
    (case.copy / CONFIG).write_bytes(make_config(case.features))
    case.cipher("dir/file").write_bytes(bytes(100))
    said = rescue("ls", "-R", case.passphrase, case.copy)
    assert said == (b"".join(path + b"\n" for path in ALL), "")
