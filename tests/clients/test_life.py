"""The programs that people back up with, from the first pull to the restore."""

import os

import pytest

from tests.clients.catalogue import CLIENTS
from tests.clients.life import STAGES, Life

pytestmark = [
    pytest.mark.clients,
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="servers that read all are root's"),
]


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
