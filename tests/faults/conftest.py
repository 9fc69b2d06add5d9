"""Places where faults happen, and what must be true after each of them."""

from collections.abc import Iterator

import pytest

from tests.counts import Counted
from tests.descriptors import descriptors_return
from tests.faults.place import Place
from tests.support import is_mounted

__all__ = ["descriptors_return"]

FAULTS = "faults of the source and the daemon"


@pytest.fixture(autouse=True)
def _is_counted(request: pytest.FixtureRequest, counted: Counted) -> None:
    if request.node.get_closest_marker("faults"):
        counted(FAULTS, 1)


@pytest.fixture(autouse=True)
def _place_is_tidy(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check that a fault has left nothing open, and was none of ours."""
    if "place" not in request.fixturenames:
        yield
        return
    place: Place = request.getfixturevalue("place")
    yield
    if is_mounted(place.view):
        place.wait_until_closed()
        place.mounts.watched.check()
        assert place.told["mistakes"] == 0
