"""Fixtures for several kinds of mounts."""

import pytest

from tests.descriptors import descriptors_return
from tests.mount.fstab import Fstab, make_fstab
from tests.support import Mounts

__all__ = ["descriptors_return"]


@pytest.fixture
def fstab(mounts: Mounts) -> Fstab:
    """An empty fstab, and a source /srv/data with the passphrase in /etc/revcrypt."""
    return make_fstab(mounts)
