"""The two lives that the clients share."""

from collections.abc import Iterator

import pytest

from tests.clients.life import NAMES, Life, life_of


@pytest.fixture(scope="package", params=NAMES)
def life(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    """A source that changes from stage to stage, and all clients look at it."""
    with life_of(tmp_path_factory.mktemp("life"), *NAMES[request.param]) as life:
        yield life
