"""Compiling libfuse's own example of a filesystem that only passes things through."""

import gzip
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

EXAMPLES = Path("/usr/share/doc/libfuse3-dev/examples")
SOURCES = ("passthrough_ll.c", "passthrough_helpers.h")


def compile_passthrough(directory: Path, say: Callable[[str], None]) -> Path | None:
    """Return the program, compiled in *directory*, or None if that cannot be done.

    `passthrough_ll` is taken, because it is the fastest of the examples in C.
    """
    for name in SOURCES:
        if not _unpack(name, directory):
            say(f"{EXAMPLES / name} is missing")
            return None
    program = directory / "passthrough_ll"
    try:
        flags = _output("pkg-config", "--cflags", "--libs", "fuse3").split()
        _output("gcc", "-O2", "-w", "-o", program, directory / SOURCES[0], *flags)
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"passthrough_ll does not compile ({error})")
        return None
    return program


def _unpack(name: str, directory: Path) -> bool:
    """Copy a source, which Debian compresses if it is large."""
    plain, packed = EXAMPLES / name, EXAMPLES / f"{name}.gz"
    if plain.exists():
        shutil.copy(plain, directory)
    elif packed.exists():
        (directory / name).write_bytes(gzip.decompress(packed.read_bytes()))
    else:
        return False
    return True


def _output(*words: str | Path) -> str:
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
