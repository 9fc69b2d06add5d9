"""Those who use the view meanwhile; each is a process that goes on until it is told."""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from errno import (
    EACCES,
    EINVAL,
    EIO,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENODATA,
    ENOENT,
    ENOTDIR,
    ENXIO,
    ESTALE,
)
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from stat import S_ISDIR, S_ISLNK, S_ISREG

from revcrypt.format.config import Features
from revcrypt.format.volume import Volume
from tests.sealed import unseal
from tests.soak.source import Source, check_content

PIECES = (512, 4096, 65_536, 131_072, 1 << 20)
PACE = 0.005
"""Seconds between two changes, so that there is something that stays for a while."""
CHANGING = frozenset({ENOENT, ENOTDIR, ESTALE, ELOOP, ENAMETOOLONG})
"""What a client may hear where the source changes; the last two of a link that has taken
the place of a directory. Some targets are too long to be encrypted."""
UNREADABLE = CHANGING | {EIO, EACCES, EISDIR, ENXIO}
"""What a reader may hear: `EIO` where a file was cut while it was read."""
UNSEEN = CHANGING | {EINVAL, ENODATA}
"""What it may hear about an entry, which may be no link any more."""
NAMES = ("gocryptfs.conf", "gocryptfs.diriv")
"""Files that are not encrypted, as are those that have long names in them."""
RSYNC_FINE = (0, 23, 24)
"""Complete; some files could not be read; some have vanished."""
TAR_FINE = (0, 1, 2)
"""Complete; something has changed meanwhile; something could not be read."""

_stop: Event


def be_told(event: Event) -> None:
    """Go on until *event* is set."""
    global _stop
    _stop = event


def change(root: Path, seed: int) -> Counter[str]:
    """Change the source."""
    source = Source(root, seed, first=seed * 10**6)
    while not _stop.wait(PACE):
        source.change()
    return source.done


def read(
    view: Path,
    master_key: bytes,
    seed: int,
    check: Callable[[bytes], object] = check_content,
) -> Counter[str]:
    """Read files, and check that each authenticates, and is of one file.

    With another *check*, their content may be anything that it likes.
    """
    volume = Volume.open(master_key, Features())
    random, done = Random(seed), Counter[str]()
    while not _stop.is_set():
        files = [Path(path) / name for path, _, names in os.walk(view) for name in names]
        random.shuffle(files)
        for path in files:
            if _stop.is_set():
                break
            check(_read(path, volume, random.choice(PIECES), done))
    return done


def _open_now(path: str, flags: int) -> int:
    """Open what may be a link or a FIFO by now."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _read(path: Path, volume: Volume, piece: int, done: Counter[str]) -> bytes:
    """Return the plaintext of a file, if it is encrypted and can be read."""
    try:
        if not S_ISREG(path.lstat().st_mode):
            return b""
        with open(path, "rb", buffering=0, opener=_open_now) as file:
            parts = iter(lambda: file.read(piece), b"")
            sealed = b"".join(parts)
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        done["errors"] += 1
        return b""
    done["files"] += 1
    done["bytes"] += len(sealed)
    is_content = path.name not in NAMES and path.suffix != ".name"
    return unseal(volume, sealed) if is_content else b""


def walk(view: Path) -> Counter[str]:
    """Look at everything, with attributes and link targets."""
    done = Counter[str]()
    while not _stop.is_set():
        pending = [view]
        while pending and not _stop.is_set():
            with _noted(done, CHANGING):
                for entry in list(os.scandir(pending.pop())):
                    done["entries"] += 1
                    with _noted(done, UNSEEN):
                        if _look(entry):
                            pending.append(Path(entry.path))
        done["walks"] += 1
    return done


@contextmanager
def _noted(done: Counter[str], expected: Collection[int]) -> Iterator[None]:
    """Go on after an error that is *expected*."""
    try:
        yield
    except OSError as error:
        if error.errno not in expected:
            raise
        done["errors"] += 1


def _look(entry: os.DirEntry[str]) -> bool:
    """Look at an entry, and tell whether it is a directory."""
    mode = entry.stat(follow_symlinks=False).st_mode
    if S_ISLNK(mode):
        os.readlink(entry.path)
    for name in os.listxattr(entry.path, follow_symlinks=False):
        os.getxattr(entry.path, name, follow_symlinks=False)
    return S_ISDIR(mode)


def pull(view: Path, copy: Path) -> Counter[str]:
    """Pull again and again."""
    done = Counter[str]()
    while not _stop.is_set():
        command = ["rsync", "-aHX", "--delete", f"{view}/", copy]
        result = subprocess.run(command, capture_output=True, check=False)
        assert result.returncode in RSYNC_FINE, result.stderr.decode(errors="replace")
        done["pulls"] += 1
        done["pulls with losses"] += result.returncode != 0
    return done


def archive(view: Path, file: Path) -> Counter[str]:
    """Write an archive of everything again and again.

    Where as much changes as here, rsync sometimes waits for itself, also without a view.
    """
    done = Counter[str]()
    while not _stop.is_set():
        command = ["tar", "--xattrs", "-C", view, "-cf", file, "."]
        result = subprocess.run(command, capture_output=True, check=False)
        assert result.returncode in TAR_FINE, result.stderr.decode(errors="replace")
        done["archives"] += 1
        done["archives with losses"] += result.returncode != 0
    return done


def hold(view: Path, seed: int) -> Counter[str]:
    """Keep many files open for a while, without reading them to their end."""
    random, done = Random(seed), Counter[str]()
    while not _stop.is_set():
        fds = []
        for path, _, names in os.walk(view):
            for name in random.sample(names, min(len(names), 3)):
                with suppress(OSError):
                    fds.append(os.open(os.path.join(path, name), os.O_RDONLY))
                    os.pread(fds[-1], 100, 0)
        begin = time.monotonic()
        _stop.wait(random.random())
        done["held"] += len(fds)
        done["milliseconds"] += int((time.monotonic() - begin) * 1000)
        for fd in fds:
            os.close(fd)
    return done
