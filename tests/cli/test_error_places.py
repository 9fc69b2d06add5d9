"""Directories, machines and command lines that are refused, and with what words."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked, refused
from tests.support import KEY, PASSPHRASE, REVCRYPT, run

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this")

# Directories


@pytest.mark.parametrize("kind", ["missing", "file"])
@pytest.mark.parametrize("command", ["init", "reverse", "forward"])
def test_source_is_no_directory(
    command: str, kind: str, mountpoint: Path, tmp_path: Path
) -> None:
    """A source that is missing or is a file is named."""
    source = tmp_path / "source"
    if kind == "file":
        source.touch()
    positionals = [source] if command == "init" else [source, mountpoint]
    said = refused(ExitCode.SOURCE, command, *positionals)
    assert f"{source} " in said
    assert "hint" in said


def touch(path: Path) -> Path:
    """Create an empty file."""
    path.touch()
    return path


def make(path: Path) -> Path:
    """Create a directory."""
    path.mkdir()
    return path


def symlink(path: Path, target: Path) -> Path:
    """Create a symlink."""
    path.symlink_to(target)
    return path


BAD_MOUNTPOINTS: list[tuple[str, str, Callable[[Path, Path], Path]]] = [
    ("reverse", "does not exist", lambda _, tmp: tmp / "missing"),
    ("reverse", "not a directory", lambda _, tmp: touch(tmp / "file")),
    ("reverse", "not empty", lambda _, tmp: touch(make(tmp / "full") / "file").parent),
    ("reverse", "mountpoint already", lambda *_: Path("/proc")),
    ("reverse --nonempty", "overlap", lambda source, _: source),
    ("reverse --nonempty", "overlap", lambda source, _: source.parent),
    ("reverse --nonempty", "overlap", lambda source, tmp: symlink(tmp / "link", source)),
    ("reverse", "not empty", lambda source, _: source),
    ("forward", "does not exist", lambda _, tmp: tmp / "missing"),
    ("forward", "mountpoint already", lambda *_: Path("/proc")),
    ("forward --nonempty", "overlap", lambda source, _: source),
    ("forward --nonempty", "overlap", lambda source, _: source.parent),
    ("forward", "overlap", lambda source, _: make(source / "inside")),
    (
        "forward",
        "overlap",
        lambda source, tmp: symlink(tmp / "link", make(source / "inside")),
    ),
]


@pytest.mark.parametrize(("command", "reason", "where"), BAD_MOUNTPOINTS)
def test_bad_mountpoint(
    command: str,
    reason: str,
    where: Callable[[Path, Path], Path],
    plain: Path,
    cipher: Path,
    tmp_path: Path,
) -> None:
    """A mountpoint that would hide or contain what it should not is refused."""
    source = plain if command.startswith("reverse") else cipher
    path = where(source, tmp_path)
    said = refused(ExitCode.MOUNTPOINT, *command.split(), source, path)
    assert reason in said
    assert str(path) in said


# Machines


@pytest.mark.fuse
@needs_root
def test_no_dev_fuse(plain: Path, mountpoint: Path) -> None:
    """A machine without /dev/fuse is told from one that refuses the mount."""
    script = """
    mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && exec "$@"
    """
    namespace = ("unshare", "-m", "sh", "-c", script, "sh")
    command = (*REVCRYPT, "reverse", "--foreground", plain, mountpoint)
    status = ExitCode.MOUNT_FAILED
    said = checked(run(*namespace, *command, status=status, stdin=PASSPHRASE).stderr)
    assert "/dev/fuse" in said
    assert "hint" in said


# Whoever reads the interpreter's files, which may belong to root, reads them first.
AS_NOBODY = """
import os, sys
import revcrypt.fuse.serve
from revcrypt.cli.main import main, make_parser
make_parser()  # loads all commands
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main())
"""


@pytest.mark.fuse
def test_no_fusermount(public: Path) -> None:
    """A user who is not root is told that fusermount3 is needed, and how to get it."""
    source, mountpoint = make(public / "source"), make(public / "mountpoint")
    options = ("--foreground", "--masterkey=-", "--no-show-config")
    command = (sys.executable, "-c", AS_NOBODY, "reverse", *options, source, mountpoint)
    status = ExitCode.MOUNT_FAILED
    result = run(*command, status=status, stdin=KEY.hex(), env={"PATH": ""})
    said = checked(result.stderr)
    assert "fusermount3 is not installed" in said
    assert "fuse3" in said.splitlines()[1]


# Command lines


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("reverse --frobnicate PLAIN MOUNTPOINT", "--frobnicate"),
        ("reverse --passf=x PLAIN MOUNTPOINT", "--passf"),
        ("init", "PLAINDIR"),
        ("reverse PLAIN", "MOUNTPOINT"),
        ("forward", "CIPHERDIR"),
        ("reverse PLAIN MOUNTPOINT more", "more"),
        ("reverse --passfile=x --extpass=y PLAIN MOUNTPOINT", "extpass"),
        ("init --passfile=x --extpass=y MOUNTPOINT", "extpass"),
        ("reverse --masterkey=x --passfile=y PLAIN MOUNTPOINT", "--masterkey"),
        ("reverse --masterkey=x --extpass=y PLAIN MOUNTPOINT", "--masterkey"),
        ("reverse --extpass='unbalanced PLAIN MOUNTPOINT", "--extpass"),
        ("reverse --extpass= PLAIN MOUNTPOINT", "--extpass"),
        ("init --plaintext-names --deterministic-names MOUNTPOINT", "--plaintext-names"),
        ("init --plaintext-names --long-name-max=100 MOUNTPOINT", "--long-name-max"),
        ("init --long-name-max=61 MOUNTPOINT", "61"),
        ("init --long-name-max=256 MOUNTPOINT", "256"),
        ("init --long-name-max=many MOUNTPOINT", "many"),
        ("forward --cipher=des CIPHER MOUNTPOINT", "des"),
        ("xyzzy", "CIPHERDIR MOUNTPOINT"),
    ],
)
def test_usage(
    words: str, reason: str, plain: Path, cipher: Path, mountpoint: Path
) -> None:
    """A command line that makes no sense is refused, and what is wrong is named."""
    places = {"PLAIN": plain, "CIPHER": cipher, "MOUNTPOINT": mountpoint}
    arguments = [places.get(word, word) for word in words.split()]
    assert reason in refused(ExitCode.USAGE, *arguments)
    assert list(mountpoint.iterdir()) == []
