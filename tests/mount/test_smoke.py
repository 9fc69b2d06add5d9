"""The main job in one test: view, pull, pull again, mount back, compare."""

from pathlib import Path

import pytest

from tests.support import Mounts, backdate, run, snapshot

pytestmark = pytest.mark.fuse


def test_pull_and_mount_back(mounts: Mounts, tmp_path: Path) -> None:
    """What rsync pulled, mounted forward, equals the source."""
    plain = tmp_path / "source"
    (plain / "directory").mkdir(parents=True)
    (plain / "directory" / "file").write_bytes(b"x" * 10_000)
    (plain / "link").symlink_to("directory/file")
    mounts.init(plain)
    backdate(plain)
    view = mounts.reverse(plain)
    pulled = tmp_path / "pulled"
    run("rsync", "-aH", f"{view}/", pulled)
    again = run("rsync", "-aHni", "--checksum", f"{view}/", pulled)
    assert again.stdout == ""
    restored = mounts.forward(pulled)
    config = b".gocryptfs.reverse.conf"
    assert snapshot(restored) == snapshot(plain, leave_out=[config])
