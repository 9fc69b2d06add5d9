"""The two lives that the clients share."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.clients.life import NAMES, Life
from tests.support import Mounts


@pytest.fixture(scope="package", params=NAMES)
def life(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    """A source that changes from stage to stage, and all clients look at it."""
    with (
        closing(Mounts(tmp_path_factory.mktemp("life"))) as mounts,
        closing(Life(mounts, *NAMES[request.param])) as life,
    ):
        yield life
