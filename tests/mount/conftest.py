"""Fixtures for several kinds of mounts."""

import pytest

from tests.mount.fstab import Fstab, make_fstab
from tests.support import Mounts


@pytest.fixture
def fstab(mounts: Mounts) -> Fstab:
    """An empty fstab, and a source /srv/data with the passphrase in /etc/revcrypt."""
    return make_fstab(mounts)
