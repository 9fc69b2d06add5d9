"""Fixtures for several kinds of mounts."""

from collections.abc import Iterator

import pytest

from tests.mount.fstab import Fstab, make_fstab
from tests.support import Mounts


@pytest.fixture(autouse=True)
def _descriptors_return(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check after every test that no daemon keeps open what its clients have closed."""
    if "mounts" not in request.fixturenames:
        yield
        return
    mounts: Mounts = request.getfixturevalue("mounts")
    yield
    mounts.watched.check()


@pytest.fixture
def fstab(mounts: Mounts) -> Fstab:
    """An empty fstab, and a source /srv/data with the passphrase in /etc/revcrypt."""
    return make_fstab(mounts)
