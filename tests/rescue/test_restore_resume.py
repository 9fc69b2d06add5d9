"""Restoring again: what is there is left alone, what is not is put right."""

import os
import signal
from collections.abc import Callable
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from stat import S_ISREG

import pytest

from revcrypt.cli.main import main
from revcrypt.errors import ExitCode
from revcrypt.rescue.target import NewFile
from tests.rescue.running import USER, Command, summary, without_fuse
from tests.rescue.trees import assert_same, chown_tree, in_copy, tree_at, write_copy
from tests.support import write_secret


def part_of(name: str) -> str:
    """Return the name under which an entry is written before it is complete."""
    return f".revcrypt-{sha256(os.fsencode(name)).hexdigest()[:32]}.part"


def states(dest: Path) -> dict[Path, tuple[int, int]]:
    """Return what changes of every regular file when it is written or replaced."""
    found = {path: path.lstat() for path in dest.rglob("*")}
    return {
        path: (status.st_ino, status.st_ctime_ns)
        for path, status in found.items()
        if S_ISREG(status.st_mode)
    }


def test_second_run_writes_no_file(
    plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """A file that is there with its size, time, mode and owner is not written again."""
    first = summary(restore("--json", copy, dest).stdout)
    before = states(dest)
    second = summary(restore("--json", copy, dest).stdout)
    assert states(dest) == before
    assert (second["files"], second["bytes"]) == (0, 0)
    assert second["unchanged"] == first["files"] == len(before) - 1  # one has two names
    assert second["others"] == first["others"]
    assert_same(tree_at(dest), tree_at(plain))


def truncate(path: Path) -> None:
    """Cut a file, and hide it in its times."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    os.truncate(path, 1000)
    os.utime(path, ns=times)


def break_link(path: Path) -> None:
    """Make a file of its own of one of two names of a file."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)


def make_link(path: Path) -> None:
    """Put a symlink to another file of the tree in the place of a file."""
    path.unlink()
    path.symlink_to("nothing")


CHANGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "truncated": ("big", truncate),
    "rewritten": ("big", lambda path: path.write_bytes(bytes(path.stat().st_size))),
    "removed": ("documents/old/letter.txt", Path.unlink),
    "another mode": ("big", lambda path: path.chmod(0o640)),
    "another owner": ("big", lambda path: os.chown(path, 1, 1)),
    "another time": ("big", os.utime),
    "a symlink instead": ("big", make_link),
    "a file instead of a symlink": ("links/absolute", break_link),
    "a link that is none any more": ("links/second name", break_link),
    "a directory's mode": ("documents", lambda path: path.chmod(0o700)),
    "a FIFO's mode": ("special/fifo", lambda path: path.chmod(0o666)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed(
    change: str, plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """What is not as it was restored is restored again."""
    restore(copy, dest)
    path, apply = CHANGES[change]
    apply(dest / path)
    restore(copy, dest)
    assert_same(tree_at(dest), tree_at(plain))


def test_part_left(plain: Path, copy: Path, dest: Path, restore: Command) -> None:
    """What an interrupted restore has left under a temporary name goes away."""
    for directory, name in (
        (dest, "big"),
        (dest / "links", "second name"),
        (dest / "links", "absolute"),
        (dest / "special", "fifo"),
    ):
        directory.mkdir(exist_ok=True)
        (directory / part_of(name)).write_text("half of it")
    restore(copy, dest)
    assert_same(tree_at(dest), tree_at(plain))


def test_killed(plain: Path, copy: Path, dest: Path, restore: Command) -> None:
    """A restore that was killed leaves no half file under its name, and can go on."""

    def die_in_third() -> None:
        pieces: list[bytes] = []
        write = NewFile.write

        def write_half(self: NewFile, data: bytes) -> None:
            pieces.append(data)
            if len(pieces) == 3:
                write(self, data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            write(self, data)

        NewFile.write = write_half  # type: ignore[method-assign]
        main(["restore", "-q", "-j1", f"--masterkey={key}", str(copy), str(dest)])

    key = dest.with_name("key")
    write_secret(key, bytes(range(32)).hex())
    process = get_context("fork").Process(target=die_in_third)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    original = tree_at(plain)
    found = {path: entry for path, entry in tree_at(dest).entries.items() if path}
    parts = [path for path in found if path.endswith(b".part")]
    assert len(parts) == 1
    whole = {
        path: entry
        for path, entry in found.items()
        if path not in parts and S_ISREG(entry.mode)
    }
    assert len(whole) >= 2  # besides files without content
    assert whole.items() <= original.entries.items()
    restore(copy, dest)
    assert_same(tree_at(dest), original)


@pytest.mark.fuse
def test_read_only_directories(public: Path, plain: Path, passfile: Path) -> None:
    """A user can go on in directories that he himself may not write to."""
    chown_tree(plain, USER)
    in_the_way = plain / "documents" / "letter.txt"
    in_the_way.chmod(0o600)
    os.utime(in_the_way, ns=(0, 1))
    copy, dest, secret = public / "copy", public / "dest", public / "passfile"
    write_copy(plain, copy)
    # The config is shown with the mode that it has, as are the IVs of directories.
    os.chown(in_copy(plain, copy, ""), USER, USER)
    write_secret(secret, passfile.read_text())
    os.chown(secret, USER, USER)
    dest.mkdir()
    os.chown(dest, USER, USER)
    words = ("restore", "-q", f"--passfile={secret}", copy, dest)
    for _ in range(2):
        result = without_fuse(public, *words, uid=USER)
        assert (result.returncode, result.stderr) == (0, "")
        assert_same(tree_at(dest), tree_at(plain))
        (dest / "odd" / "-rf").unlink()


def test_what_was_found_is_found_again(
    plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """Whoever runs the same command again hears again what is not as it should be."""
    entry = in_copy(plain, copy, "big")
    os.chmod(entry, 0o4755)
    name = "user.gocryptfs.CQAIv8t6K4GkhFg0Ev5XmQ"
    os.setxattr(entry, name, b"not what it should be, and long enough to look like it")
    first = restore(copy, dest, status=ExitCode.FINDINGS)
    again = restore(copy, dest, status=ExitCode.FINDINGS)
    for said in (first, again):
        assert "without its setuid and setgid bits" in said.stderr
        assert "attribute user.comment does not authenticate" in said.stderr


def test_attributes_are_added_later(
    plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """A file that lacks nothing but an attribute is restored once more."""
    restore(copy, dest)
    path = Path("documents", "report.odt")
    os.removexattr(dest / path, "user.comment")
    restore(copy, dest)
    assert os.getxattr(dest / path, "user.comment") == b"a value"
