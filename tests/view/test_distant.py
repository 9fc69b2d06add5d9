"""Disks that a server has to answer for: touched only after they have answered."""

import os
import time
from pathlib import Path

import pytest

from revcrypt.view.distant import FRESH_SECONDS, NotReachedError
from tests.view.trees import PLAINTEXT, find, reverse_view

MOUNTPOINT = b"dir/net"
BEYOND = ["dir/net", "dir/net/file"]
HERE = ["dir", "dir/network", "dir/network/file", "net"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree in which nothing is mounted in truth."""
    for directory in ("dir/net", "dir/network", "net"):
        (tmp_path / directory).mkdir(parents=True)
        (tmp_path / directory / "file").touch()
    return tmp_path


def test_only_what_is_there_is_not_touched(tree: Path) -> None:
    """The mountpoint and all below it, but nothing that is merely called alike."""
    with reverse_view(tree, PLAINTEXT) as view:
        nodes = {path: find(view, os.fsencode(path))[0] for path in (*BEYOND, *HERE)}
        distant = view.ask_first()
        view.mounts.distant = (MOUNTPOINT,)
        for path in HERE:
            view.attrs(nodes[path])
        assert view.entries(nodes["dir"])
        for path in BEYOND:
            with pytest.raises(NotReachedError) as raised:
                view.attrs(nodes[path])
            assert raised.value.mountpoint == MOUNTPOINT
        distant.has_answered(MOUNTPOINT)
        for path in BEYOND:
            view.attrs(nodes[path])


def test_an_answer_grows_old(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has answered a while ago is asked again."""
    with reverse_view(tree, PLAINTEXT) as view:
        node = find(view, MOUNTPOINT)[0]
        view.ask_first().has_answered(MOUNTPOINT)
        view.mounts.distant = (MOUNTPOINT,)
        assert view.entries(node)
        later = time.monotonic() + FRESH_SECONDS
        monkeypatch.setattr(time, "monotonic", lambda: later)
        with pytest.raises(NotReachedError):
            view.entries(node)


def test_who_does_not_serve_just_waits(tree: Path) -> None:
    """A restore has nobody else to keep waiting."""
    with reverse_view(tree, PLAINTEXT) as view:
        view.mounts.distant = (MOUNTPOINT,)
        for path in BEYOND:
            assert find(view, os.fsencode(path))
