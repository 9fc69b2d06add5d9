"""The programs that people back up with, from the first pull to the restore."""

import os

import pytest

from tests.clients.catalogue import CLIENTS
from tests.clients.life import STAGES, Life
from tests.counts import Counted

pytestmark = [
    pytest.mark.clients,
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="servers that read all are root's"),
]

STEPS = "steps in the lives of backups"


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("stage", STAGES)
def test_pull(stage: str, client: str, life: Life, counted: Counted) -> None:
    """The backup is what the view shows, and only what has changed was read again."""
    counted(STEPS, 1)
    life.reach(stage)
    life.backup(CLIENTS[client]).go_on()


@pytest.mark.parametrize("client", CLIENTS)
def test_restore(client: str, life: Life, counted: Counted) -> None:
    """The first backup and the last one are what the source was then, and is."""
    counted(STEPS, 1)
    life.backup(CLIENTS[client]).restore()
