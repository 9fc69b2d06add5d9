"""What a copy of a reverse view has lost, and can be computed anew (section 4.3)."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from revcrypt.cli.main import main
from revcrypt.errors import ExitCode
from tests.rescue.running import Command
from tests.rescue.trees import assert_same, tree_at, write_copy
from tests.support import KEY, Mounts, run, snapshot, write_secret
from tests.view.trees import find, forward_view

DIR_IV = "gocryptfs.diriv"
XS, YS = "x" * 200, "y" * 200


@pytest.fixture
def full(plain: Path) -> Path:
    """The small tree with more long names, but no empty directory, and all in UTF-8."""
    (plain / "empty").rmdir()
    os.unlink(os.fsencode(plain) + b"/odd/\xff not UTF-8")
    for name in (XS, YS):
        (plain / name).write_text(f"this is {name}")
    return plain


@pytest.fixture
def copy(full: Path, tmp_path: Path) -> Path:
    """The cipherdir that was pulled from `full`."""
    path = tmp_path / "copy"
    write_copy(full, path)
    return path


def dir_ivs(copy: Path) -> list[Path]:
    found = sorted(copy.rglob(DIR_IV))
    assert len(found) == 7
    return found


def in_copy(copy: Path, path: str) -> Path:
    """Return where the copy has a plain path."""
    with forward_view(copy) as view:
        return copy / os.fsdecode(find(view, os.fsencode(path))[0].backing_path())


def paths_of(tree: Path) -> set[bytes]:
    return set(tree_at(tree).entries) - {b""}


# Directory IVs


@contextmanager
def times_kept(paths: list[Path]) -> Iterator[None]:
    """Leave the times of directories as they are, which are those to be restored."""
    times = {path.parent: path.parent.stat().st_mtime_ns for path in paths}
    yield
    for directory, mtime in times.items():
        os.utime(directory, ns=(mtime, mtime))


def delete(paths: list[Path]) -> None:
    with times_kept(paths):
        for path in paths:
            path.unlink()


def put(data: bytes) -> Callable[[list[Path]], None]:
    def write(paths: list[Path]) -> None:
        for path in paths:
            path.chmod(0o600)
            path.write_bytes(data)

    return write


def cut(paths: list[Path]) -> None:
    for path in paths:
        path.chmod(0o600)
        os.truncate(path, 15)


def lengthen(paths: list[Path]) -> None:
    for path in paths:
        path.chmod(0o600)
        path.write_bytes(path.read_bytes() + b"!")


def flip(paths: list[Path]) -> None:
    for number, path in enumerate(paths):
        path.chmod(0o600)
        data = bytearray(path.read_bytes())
        data[number] ^= 1
        path.write_bytes(data)


def rotate(paths: list[Path]) -> None:
    """Give each directory the IV of another one."""
    ivs = [path.read_bytes() for path in paths]
    for path, iv in zip(paths, [*ivs[1:], ivs[0]]):
        path.chmod(0o600)
        path.write_bytes(iv)


def make_fifos(paths: list[Path]) -> None:
    with times_kept(paths):
        for path in paths:
            path.unlink()
            os.mkfifo(path)


DAMAGES: dict[str, Callable[[list[Path]], None]] = {
    "missing": delete,
    "empty": put(b""),
    "zeroed": put(bytes(16)),
    "random": put(b"sixteen letters!"),
    "huge": put(b"!" * 1_000_000),
    "cut": cut,
    "longer": lengthen,
    "flipped": flip,
    "another": rotate,
    "fifo": make_fifos,
}
every_damage = pytest.mark.parametrize("damage", DAMAGES)


@every_damage
def test_restore_needs_no_dir_iv(
    damage: str, full: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """Whatever became of all directory IVs, everything comes back, with warnings."""
    damaged = dir_ivs(copy)
    DAMAGES[damage](damaged)
    said = restore(copy, dest)
    assert_same(tree_at(dest), tree_at(full))
    lines = said.stderr.splitlines()
    assert len(lines) == len(damaged)
    assert all(DIR_IV in line and line.endswith("; put right") for line in lines)


@every_damage
def test_looking_needs_no_dir_iv(
    damage: str, full: Path, copy: Path, command: Command
) -> None:
    """Listing, searching and reading work all the same; verifying tells of each."""
    damaged = dir_ivs(copy)
    DAMAGES[damage](damaged)
    paths = paths_of(full)
    for words in (["ls", "-R", "-0", copy], ["find", "-0", copy, "*"]):
        listed = command(*words).stdout.encode(errors="surrogateescape").split(b"\0")
        assert sorted(listed) == sorted([*paths, b""])
    read = command("cat", copy, "documents/old/letter.txt")
    assert read.stdout == "Dear you"
    said = command("verify", "--json", "-j1", copy, status=ExitCode.FINDINGS)
    *findings, summary = map(json.loads, said.stdout.splitlines())
    findings = [message for message in findings if message["type"] == "finding"]
    assert {(f["kind"], f["healed"]) for f in findings} == {("diriv", True)}
    directories = {os.fsdecode(path.parent.relative_to(copy)) for path in damaged}
    told = [finding["cipher_path"] or "." for finding in findings]
    assert sorted(told) == sorted(directories)
    assert summary["kinds"] == {"diriv": len(damaged)}


@pytest.mark.fuse
def test_a_mount_needs_no_dir_iv(full: Path, copy: Path, mounts: Mounts) -> None:
    """`revcrypt forward` shows a copy without directory IVs as it was."""
    delete(dir_ivs(copy))
    shown = mounts.forward(copy, "shown")
    hidden = [b".gocryptfs.reverse.conf"]
    assert snapshot(shown) == snapshot(full, leave_out=hidden)


@pytest.mark.fuse
def test_a_copy_by_gocryptfs_needs_no_dir_iv(
    full: Path, dest: Path, mounts: Mounts, restore: Command, tmp_path: Path
) -> None:
    """What gocryptfs has shown and rsync pulled comes back without directory IVs."""
    pulled = tmp_path / "pulled"
    view = mounts.gocryptfs(full, "view", "-reverse")
    run("rsync", "-aH", f"{view}/", pulled)
    mounts.unmount(view)
    delete(dir_ivs(pulled))
    said = restore(pulled, dest)
    assert len(said.stderr.splitlines()) == 7
    # It shows no attributes, and no times before 1970.
    wanted, found = tree_at(full), tree_at(dest)
    assert found.links == wanted.links
    assert found.entries.keys() == wanted.entries.keys()
    for path, entry in wanted.entries.items():
        assert found.entries[path].content == entry.content
        assert found.entries[path].mode & 0o7707 == entry.mode & 0o7707


def test_nothing_but_the_master_key(
    full: Path, copy: Path, dest: Path, tmp_path: Path
) -> None:
    """Without config and directory IVs, the master key alone brings everything back."""
    delete([*dir_ivs(copy), copy / "gocryptfs.conf"])
    key = tmp_path / "key"
    write_secret(key, KEY.hex())
    words = ["restore", "-q", "-j1", f"--masterkey={key}", str(copy), str(dest)]
    assert main(words) == ExitCode.OK
    assert_same(tree_at(dest), tree_at(full))


def test_an_empty_directory_without_its_iv_is_damaged(
    plain: Path, tmp_path: Path, dest: Path, restore: Command
) -> None:
    """Where not even the IV is, there may have been more: that is no good end."""
    copy = tmp_path / "another copy"
    write_copy(plain, copy)
    delete([in_copy(copy, "empty") / DIR_IV])
    said = restore(copy, dest, status=ExitCode.FINDINGS)
    assert "empty" in said.stderr
    assert "interrupted" in said.stderr
    assert_same(tree_at(dest), tree_at(plain))


def test_a_moved_directory_without_its_iv_is_lost(
    full: Path, copy: Path, dest: Path, restore: Command, command: Command
) -> None:
    """Where the path does not tell the IV, no names are made up."""
    first, second = in_copy(copy, "documents"), in_copy(copy, "odd")
    delete([first / DIR_IV, second / DIR_IV])
    first.rename(copy / "away")
    second.rename(first)
    (copy / "away").rename(second)
    said = restore(copy, dest, status=ExitCode.FINDINGS)
    assert said.stderr.count("is not where it was made") == 2
    left = {p for p in paths_of(full) if p.split(b"/")[0] not in (b"documents", b"odd")}
    lost = {b"documents", b"odd", b"links/second name"}
    assert paths_of(dest) - lost == left - lost
    listed = command("ls", "-R", "-0", copy, status=ExitCode.FINDINGS).stdout
    paths = set(listed.encode().split(b"\0")) - {b""}
    assert paths == left | {b"documents", b"odd"}


def test_lenient_takes_nothing_for_a_copy(
    copy: Path, dest: Path, restore: Command
) -> None:
    """What is not held to be a copy of a view must have its own IVs."""
    delete(dir_ivs(copy))
    said = restore("--lenient", copy, dest, status=ExitCode.FINDINGS)
    assert f"{DIR_IV} is missing" in said.stderr
    assert os.listdir(dest) == []
