"""A flipped bit in every byte of a backup: told, or without effect."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from revcrypt.cli.configs import open_with
from revcrypt.errors import DataError, UserError
from revcrypt.format import config as config_format
from revcrypt.format.config import Features
from revcrypt.format.volume import Volume
from revcrypt.view.findings import Finding
from revcrypt.view.forward import ForwardView
from revcrypt.view.source import Source
from tests.cli.rescuing import make_config
from tests.counts import Counted
from tests.support import KEY, PASSPHRASE
from tests.view.trees import ENCRYPTED, Shown, look, reverse_view, walk, write_out

SIZES = {"empty": 0, "one": 1, "block": 16, "odd": 17, "some": 100, "two": 2, "text": 40}
TARGETS = ("a", "../b", "/an/absolute/target/of/some/length", "x" * 80)
DIRECTORIES = ("directory", "directory/below", "d" * 190)
OBJECTS = 20


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Files, symlinks, directories and long names, encrypted."""
    plain, copy = tmp_path / "plain", tmp_path / "copy"
    for name in DIRECTORIES:
        (plain / name).mkdir(parents=True)
    for name, size in SIZES.items():
        (plain / "directory" / name).write_bytes(os.urandom(size))
    for letter in "ef":
        (plain / (letter * 180)).write_bytes(b"of a long name")
    for number, target in enumerate(TARGETS):
        (plain / f"link {number}").symlink_to(target)
    copy.mkdir()
    with reverse_view(plain) as view:
        write_out(view, copy)
    return copy


def see(copy: Path) -> tuple[dict[bytes, Shown | str], list[Finding]]:
    """Return what a backup shows by plain path, and what is found to be wrong."""
    findings: list[Finding] = []
    source = Source(os.fsencode(copy))
    volume = Volume.open(KEY, ENCRYPTED)
    view = ForwardView(source, volume, strict=True, report=findings.append)
    shown: dict[bytes, Shown | str] = {}
    try:
        for node, _ in walk(view):
            try:
                shown[node.shown_path()] = look(view, node)
            except DataError as error:
                shown[node.shown_path()] = str(error)
    finally:
        view.close()
    return shown, findings


def flips(data: bytes) -> Iterator[bytes]:
    """Yield *data* with one bit flipped, for every byte."""
    for offset, byte in enumerate(data):
        yield data[:offset] + bytes([byte ^ 1 << offset % 8]) + data[offset + 1 :]


def spoiled(path: Path) -> Iterator[None]:
    """Spoil an object in one way after the other, and mend it at the end."""
    status = path.lstat()
    if path.is_symlink():
        data, write = os.fsencode(os.readlink(path)), relink
    else:
        data, write = path.read_bytes(), Path.write_bytes
    for other in flips(data):
        if b"\0" not in other or not path.is_symlink():
            write(path, other)
            os.utime(path, ns=(status.st_mtime_ns,) * 2, follow_symlinks=False)
            yield
    write(path, data)
    os.utime(path, ns=(status.st_mtime_ns,) * 2, follow_symlinks=False)


def relink(path: Path, target: bytes) -> None:
    """Let a symlink have another target."""
    path.unlink()
    os.symlink(target, os.fsencode(path))


def without_times(shown: dict[bytes, Shown | str]) -> dict[bytes, object]:
    """Return what does not change by writing to the backup."""
    return {
        path: (one.attrs._replace(inode=0, mtime_ns=0, ctime_ns=0), one.content)
        if isinstance(one, Shown)
        else one
        for path, one in shown.items()
    }


def test_objects(backup: Path, counted: Counted) -> None:
    """What is not told is as it was: names, contents and targets."""
    objects = [path for path in backup.rglob("*") if path.is_symlink() or path.is_file()]
    objects = [path for path in objects if path.is_symlink() or path.stat().st_size]
    whole, findings = see(backup)
    assert not findings
    expected = without_times(whole)
    tried = 0
    for path in objects:
        for _ in spoiled(path):
            shown, findings = see(backup)
            tried += 1
            told = findings or any(isinstance(one, str) for one in shown.values())
            assert told or without_times(shown) == expected, (path, tried)
    assert len(objects) == OBJECTS - 1
    assert without_times(see(backup)[0]) == expected
    counted("flipped bits of a backup", tried)


def opened(data: bytes) -> tuple[bytes, Features]:
    """Return the key in a config, and what the config says about the backup."""
    config = config_format.parse(data)
    return open_with(config, PASSPHRASE.encode()), config.features


def test_config(counted: Counted) -> None:
    """A config gives the same key and features, or none."""
    data = make_config()
    whole = opened(data)
    for other in flips(data):
        try:
            assert opened(other) == whole, other
        except UserError:
            continue
    counted("flipped bits of a backup", len(data))
