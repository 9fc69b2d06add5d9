"""Recovery files beside the config: shown in the root, and no part of the plaintext."""

import os
from pathlib import Path

import pytest

from revcrypt.errors import RecoveryError
from revcrypt.format.config import Features
from revcrypt.format.names import config_suffix, is_config_file
from revcrypt.view.shown_config import REVERSE_CONFIG_NAME, ShownConfig
from revcrypt.view.source import Source
from tests.view.trees import (
    ALL_FEATURES,
    forward_view,
    reverse_view,
    walk,
    write_out,
)

PLAIN_NAME = os.fsdecode(REVERSE_CONFIG_NAME)
SUFFIXES = [
    b".epoch-1.2026-11-26.recovery.p7m",
    b".epoch-12.2027-01-01.recovery.p7m",
    b".recovery.p7m",
    b".recovery.pem",
]
OTHERS = [
    b".recovery.p7m.tmp",
    b".recovery",
    b".epoch-0.2026-11-26.recovery.p7m",
    b".epoch-1.2026-11-26.recovery.pem",
    b".epoch-1.recovery.p7m",
    b"recovery.p7m",
    b".01234567.tmp",
]


def test_names() -> None:
    """Only such names belong to a config, exactly."""
    for suffix in SUFFIXES:
        assert config_suffix(b"x.conf" + suffix, b"x.conf") == suffix
        assert is_config_file(b"gocryptfs.conf" + suffix)
        assert not is_config_file(suffix)
    for suffix in OTHERS:
        assert not is_config_file(b"gocryptfs.conf" + suffix)
    assert is_config_file(b"gocryptfs.conf")
    assert not is_config_file(b"")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a config, recovery files, and what looks similar."""
    path = tmp_path / "tree"
    (path / "below").mkdir(parents=True)
    for directory in (path, path / "below"):
        for suffix in [b"", *SUFFIXES]:
            file = directory / (PLAIN_NAME + os.fsdecode(suffix))
            file.write_bytes(b"content of " + suffix)
    return path


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_shown_and_left_out(tree: Path, tmp_path: Path, features: Features) -> None:
    """The view has them in its root, as they are; the plaintext has none."""
    with reverse_view(tree, features) as view, reverse_view(tree, features) as again:
        shown = {node.shown_path(): attrs for node, attrs in walk(view)}
        same = {node.shown_path(): attrs.inode for node, attrs in walk(again)}
        (tmp_path / "copy").mkdir()
        write_out(view, tmp_path / "copy")
    names = [b"gocryptfs.conf" + suffix for suffix in [b"", *SUFFIXES]]
    assert [name for name in shown if name.startswith(b"gocryptfs.conf")] == names
    assert {name: attrs.inode for name, attrs in shown.items()} == same
    for name, suffix in zip(names, [b"", *SUFFIXES]):
        copied = tmp_path / "copy" / os.fsdecode(name)
        assert copied.read_bytes() == b"content of " + suffix
    with forward_view(tmp_path / "copy", features) as view:
        plain = {node.shown_path() for node, _ in walk(view)}
    below = {b"below/" + REVERSE_CONFIG_NAME + suffix for suffix in [b"", *SUFFIXES]}
    assert plain == {b"below", *below}


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_the_names_are_taken(tree: Path, features: Features) -> None:
    """A file of such a name in the source can be taken for none of them."""
    (tree / "gocryptfs.conf.recovery.p7m").write_text("mine")
    (tree / f"{PLAIN_NAME}.recovery.p7m").unlink()
    with reverse_view(tree, features) as view:
        shown = {node.shown_path() for node, _ in walk(view)}
    assert b"gocryptfs.conf.recovery.p7m" not in shown


def test_new_ones_appear_and_none_is_lost(
    tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is made while the view is mounted is shown; one that goes is kept."""
    name = b"gocryptfs.conf.recovery.pem"
    path = tree / f"{PLAIN_NAME}.recovery.pem"
    path.unlink()

    def refuse(suffix: bytes, content: bytes) -> None:
        if content == b"bad":
            raise RecoveryError(f"bad {suffix!r}")

    source = Source(os.fsencode(tree))
    shown = ShownConfig(source.root_fd, REVERSE_CONFIG_NAME, in_root=True, check=refuse)
    assert not shown.shows(name)
    path.write_text("bad")
    assert not shown.shows(name)
    assert name not in shown.names()
    assert len(caplog.records) == 1, "looking again is no news"
    path.write_text("good")
    assert name in shown.names()
    for bad in (lambda: path.write_text("bad"), path.unlink):
        bad()
        assert name in shown.names()
        assert shown.read(name)[0] == b"good"
    source.close()
