"""`revcrypt init`: what it writes, and what it never overwrites."""

import json
import os
import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE

import pytest

from revcrypt import __version__
from revcrypt.cli import configs
from revcrypt.cli.replacing import replace_all
from revcrypt.cli.secrets import PassphraseSource
from revcrypt.errors import ConfigExistsError, ExitCode
from revcrypt.format import config as config_format
from tests.cli.refusals import checked, refused
from tests.support import (
    PASSPHRASE,
    REVCRYPT,
    Mounts,
    revcrypt,
    run,
    snapshot,
    write_secret,
)

CONFIG = ".gocryptfs.reverse.conf"
INIT = ("init", "-q", "--scrypt-n=10")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory that has no config yet."""
    path = tmp_path / "source"
    path.mkdir()
    return path


# What is written


def test_config_file(source: Path) -> None:
    """The config is readable by its owner, and nothing is left beside it."""
    revcrypt(*INIT, source, stdin=PASSPHRASE)
    assert os.listdir(source) == [CONFIG]
    status = (source / CONFIG).stat()
    assert S_IMODE(status.st_mode) == 0o400
    assert status.st_nlink == 1


def test_config_elsewhere(source: Path, tmp_path: Path) -> None:
    """With --config, nothing is written into the source."""
    path = tmp_path / "elsewhere.conf"
    revcrypt(*INIT, "--config", path, source, stdin=PASSPHRASE)
    assert os.listdir(source) == []
    assert sorted(os.listdir(tmp_path)) == ["elsewhere.conf", "source"]
    assert S_IMODE(path.stat().st_mode) == 0o400


def test_config_in_working_directory(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config without any directory in its name goes to the working directory."""
    # The package may be found through the working directory of the tests.
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.chdir(tmp_path)
    revcrypt(*INIT, "--config=here.conf", "source", stdin=PASSPHRASE)
    assert sorted(os.listdir(tmp_path)) == ["here.conf", "source"]


NAMES = "EMENames LongNames Raw64"


@pytest.mark.parametrize(
    ("option", "flags", "long_name_max"),
    [
        (None, f"HKDF GCMIV128 DirIV {NAMES} AESSIV", None),
        ("--plaintext-names", "HKDF GCMIV128 PlaintextNames AESSIV", None),
        ("--deterministic-names", f"HKDF GCMIV128 {NAMES} AESSIV", None),
        ("--long-name-max=62", f"HKDF GCMIV128 DirIV LongNameMax {NAMES} AESSIV", 62),
        ("--long-name-max=254", f"HKDF GCMIV128 DirIV LongNameMax {NAMES} AESSIV", 254),
        ("--long-name-max=255", f"HKDF GCMIV128 DirIV {NAMES} AESSIV", None),
    ],
)
def test_fields(
    option: str | None, flags: str, long_name_max: int | None, source: Path
) -> None:
    """The fields, their order and the indentation are those of the specification."""
    options = [] if option is None else [option]
    revcrypt(*INIT, *options, source, stdin=PASSPHRASE)
    text = (source / CONFIG).read_text()
    fields = json.loads(text)
    encrypted_key = fields.pop("EncryptedKey")
    assert len(b64decode(encrypted_key, validate=True)) == 64
    salt = fields["ScryptObject"].pop("Salt")
    assert len(b64decode(salt, validate=True)) == 32
    expected = {
        "Creator": f"revcrypt {__version__}",
        "ScryptObject": {"N": 1024, "R": 8, "P": 1, "KeyLen": 32},
        "Version": 2,
        "FeatureFlags": flags.split(),
    }
    if long_name_max is not None:
        expected["LongNameMax"] = long_name_max
    assert fields == expected
    order = "Creator EncryptedKey ScryptObject Version FeatureFlags LongNameMax".split()
    assert re.findall(r'^\t"(\w+)"', text, re.MULTILINE) == order[: len(fields) + 1]
    assert re.findall(r'^\t\t"(\w+)":', text, re.MULTILINE) == "Salt N R P KeyLen".split()
    assert text.endswith("}\n")


def test_everything_is_random(source: Path, tmp_path: Path) -> None:
    """Two configs for one passphrase share neither key nor salt nor nonce."""
    passfile = tmp_path / "passfile"
    write_secret(passfile, PASSPHRASE)
    random = []
    for name in ("first", "second"):
        path = tmp_path / name
        passphrase = PassphraseSource([str(passfile)])
        revcrypt(*INIT, "--passfile", passfile, "--config", path, source)
        where = configs.ConfigPath(str(path), is_default=False)
        master_key = configs.unlock(where, passphrase).master_key
        config = configs.read(where)
        random.append((master_key, config.scrypt.salt, config.encrypted_key[:16]))
    assert all(first != second for first, second in zip(*random))


# What is never written


def dangling(path: Path) -> None:
    """Create a symlink to nothing."""
    path.symlink_to(path.parent / "nowhere")


def link_to_file(path: Path) -> None:
    """Create a symlink to a file outside."""
    other = path.parent.parent / "other"
    other.write_bytes(b"other")
    path.symlink_to(other)


@pytest.mark.parametrize("log_n", [9, 29, 0, -1, 1000])
def test_scrypt_n_out_of_range(log_n: int, source: Path) -> None:
    """A scrypt cost that is dangerous or absurd is refused, and nothing is written."""
    said = refused(ExitCode.CONFIG_UNWRITABLE, "init", f"--scrypt-n={log_n}", source)
    assert str(log_n) in said
    assert os.listdir(source) == []


@pytest.mark.parametrize(
    "occupy",
    [
        pytest.param(lambda path: path.write_bytes(b"precious"), id="file"),
        pytest.param(lambda path: path.mkdir(), id="directory"),
        link_to_file,
        dangling,
    ],
)
def test_never_overwritten(occupy: Callable[[Path], object], source: Path) -> None:
    """Whatever is in the place of the config stays as it is."""
    path = source / CONFIG
    occupy(path)
    before = snapshot(source.parent)
    said = refused(ExitCode.CONFIG_EXISTS, *INIT, source)
    assert str(path) in said
    assert "hint" in said
    assert snapshot(source.parent) == before


def test_never_overwritten_in_a_race(source: Path, config: str) -> None:
    """A config that has appeared since the first look stays as it is, too."""
    path = source / CONFIG
    dangling(path)
    with pytest.raises(ConfigExistsError):
        replace_all([configs.new_file(str(path), config_format.parse(config.encode()))])
    assert path.is_symlink()
    assert os.listdir(source) == [CONFIG]


def test_missing_parent(source: Path) -> None:
    """A directory for the config is not made up."""
    path = source / "missing" / "config"
    said = refused(ExitCode.CONFIG_UNWRITABLE, *INIT, "--config", path, source)
    assert str(path) in said
    assert os.listdir(source) == []


@pytest.mark.fuse
@needs_root
def test_read_only_directory(source: Path) -> None:
    """A source that cannot be written is refused, with a way out."""
    script = 'mount -t tmpfs -o ro none "$0" && exec "$@"'
    namespace = ("unshare", "-m", "sh", "-c", script, source)
    command = (*namespace, *REVCRYPT, *INIT, source)
    result = run(*command, status=ExitCode.CONFIG_UNWRITABLE, stdin=PASSPHRASE)
    assert "--config" in checked(result.stderr).splitlines()[1]


def test_full_disk(source: Path) -> None:
    """A config that does not fit leaves nothing behind, not even half of itself."""
    command = ("prlimit", "--fsize=100", *REVCRYPT, *INIT, source)
    result = run(*command, status=ExitCode.CONFIG_UNWRITABLE, stdin=PASSPHRASE)
    checked(result.stderr)
    assert os.listdir(source) == []


# What gocryptfs makes of it


@pytest.mark.fuse
@pytest.mark.parametrize(
    "option",
    [
        "--scrypt-n=11",
        "--plaintext-names",
        "--deterministic-names",
        "--long-name-max=100",
    ],
)
def test_gocryptfs_agrees(option: str, mounts: Mounts, source: Path) -> None:
    """Gocryptfs reads the config, and shows the same view through it."""
    (source / ("a rather long name" * 10)).write_bytes(b"content" * 1000)
    mounts.init(source, option)
    info = run("gocryptfs", "-info", "-reverse", source).stdout
    flags = json.loads((source / CONFIG).read_text())["FeatureFlags"]
    assert " ".join(flags) in info
    views = mounts.reverse(source), mounts.gocryptfs(source, "theirs", "-reverse")
    ours, theirs = (
        {path: entry.content for path, entry in snapshot(view).items()} for view in views
    )
    assert ours == theirs
