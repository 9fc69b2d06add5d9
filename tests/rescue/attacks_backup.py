"""A small source, the backup of it that attacks are made on, and an older one of it."""

import os
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from revcrypt.format import config, derive
from revcrypt.format.config import Features
from revcrypt.format.keys import ScryptParams, derive_kek, wrap
from revcrypt.format.volume import Volume
from tests.support import KEY, PASSPHRASE, walk, write_secret
from tests.view.trees import reverse_view, write_out
from tests.view.trees import walk as walk_view

LONG_DIR = "a directory with a long name " + "d" * 170
LONG_FILE = "docs/a file with a long name " + "f" * 170
LONG_FILE_2 = "docs/another file with a long name " + "g" * 170

FILES = {
    "README": 300,
    "ledger.db": 5 * 4096 + 700,
    "report.txt": 9000,
    "exact.bin": 2 * 4096,
    "empty": 0,
    "empty2": 0,
    "docs/letter": 5000,
    "docs/blank": 0,
    "docs/deep/deeper/leaf": 4097,
    "photos/beach": 6 * 4096 + 1,
    "photos/harbour": 6 * 4096 + 1,
    "photos/letter": 5000,
    "photos/" + "a name of middling length " * 4: 50,
    LONG_FILE: 4200,
    LONG_FILE_2: 4200,
    f"{LONG_DIR}/inner": 100,
}
"""The regular files with one name, and their sizes."""
CHANGED = ("report.txt", "docs/letter", "docs/deep/deeper/leaf")
"""Those that were otherwise when the older backup was made."""
LINKS = {
    "link": "report.txt",
    "docs/up": "../README",
    "docs/down": "deep/deeper",
    "docs/out": "../../elsewhere",
    "absolute": "/nonexistent/place",
}
TWINS = {"twin": "docs/twin", "pair": "photos/pair"}
"""Files with two names."""
TWIN_LINKS = {"docs/down": "photos/down", "absolute": "docs/abs"}
"""Symlinks with two names."""
XATTRS = {
    ("report.txt", "user.comment"): b"quarterly figures",
    ("report.txt", "user.author"): b"somebody",
    ("ledger.db", "user.comment"): b"do not touch",
    ("docs", "user.comment"): b"papers",
}
OLD_TIME, NEW_TIME = 1_500_000_000, 1_600_000_000


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the backup *path* that may be spoiled, and an older one that may not."""

    path: Path
    old_path: Path

    def at(self, plain: str) -> Path:
        """Return where the copy has what is at *plain* in the source."""
        return self.path / encrypted(plain)

    def old(self, plain: str) -> Path:
        """Return where the older backup has it."""
        return self.old_path / encrypted(plain)

    @property
    def config(self) -> Path:
        """The config of the copy."""
        return self.path / "gocryptfs.conf"


Change = Callable[[Copy], object]
"""What an attacker does to a copy."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A *source*, a whole *copy* of its view, an *old* one, and what opens them."""

    source: Path
    copy: Path
    old: Path
    passfile: Path

    def fresh(self, path: Path) -> Copy:
        """Return a copy of the backup, which is made at *path*."""
        subprocess.run(["cp", "-a", self.copy, path], check=True)
        return Copy(path, self.old)

    def hide_times(self, copy: Copy) -> None:
        """Give everything in *copy* the times that it had: an attacker is careful."""
        base, changed = os.fsencode(self.copy), os.fsencode(copy.path)
        for path in [b"", *walk(self.copy)]:
            status = os.lstat(base + b"/" + path)
            if os.path.lexists(changed + b"/" + path):
                times = status.st_atime_ns, status.st_mtime_ns
                os.utime(changed + b"/" + path, ns=times, follow_symlinks=False)


def volume() -> Volume:
    """Return what encrypts the names of the backup."""
    return Volume.open(KEY, Features())


@cache
def encrypted(plain: str) -> str:
    """Return the cipher path of a plain path."""
    names, path = volume().names, b""
    for name in os.fsencode(plain).split(b"/") if plain else []:
        [full] = names.encrypt([name], derive.dir_iv(path))
        path = (path + b"/" + names.shown(full)).lstrip(b"/")
    return os.fsdecode(path)


@cache
def lucky_name(directory: str) -> str:
    """Return a cipher name that decrypts in a directory, found as an attacker may.

    He cannot encrypt names, but one in 256 of random ones has a valid padding, and he may
    as well put all of them there. To find it at once, we use the key.
    """
    chance = random.Random(directory)  # not a secret
    names, iv = volume(), derive.dir_iv(os.fsencode(encrypted(directory)))
    while True:
        name = names.base64.encode(chance.randbytes(16))
        if names.names.decrypt([name], iv) != [None]:
            return os.fsdecode(name)


def make_backup(room: Path, features: Features | None = None) -> Backup:
    """Make a source below *room*, and two copies of its view with years between them."""
    features = features or Features()
    backup = Backup(room / "source", room / "copy", room / "old", room / "passfile")
    write_secret(backup.passfile, PASSPHRASE + "\n")
    backup.source.mkdir()
    _write_config(backup.source, features)
    _write_source(backup.source)
    for name in CHANGED:
        content = (backup.source / name).read_bytes()
        (backup.source / name).write_bytes(bytes(byte ^ 1 for byte in content))
    _set_xattr(backup.source, "report.txt", "user.comment", b"provisional figures")
    _make_link(backup.source, "link", "exact.bin")
    _set_times(backup.source, OLD_TIME)
    _pull(backup.source, backup.old, features)
    for name in CHANGED:
        content = (backup.source / name).read_bytes()
        (backup.source / name).write_bytes(bytes(byte ^ 1 for byte in content))
    for (name, attribute), value in XATTRS.items():
        _set_xattr(backup.source, name, attribute, value)
    _make_link(backup.source, "link", LINKS["link"])
    _set_times(backup.source, NEW_TIME)
    _pull(backup.source, backup.copy, features)
    return backup


def _write_config(source: Path, features: Features) -> None:
    scrypt = ScryptParams(bytes(range(32)), 1 << 10)
    kek = derive_kek(PASSPHRASE.encode(), scrypt, memory_limit=1 << 30)
    wrapped = wrap(KEY, kek, nonce=bytes(range(16)), hkdf=features.hkdf)
    made = config.make(features, creator="attacks", encrypted_key=wrapped, scrypt=scrypt)
    (source / ".gocryptfs.reverse.conf").write_bytes(config.pack(made))


def _write_source(source: Path) -> None:
    chance = random.Random(4)  # not a secret
    for directory in ("docs/deep/deeper", "docs/void", "photos", LONG_DIR):
        (source / directory).mkdir(parents=True)
    for name, size in FILES.items():
        (source / name).write_bytes(chance.randbytes(size))
    with open(source / "sparse", "wb") as file:
        file.seek(5 * 4096)
        file.write(b"the end")
    for number, (first, second) in enumerate(TWINS.items()):
        (source / first).write_bytes(chance.randbytes(4500 + number))
        os.link(source / first, source / second)
    for name, target in LINKS.items():
        _make_link(source, name, target)
    for first, second in TWIN_LINKS.items():
        os.link(source / first, source / second, follow_symlinks=False)
    os.mkfifo(source / "pipe")
    for (name, attribute), value in XATTRS.items():
        _set_xattr(source, name, attribute, value)
    os.chmod(source / "ledger.db", 0o600)
    os.chmod(source / "README", 0o755)
    os.chmod(source / "photos", 0o700)


def _set_xattr(source: Path, name: str, attribute: str, value: bytes) -> None:
    os.setxattr(source / name, attribute, value)


def _make_link(source: Path, name: str, target: str) -> None:
    (source / name).unlink(missing_ok=True)
    os.symlink(target, source / name)


def _set_times(source: Path, seconds: int) -> None:
    base = os.fsencode(source)
    for number, path in enumerate([b"", *walk(source)]):
        times = seconds, seconds + number
        os.utime(base + b"/" + path, times=times, follow_symlinks=False)


def _pull(source: Path, copy: Path, features: Features) -> None:
    """Copy the view of *source* as `rsync -aHAX` does."""
    copy.mkdir()
    with reverse_view(source, features) as view:
        write_out(view, copy)
        shown = [view.root, *(node for node, _ in walk_view(view))]
        names: dict[int, Path] = {}
        for node in shown:
            attrs, path = view.attrs(node), copy / os.fsdecode(node.shown_path())
            first = names.setdefault(attrs.inode, path)
            if first != path:
                path.unlink()
                os.link(first, path, follow_symlinks=False)
        for node in shown:
            mtime, path = view.attrs(node).mtime_ns, copy / os.fsdecode(node.shown_path())
            os.utime(path, ns=(mtime, mtime), follow_symlinks=False)
    os.chmod(copy, os.stat(source).st_mode & 0o7777)
