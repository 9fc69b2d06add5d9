"""`revcrypt pull-shell` for a user who is not root, and can do nothing else."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.mount.pulling import Pull
from tests.support import Mounts, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others"),
]

USER, STRANGER = 12345, 23456

# The interpreter may be in a place that is closed to others, so what it needs is read
# before; rrsync has another one.
BECOME = """
import encodings.ascii
os.setgroups([])
os.setgid({uid})
os.setuid({uid})
sys.executable = "/usr/bin/python3"
"""


@pytest.fixture
def pull() -> Iterator[Pull]:
    """A pull of what is everybody's to enter, with files that are only root's."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        mounts = Mounts(Path(path))
        try:
            pull = Pull(mounts)
            (pull.source / "private").write_bytes(b"private")
            (pull.source / "private").chmod(0o600)
            (pull.source / "below").chmod(0o700)
            yield pull
        finally:
            mounts.close()


def readable_site(pull: Pull) -> None:
    """Let the user read what is mounted where; the passphrase stays where it is."""
    pull.site.chmod(0o644)
    pull.mounts.passfile.chmod(0o600)


def shell(pull: Pull, uid: int, *options: str) -> Path:
    """Return a remote shell that is somebody's."""
    return pull.shell(BECOME.format(uid=uid), *options)


def test_user_who_may(pull: Pull) -> None:
    """Whoever is let in and may ignore modes pulls everything as it is."""
    pull.mount(f"--allow-user={USER}", "--ignore-modes")
    readable_site(pull)
    result = pull.pull(shell(pull, USER))
    assert (result.returncode, result.stderr) == (0, "")
    assert snapshot(pull.copy) == snapshot(pull.view)
    assert len(snapshot(pull.copy)) > 12


def test_modes(pull: Pull) -> None:
    """Where modes count, what cannot be read is an error, and not deleted."""
    pull.mount(f"--allow-user={USER}")
    readable_site(pull)
    assert pull.pull().returncode == 0
    before = snapshot(pull.copy)
    result = pull.pull(shell(pull, USER))
    assert result.returncode == 23
    assert snapshot(pull.copy) == before


def test_user_who_may_not(pull: Pull) -> None:
    """Somebody else gets nothing, and the copy keeps everything."""
    pull.mount(f"--allow-user={USER}", "--ignore-modes")
    readable_site(pull)
    assert pull.pull().returncode == 0
    before = snapshot(pull.copy)
    result = pull.pull(shell(pull, STRANGER))
    assert result.returncode != 0
    assert f"{pull.view} cannot be read: Permission denied" in result.stderr
    assert snapshot(pull.copy) == before
    status, _ = pull.command("", shell(pull, STRANGER, "--check"))
    assert status == ExitCode.MOUNTPOINT


def test_file_that_the_user_cannot_read(pull: Pull) -> None:
    """Who cannot read what is mounted where cannot pull it, and is told why."""
    pull.mount(f"--allow-user={USER}", "--ignore-modes")
    status, said = pull.command("", shell(pull, USER))
    assert status == ExitCode.CONFIG_UNREADABLE
    assert f"cannot read {pull.site}: Permission denied" in said
