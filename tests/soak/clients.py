"""Those who use the view meanwhile; each is a process that goes on until it is told."""

import os
import subprocess
import time
from collections import Counter
from contextlib import suppress
from errno import EACCES, EIO, ENODATA, ENOENT, ENOTDIR, ESTALE
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from stat import S_ISDIR, S_ISREG

from revcrypt.format.config import Features
from revcrypt.format.volume import Volume
from tests.sealed import unseal
from tests.soak.source import Source, check_content

PIECES = (512, 4096, 65_536, 131_072, 1 << 20)
PACE = 0.005
"""Seconds between two changes, so that there is something that stays for a while."""
CHANGING = frozenset({ENOENT, ENOTDIR, ESTALE})
"""What a client may hear where the source changes."""
UNREADABLE = CHANGING | {EIO, EACCES}
"""What a reader may hear: `EIO` where a file was cut while it was read."""
NAMES = ("gocryptfs.conf", "gocryptfs.diriv")
"""Files that are not encrypted, as are those that have long names in them."""
RSYNC_FINE = (0, 23, 24)
"""Complete; some files could not be read; some have vanished."""

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


def read(view: Path, master_key: bytes, seed: int) -> Counter[str]:
    """Read files, and check that each authenticates, and is of one file."""
    volume = Volume.open(master_key, Features())
    random, done = Random(seed), Counter[str]()
    while not _stop.is_set():
        files = [Path(path) / name for path, _, names in os.walk(view) for name in names]
        random.shuffle(files)
        for path in files:
            if _stop.is_set():
                break
            _read(path, volume, random.choice(PIECES), done)
    return done


def _read(path: Path, volume: Volume, piece: int, done: Counter[str]) -> None:
    try:
        if not S_ISREG(path.lstat().st_mode):
            return
        with open(path, "rb", buffering=0) as file:
            parts = iter(lambda: file.read(piece), b"")
            sealed = b"".join(parts)
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        done["errors"] += 1
        return
    done["files"] += 1
    done["bytes"] += len(sealed)
    if path.name not in NAMES and path.suffix != ".name":
        check_content(unseal(volume, sealed))


def walk(view: Path) -> Counter[str]:
    """Look at everything, with attributes and link targets."""
    done = Counter[str]()
    while not _stop.is_set():
        pending = [view]
        while pending and not _stop.is_set():
            try:
                for entry in list(os.scandir(pending.pop())):
                    done["entries"] += 1
                    if S_ISDIR(entry.stat(follow_symlinks=False).st_mode):
                        pending.append(Path(entry.path))
                    elif entry.is_symlink():
                        os.readlink(entry.path)
                    for name in os.listxattr(entry.path, follow_symlinks=False):
                        os.getxattr(entry.path, name, follow_symlinks=False)
            except OSError as error:
                if error.errno not in CHANGING | {ENODATA}:
                    raise
                done["errors"] += 1
        done["walks"] += 1
    return done


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
