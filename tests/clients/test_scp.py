"""scp, which fetches a file, but is none to back up with: it follows symlinks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.clients.life import Life
from tests.servers import Sshd, forced, sshd
from tests.support import revcrypt, run

pytestmark = [
    pytest.mark.clients,
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="sshd logs in as root"),
]

LETTER = "documents/letter"


@pytest.fixture
def ssh(life: Life, tmp_path: Path) -> Iterator[Sshd]:
    """A server on which scp may read files."""
    key = forced(["internal-sftp", "-R", "-d", life.view])
    with sshd(tmp_path / "ssh", {"server": key}) as ssh:
        yield ssh


def test_one_file(life: Life, ssh: Sshd, tmp_path: Path) -> None:
    """One file is fetched by its encrypted path, and decrypted."""
    passfile = f"--passfile={life.mounts.passfile}"
    words = ("path", passfile, "encrypt", life.source, LETTER)
    path = revcrypt(*words).stdout.strip()
    run("scp", "-q", "-F", ssh.config, f"server:{path}", tmp_path / "fetched")
    config = f"--config={life.view}/gocryptfs.conf"
    found = revcrypt("decrypt-file", "-q", passfile, config, tmp_path / "fetched").stdout
    assert found == (life.source / LETTER).read_text()


def test_symlinks(life: Life, ssh: Sshd, tmp_path: Path) -> None:
    """Of a whole view, a restore has all but symlinks, and says if one became a file."""
    copy, back = tmp_path / "copy", tmp_path / "back"
    copy.mkdir()
    is_plain = (life.view / "links").exists()
    # An encrypted target leads nowhere.
    command = ["scp", "-q", "-r", "-p", "-F", ssh.config, "server:.", copy]
    run(*command, status=0 if is_plain else 1)
    found = life.restored(copy, back, ExitCode.FINDINGS if is_plain else 0)
    assert life.plain.entries.keys() - found.entries.keys() == {b"links/symlink"}
