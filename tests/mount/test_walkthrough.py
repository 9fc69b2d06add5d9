"""The published walk-through of `gocryptfs -reverse`, with `revcrypt` in its place.

A server makes a key outside the tree, shows the tree with readable names, some of it left
out and all of it owned by the user who pulls; by hand first, then from fstab. One file is
copied out and read back, once with config and passfile, once with the master key alone.
"""

import os
import re
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.support import Mounts, daemons, run, write_secret

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="mount(8) with fstab is for root"),
]

PICTURE = os.urandom(300_000)
USER = 12345
"""Whoever pulls; no account is needed for a number."""


class Server:
    """A tree, what belongs to it, and `revcrypt` in a place that fstab can name."""

    def __init__(self, mounts: Mounts, tmp_path: Path) -> None:
        self.tree = tmp_path / "files"
        (self.tree / "photos").mkdir(parents=True)
        (self.tree / "photos" / "picture.jpg").write_bytes(PICTURE)
        (self.tree / "photos" / "picture.jpg").chmod(0o600)
        (self.tree / "cache").mkdir()
        (self.tree / "cache" / "thumbnail").touch()
        self.keys = tmp_path / "keys"
        self.keys.mkdir()
        self.passfile = self.keys / "passfile"
        write_secret(self.passfile, "a long passphrase\n")
        self.config = self.keys / "gocryptfs.conf"
        self.view = mounts.mountpoint("view")
        self.program = tmp_path / "bin" / "revcrypt"
        self.program.parent.mkdir()
        self.program.write_text(f'#!/bin/sh\nexec {sys.executable} -m revcrypt "$@"\n')
        self.program.chmod(0o755)
        self.copy, self.plain = tmp_path / "copy", mounts.mountpoint("plain")
        self.copy.mkdir()

    def init(self) -> str:
        """Make the config on a terminal, and return the master key that it prints."""
        terminal = Terminal()
        words = ["-init", "-reverse", "-scryptn", "10", "-plaintextnames"]
        words += ["-config", self.config, "-passfile", self.passfile, self.tree]
        assert terminal.run([self.program, *words], []) == 0
        groups = re.findall(r"\b[0-9a-f]{8}\b", terminal.shown)
        assert len(groups) == 8
        return "-".join(groups)

    def check_view(self) -> None:
        """See that the view is what was asked for, and copy one file out of it."""
        names = sorted(os.listdir(self.view))
        assert names == ["gocryptfs.conf", "photos"]
        for path in (self.view, self.view / "photos", self.view / names[0]):
            assert (path.stat().st_uid, path.stat().st_gid) == (USER, USER)
        shown = run("df", "--output=source,target", self.view).stdout.splitlines()[1]
        assert shown.split() == ["backup-of-files", str(self.view)]
        # How much is used, others may change in between.
        sizes = [
            run("df", "--output=size,itotal", path).stdout
            for path in (self.view, self.tree)
        ]
        assert sizes[0] == sizes[1]
        run("cp", self.view / "photos" / "picture.jpg", self.copy)

    def check_copy(self) -> None:
        """See that the file that was copied out is the one that went in."""
        content = (self.plain / "picture.jpg").read_bytes()
        assert sha256(content).digest() == sha256(PICTURE).digest()


@pytest.fixture
def server(mounts: Mounts, tmp_path: Path) -> Server:
    """A server on which nothing has been done yet."""
    return Server(mounts, tmp_path)


@pytest.mark.parametrize("way", ["command line", "fstab"])
def test_walk_through(way: str, server: Server, mounts: Mounts, tmp_path: Path) -> None:
    """Every command works as written for gocryptfs, and the checksums are equal."""
    master_key = server.init()
    if way == "fstab":
        fstab = tmp_path / "fstab"
        fstab.write_text(
            f"{server.tree} {server.view} fuse.{server.program} reverse,allow_other,"
            f"config={server.config},passfile={server.passfile},exclude=cache,"
            f"force_owner={USER}:{USER},fsname=backup-of-files,nodev,nosuid,nofail 0 0\n"
        )
        run("mount", "-a", "-T", fstab)
    else:
        run(
            server.program, "-reverse", "-config", server.config, "-passfile",
            server.passfile, "-exclude", "cache", "-force_owner", f"{USER}:{USER}",
            "-fsname", "backup-of-files", server.tree, server.view,
        )  # fmt: skip
    assert daemons(server.view)
    server.check_view()
    for key in (
        ["-config", server.config, "-passfile", server.passfile],
        ["-masterkey", master_key, "-aessiv", "-plaintextnames"],
    ):
        run(server.program, *key, server.copy, server.plain)
        server.check_copy()
        run("umount", server.plain)
