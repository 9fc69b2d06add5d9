"""The command line of gocryptfs: keys, features and -init (specification, section 9)."""

import io
from pathlib import Path

import pytest

from revcrypt.cli import configs, gocryptfs
from revcrypt.cli.secrets import PassphraseSource
from revcrypt.errors import ExitCode
from revcrypt.format.content import Cipher
from tests.cli.parsing import Parsed, mount_of
from tests.support import KEY, PASSPHRASE


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("", {"cipher": Cipher.AES_GCM}),
        ("-aessiv", {}),
        ("-reverse", {}),
        ("-xchacha", {"cipher": Cipher.XCHACHA20_POLY1305}),
        # As the config of such a backup says it: Raw64 is a flag of encrypted names.
        (
            "-reverse -plaintextnames",
            {"plaintext_names": True, "dir_iv": False, "raw64": False},
        ),
        ("-reverse -deterministic-names", {"dir_iv": False}),
        ("-reverse -raw64=false", {"raw64": False}),
        ("-reverse -hkdf=false", {"hkdf": False}),
        ("-reverse -longnames=true", {}),
        ("-reverse -longnamemax 62", {"long_name_max": 62}),
        ("-reverse -longnamemax=0", {}),
    ],
)
def test_features(words: str, change: dict[str, object], parsed: Parsed) -> None:
    """With a master key, the flags say how it is used; the rest is as usual."""
    usual = {
        "cipher": Cipher.AES_SIV,
        "plaintext_names": False,
        "dir_iv": True,
        "raw64": True,
        "hkdf": True,
        "long_name_max": 255,
    }
    request = mount_of(parsed, f"-masterkey {KEY.hex()} {words} SRC MNT")
    key, features, is_proven, *_ = request.open_key()
    assert not is_proven
    assert key == KEY
    assert {name: getattr(features, name) for name in usual} == usual | change


@pytest.mark.usefixtures("null_stdin")
@pytest.mark.parametrize(
    "options",
    [
        ["-extpass", "echo correct horse"],
        ["-extpass=printf", "-extpass", "%s %s", "-extpass=correct", "-extpass=horse"],
        ["-passfile", "whole"],
        ["-passfile=first", "-passfile=second"],
        ["-passfile=second", "-o", "passfile=first"],
    ],
)
def test_passphrases(
    options: list[str], parsed: Parsed, cipher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One program is split at blanks, several are its arguments, files are joined."""
    monkeypatch.chdir(cipher.parent)
    texts = {"whole": PASSPHRASE, "first": "correct\n", "second": " horse\n"}
    for name, text in texts.items():
        Path(name).write_text(text)
    assert gocryptfs.run([*options, "cipher", "MNT"]) == ExitCode.OK
    assert parsed.mount is not None
    expected = configs.unlock(parsed.mount.config, PassphraseSource(["whole"]))
    assert parsed.mount.open_key() == expected


def test_config_elsewhere(parsed: Parsed) -> None:
    """The config is in the source under a name of its own, or where -config says."""
    for words, path in (
        ("SRC MNT", "SRC/gocryptfs.conf"),
        ("-reverse SRC MNT", "SRC/.gocryptfs.reverse.conf"),
        ("-config there SRC MNT", "there"),
        ("-o reverse,config=there SRC MNT", "there"),
    ):
        assert mount_of(parsed, words).config.path == path


def test_keys(parsed: Parsed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A master key comes from the command line or stdin, or consists of zeros."""
    typed = "-".join([KEY.hex()[:32]] * 2).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed)))
    for words, key in (
        ("-zerokey", bytes(32)),
        (f"-masterkey={KEY.hex()}", KEY),
        ("-masterkey=stdin", KEY[:16] * 2),
    ):
        assert mount_of(parsed, f"{words} SRC MNT").open_key()[0] == key


# Init


def test_init(parsed: Parsed) -> None:
    """Everything that -init can be told reaches the code that does it."""
    words = "-init -reverse -aessiv -plaintextnames -config F -passfile P -q -scryptn 10"
    assert gocryptfs.run([*words.split(), "SRC"]) == ExitCode.OK
    request = parsed.init
    assert request is not None
    assert (request.plaindir, request.config.path) == ("SRC", "F")
    assert list(request.passphrase.passfiles) == ["P"]
    assert request.features.plaintext_names
    assert (request.scrypt_log_n, request.quiet) == (10, True)


def test_init_defaults(parsed: Parsed) -> None:
    """The defaults are those of gocryptfs."""
    assert gocryptfs.run(["-init", "-reverse", "SRC"]) == ExitCode.OK
    request = parsed.init
    assert request is not None
    assert request.config.path == "SRC/.gocryptfs.reverse.conf"
    assert (request.scrypt_log_n, request.quiet) == (16, False)
