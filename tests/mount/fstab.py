"""Lines of fstab whose paths are moved below a directory of the test's own."""

import json
import os
import re
import shlex
from pathlib import Path
from subprocess import CompletedProcess

from tests.support import REVCRYPT, Mounts, run

SECONDS = 20
"""How long to wait for what takes a fraction of that."""
MOVED = ("/etc/revcrypt", "/srv", "/mnt")
"""What these paths begin with is below the test's directory; the rest is the system's."""
EVERYTHING = ["directory", "gocryptfs.conf", "letter"]
"""What is in a view of /srv/data."""
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


class Fstab:
    """A file as /etc/fstab, and mount(8) as it reads that file.

    A line is written as an administrator would write it. The type is that of a program
    in an unusual place, because mount(8) hides PATH from its helpers.
    """

    def __init__(self, mounts: Mounts) -> None:
        self.directory = mounts.directory
        self.path = self.directory / "fstab"
        self.path.touch()
        self.program = install(self.directory / "bin")
        self._mounts = mounts

    def moved(self, path: str) -> Path:
        """Return where *path* of a line really is."""
        return Path(moved(path, self.directory))

    def add(self, line: str) -> Path:
        """Add a line; return its mountpoint, which is made and in the end unmounted."""
        line = moved(line, self.directory).replace(
            " fuse.revcrypt ", f" fuse.{self.program} "
        )
        with open(self.path, "ab") as file:
            file.write(os.fsencode(line) + b"\n")
        mountpoint = Path(unescape(line.split(" ")[1]))
        if "x-mount.mkdir" not in line:
            mountpoint.mkdir(parents=True, exist_ok=True)
        self._mounts._mountpoints.append(mountpoint)
        return mountpoint

    def view(self, options: str) -> Path:
        """Add a line for a view of /srv/data with *options*, and mount it."""
        options = f"reverse,passfile=/etc/revcrypt/pass,{options}"
        view = self.add(f"/srv/data /mnt/view fuse.revcrypt {options} 0 0")
        self.mount(view)
        return view

    def mount(self, *arguments: str | Path, status: int = 0) -> CompletedProcess[str]:
        """Run mount(8) on this file."""
        return limited("mount", "-T", self.path, *arguments, status=status)


def make_fstab(mounts: Mounts) -> Fstab:
    """Return an empty fstab, with a source /srv/data whose names are not encrypted.

    The passphrase is in /etc/revcrypt/pass.
    """
    fstab = Fstab(mounts)
    source = fstab.moved("/srv/data")
    (source / "directory").mkdir(parents=True)
    (source / "directory" / "file").write_bytes(b"content" * 1000)
    (source / "letter").write_bytes(b"dear diary")
    mounts.init(source, "--plaintext-names")
    etc = fstab.moved("/etc/revcrypt")
    etc.mkdir(parents=True)
    mounts.passfile = mounts.passfile.rename(etc / "pass")
    return fstab


def install(directory: Path) -> Path:
    """Make *directory* with the program `revcrypt` in it; return the program."""
    assert "." not in str(directory), "mount(8) takes the rest of a type for a subtype"
    directory.mkdir()
    program = directory / "revcrypt"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(REVCRYPT)} "$@"\n')
    program.chmod(0o755)
    return program


def limited(*command: str | Path, status: int = 0) -> CompletedProcess[str]:
    """Run a command that must not hang, with all that it starts."""
    return run("timeout", "--kill-after=5", str(SECONDS), *command, status=status)


def moved(text: str, directory: Path) -> str:
    """Return *text*, a path or a line, with its absolute paths moved to *directory*.

    What is to be excluded is absolute only within the source.
    """
    prefixes = "|".join(MOVED)
    before = r"(?<![^ =])(?<!exclude=)(?<!exclude-wildcard=)"
    return re.sub(rf"{before}({prefixes})\b", rf"{directory}\1", text)


def escape(text: str) -> str:
    """Return *text* as a field of fstab has it (fstab(5))."""
    return re.sub(r"[ \t\n\\]", lambda found: f"\\{ord(found[0]):03o}", text)


def unescape(text: str) -> str:
    """Return what a field of fstab means."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def shown(view: Path) -> list[dict[str, str]]:
    """Return what findmnt says about each mount on *view*, the topmost last."""
    columns = "source,fstype,options"
    result = limited("findmnt", "--json", "--list", "-o", columns, "-M", view)
    found: list[dict[str, str]] = json.loads(result.stdout)["filesystems"]
    return found
