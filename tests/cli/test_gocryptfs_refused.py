"""The command line of gocryptfs: what is refused, and what it says instead.

(Format specification, section 9.)
"""

import json
import os
from pathlib import Path

import pytest

from revcrypt.cli import go_flags, gocryptfs
from revcrypt.errors import ExitCode, UsageError
from tests.cli.refusals import refused
from tests.support import KEY, PASSPHRASE, revcrypt, write_secret


def usage_error(*argv: str) -> UsageError:
    """Return the error that a command line ends with."""
    with pytest.raises(UsageError) as caught:
        gocryptfs.run(argv)
    assert caught.value.exit_code == 1
    return caught.value


@pytest.mark.parametrize("name", sorted(go_flags.REFUSED))
def test_refused(name: str) -> None:
    """An option that is not available says so with a reason, in every spelling."""
    for words in (
        (f"-{name}", "SRC", "MNT"),
        (f"--{name}=value", "SRC", "MNT"),
        ("SRC", "MNT", "-o", f"rw,{name}=value"),
        ("-reverse", f"-{name}", "value", "SRC", "MNT"),
    ):
        message = str(usage_error(*words))
        assert message.startswith(f"-{name} ")
        assert go_flags.REFUSED[name] in message


WOULD_CHANGE_THE_VIEW = """
idle i badname acl auto_unmount
""".split()


@pytest.mark.parametrize("name", WOULD_CHANGE_THE_VIEW)
def test_no_promise_is_broken(name: str) -> None:
    """What would change the view, were it honoured, is never ignored."""
    assert f"-{name} is not available" in str(usage_error(f"-{name}=x", "SRC", "MNT"))


@pytest.mark.parametrize(
    ("option", "nearest"),
    [
        ("revers", "reverse"),
        ("-allow-other", "allow_other"),
        ("pasfile=x", "passfile"),
        ("masterky", "masterkey"),
        ("deterministic_names", "deterministic-names"),
        ("plaintext-names", "plaintextnames"),
        ("scrypt-n=10", "scryptn"),
    ],
)
def test_unknown_option(option: str, nearest: str) -> None:
    """An option that nobody knows is refused, and the nearest known one is named."""
    error = usage_error(f"-{option}", "SRC", "MNT")
    assert "unknown option" in str(error)
    assert f"-{nearest}?" in str(error.hint)


def test_unlike_everything() -> None:
    """An option that resembles none leads to the help."""
    assert "--help" in str(usage_error("-xyzzy", "SRC", "MNT").hint)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("-reverse", "MOUNTPOINT"),
        ("-reverse SRC", "MOUNTPOINT"),
        ("-reverse SRC MNT more", "3 paths"),
        ("SRC MNT -fsname", "-fsname needs a value"),
        ("SRC MNT -o", "-o needs"),
        ("SRC MNT -o reverse=maybe", "maybe"),
        ("-fg=yes SRC MNT", "yes"),
        ("-init -reverse", "PLAINDIR"),
        ("-init -reverse SRC MNT", "PLAINDIR"),
        ("-init -reverse -scryptn=ten SRC", "ten"),
        ("-init -reverse -scryptn=-1 SRC", "-1"),
        (f"-init -reverse -scryptn={'9' * 5000} SRC", "999"),
        ("-init -reverse -longnamemax=61 SRC", "61"),
        ("-init -reverse -longnamemax=256 SRC", "256"),
        ("-init -reverse -longnames=false SRC", "-longnames"),
        (f"-init -reverse -masterkey={KEY.hex()} SRC", "fresh"),
        ("-init -reverse -passfile=x -extpass=y SRC", "exclude"),
    ],
)
def test_usage(words: str, reason: str) -> None:
    """A command line that makes no sense is refused, and what is wrong is named."""
    assert reason in str(usage_error(*words.split()))


@pytest.mark.parametrize("key", ["-zerokey", f"-masterkey={KEY.hex()}"])
@pytest.mark.parametrize("other", ["-passfile=x", "-extpass=y"])
def test_key_and_passphrase(key: str, other: str, plain: Path, mountpoint: Path) -> None:
    """A key makes a passphrase pointless, so somebody has made a mistake."""
    said = refused(ExitCode.USAGE, "-reverse", key, other, plain, mountpoint)
    assert "exclude" in said
    assert KEY.hex() not in said


@pytest.mark.parametrize("options", [(), ("-aessiv",), ("-reverse=false",)])
def test_no_forward_directories(options: tuple[str, ...], tmp_path: Path) -> None:
    """Forward directories are not created here, and nothing is."""
    arguments = ("-init", *options, "-passfile=x", tmp_path)
    said = refused(ExitCode.USAGE, *arguments)
    assert "creates no forward directories" in said
    assert "-reverse" in said.splitlines()[1]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("log_n", ["9", "29"])
def test_scrypt_n_out_of_range(log_n: str, tmp_path: Path) -> None:
    """The limits of the scrypt cost are those of the native command line."""
    arguments = ("-init", "-reverse", f"-scryptn={log_n}", tmp_path)
    assert log_n in refused(ExitCode.CONFIG_UNWRITABLE, *arguments)
    assert os.listdir(tmp_path) == []


def test_xchacha_is_not_for_reverse(tmp_path: Path) -> None:
    """A config that no reverse view could use is not written."""
    arguments = ("-init", "-reverse", "-xchacha", "-scryptn=10", tmp_path)
    refused(ExitCode.CONFIG_UNWRITABLE, *arguments)
    assert os.listdir(tmp_path) == []


def test_config_for_another_cipher(cipher: Path, mountpoint: Path) -> None:
    """A config without AES-SIV is no config for a reverse view."""
    path = cipher / "gocryptfs.conf"
    fields = json.loads(path.read_text())
    fields["FeatureFlags"].remove("AESSIV")
    path.write_text(json.dumps(fields))
    config = f"-config={path}"
    said = refused(ExitCode.USAGE, "-reverse", config, cipher, mountpoint)
    assert "AES-SIV" in said


def test_init_for_real(tmp_path: Path) -> None:
    """The line that scripts use writes the config where it says, and only there."""
    passfile, config, source = (tmp_path / name for name in ("pass", "conf", "source"))
    write_secret(passfile, PASSPHRASE)
    source.mkdir()
    words = "-init -reverse -aessiv -plaintextnames -q -scryptn 10"
    files = ("-config", config, "-passfile", passfile)
    result = revcrypt(*words.split(), *files, source)
    assert (result.stdout, result.stderr) == ("", "")
    assert os.listdir(source) == []
    fields = json.loads(config.read_text())
    assert fields["FeatureFlags"] == "HKDF GCMIV128 PlaintextNames AESSIV".split()
    assert fields["ScryptObject"]["N"] == 1 << 10
