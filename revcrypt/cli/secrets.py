"""Where secrets enter: passphrases and master keys, in this module and no other.

Secrets never come from an argument or the environment, where other users can read
them. The one exception is a master key, which is taken from an argument with a warning.
(Format specification, section 9.4.)
"""

import fcntl
import getpass
import logging
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from revcrypt.cli import memory
from revcrypt.errors import (
    MasterKeyError,
    PassphraseUnreadableError,
    RecoveryError,
    UsageError,
)
from revcrypt.format.keys import parse_master_key
from revcrypt.recovery import paper

MAX_PASSPHRASE = 2048
"""Bytes; a longer first line is more likely the wrong file."""
_MAX_PRIVATE_KEY = 1 << 16
_STDIN = "-"
_CREDENTIALS = "CREDENTIALS_DIRECTORY"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PassphraseSource:
    """Where to get the passphrase.

    From files, else from a program, else from a file descriptor, else from the credential
    `passphrase` of the service that runs us (systemd.exec(5)), else from the terminal or
    stdin.
    """

    passfiles: Sequence[str] = ()
    extpass: Sequence[str] = ()
    """A program and its arguments."""
    fd: int | None = None
    """Read up to the end of one line, so the next line is for somebody else."""
    question: str = "Passphrase: "
    """What a terminal shows."""
    credential: str = "passphrase"

    def __post_init__(self) -> None:
        """Raise `UsageError` for more than one source."""
        given = (self.passfiles, self.extpass, self.fd is not None)
        if sum(map(bool, given)) > 1:
            raise UsageError(
                "a passfile, an extpass and a file descriptor exclude each other"
            )

    @property
    def is_named(self) -> bool:
        """Whether somebody has said where the passphrase comes from."""
        return bool(self.passfiles or self.extpass or self.fd is not None)

    def read(self, *, new: bool) -> bytes:
        """Return the passphrase; a *new* one is asked for twice on a terminal.

        Raises `PassphraseUnreadableError`.
        """
        if self.passfiles:
            return b"".join(_from_file(path) for path in self.passfiles)
        if self.extpass:
            return _from_program(self.extpass)
        if self.fd is not None:
            return _from_descriptor(self.fd)
        credential = _credential(self.credential)
        if credential is not None:
            return _from_file(credential)
        if sys.stdin is not None and sys.stdin.isatty():
            return _from_terminal(self.question, new=new)
        return _from_stdin()


def descriptor(text: str) -> int:
    """Return the number of the descriptor that *text* names, which must be open.

    Called before we open anything ourselves. Raises `UsageError`.
    """
    try:
        fd = int(text)
        os.set_inheritable(fd, False)
        fcntl.fcntl(fd, fcntl.F_GETFL)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{text} is no open file descriptor",
            hint="open one for us, as in --passphrase-fd 3 3<FILE",
        ) from None
    return fd


def _from_descriptor(fd: int) -> bytes:
    line = b""
    try:
        while len(line) <= MAX_PASSPHRASE + 1 and not line.endswith(b"\n"):
            byte = os.read(fd, 1)
            if not byte:
                break
            line += byte
    except OSError as error:
        raise PassphraseUnreadableError(
            f"cannot read file descriptor {fd}: {error.strerror}"
        ) from None
    return _checked(line, f"file descriptor {fd}")


def _credential(name: str) -> str | None:
    directory = os.environ.get(_CREDENTIALS)
    path = None if directory is None else os.path.join(directory, name)
    return path if path is not None and os.path.exists(path) else None


def _warn_of_others(path: str, fd: int) -> None:
    """Warn if others than the owner can read the file with a secret."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
        log.warning(
            "others can read %s; forbid it: chmod 600 %s", path, shlex.quote(path)
        )


def _from_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            _warn_of_others(path, file.fileno())
            line = file.readline(MAX_PASSPHRASE + 2)
            more = file.read(1)
    except OSError as error:
        raise PassphraseUnreadableError(
            f"cannot read passfile {path}: {error.strerror}"
        ) from None
    passphrase = _checked(line, f"passfile {path}")
    if more:
        log.warning("passfile %s has more than one line; using the first", path)
    return passphrase


def _from_program(command: Sequence[str]) -> bytes:
    try:
        result = subprocess.run(
            command, stdin=sys.stdin, stdout=subprocess.PIPE, check=False
        )
    except OSError as error:
        raise PassphraseUnreadableError(
            f"cannot run extpass program {command[0]}: {error.strerror}"
        ) from None
    if result.returncode:
        raise PassphraseUnreadableError(
            f"extpass program {command[0]} failed with status {result.returncode}"
        )
    return _checked(result.stdout, f"the output of extpass program {command[0]}")


def _from_stdin() -> bytes:
    if sys.stdin is None:
        raise PassphraseUnreadableError("stdin is closed", hint="give --passfile FILE")
    return _checked(sys.stdin.buffer.readline(MAX_PASSPHRASE + 2), "stdin")


def _from_terminal(question: str, *, new: bool) -> bytes:
    first = _ask(question)
    if new and _ask("Repeat: ") != first:
        raise PassphraseUnreadableError("the passphrases differ")
    return _checked(first.encode(errors="surrogateescape"), "the terminal")


def _ask(question: str) -> str:
    try:
        return getpass.getpass(question)
    except EOFError:
        raise PassphraseUnreadableError("nothing was entered") from None


def _checked(data: bytes, origin: str) -> bytes:
    passphrase = data.split(b"\n", 1)[0]
    if not passphrase:
        raise PassphraseUnreadableError(
            f"{origin} gives an empty passphrase",
            hint="the first line of a --passfile is the passphrase; where there is none, "
            "give the key: --masterkey FILE",
        )
    if len(passphrase) > MAX_PASSPHRASE:
        raise PassphraseUnreadableError(
            f"{origin} gives a passphrase of more than {MAX_PASSPHRASE} bytes"
        )
    if passphrase.endswith(b"\r"):
        log.warning("%s gives a passphrase that ends with a carriage return", origin)
    return passphrase


def read_master_key(text: str) -> bytes:
    """Return the master key in the file *text*, on stdin for `-`, or *text* itself.

    The last works because gocryptfs has it, and because somebody who has nothing but a
    sheet of paper must not fail on a detail; but it warns.
    """
    if is_master_key(text):
        log.warning(
            "all users of this machine can see a master key on the command line; "
            "give a file that holds it, or - to be asked"
        )
        return parse_master_key(text)
    try:
        if text == _STDIN:
            is_typed = sys.stdin is not None and sys.stdin.isatty()
            key = _typed_master_key() if is_typed else _piped_master_key()
        else:
            with open(text, encoding="utf-8", errors="replace") as file:
                _warn_of_others(text, file.fileno())
                key = paper.parse(file.read(MAX_PASSPHRASE))
    except OSError as error:
        raise MasterKeyError(
            f"cannot read master key file {text}: {error.strerror}"
        ) from None
    memory.lock()
    return key


def is_master_key(text: str) -> bool:
    """Tell whether *text* is a master key itself, not the name of a file."""
    try:
        parse_master_key(text)
    except MasterKeyError:
        return False
    return True


def _piped_master_key() -> bytes:
    """Return the key, and leave to others what comes after its last line."""
    text = ""
    while sys.stdin is not None and len(text) <= MAX_PASSPHRASE:
        line = sys.stdin.buffer.readline(MAX_PASSPHRASE)
        if not line:
            break
        text += line.decode(errors="replace")
        with suppress(MasterKeyError):
            return paper.parse(text)
    return paper.parse(text)


def _typed_master_key() -> bytes:
    """Return the key, which is whole or in lines; ask again for what is mistyped."""
    text = _ask("Master key: ")
    # As gocryptfs prints it, it has two lines, and the first ends with a dash.
    while text.rstrip().endswith("-"):
        text += _ask("Master key, next line: ")
    lines: list[bytes] = []
    while not is_master_key(text):
        try:
            lines.append(paper.parse_line(len(lines) + 1, text))
        except MasterKeyError as error:
            log.warning("%s; type it again", error)
        if len(lines) == paper.GROUPS:
            return b"".join(lines)
        text = _ask(f"Line {len(lines) + 1}: ")
    return parse_master_key(text)


def master_key_credential() -> str | None:
    """Return the file with the credential `masterkey`, unless it is missing or blank."""
    path = _credential("masterkey")
    if path is None:
        return None
    with open(path, "rb") as file:
        return path if file.read(MAX_PASSPHRASE).strip() else None


def read_private_key(path: str) -> RSAPrivateKey:
    """Return the private key in a PEM file, whose passphrase we may have to ask for.

    Raises `RecoveryError` or `PassphraseUnreadableError`.
    """
    try:
        with open(path, "rb") as file:
            _warn_of_others(path, file.fileno())
            data = file.read(_MAX_PRIVATE_KEY)
    except OSError as error:
        raise RecoveryError(f"cannot read private key {path}: {error.strerror}") from None
    try:
        try:
            key = load_pem_private_key(data, None)
        except TypeError:
            # What it says if a passphrase is needed.
            key = load_pem_private_key(data, _private_key_passphrase(path))
    except (ValueError, UnsupportedAlgorithm):
        raise RecoveryError(
            f"{path} holds no private key in PEM, or the passphrase is another",
            hint="openssl pkey -in FILE shows what OpenSSL makes of it",
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise RecoveryError(f"{path} holds a private key, but not one of RSA")
    memory.lock()
    return key


def _private_key_passphrase(path: str) -> bytes:
    if sys.stdin is None or not sys.stdin.isatty():
        return _from_stdin()
    answer = _ask(f"Passphrase of {path}: ")
    return _checked(answer.encode(errors="surrogateescape"), "the terminal")
