"""Backups made without a mount, and running the commands that look at them."""

import fcntl
import os
import random
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISLNK
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import (
    AESGCM,
    AESSIV,
    ChaCha20Poly1305,
)

from revcrypt.cli.main import main
from revcrypt.format import config as config_format
from revcrypt.format import keys
from revcrypt.format.config import Features
from revcrypt.format.content import Cipher, hchacha20
from revcrypt.format.keys import ScryptParams
from revcrypt.format.names import DIR_IV_NAME, NAME_FILE_SUFFIX
from revcrypt.format.volume import Volume
from tests.support import KEY, PASSPHRASE, write_secret
from tests.view.trees import ENCRYPTED, at, reverse_view, write_out

CONFIG = "gocryptfs.conf"
REVERSE_CONFIG = ".gocryptfs.reverse.conf"
WRONG = KEY[::-1]
"""A master key that opens nothing."""
BUFFERED = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
"""The environment of a program that does not write each line at once by itself."""


class Said(NamedTuple):
    """What a command has written."""

    stdout: bytes
    stderr: str

    @property
    def lines(self) -> list[bytes]:
        """The lines on stdout, each of which is complete."""
        *lines, rest = self.stdout.split(b"\n")
        assert rest == b"", self.stdout
        return lines

    @property
    def nul_lines(self) -> list[bytes]:
        """The lines on stdout, each of which ends with a NUL."""
        *lines, rest = self.stdout.split(b"\0")
        assert rest == b"", self.stdout
        return lines


def rescue(*words: str | bytes | Path, status: int = 0, stdin: bytes = b"") -> Said:
    """Run revcrypt in a fork of this process, and check its exit status."""
    ended, said = attempt(*words, stdin=stdin)
    assert ended == status, (ended, said)
    return said


def attempt(*words: str | bytes | Path, stdin: bytes = b"") -> tuple[int, Said]:
    """Run revcrypt in a fork of this process, and return its exit status, too.

    That is a process of its own in all that matters, and it need not import anything.
    """
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        pid = os.fork()
        if not pid:
            _run([os.fsdecode(word) for word in words], (given, out, err))
        try:
            _, ended = os.waitpid(pid, 0)
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        out.seek(0)
        err.seek(0)
        said = Said(out.read(), os.fsdecode(err.read()))
    return os.waitstatus_to_exitcode(ended), said


def _run(words: Sequence[str], files: Sequence[IO[bytes]]) -> None:
    code = 99
    try:
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        with (
            open(0, closefd=False) as sys.stdin,
            open(1, "w", closefd=False) as sys.stdout,
            open(2, "w", closefd=False) as sys.stderr,
        ):
            code = main(words)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def make_config(
    features: Features = ENCRYPTED, passphrase: str = PASSPHRASE, key: bytes = KEY
) -> bytes:
    """Return a config that holds *key*, with a cheap passphrase hash."""
    scrypt = ScryptParams(bytes(range(32)), 1 << 10)
    kek = keys.derive_kek(passphrase.encode(), scrypt, memory_limit=1 << 30)
    nonce = bytes(range(keys.wrap_nonce_size(hkdf=features.hkdf)))
    config = config_format.make(
        features,
        creator="the tests",
        encrypted_key=keys.wrap(key, kek, nonce=nonce, hkdf=features.hkdf),
        scrypt=scrypt,
    )
    return config_format.pack(config)


class Case:
    """A plain tree, a copy of its view, and the files that open it, in *directory*.

    The copy is there once it was `pulled`.
    """

    def __init__(self, directory: Path, features: Features = ENCRYPTED) -> None:
        self.directory = directory
        self.features = features
        self.plain = directory / "plain"
        self.copy = directory / "copy"
        self.plain.mkdir()
        config = make_config(features)
        # Plaintext names go with padded attribute names, whatever was asked for.
        self._written = config_format.parse(config).features
        (self.plain / REVERSE_CONFIG).write_bytes(config)
        passfile, keyfile = directory / "passfile", directory / "keyfile"
        write_secret(passfile, PASSPHRASE)
        write_secret(keyfile, KEY.hex())
        self.passphrase = f"--passfile={passfile}"
        self.masterkey = f"--masterkey={keyfile}"

    def pull(self, name: str = "copy") -> Path:
        """Make a copy of what the view shows now."""
        copy = self.directory / name
        copy.mkdir()
        with reverse_view(self.plain, self._written) as view:
            write_out(view, copy)
        shutil.copystat(self.plain, copy)
        return copy

    def cipher(self, plain_path: str | bytes) -> Path:
        """Return what stands for *plain_path* in the copy."""
        with reverse_view(self.plain, self._written) as view:
            node = at(view, os.fsencode(plain_path))
            return self.copy / os.fsdecode(view.cipher_path(node))


@contextmanager
def leased(path: Path) -> Iterator[None]:
    """Hold a lease on a file, so that nobody can read it, not even root."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield
    finally:
        os.close(fd)
        signal.signal(signal.SIGIO, before)


# Directories that no view has made


class Gocryptfs:
    """Writes encrypted directories as gocryptfs does: all ids and nonces are random.

    It knows every cipher, with and without HKDF, for which gocryptfs would need a mount.
    """

    def __init__(self, features: Features, seed: int = 0) -> None:
        self._features = features
        self._volume = Volume.open(KEY, features)
        self._key = keys.content_key(KEY, features.cipher, hkdf=features.hkdf)
        self._random = random.Random(seed)

    def seal(self, plaintext: bytes) -> bytes:
        """Return a file (format specification, section 3.1)."""
        if not plaintext:
            return b""
        file_id = self._random.randbytes(16)
        blocks = (
            self._seal(plaintext[start : start + 4096], number.to_bytes(8) + file_id)
            for number, start in enumerate(range(0, len(plaintext), 4096))
        )
        return b"\0\2" + file_id + b"".join(blocks)

    def _seal(self, plaintext: bytes, data: bytes) -> bytes:
        nonce = self._random.randbytes(self._volume.content.nonce_size)
        match self._features.cipher:
            case Cipher.AES_SIV:
                return nonce + AESSIV(self._key).encrypt(plaintext, [data, nonce])
            case Cipher.AES_GCM:
                return nonce + AESGCM(self._key).encrypt(nonce, plaintext, data)
            case Cipher.XCHACHA20_POLY1305:
                aead = ChaCha20Poly1305(hchacha20(self._key, nonce[:16]))
                return nonce + aead.encrypt(bytes(4) + nonce[16:], plaintext, data)

    def write(self, plain: Path, cipher: Path) -> None:
        """Write what is in the directory *plain* into *cipher*."""
        features, names = self._features, self._volume.names
        iv = bytes(16)
        if features.dir_iv and not features.plaintext_names:
            iv = self._random.randbytes(16)
            (cipher / os.fsdecode(DIR_IV_NAME)).write_bytes(iv)
        for name in sorted(os.listdir(os.fsencode(plain))):
            entry = name
            if not features.plaintext_names:
                [full] = names.encrypt([name], iv)
                entry = names.shown(full)
                if entry != full:
                    name_file = cipher / os.fsdecode(entry + NAME_FILE_SUFFIX)
                    name_file.write_bytes(full)
            self._write_entry(plain / os.fsdecode(name), cipher / os.fsdecode(entry))

    def _write_entry(self, plain: Path, cipher: Path) -> None:
        mode = plain.lstat().st_mode
        if S_ISDIR(mode):
            cipher.mkdir()
            self.write(plain, cipher)
        elif S_ISLNK(mode):
            target = os.fsencode(os.readlink(plain))
            if not self._features.plaintext_names:
                target = self._volume.base64.encode(self._seal(target, bytes(8)))
            cipher.symlink_to(os.fsdecode(target))
        else:
            cipher.write_bytes(self.seal(plain.read_bytes()))
