"""What tests of several tiers share: running programs, mounting, comparing trees."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from stat import S_IFMT, S_ISLNK, S_ISREG
from typing import NamedTuple

from tests.descriptors import Watched

REVCRYPT = [sys.executable, "-m", "revcrypt"]
PASSPHRASE = "correct horse"
KEY = bytes(range(32))
"""The master key of the specification's vectors."""


def missing_for_fuse() -> str | None:
    """Say what the FUSE tier lacks on this machine."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse is missing or not ours to open"
    for program in ("fusermount3", "gocryptfs", "rsync"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None


def run(
    *command: str | os.PathLike[str],
    status: int = 0,
    stdin: str = "",
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and check its exit status."""
    result = subprocess.run(
        [os.fspath(word) for word in command],
        input=stdin,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=300,
        check=False,
        env=env,
    )
    assert result.returncode == status, (result.returncode, result.stdout, result.stderr)
    return result


def revcrypt(
    *arguments: str | os.PathLike[str],
    status: int = 0,
    stdin: str = "",
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run revcrypt to its end and check its exit status."""
    return run(*REVCRYPT, *arguments, status=status, stdin=stdin, env=env)


def write_secret(path: Path, text: str) -> None:
    """Write a passphrase or key to a file that only its owner can read."""
    path.touch(0o600)
    path.write_text(text)


class Mounts:
    """Makes directories below one, mounts on them, and unmounts everything."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.passfile = directory / "passfile"
        write_secret(self.passfile, PASSPHRASE + "\n")
        self._mountpoints: list[Path] = []
        self._processes: list[subprocess.Popen[str]] = []
        self.watched = Watched()

    def mountpoint(self, name: str) -> Path:
        """Return a new empty directory that is unmounted at the end."""
        path = self.directory / name
        path.mkdir()
        self._mountpoints.append(path)
        return path

    def mount(self, *arguments: str | os.PathLike[str]) -> None:
        """Let mount(8) mount something that is unmounted at the end."""
        run("mount", *arguments)
        self._mountpoints.append(Path(arguments[-1]))

    def init(self, plaindir: Path, *options: str) -> None:
        """Write a reverse config into *plaindir*, with a cheap passphrase hash."""
        revcrypt("init", "--scrypt-n=10", self._passfile, "-q", *options, plaindir)

    @property
    def _passfile(self) -> str:
        return f"--passfile={self.passfile}"

    def reverse(self, plaindir: Path, name: str = "view", *options: str) -> Path:
        """Mount the encrypted view of *plaindir* in the background."""
        path = self.mountpoint(name)
        return self._mount("reverse", plaindir, path, *options)

    def forward(self, cipherdir: Path, name: str = "plain", *options: str) -> Path:
        """Mount the plaintext of *cipherdir* in the background."""
        path = self.mountpoint(name)
        return self._mount("forward", cipherdir, path, *options)

    def _mount(self, command: str, source: Path, path: Path, *options: str) -> Path:
        revcrypt(command, self._passfile, "-q", *options, source, path)
        [pid] = daemons(path)
        self.watched.add(path, pid)
        return path

    def gocryptfs(self, source: Path, name: str, *options: str) -> Path:
        """Mount with Debian's gocryptfs."""
        path = self.mountpoint(name)
        # Without -fg it would keep our pipe open for ever.
        words = ["gocryptfs", "-fg", self._passfile, *options, source, path]
        process = self.start(*words, stdout=subprocess.PIPE)
        # Before it says so, it uses its own mount; killed then, it waits for itself.
        assert process.stdout is not None
        assert any("mounted and ready" in line for line in process.stdout)
        return path

    def foreground(self, *arguments: str | os.PathLike[str]) -> subprocess.Popen[str]:
        """Start revcrypt with --foreground and wait until it says that it is mounted.

        The last argument is the mountpoint. stderr of the process can be read.
        """
        return self.start(*REVCRYPT, *arguments)

    def start(
        self,
        *command: str | os.PathLike[str],
        stdin: int | None = None,
        stdout: int | None = None,
        log: Path | None = None,
    ) -> subprocess.Popen[str]:
        """Start a program that stays, and wait until its last argument is mounted.

        What it says goes to *log*, or, if there is none, can be read from its stderr.
        """
        words = [os.fspath(word) for word in command]
        with open(log or os.devnull, "wb") as file:
            stderr = subprocess.PIPE if log is None else file
            process = subprocess.Popen(
                words, stdin=stdin, stdout=stdout, stderr=stderr, text=True
            )
        self._processes.append(process)
        wait_for_mount(Path(words[-1]), process)
        return process

    def unmount(self, path: Path) -> None:
        """Unmount one of the mountpoints now, and see its process end."""
        run("umount", path)
        self._mountpoints.remove(path)
        self._wait_for_end(path)

    def close(self) -> None:
        """Unmount everything that is still mounted, and see all processes end."""
        for path in reversed(self._mountpoints):
            while is_mounted(path):
                run("umount", "--lazy", path)
        for path in self._mountpoints:
            self._wait_for_end(path)
        for process in self._processes:
            process.wait(timeout=30)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def _wait_for_end(self, path: Path) -> None:
        for process in self._processes:
            words = process.args
            assert isinstance(words, list)
            # gocryptfs 2.3 sometimes hangs when its mount has gone.
            if words[0] == "gocryptfs" and words[-1] == str(path):
                process.kill()
                process.wait()
        wait_for_daemons(path)


def is_mounted(path: Path) -> bool:
    """Tell whether anything is mounted on *path*, without looking at it."""
    mountpoint = str(path.resolve()).replace(" ", "\\040")
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == mountpoint for line in lines)


def wait_for_mount(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait for the kernel to say that something was mounted on *path*."""
    with open("/proc/self/mountinfo") as mountinfo:
        changes = select.poll()
        changes.register(mountinfo, select.POLLPRI)
        while not is_mounted(path):
            assert process.poll() is None, process.stderr and process.stderr.read()
            # The process may also end without mounting, so look now and then.
            changes.poll(1000)


def wait_for_unmount(path: Path) -> None:
    """Wait for the kernel to say that nothing is mounted on *path* any more."""
    with open("/proc/self/mountinfo") as mountinfo:
        changes = select.poll()
        changes.register(mountinfo, select.POLLPRI)
        for _ in range(30):
            if not is_mounted(path):
                return
            changes.poll(1000)
    raise AssertionError(f"{path} is still mounted")


def backdate(root: Path) -> None:
    """Make everything below *root* look as if nobody had touched it for years.

    rsync takes times within one second for equal, so it leaves the modification time of
    a directory made a moment ago as it is.
    """
    base = os.fsencode(root)
    for path in [base, *(base + b"/" + path for path in walk(root))]:
        inode = os.lstat(path).st_ino
        times = (1_500_000_000_000_000_000 + inode, 1_400_000_000_123_456_789 + inode)
        os.utime(path, ns=times, follow_symlinks=False)


def forget_names(path: Path) -> None:
    """Make the kernel forget what it knows of a mount, if nobody uses it.

    Of this mount alone, where drop_caches is about the whole machine. Only for root.
    """
    run("mount", "-i", "-o", "remount,ro", path)


def daemons(path: Path) -> list[int]:
    """Return the processes that were started with *path* as an argument."""
    word = b"\0" + os.fsencode(path) + b"\0"
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in cmdline.read_bytes():
                found.append(int(cmdline.parent.name))
        except OSError:
            continue  # It has ended.
    return found


def ends(pid: int) -> bool:
    """Wait for a process to end, and tell whether it does."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended, _, _ = select.select([pidfd], [], [], 30)
    os.close(pidfd)
    return bool(ended)


def wait_for_daemons(path: Path) -> None:
    """Wait until the processes that have served *path* have ended."""
    for pid in daemons(path):
        assert ends(pid), f"process {pid} outlives its mount {path}"


class Entry(NamedTuple):
    """What a backup must bring back of an object, besides its name."""

    mode: int
    uid: int
    gid: int
    rdev: int
    mtime_ns: int
    content: bytes | None
    xattrs: dict[str, bytes]


def walk(root: Path) -> Iterator[bytes]:
    """Yield the paths of everything below *root*, relative to it.

    Directories are entered by descriptor, so paths may be longer than PATH_MAX.
    """
    pending = [(b"", os.open(root, os.O_RDONLY | os.O_DIRECTORY))]
    while pending:
        prefix, fd = pending.pop()
        try:
            for name in sorted(map(os.fsencode, os.listdir(fd))):
                path = prefix + name
                yield path
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if S_IFMT(status.st_mode) == 0o040000:
                    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                    child = os.open(name, flags, dir_fd=fd)
                    pending.append((path + b"/", child))
        finally:
            os.close(fd)


def snapshot(root: Path, *, leave_out: Sequence[bytes] = ()) -> dict[bytes, Entry]:
    """Return everything below *root* by path, with content."""
    base = os.fsencode(root)
    entries = {}
    for path in walk(root):
        if path in leave_out:
            continue
        full = base + b"/" + path
        status = os.lstat(full)
        content = None
        if S_ISREG(status.st_mode):
            with open(full, "rb") as file:
                content = file.read()
        elif S_ISLNK(status.st_mode):
            content = os.readlink(full)
        xattrs = {
            name: os.getxattr(full, name, follow_symlinks=False)
            for name in os.listxattr(full, follow_symlinks=False)
        }
        entries[path] = Entry(
            status.st_mode,
            status.st_uid,
            status.st_gid,
            status.st_rdev,
            status.st_mtime_ns,
            content,
            xattrs,
        )
    return entries


def read_at(path: Path, offset: int, size: int) -> bytes:
    """Return *size* bytes of a file from *offset*."""
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)
