"""The programs that people back up with, from the first pull to the restore."""

import os
from collections.abc import Iterator

import pytest

from tests.clients.borg import Borg
from tests.clients.client import Client
from tests.clients.copies import Cp, Sftp
from tests.clients.file_server import MmapServer, SendfileServer
from tests.clients.life import STAGES, Life, life_of
from tests.clients.rclone import Rclone
from tests.clients.restic import Restic
from tests.clients.rsnapshot import Rsnapshot
from tests.clients.rsync import RsyncDaemon, RsyncPullShell, RsyncSsh
from tests.clients.tar import Tar

pytestmark = [
    pytest.mark.clients,
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="servers that read all are root's"),
]

CLIENTS: dict[str, type[Client]] = {
    "rsync from a daemon": RsyncDaemon,
    "rsync over ssh, rrsync": RsyncSsh,
    "rsync over ssh, pull-shell": RsyncPullShell,
    "rsnapshot": Rsnapshot,
    "restic": Restic,
    "borg": Borg,
    "rclone": Rclone,
    "tar": Tar,
    "cp": Cp,
    "sftp": Sftp,
    "file server, mmap": MmapServer,
    "file server, sendfile": SendfileServer,
}
NAMES = {"encrypted names": [], "plaintext names": ["--plaintext-names"]}


@pytest.fixture(scope="module", params=NAMES)
def life(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    """A source that changes from stage to stage, and all clients look at it."""
    with life_of(tmp_path_factory.mktemp("life"), *NAMES[request.param]) as life:
        yield life


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("stage", STAGES)
def test_pull(stage: str, client: str, life: Life) -> None:
    """The backup is what the view shows, and only what has changed was read again."""
    life.reach(stage)
    life.backup(CLIENTS[client]).go_on()


@pytest.mark.parametrize("client", CLIENTS)
def test_restore(client: str, life: Life) -> None:
    """The first backup and the last one are what the source was then, and is."""
    life.backup(CLIENTS[client]).restore()
