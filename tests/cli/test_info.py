"""`revcrypt info`: what a config says, for people and for scripts."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from revcrypt.cli.configs import Key
from revcrypt.cli.init import make_config
from revcrypt.errors import ExitCode
from revcrypt.format import config as config_format
from revcrypt.format.config import Features
from tests.cli.refusals import checked
from tests.cli.rescuing import CONFIG, REVERSE_CONFIG, Case, rescue
from tests.support import KEY, PASSPHRASE

VECTORS = json.loads(
    (Path(__file__).parent.parent / "vectors" / "configs.json").read_text()
)
BY_ID = {vector["id"]: vector for vector in VECTORS}
SCRYPT_BYTES = 128 * 8 * (1024 + 1)
"""What RFC 7914 keeps in memory for R = 8, N = 1024 and P = 1 (section 6)."""
ENCRYPTED = "encrypted per directory"
REVERSE, FORWARD = "reverse views and their copies", "forward"
EXPECTED = {
    "reverse": ("AES-SIV", ENCRYPTED, 255, REVERSE),
    "plaintext names": ("AES-SIV", "not encrypted, nor are link targets", None, REVERSE),
    "deterministic names": (
        "AES-SIV",
        "encrypted equally in all directories",
        255,
        REVERSE,
    ),
    "long name max": ("AES-SIV", ENCRYPTED, 100, REVERSE),
    "forward": ("AES-GCM", ENCRYPTED, 255, FORWARD),
    "xchacha": ("XChaCha20-Poly1305", ENCRYPTED, 255, FORWARD),
}


def fields(stdout: bytes) -> dict[str, str]:
    """Understand what is meant for people."""
    pairs = (line.split(":", 1) for line in stdout.decode().splitlines())
    return {label: text.strip() for label, text in pairs}


@pytest.fixture(params=BY_ID)
def vector(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A config that gocryptfs has written."""
    found: dict[str, Any] = BY_ID[request.param]
    return found


def test_text(vector: dict[str, Any], tmp_path: Path) -> None:
    """It says in words what gocryptfs was told; nothing is asked for."""
    config = tmp_path / "some.conf"
    config.write_text(vector["text"])
    cipher, names, long_name_max, use = EXPECTED[vector["id"]]
    said = rescue("info", config)
    assert said.stderr == ""
    flags = json.loads(vector["text"])["FeatureFlags"]
    expected = {
        "config": str(config),
        "made by": "gocryptfs 2.3",
        "format": "gocryptfs, version 2",
        "content": cipher,
        "names": names,
        "good for": use,
        "flags": " ".join(flags),
    }
    if long_name_max is not None:
        expected["long names"] = f"hashed if encrypted to more than {long_name_max}"
    shown = fields(said.stdout)
    cost = shown.pop("passphrase")
    assert cost.startswith("scrypt with N=1024, R=8, P=1: 1.0 MiB ")
    assert cost.endswith(" for each guess")
    assert shown == expected
    # No secret is in it, though the wrapped key is in the file.
    assert json.loads(vector["text"])["EncryptedKey"].encode() not in said.stdout


def test_json(vector: dict[str, Any], tmp_path: Path) -> None:
    """For scripts it says the same in JSON."""
    (tmp_path / CONFIG).write_text(vector["text"])
    cipher, _, long_name_max, _ = EXPECTED[vector["id"]]
    flags = json.loads(vector["text"])["FeatureFlags"]
    assert json.loads(rescue("info", "--json", tmp_path).stdout) == {
        "config": str(tmp_path / CONFIG),
        "creator": "gocryptfs 2.3",
        "version": 2,
        "cipher": cipher,
        "plaintext_names": "PlaintextNames" in flags,
        "dir_iv": "DirIV" in flags,
        "raw64": "Raw64" in flags,
        "hkdf": True,
        "long_name_max": long_name_max or 255,
        "fido2": False,
        "passphrase": True,
        "scrypt": {"n": 1024, "r": 8, "p": 1, "bytes": SCRYPT_BYTES},
        "flags": flags,
    }


def test_no_passphrase(tmp_path: Path) -> None:
    """There is no cost of guessing what does not exist, until there is a passphrase."""
    case = Case(tmp_path)
    (case.plain / "letter").touch()
    case.pull()
    config = make_config(Key(KEY, Features(), is_proven=True), None, 1024)
    (case.plain / REVERSE_CONFIG).write_bytes(config_format.pack(config))
    said = rescue("info", case.plain).stdout
    assert b"passphrase: none;" in b" ".join(said.split())
    assert b"scrypt" not in said
    assert json.loads(rescue("info", "--json", case.plain).stdout)["passphrase"] is False
    words = (case.masterkey, f"--proof={case.copy}", case.plain)
    rescue("passwd", *words, stdin=PASSPHRASE.encode())
    assert b"scrypt with N=1024" in rescue("info", case.plain).stdout


def test_which_config(tmp_path: Path) -> None:
    """Of a directory it is the config in it; in a plain one that of its view."""
    (tmp_path / CONFIG).write_text(BY_ID["forward"]["text"])
    assert fields(rescue("info", tmp_path).stdout)["config"] == f"{tmp_path}/{CONFIG}"
    (tmp_path / REVERSE_CONFIG).write_text(BY_ID["reverse"]["text"])
    said = fields(rescue("info", tmp_path).stdout)
    assert said["config"] == f"{tmp_path}/{REVERSE_CONFIG}"
    assert said["content"] == "AES-SIV"


def changed(vector: str, **fields: object) -> str:
    """Return a config in which some fields say something else."""
    return json.dumps(json.loads(BY_ID[vector]["text"]) | fields)


def test_old_gocryptfs(tmp_path: Path) -> None:
    """A config without HKDF and Raw64 is from long ago, and still good."""
    flags = ["GCMIV128", "DirIV", "EMENames", "LongNames"]
    # Format specification, section 1.4.
    key = (
        "oKGio6Slpqeoqaqrl3PBmEj8Cy6W2T/GCGXGuWk8O37S6oN/+jZcZqxvtAMNoqpVlvrm/qNfhmVYX5tc"
    )
    text = changed("forward", FeatureFlags=flags, EncryptedKey=key)
    (tmp_path / CONFIG).write_text(text)
    said = json.loads(rescue("info", "--json", tmp_path).stdout)
    assert (said["cipher"], said["hkdf"], said["raw64"]) == ("AES-GCM", False, False)


def test_fido2(tmp_path: Path) -> None:
    """A config for a FIDO2 token is shown, and said to be beyond revcrypt."""
    flags = [*json.loads(BY_ID["reverse"]["text"])["FeatureFlags"], "FIDO2"]
    (tmp_path / CONFIG).write_text(changed("reverse", FeatureFlags=flags))
    said = fields(rescue("info", tmp_path).stdout)
    assert said["unlocked by"] == "a FIDO2 token, which revcrypt cannot ask"
    assert json.loads(rescue("info", "--json", tmp_path).stdout)["fido2"] is True


def test_costly(tmp_path: Path) -> None:
    """An absurd cost is shown without being paid."""
    scrypt = json.loads(BY_ID["reverse"]["text"])["ScryptObject"] | {"N": 1 << 40}
    (tmp_path / CONFIG).write_text(changed("reverse", ScryptObject=scrypt))
    assert "1024.0 TiB" in fields(rescue("info", tmp_path).stdout)["passphrase"]


# What cannot be shown


def test_missing(tmp_path: Path) -> None:
    """A config that is not there is an error that names the path."""
    for path, named in (
        (tmp_path, tmp_path / CONFIG),
        (tmp_path / "missing", tmp_path / "missing"),
    ):
        said = checked(rescue("info", path, status=ExitCode.CONFIG_UNREADABLE).stderr)
        assert f"cannot read config {named}: No such file" in said


def test_near_by(tmp_path: Path) -> None:
    """Who is in the directory above or below the right one is told which it is."""
    backup = tmp_path / "backups" / "data"
    (backup / "below").mkdir(parents=True)
    (backup / CONFIG).write_text(BY_ID["reverse"]["text"])
    for directory, meant in (
        (backup.parent, backup),
        (backup / "below", backup),
        (tmp_path, None),
    ):
        said = rescue("info", directory, status=ExitCode.CONFIG_UNREADABLE).stderr
        hint = f"there is one in {meant}; did you mean that directory?"
        assert (hint in checked(said)) == (meant is not None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", ExitCode.CONFIG_UNREADABLE),
        ("no JSON", ExitCode.CONFIG_UNREADABLE),
        ("[]", ExitCode.CONFIG_UNREADABLE),
        (changed("reverse", Version=1), ExitCode.CONFIG_INVALID),
        (changed("reverse", FeatureFlags=["New"]), ExitCode.CONFIG_INVALID),
        (changed("reverse", EncryptedKey="AAAA"), ExitCode.CONFIG_INVALID),
    ],
)
def test_invalid(text: str, code: ExitCode, tmp_path: Path) -> None:
    """What is no config, or one that nobody could use, is an error."""
    (tmp_path / CONFIG).write_text(text)
    said = rescue("info", tmp_path, status=code)
    assert said.stdout == b""
    assert f"{tmp_path / CONFIG}: " in checked(said.stderr)


def test_fifo(tmp_path: Path) -> None:
    """A FIFO that somebody has put where a config should be stops nothing."""
    os.mkfifo(tmp_path / CONFIG)
    said = rescue("info", tmp_path, status=ExitCode.CONFIG_UNREADABLE)
    assert f"cannot read config {tmp_path / CONFIG}" in checked(said.stderr)
