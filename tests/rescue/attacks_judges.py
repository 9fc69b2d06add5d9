"""The judges: revcrypt's three, which are this very program, and gocryptfs."""

import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from revcrypt.cli.main import main
from revcrypt.errors import ExitCode
from tests.rescue.attacks_backup import Backup, Copy, encrypted
from tests.rescue.attacks_kinds import Attack, Group, Ours, Verdict
from tests.rescue.attacks_tools import remove_path
from tests.support import Entry, snapshot
from tests.watchdog import abort, fuse_mounts

PATIENCE = 5
"""Seconds for gocryptfs, which needs a twentieth of one for an untouched copy."""
MEMORY = 1 << 32
T = TypeVar("T")

CONFIG = b".gocryptfs.reverse.conf"


@dataclass(frozen=True, slots=True)
class Run:
    """What a command has said."""

    status: int
    findings: list[dict[str, Any]]
    errors: str

    @property
    def is_refusal(self) -> bool:
        """Whether it ended with a clear error instead of doing its work."""
        return (
            self.status not in (ExitCode.OK, ExitCode.FINDINGS, ExitCode.OTHER)
            and self.status in set(ExitCode)
            and "revcrypt: error: " in self.errors
        )


def apart(work: Callable[[], T]) -> T:
    """Do *work* in a child of this process, and return its result.

    Commands leave it to their end to close what they have opened, and to restore logging.
    """
    theirs, ours = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=lambda: ours.send(work()))
    process.start()
    ours.close()
    try:
        result: T = theirs.recv()
    finally:
        process.kill()
        process.join()
        process.close()
        theirs.close()
    return result


def call(*argv: str | Path) -> Run:
    """Run a command of revcrypt, with JSON to read, in this process: see `apart`."""
    out, errors = io.StringIO(), io.StringIO()
    words = [*map(str, argv), "--quiet", "--json", "--jobs=1"]
    with redirect_stdout(out), redirect_stderr(errors), _small_machine():
        status = main(words)
    messages = [json.loads(line) for line in out.getvalue().splitlines()]
    findings = [message for message in messages if message["type"] == "finding"]
    return Run(status, findings, errors.getvalue())


@contextmanager
def _small_machine() -> Iterator[None]:
    """Have the memory that the smallest machine has, whichever this is."""
    with patch("revcrypt.cli.configs.memory_limit", lambda: 1 << 30):
        yield


def verify(backup: Backup, copy: Copy, *options: str | Path) -> Run:
    """Verify a copy."""
    return call("verify", f"--passfile={backup.passfile}", *options, copy.path)


def restore(backup: Backup, copy: Copy, dest: Path) -> Run:
    """Restore a copy."""
    return call("restore", f"--passfile={backup.passfile}", copy.path, dest)


def differences(source: Path, dest: Path) -> tuple[set[bytes], set[bytes]]:
    """Return what of *source* is not in *dest*, and what is there and is wrong."""
    wanted = _picture(source)
    found = _picture(dest) if dest.exists() else {}
    wrong = {path for path in found if found[path] != wanted.get(path)}
    return wanted.keys() - found.keys(), wrong


def _picture(root: Path) -> dict[bytes, Entry]:
    """Return everything in a tree, and its root."""
    status = os.stat(root)
    xattrs = {name: os.getxattr(root, name) for name in os.listxattr(root)}
    entry = Entry(
        status.st_mode, status.st_uid, status.st_gid, 0, status.st_mtime_ns, None, xattrs
    )
    return {b"": entry} | snapshot(root, leave_out=[CONFIG])


def judge_restore(source: Path, dest: Path, run: Run) -> Verdict:
    """Return what a restore into *dest* was.

    What is wrong there must have been told of itself, or something in it; that something
    is absent, whatever is told of may have caused.
    """
    if run.is_refusal and not dest.exists():
        return Verdict.REFUSED
    absent, wrong = differences(source, dest)
    harmful = [finding for finding in run.findings if not finding["healed"]]
    if run.status == ExitCode.FINDINGS and harmful:
        told = [f"{finding['cipher_path']}/" for finding in harmful]
        places = {f"{encrypted(os.fsdecode(path))}/" for path in wrong}
        silent = {
            place for place in places if not any(each.startswith(place) for each in told)
        }
        return Verdict.MISSED if silent else Verdict.FOUND
    if run.status == ExitCode.OK:
        if absent or wrong:
            return Verdict.MISSED
        return Verdict.HEALED if run.findings else Verdict.HARMLESS
    return Verdict.CRASH


def judge_verify(run: Run, restored: Verdict) -> Verdict:
    """Return what a verification was, of what was *restored* like that."""
    if run.is_refusal:
        return Verdict.REFUSED
    if run.status == ExitCode.FINDINGS and run.findings:
        return Verdict.FOUND
    if run.status == ExitCode.OK:
        return Verdict.HARMLESS if restored is Verdict.HARMLESS else Verdict.MISSED
    return Verdict.CRASH


@dataclass(frozen=True, slots=True)
class Court:
    """Tries attacks on fresh copies of *backup*, which are made in *room*."""

    backup: Backup
    room: Path

    def attacked(self, group: Group, attack: Attack, name: str) -> Copy:
        """Return a copy after an attack."""
        copy = self.backup.fresh(self.room / name)
        attack.change(copy)
        if not group.metadata:
            self.backup.hide_times(copy)
        return copy

    def ours(self, group: Group, attack: Attack) -> Ours:
        """Return what revcrypt says of an attack."""
        return apart(lambda: self._ours(group, attack))

    def _ours(self, group: Group, attack: Attack) -> Ours:
        copy = self.attacked(group, attack, "copy")
        dest = self.room / "dest"
        against = [f"--against={self.backup.source}"]
        against += ["--metadata"] if group.metadata else []
        try:
            restored = judge_restore(
                self.backup.source, dest, restore(self.backup, copy, dest)
            )
            return Ours(
                judge_verify(verify(self.backup, copy), restored),
                judge_verify(verify(self.backup, copy, *against), restored),
                restored,
            )
        finally:
            for path in (copy.path, dest):
                if path.exists():
                    remove_path(path)

    def theirs(self, cases: list[tuple[Group, Attack]]) -> list[Verdict]:
        """Return what gocryptfs says of attacks."""
        names = [f"copy{number}" for number in range(len(cases))]
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(self._fsck, cases, names))

    def _fsck(self, case: tuple[Group, Attack], name: str) -> Verdict:
        group, attack = case
        copy = self.attacked(group, attack, name)
        own_room = self.room / f"mount-{name}"
        own_room.mkdir()
        process = subprocess.Popen(
            # Its own way to end for want of memory is a crash, on any machine.
            [
                *("prlimit", f"--as={MEMORY}", "gocryptfs", "-fsck", "-q"),
                *("-passfile", self.backup.passfile, copy.path),
            ],
            env=os.environ | {"TMPDIR": str(own_room)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        try:
            _, errors = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            _end(process, own_room)
            return Verdict.HANG
        finally:
            unmount_below(own_room)
            remove_path(copy.path)
        if process.returncode == ExitCode.OK:
            # Whether that is harmless, only what revcrypt restores can tell. What it
            # refuses is a config, and what gocryptfs got from that is the right key.
            is_fine = attack.ours.restore in (Verdict.HARMLESS, Verdict.REFUSED)
            return Verdict.HARMLESS if is_fine else Verdict.MISSED
        if process.returncode == ExitCode.FINDINGS:
            return Verdict.FOUND
        is_crash = "goroutine " in errors or process.returncode < 0
        return Verdict.CRASH if is_crash else Verdict.REFUSED


def _end(process: subprocess.Popen[str], room: Path) -> None:
    """End a gocryptfs that hangs.

    It waits for its own mount, so that a signal alone would not end it.
    """
    mounts = fuse_mounts().items()
    connections = {n: path for n, path in mounts if path.startswith(f"{room}/")}
    if connections:
        abort(connections)
    process.kill()
    process.communicate()


def unmount_below(room: Path) -> None:
    """Leave nothing mounted."""
    for mountpoint in fuse_mounts().values():
        if mountpoint.startswith(f"{room}/"):
            subprocess.run(["umount", "--lazy", mountpoint], check=True)
