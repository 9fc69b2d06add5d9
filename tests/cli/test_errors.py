"""Secrets and configs that are refused: exit status, reason, and the next step.

(Format specification, sections 1.1 to 1.5 and 9.4; the exit codes are in errors.py.)
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked, refused
from tests.support import KEY, REVCRYPT, run, write_secret

Change = Callable[[dict[str, Any]], object]

# Secrets


@pytest.mark.parametrize("command", ["reverse", "forward"])
def test_wrong_passphrase(
    command: str, plain: Path, cipher: Path, mountpoint: Path
) -> None:
    """A wrong passphrase is called that, and never repeated."""
    source = plain if command == "reverse" else cipher
    arguments = (command, source, mountpoint)
    said = refused(ExitCode.PASSPHRASE_WRONG, *arguments, stdin="wrong horse\n")
    assert "passphrase does not open" in said
    assert "hint" in said
    assert "wrong horse" not in said


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(None, "No such file", id="missing"),
        pytest.param(b"\nsecret\n", "empty", id="first line empty"),
        pytest.param(b"secret" * 400 + b"\n", "2048", id="first line too long"),
    ],
)
def test_unusable_passfile(
    content: bytes | None, reason: str, plain: Path, mountpoint: Path
) -> None:
    """A passfile without a usable first line is named, its content is not shown."""
    passfile = plain.parent / "passfile"
    if content is not None:
        passfile.touch(0o600)
        passfile.write_bytes(content)
    arguments = ("reverse", f"--passfile={passfile}", plain, mountpoint)
    said = refused(ExitCode.PASSPHRASE_UNREADABLE, *arguments)
    assert str(passfile) in said
    assert reason in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("sh -c 'echo secret; exit 3'", "status 3"),
        ("true", "empty"),
        ("/nonexistent/program", "No such file"),
    ],
)
def test_failing_extpass(
    command: str, reason: str, plain: Path, mountpoint: Path
) -> None:
    """An extpass program that fails or says nothing gives no passphrase."""
    arguments = ("reverse", "--extpass", command, plain, mountpoint)
    said = refused(ExitCode.PASSPHRASE_UNREADABLE, *arguments)
    assert "extpass" in said
    assert reason in said
    assert "secret" not in said


def test_empty_stdin(plain: Path, mountpoint: Path) -> None:
    """Nothing on stdin, as a service has it, is an empty passphrase."""
    arguments = ("reverse", plain, mountpoint)
    said = refused(ExitCode.PASSPHRASE_UNREADABLE, *arguments, stdin="")
    assert "--passfile" in said


def test_closed_stdin(plain: Path, mountpoint: Path) -> None:
    """Without any stdin there is no passphrase either."""
    command = (*REVCRYPT, "reverse", plain, mountpoint)
    closed = ("sh", "-c", 'exec "$@" <&-', "sh")
    result = run(*closed, *command, status=ExitCode.PASSPHRASE_UNREADABLE)
    checked(result.stderr)


@pytest.mark.parametrize("how", ["file", "stdin", "gocryptfs"])
@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (KEY.hex()[:-2], "62"),
        (KEY.hex() + "ab", "66"),
        (KEY.hex()[:-1] + "g", "hex"),
        (f"0x{KEY.hex()[2:]}", "hex"),
    ],
)
def test_bad_master_key(
    how: str, key: str, reason: str, plain: Path, mountpoint: Path
) -> None:
    """A master key of the wrong length or not in hex is refused, and never repeated."""
    keyfile = plain.parent / "key"
    write_secret(keyfile, key)
    option = {
        "file": ("reverse", "--masterkey", keyfile),
        "stdin": ("reverse", "--masterkey=-"),
        "gocryptfs": ("-reverse", f"-masterkey={key}"),
    }
    arguments = (*option[how], plain, mountpoint)
    said = refused(ExitCode.MASTER_KEY, *arguments, stdin=key)
    assert reason in said
    assert "hint" in said
    assert not any(key[at : at + 4] in said for at in range(0, len(key), 4))


# Configs


@pytest.mark.parametrize("command", ["reverse", "forward"])
def test_missing_config(command: str, mountpoint: Path, tmp_path: Path) -> None:
    """A directory without config is told from one that cannot be read."""
    empty = tmp_path / "empty"
    empty.mkdir()
    said = refused(ExitCode.CONFIG_UNREADABLE, command, empty, mountpoint)
    assert f"{empty}/" in said
    assert "hint" in said


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b" \n\t", id="blank"),
        pytest.param(lambda data: data[: len(data) // 2], id="truncated"),
        pytest.param(lambda data: data + b"{}", id="trailing data"),
        pytest.param(lambda _: b"no: json", id="not JSON"),
        pytest.param(lambda _: b"\xff\xfe\x00", id="not text"),
        pytest.param(lambda _: b"[" * 100_000, id="nested too deep"),
        pytest.param(lambda _: b"[1]", id="not an object"),
    ],
)
def test_unreadable_config(
    spoil: Callable[[bytes], bytes], cipher: Path, mountpoint: Path
) -> None:
    """What is no config at all is refused before the passphrase is asked for."""
    path = cipher / "gocryptfs.conf"
    path.write_bytes(spoil(path.read_bytes()))
    said = refused(ExitCode.CONFIG_UNREADABLE, "forward", cipher, mountpoint, stdin="")
    assert str(path) in said


def with_flags(*more: str) -> Change:
    """Return a change that adds feature flags."""
    return lambda config: config["FeatureFlags"].extend(more)


def with_scrypt(**values: int | str) -> Change:
    """Return a change of scrypt parameters."""
    return lambda config: config["ScryptObject"].update(values)


def with_fields(**values: int | str) -> Change:
    """Return a change of fields."""
    return lambda config: config.update(values)


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        (with_flags("Frobnicate"), "Frobnicate"),
        (with_flags("PlaintextNames"), "PlaintextNames"),
        (with_flags("XChaCha20Poly1305"), "XChaCha20Poly1305"),
        (with_flags("LongNameMax"), "LongNameMax"),
        (with_flags("FIDO2"), "FIDO2"),
        (lambda config: config["FeatureFlags"].remove("GCMIV128"), "GCMIV128"),
        (lambda config: config["FeatureFlags"].remove("HKDF"), "EncryptedKey"),
        (with_scrypt(N=1500), "power of two"),
        (with_scrypt(N=512), "scrypt N"),
        (with_scrypt(R=7), "scrypt R"),
        (with_scrypt(P=0), "scrypt P"),
        (with_scrypt(KeyLen=64), "KeyLen"),
        (with_scrypt(Salt="AAAA"), "salt"),
        (with_fields(Version=1), "version"),
        (with_fields(LongNameMax=100), "LongNameMax"),
        (with_fields(EncryptedKey="no base64!"), "encryptedkey"),
        (lambda config: config.pop("EncryptedKey"), "encryptedkey"),
    ],
)
def test_invalid_config(
    change: Change, subject: str, cipher: Path, mountpoint: Path
) -> None:
    """A config that says something impossible is refused, and what is wrong is named."""
    path = cipher / "gocryptfs.conf"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))
    said = refused(ExitCode.CONFIG_INVALID, "forward", cipher, mountpoint)
    assert subject in said


def memory_of_this_machine() -> int:
    """Return the size of all memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize("log_n", [(memory_of_this_machine() // 1024).bit_length(), 50])
def test_scrypt_cost(log_n: int, cipher: Path, mountpoint: Path) -> None:
    """A cost beyond the memory of this machine is refused instead of tried."""
    path = cipher / "gocryptfs.conf"
    fields = json.loads(path.read_text())
    with_scrypt(N=1 << log_n)(fields)
    path.write_text(json.dumps(fields))
    said = refused(ExitCode.SCRYPT, "forward", cipher, mountpoint)
    assert "memory" in said
    assert "hint" in said


@pytest.mark.parametrize(
    ("command", "other"), [("reverse", "forward"), ("forward", "reverse")]
)
def test_wrong_direction(
    command: str, other: str, plain: Path, cipher: Path, mountpoint: Path
) -> None:
    """A plain directory given to forward, or the reverse, leads to the other command."""
    source = cipher if command == "reverse" else plain
    said = refused(ExitCode.CONFIG_UNREADABLE, command, source, mountpoint)
    assert f"revcrypt {other}" in said.splitlines()[1]


@pytest.mark.parametrize(
    ("word", "hint"),
    [("verfy", "verify"), ("restor", "restore"), ("help", "see revcrypt --help")],
)
def test_mistyped_commands(word: str, hint: str) -> None:
    """A mistyped command is not taken for a directory to mount."""
    said = refused(ExitCode.USAGE, word, "copy")
    assert f"no command {word}" in said
    assert hint in said


@pytest.mark.parametrize("words", [["restore", "copy"], ["ls"], ["path", "encrypt"]])
def test_what_is_missing(words: list[str]) -> None:
    """What may be left out is not demanded."""
    message = refused(ExitCode.USAGE, *words)
    assert "required: " in message
    assert "PATH" not in message
